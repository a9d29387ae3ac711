/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls of the guest that its filter does not leave to the host's kernel.
 * Promise: each is answered exactly once: by home's kernel, by the agent, or by taking the process home to make it
 * there. Must not: give a restart code (512 and above) to a guest that will not be stopped by it.
 */
#include "agent.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/fault.h"
#include "../wire/reasons.h"

#define STACK_POINTER_NS NSEC_PER_SEC
#define STACK_POINTER_TRIES 20 /* without a pause */
#define STEP_NS (5 * NSEC_PER_SEC)
#define POLL_MAX 4096 /* descriptors; more is an address or flags of another call */

int agent_answer(struct agent *a, uint64_t id, int64_t ret, uint32_t flags)
{
	struct seccomp_notif_resp resp = {.id = id, .flags = flags};

	if (!flags && ret < 0 && ret > -4096)
		resp.error = (int32_t)ret;
	else if (!flags)
		resp.val = ret;
	if (ioctl(a->notify, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0)
		return errno == ENOENT ? 0 : -errno; /* ENOENT: the guest was killed meanwhile */
	return 0;
}

int agent_bring_home(struct agent *a, struct guest_thread *g, unsigned reason, unsigned nr, const char *sentence)
{
	struct wire_bring_home m = {.reason = reason, .nr = (uint16_t)nr, .sentence = wire_str(sentence)};
	int r = 0;

	if (g && g->t.stop == TRACEE_RUNNING)
		r = tracee_interrupt(&g->t);
	if (a->home_asked || r < 0)
		return r;
	a->home_asked = true;
	if (r == 0)
		r = wire_bring_home_encode(&m, link_out(a->link));
	return r < 0 ? r : agent_send(a);
}

/* The thread is to stop before the call: it will find the code in rax, and home makes the call again. */
int agent_take_back(struct guest_thread *g, uint64_t id)
{
	int r = g->t.stop == TRACEE_RUNNING ? tracee_interrupt(&g->t) : 0;

	return r < 0 ? r : agent_answer(g->a, id, -ERESTARTNOINTR_, 0);
}

int agent_take_out(struct guest_thread *g, uint64_t id)
{
	uint64_t deadline = clock_mono_ns() + STEP_NS;
	int r = tracee_interrupt(&g->t);

	if (r == 0)
		r = agent_answer(g->a, id, -ERESTARTNOINTR_, 0);
	while (r == 0 && g->t.stop == TRACEE_RUNNING)
		r = tracee_wait(&g->t, deadline);
	return r == 0 && g->t.stop == TRACEE_ENDED ? -ESRCH : r;
}

static unsigned reason_of(unsigned nr)
{
	switch (nr) {
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
		return REASON_FORK;
	case SYS_execve:
	case SYS_execveat:
		return REASON_EXEC;
	default:
		return REASON_CALL_HOME;
	}
}

uint64_t agent_stack_pointer(const struct guest_thread *g)
{
	uint64_t sp = 0, deadline = clock_mono_ns() + STACK_POINTER_NS;
	char path[40], text[256];
	int tries = 0;
	bool running;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", g->t.pid);
	/* One that we interrupt while it begins to wait for us runs for a moment more, once it has a processor. */
	do {
		running = file_read_small(path, text, sizeof(text)) > 0 && strncmp(text, "running", 7) == 0;
		if (running)
			(void)(++tries < STACK_POINTER_TRIES ? sched_yield() : poll(NULL, 0, 1));
	} while (running && clock_mono_ns() < deadline);
	(void)sscanf(text, "%*s %*s %*s %*s %*s %*s %*s %" SCNx64, &sp);
	return sp;
}

int agent_forward(struct guest_thread *g, const struct seccomp_notif *req)
{
	struct agent *a = g->a;
	struct wire_call m = {
	    .nr = (uint16_t)req->data.nr, .seq = ++a->seq, .tid = g->image->tid, .signals = g->signals_seen};
	int r;

	g->call = (struct agent_call){.active = true, .id = req->id, .seq = m.seq, .nr = (unsigned)req->data.nr};
	for (int i = 0; i < 6; i++)
		m.args[i] = g->call.args[i] = req->data.args[i];
	if (g->reissue.armed && g->reissue.nr == g->call.nr)
		m.reissue = 1;
	if (req->data.nr == SYS_sigaltstack) /* its answer depends on it */
		m.sp = agent_stack_pointer(g);
	m.segments = (struct wire_bytes){a->segments.len ? buf_head(&a->segments) : NULL, a->segments.len};
	r = wire_call_encode(&m, link_out(a->link));
	return r < 0 ? r : agent_send(a);
}

static int decide(struct guest_thread *g, const struct seccomp_notif *req)
{
	struct agent *a = g->a;
	const struct sysc_memory mem = {agent_mem_read, agent_mem_write, a};
	unsigned nr = (unsigned)req->data.nr;
	uint64_t args[6];
	int64_t ret;
	int r;

	memcpy(args, req->data.args, sizeof(args));
	buf_clear(&a->segments);
	if (nr == SYS_restart_syscall && g->reissue.armed) {
		/* Stopped and continued at home before it left: which call it is only the deputy's kernel knows. The
		 * registers still are that call's; poll() is the one that reads its array again. */
		if (args[1] > POLL_MAX || sysc_request(SYS_poll, args, &mem, &a->segments) != SYSC_FORWARD)
			buf_clear(&a->segments);
		return agent_forward(g, req);
	}
	r = nr == SYS_rt_sigreturn ? signal_return(g, req) : thread_call(g, req);
	if (r != 0)
		return r < 0 ? r : 0;
	switch (sysc_touches(nr, args, &a->kept) ? SYSC_HOME : sysc_request(nr, args, &mem, &a->segments)) {
	case SYSC_AGENT:
		if (agent_clock_call(a, nr, args, &ret) == 0)
			return agent_answer(a, req->id, ret, 0);
		if (agent_waits_native(g, nr, args))
			return agent_answer(a, req->id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
		r = until_begin(g, req);
		if (r != 0)
			return r < 0 ? r : 0;
		break;
	case SYSC_FORWARD:
		if (sysc_begins_program(nr, args)) {
			/* When it succeeds, nobody asks us any more. With several threads it is done at home. */
			if (a->threads_n > 1)
				break;
			r = agent_tell_used(a, 0);
			return r < 0 ? r : agent_forward(g, req);
		}
		if (nr != SYS_mmap)
			return agent_forward(g, req);
		r = agent_map_begin(g, req);
		if (r != 0)
			return r < 0 ? r : 0;
		break;
	case SYSC_EXIT:
		return agent_forward(g, req);
	case SYSC_NATIVE:
		/* Files' ranges must keep their addresses: the deputy knows them by those. */
		if (nr == SYS_mremap && agent_in_file_range(a, args[0], args[1]))
			break;
		return agent_answer(a, req->id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
	case SYSC_NOSYS:
		return agent_answer(a, req->id, -ENOSYS, 0);
	default:
		break;
	}
	r = agent_bring_home(a, g, reason_of(nr), nr, sysc_name(nr));
	return r < 0 ? r : agent_take_back(g, req->id);
}

void agent_on_notify(void *arg, int fd, uint32_t events)
{
	struct agent *a = arg;
	struct seccomp_notif req;
	int r;

	if (!(events & EPOLLIN)) {
		agent_on_stop(a); /* the last task under the filter is gone */
		return;
	}
	r = family_receive(a, fd, &req);
	if (r == -ESRCH)
		agent_end(a, 1, "a call of a thread that nobody knows");
	if (r < 0)
		agent_end(a, 1, "the filter's listener failed: %s", strerror(-r));
	if (r > 0)
		agent_take_call(a, &req);
}

/* A wait that the kernel here was about to begin: a handler that runs before it is made again ends it, as if it had
 * begun. */
int64_t agent_code_of_wait(const struct seccomp_notif *req)
{
	uint64_t op = req->data.args[1] & ~(uint64_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

	return req->data.nr == SYS_futex && (op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET) ? -ERESTARTNOHAND_ : 0;
}

void agent_take_call(struct agent *a, const struct seccomp_notif *req)
{
	struct guest_thread *g = thread_find(a, (pid_t)req->pid);
	int r;

	if (fault_point(FAULT_GUEST_CALL) < 0)
		agent_end(a, 1, "fault point guest-call");
	if (g->reissue.nr != (unsigned)req->data.nr)
		g->reissue.armed = false;
	g->waits = false;
	g->reissue.native = false;
	if (a->freeze_wanted || a->home_asked || signals_wait(g)) {
		g->settled = agent_code_of_wait(req);
		r = agent_take_back(g, req->id);
	} else {
		r = decide(g, req);
	}
	if (r < 0)
		agent_end(a, 1, "call %s cannot be served: %s", sysc_name((unsigned)req->data.nr), strerror(-r));
	/* Whatever comes after the repeated call is new. */
	if (!a->freeze_wanted && !a->home_asked && !signals_wait(g))
		g->reissue.armed = g->call.active && g->reissue.armed;
	/* Fetching a page may have taken more off the socket than that page. */
	if (a->deferred.len || link_pending(a->link))
		(void)!agent_link_pump(a, false, 0);
}

int agent_reply(struct agent *a, const uint8_t *body, size_t n)
{
	const struct sysc_memory mem = {agent_mem_read, agent_mem_write, a};
	struct guest_thread *g;
	struct wire_reply m;
	int64_t ret;
	int r = wire_reply_decode(&m, body, n);

	if (r < 0)
		return r;
	g = thread_of_tid(a, m.tid);
	if (!g || !g->call.active || m.seq != g->call.seq)
		return -EPROTO;
	ret = m.ret;
	agent_clock_heard(a, m.home_mono_ns);
	if (image_is_restart(ret) && !a->freeze_wanted && !signals_wait(g))
		return -EPROTO;
	if (ret == 0 && sysc_begins_program(g->call.nr, g->call.args))
		return -EPROTO; /* home has the new program, and this guest ends */
	/* Writing may have to fetch pages first, and what they bring overwrites the link's buffer. */
	buf_clear(&a->segments);
	r = buf_append(&a->segments, m.segments.data, m.segments.len);
	if (r == 0 && m.segments.len)
		r = sysc_apply(buf_head(&a->segments), a->segments.len, &mem);
	if (r == 0 && ret >= 0)
		r = agent_cpu_add(g);
	if (r == -EFAULT)
		ret = -EFAULT;
	else if (r < 0)
		return r;
	if (image_is_restart(ret)) {
		/* Not done. The guest stops with a harmless code; the true one is put into the image. */
		g->settled = g->reissue.armed && ret == -ERESTARTNOINTR_ ? g->reissue.code : ret;
		ret = -ERESTARTNOINTR_;
	} else {
		g->reissue.armed = false;
	}
	g->call.active = false;
	if (ret == 0 && g->call.nr == SYS_rt_sigreturn)
		return signal_returned(g);
	if (ret < 0)
		fork_not_made(g);
	if (ret >= 0 && g->call.nr == SYS_clone)
		return thread_made(g, ret);
	if (ret == 0 && g->call.nr == SYS_exit)
		return thread_ended_at_home(g);
	if (g->call.nr == SYS_mmap)
		return agent_map_end(g, ret);
	return agent_answer(a, g->call.id, ret, 0);
}
