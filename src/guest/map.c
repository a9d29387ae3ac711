/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest maps a file.
 * Promise: home's deputy maps it first, at the address that the guest will have it at, so that errors are those of
 * home's kernel; and wherever the guest has a file's range, the deputy has the same file at the same place. Whatever
 * cannot be done so, the guest does at home. Must not: let a page of the range be touched before its faults come to us.
 *
 * The deputy may have files where the guest has something else: only ranges of the guest are ever asked for, and home
 * takes the rest away when the process comes back. So what the guest unmaps or covers by itself need not be told, and a
 * mapping that only home has made is no harm.
 */
#include "agent.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../base/fault.h"
#include "../wire/reasons.h"

#define HINT_MIN 0x10000ULL
#define STACK_GAP (1ULL << 20) /* the kernel keeps it free below what grows down */
#define STACK_ROOM ((uint64_t)128 << 20) /* at least; arch/x86/mm/mmap.c */
#define STACK_ROOM_MAX ((uint64_t)16 << 30)
#define SPREAD ((uint64_t)2 << 40) /* more than mappings begin apart from each other by chance */
#define FILES_MAX (1U << 18) /* numbers of files in an image */
#define MAP_FIXED_NOREPLACE_ 0x100000U
/* Home must have no memory by them; the guest gets its pages when it touches them. */
#define NOT_FORWARDED ((uint64_t)(MAP_FIXED_NOREPLACE_ | MAP_POPULATE | MAP_NONBLOCK))

bool agent_map_pending(const struct agent *a, uint64_t addr)
{
	for (size_t i = 0; i < a->threads_n; i++) {
		const struct agent_call *c = &a->threads[i]->call;

		if (c->active && c->nr == SYS_mmap && addr - c->args[0] < c->args[1])
			return true;
	}
	return false;
}

/* Where mappings begin, from above: at the highest one that is not the stack's or the vdso's. */
static uint64_t ceiling(const struct agent *a, const struct image_maps *m)
{
	const struct image_vma *stack = maps_find(m, a->b.head.mm.start_stack);
	uint64_t room = a->b.head.limit_stack, limit = IMAGE_TASK_END, highest = 0;

	room = room < STACK_ROOM ? STACK_ROOM : room > STACK_ROOM_MAX ? STACK_ROOM_MAX : room;
	if (stack && stack->start > room)
		limit = stack->start - room;
	for (size_t i = 0; i < m->n && m->v[i].end <= limit; i++) {
		if (m->v[i].end < a->b.head.vdso_start || m->v[i].start > a->b.head.vdso_end)
			highest = m->v[i].end;
	}
	return highest + SPREAD > limit ? highest : limit;
}

static bool hint_fits(const struct image_maps *m, uint64_t hint, uint64_t len)
{
	if (hint < HINT_MIN || hint + len > IMAGE_TASK_END || !maps_free(m, hint, hint + len))
		return false;
	for (size_t i = 0; i < m->n; i++) {
		if ((m->v[i].flags & VMA_GROWSDOWN) && m->v[i].start >= hint + len &&
		    m->v[i].start - (hint + len) < STACK_GAP)
			return false;
	}
	return true;
}

/* The address that the guest's mapping will have. 0: home has to say. */
static int choose(struct guest_thread *g, const uint64_t args[6], uint64_t len, uint64_t *ret)
{
	struct agent *a = g->a;
	struct image_maps m;
	uint64_t hint = (args[0] + IMAGE_PAGE - 1) & ~(IMAGE_PAGE - 1);
	bool fixed = args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE_);
	int r;

	*ret = args[0];
	if (fixed && (hint != args[0] || hint < HINT_MIN || hint > IMAGE_TASK_END - len))
		return 0;
	if (fixed && !(args[3] & MAP_FIXED_NOREPLACE_))
		return 1;
	maps_init(&m);
	r = maps_read(&m, main_tracee(a)->pid, false, NULL);
	/* What others of its threads are about to map is not free either. */
	for (size_t i = 0; r == 0 && i < a->threads_n; i++) {
		const struct agent_call *c = &a->threads[i]->call;

		if (c->active && c->nr == SYS_mmap)
			r = maps_replace(&m, &(struct image_vma){.start = c->args[0], .end = c->args[0] + c->args[1]});
	}
	if (r == 0 && fixed) {
		r = maps_free(&m, hint, hint + len);
	} else if (r == 0) {
		*ret = hint_fits(&m, hint, len) ? hint : maps_find_below(&m, ceiling(a, &m), len);
		r = *ret != 0;
	}
	maps_release(&m);
	return r;
}

int agent_map_begin(struct guest_thread *g, const struct seccomp_notif *req)
{
	struct seccomp_notif call = *req;
	uint64_t args[6], len, at;
	int r;

	memcpy(args, req->data.args, sizeof(args));
	len = (args[1] + IMAGE_PAGE - 1) & ~(IMAGE_PAGE - 1);
	/* Arguments that the kernel refuses anyhow, and places in a file beyond what fits into our offsets. What a
	 * child maps into its maker's memory, the maker's home would not have. */
	if (!len || args[1] > IMAGE_TASK_END || (args[5] & (IMAGE_PAGE - 1)) || args[5] >> BUILD_FILE_SHIFT ||
	    (args[5] + len) >> BUILD_FILE_SHIFT || g->a->family.shares || !agent_own_call(g->a))
		return 0;
	r = choose(g, args, len, &at);
	if (r <= 0)
		return r;
	call.data.args[0] = at;
	call.data.args[1] = len;
	call.data.args[3] = (args[3] & ~NOT_FORWARDED) | MAP_FIXED;
	r = agent_forward(g, &call);
	g->call.replaces = (args[3] & MAP_FIXED) && !(args[3] & MAP_FIXED_NOREPLACE_);
	return r < 0 ? r : 1;
}

