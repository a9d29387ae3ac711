/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a complete image to a running guest.
 * Promise: the guest does not execute one instruction before its filter is in force and home has said GO.
 * Must not: inject anything into a guest whose filter is in force, but calls that the filter leaves native.
 */
#include "agent.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../base/prompt.h"

#define FILTER_FLAG_WAIT_KILLABLE_RECV_ (1UL << 5) /* 5.19 */
#define NOTIF_SET_FLAGS_ _IOW('!', 4, uint64_t) /* 6.6 */
#define FD_SYNC_WAKE_UP_ 1ULL

static int call(struct agent *a, int64_t *ret, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	int r = tracee_syscall(main_tracee(a), ret, nr, a0, a1, a2, a3, 0, 0);

	return r < 0 ? r : *ret < 0 && *ret > -4096 ? (int)*ret : 0;
}

/* The limits of the home hold for the guest's native calls: mmap, brk, growth of the stack. */
static int set_limits(struct agent *a, struct err *e)
{
	const struct {
		int what;
		uint64_t value;
	} limits[] = {
	    {RLIMIT_STACK, a->b.head.limit_stack},
	    {RLIMIT_DATA, a->b.head.limit_data},
	    {RLIMIT_AS, a->b.head.limit_as},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t pair[2] = {limits[i].value, ~0ULL}, at;
		int r = builder_data(&a->b, 512 + i * sizeof(pair), pair, sizeof(pair), &at);

		if (r == 0)
			r = builder_call(&a->b, e, "setting a limit", SYS_prlimit64, 0, (uint64_t)limits[i].what, at, 0,
					 0, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Without the vdso a guest could not be taken apart any more. */
static void keep_vdso(struct agent *a)
{
	a->kept = (struct sysc_range){UINT64_MAX, 0};
	for (size_t i = 0; i < a->b.target.n; i++) {
		const struct image_vma *v = &a->b.target.v[i];

		if (!(v->flags & (VMA_VDSO | VMA_VVAR)))
			continue;
		a->kept.start = v->start < a->kept.start ? v->start : a->kept.start;
		a->kept.end = v->end > a->kept.end ? v->end : a->kept.end;
	}
}

/* Installs the filter that the system-call table makes, and takes its listener out of the guest. */
static int install_filter(struct agent *a, struct err *e)
{
	_cleanup_free_ struct sock_filter *filter = NULL;
	_cleanup_close_ int pidfd = -1;
	uint64_t at = a->b.stub + 0x1000, flags = FD_SYNC_WAKE_UP_, own = vdso_stub_call(&a->b.copy);
	struct sock_fprog prog;
	unsigned count;
	int64_t fd;
	int r;

	keep_vdso(a);
	r = sysc_filter(own ? own + 2 : 0, a->family.word, &a->kept, &filter,
			&count); /* a call returns behind its instruction */
	if (r < 0 || 0x1000 + sizeof(prog) + count * sizeof(*filter) > a->b.stub_size)
		return err_set(e, r < 0 ? r : -E2BIG, "the system-call filter cannot be made");
	prog = (struct sock_fprog){.len = (unsigned short)count, .filter = (void *)(at + sizeof(prog))};
	r = tracee_write(main_tracee(a), at, &prog, sizeof(prog));
	if (r == 0)
		r = tracee_write(main_tracee(a), at + sizeof(prog), filter, count * sizeof(*filter));
	if (r == 0)
		r = call(a, &fd, SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER | FILTER_FLAG_WAIT_KILLABLE_RECV_ |
			     SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
			 at, 0);
	if (r < 0)
		return err_set(e, r, "the system-call filter cannot be installed: %s", strerror(-r));
	pidfd = (int)syscall(SYS_pidfd_open, main_tracee(a)->pid, 0);
	if (pidfd >= 0)
		a->notify = (int)syscall(SYS_pidfd_getfd, pidfd, (int)fd, 0);
	if (a->notify < 0)
		return err_set(e, -errno, "the filter's listener cannot be had: %s", strerror(errno));
	(void)ioctl(a->notify, NOTIF_SET_FLAGS_, flags); /* older kernels only lose speed */
	return 0;
}

int agent_serve(struct agent *a)
{
	return loop_add_fd(a->loop, a->notify, EPOLLIN, agent_on_notify, a) ? 0 : -ENOMEM;
}

int agent_built(struct agent *a, struct err *e)
{
	struct cpu_layout here;
	int r;

	cpu_layout_here(&here);
	r = cpu_layout_fits(&here, &a->b.head.cpu, e);
	if (r == 0)
		r = builder_finish(&a->b, e);
	if (r == 0)
		r = set_limits(a, e);
	/* The child's own libc had told the kernel of these. */
	if (r == 0)
		r = builder_call(&a->b, e, "forgetting the robust list", SYS_set_robust_list, 0, 24, 0, 0, 0, 0);
	if (r == 0)
		r = builder_call(&a->b, e, "forgetting the tid address", SYS_set_tid_address, 0, 0, 0, 0, 0, 0);
	if (r == 0)
		r = trap_prepare(a, e);
	if (r == 0)
		r = builder_finish_thread(&a->b, main_tracee(a), a->b.threads.v[0], e);
	if (r == 0)
		r = builder_run(&a->b, e);
	if (r == 0)
		r = threads_build(a, e);
	/* The others have it, too: TSYNC. */
	if (r == 0)
		r = install_filter(a, e);
	if (r < 0)
		return r;
	r = builder_drop_stub(&a->b);
	if (r < 0)
		return err_set(e, r, "the stub cannot be unmapped: %s", strerror(-r));
	if (agent_serve(a) < 0 || agent_serve_faults(a) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	a->state = AGENT_READY;
	return 0;
}

static int run_thread(struct guest_thread *g)
{
	struct user_regs_struct regs = g->image->regs;
	int r;

	g->reissue.armed = g->reissue.native = false;
	g->trap.asked = false; /* it fails again, if it does */
	/* In the middle of a call: it is made again, and the deputy knows what the first time left behind. */
	if ((int64_t)regs.orig_rax >= 0 && image_is_restart((int64_t)regs.rax)) {
		/* What this host's kernel makes is simply made anew, wherever: a futex must not be waited for by the
		 * deputy, whom nobody wakes. */
		g->reissue.native = sysc_made_by_host((unsigned)regs.orig_rax);
		g->reissue.armed = sysc_row((unsigned)regs.orig_rax) && !g->reissue.native;
		g->reissue.code = g->reissue.native ? agent_native_code((int64_t)regs.rax) : (int64_t)regs.rax;
		g->reissue.args[0] = regs.rdi;
		g->reissue.args[1] = regs.rsi;
		g->reissue.args[2] = regs.r10;
		g->reissue.nr = (unsigned)regs.orig_rax;
		regs.rax = regs.orig_rax;
		regs.rip -= 2;
		g->reissue.ip = regs.rip;
	}
	regs.orig_rax = ~0ULL;
	r = tracee_set_regs(&g->t, &regs);
	/* The child was as prompt as the agent while it was built. */
	prompt_restore(g->t.pid, &(struct prompt_saved){.nice = g->nice, .raised = 1});
	/* A process that is stopped by job control is kept until home says that it goes on. */
	return r == 0 && !g->a->b.head.stopped ? tracee_resume(&g->t, TRACEE_CONT, 0) : r;
}

int agent_run(struct agent *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->threads_n; i++)
		r = run_thread(a->threads[i]);
	if (r == 0)
		a->state = AGENT_RUNNING;
	return r;
}
