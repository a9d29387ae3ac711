/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest maps a file: so does its deputy, from whose mapping the pages will come.
 * Promise: the deputy has the file at the guest's own address, or nothing has changed and the call is made when the
 * process is home. Must not: cover what the deputy itself needs; map what a host cannot stand in for.
 */
#include "shepherd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../wire/reasons.h"

#define HUGE_BLOCK (2U << 20)

static bool overlap(uint64_t start, uint64_t end, uint64_t at, uint64_t size)
{
	return at < end && start < at + size;
}

static bool well_formed(const struct wire_call *m)
{
	const uint64_t *args = m->args;

	return !m->segments.len && args[0] && args[1] && !((args[0] | args[1]) & (IMAGE_PAGE - 1)) &&
	       args[1] <= IMAGE_TASK_END && args[0] <= IMAGE_TASK_END - args[1] && (args[3] & MAP_FIXED);
}

static bool opened_read_only(const struct shepherd *s, int fd)
{
	char path[60], text[512];
	const char *flags;

	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", s->pid, fd);
	if (file_read_small(path, text, sizeof(text)) < 0)
		return false;
	flags = strstr(text, "flags:");
	return flags && (strtoul(flags + 6, NULL, 8) & O_ACCMODE) == O_RDONLY;
}

/* A regular file whose pages are ordinary ones. What is shared must be such that nobody can write through the mapping:
 * the guest's is a private one. The file's server, if it has one, is not asked. */
static bool can_be_lent(const struct shepherd *s, const uint64_t args[6])
{
	bool shared = (args[3] & MAP_TYPE) != MAP_PRIVATE;
	struct statx st;
	char path[60];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", s->pid, (int)args[4]);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return errno == ENOENT; /* the kernel will say EBADF */
	/* hugetlbfs tells the size of its pages here, and wants addresses to match. */
	return S_ISREG(st.stx_mode) && st.stx_blksize < HUGE_BLOCK && (!shared || opened_read_only(s, (int)args[4]));
}

/* Does the deputy need what lies there? */
static bool in_the_way(const struct shepherd *s, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct image_vma *v = &s->maps.v[i];

		if ((v->flags & (VMA_VDSO | VMA_VVAR)) && overlap(start, end, v->start, v->end - v->start))
			return true;
	}
	for (size_t i = 0; i < s->threads_n; i++) {
		const struct deputy *d = s->threads[i];
		bool used = d->state == DEPUTY_BUSY || (d->restart.live && d->restart.in_scratch);

		if (used && d->scratch && overlap(start, end, d->scratch, d->scratch_size + IMAGE_PAGE))
			return true;
	}
	return false;
}

/* The next call that needs scratch memory gets it somewhere else. */
static void forget_scratch(struct shepherd *s, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < s->threads_n; i++) {
		struct deputy *d = s->threads[i];

		if (d->scratch && overlap(start, end, d->scratch, d->scratch_size + IMAGE_PAGE))
			d->scratch = d->scratch_size = 0;
	}
}

static int tell(struct deputy *d)
{
	struct shepherd *s = d->s;
	struct wire_mapped m = {.seq = d->call.m.seq, .tid = d->call.m.tid};
	const struct image_vma *v;
	int r = maps_read(&s->maps, s->pid, false, NULL);

	if (r < 0)
		return r;
	v = maps_find(&s->maps, d->call.m.args[0]);
	m.file = v ? v->file : 0;
	return m.file ? wire_mapped_encode(&m, link_out(s->link)) : -EPROTO;
}

int deputy_map(struct deputy *d)
{
	struct shepherd *s = d->s;
	const uint64_t *a = d->call.m.args;
	int64_t ret = 0;
	int r;

	if (!well_formed(&d->call.m))
		return -EPROTO;
	d->call.begun_ns = clock_mono_ns();
	if (!can_be_lent(s, a) || in_the_way(s, a[0], a[0] + a[1]))
		return call_take_home(d, REASON_CALL_HOME);
	r = tracee_mask_all(&d->t);
	if (r == 0)
		r = tracee_syscall(&d->t, &ret, SYS_mmap, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r == 0)
		r = tracee_unmask(&d->t);
	if (d->t.stop == TRACEE_ENDED)
		process_ended(s);
	/* The deputy has other mappings and limits of its own than the process would have at home. */
	if (r == 0 && ret == -ENOMEM)
		return call_take_home(d, REASON_CALL_HOME);
	if (r == 0 && ret == (int64_t)a[0]) {
		forget_scratch(s, a[0], a[0] + a[1]);
		r = tell(d);
	}
	return r < 0 ? r : call_finish(d, ret);
}