int agent_mapped(struct agent *a, const uint8_t *body, size_t n)
{
	struct guest_thread *g;
	struct wire_mapped m;
	int r = wire_mapped_decode(&m, body, n);

	if (r < 0)
		return r;
	g = thread_of_tid(a, m.tid);
	if (!g || !g->call.active || g->call.seq != m.seq || g->call.nr != SYS_mmap || !m.file || m.file >= FILES_MAX)
		return -EPROTO;
	g->call.file = m.file;
	return 0;
}

/* One call of the guest; *ret < 0 is the kernel's error. */
static int make(struct guest_thread *g, int *ret, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
		uint64_t a4, uint64_t a5)
{
	int64_t v = 0;
	int r = tracee_syscall(&g->t, &v, nr, a0, a1, a2, a3, a4, a5);

	*ret = v < 0 && v > -4096 ? (int)v : 0;
	return r;
}

/* Maps the range and has its faults come to us. While there are other threads it cannot be touched in between: one that
 * tries would stop at a fault, and have it at home. */
static int map_range(struct guest_thread *g, int *ret)
{
	struct agent *a = g->a;
	const struct agent_call *c = &g->call;
	uint64_t prot = c->args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC);
	uint64_t offset = ((uint64_t)c->file << BUILD_FILE_SHIFT) | c->args[5];
	uint64_t flags = MAP_PRIVATE | (c->args[3] & MAP_NORESERVE) | (c->replaces ? MAP_FIXED : MAP_FIXED_NOREPLACE_);
	bool alone = a->threads_n == 1, mapped;
	struct uffdio_register reg = {
	    .range = {c->args[0], c->args[1]},
	    .mode = UFFDIO_REGISTER_MODE_MISSING | (a->track ? UFFDIO_REGISTER_MODE_WP : 0),
	};
	int ignored, r = 0;

	*ret = fault_point(FAULT_GUEST_MAP) < 0 ? -ENOMEM : 0;
	if (*ret == 0)
		r = make(g, ret, SYS_mmap, c->args[0], c->args[1], alone ? prot : PROT_NONE, flags,
			 (uint64_t)a->b.memfd, offset);
	mapped = r == 0 && *ret == 0;
	if (mapped && ioctl(a->uffd, UFFDIO_REGISTER, &reg) < 0)
		*ret = -errno;
	if (r == 0 && *ret == 0 && !alone)
		r = make(g, ret, SYS_mprotect, c->args[0], c->args[1], prot, 0, 0, 0);
	/* Home has the file there: nothing of another one may be left here. */
	if (r == 0 && *ret < 0 && (mapped || c->replaces))
		r = make(g, &ignored, SYS_munmap, c->args[0], c->args[1], 0, 0, 0, 0);
	return r;
}

static int map_here(struct guest_thread *g)
{
	struct agent *a = g->a;
	const struct agent_call *c = &g->call;
	struct user_regs_struct regs;
	int error = 0, r = agent_take_out(g, g->call.id);

	if (r == 0)
		r = tracee_get_regs(&g->t, &regs);
	if (r < 0)
		return r;
	g->t.syscall_ip = agent_own_call(a);
	r = map_range(g, &error);
	g->t.syscall_ip = 0;
	if (r == 0)
		r = maps_replace(&a->b.target, &(struct image_vma){.start = c->args[0],
								   .end = c->args[0] + c->args[1],
								   .offset = c->args[5],
								   .file = error < 0 ? 0 : c->file});
	if (r < 0)
		return r;
	regs.rax = c->args[0];
	if (error < 0) { /* the call is made again: here, if another thread took the place meanwhile; else at home */
		regs.rax = regs.orig_rax;
		regs.rip -= 2;
	}
	regs.orig_rax = ~0ULL;
	r = tracee_set_regs(&g->t, &regs);
	if (r == 0 && error < 0 && error != -EEXIST)
		r = agent_bring_home(a, g, REASON_CALL_HOME, SYS_mmap, sysc_name(SYS_mmap));
	return r;
}

int agent_map_end(struct guest_thread *g, int64_t ret)
{
	struct agent *a = g->a;
	struct uffdio_range range = {g->call.args[0], g->call.args[1]};
	bool several = a->threads_n > 1;
	int r;

	if (ret >= 0 && ((uint64_t)ret != g->call.args[0] || !g->call.file))
		return -EPROTO;
	r = ret < 0 ? agent_answer(a, g->call.id, ret, 0) : map_here(g);
	/* Faults that came meanwhile come again. */
	(void)ioctl(a->uffd, UFFDIO_WAKE, &range);
	if (ret < 0)
		return r;
	if (r < 0 && g->t.stop != TRACEE_ENDED)
		return r;
	agent_thread_stopped(g);
	/* Waiting for one of several may have taken the signal that told of another. */
	if (several && tracee_any_news())
		agent_on_stop(a);
	return 0;
}
