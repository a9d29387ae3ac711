/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The head of an image on the wire, IMAGE_BEGIN; see build.h. */
#include <errno.h>
#include <string.h>

#include "build.h"

int image_head_encode(const struct image_head *h, struct buf *out)
{
	struct wire_image_begin m = {
	    .pid = h->pid,
	    .comm = wire_str(h->comm),
	    .personality = h->personality,
	    .mm = {(const void *)&h->mm, sizeof(h->mm)},
	    .xlayout = {(const void *)&h->cpu, sizeof(h->cpu)},
	    .vdso_start = h->vdso_start,
	    .vdso_end = h->vdso_end,
	    .stopped = h->stopped,
	    .limit_as = h->limit_as,
	    .limit_data = h->limit_data,
	    .limit_stack = h->limit_stack,
	    .bytes = h->bytes,
	    .cpu_user_ns = h->used.user,
	    .cpu_sys_ns = h->used.sys,
	};

	return wire_image_begin_encode(&m, out);
}

int image_head_decode(struct image_head *ret, const uint8_t *body, size_t n)
{
	struct wire_image_begin m;
	int r = wire_image_begin_decode(&m, body, n);

	if (r < 0)
		return r;
	if (m.mm.len != sizeof(ret->mm) || m.xlayout.len != sizeof(ret->cpu) || m.comm.len >= sizeof(ret->comm))
		return -EPROTO;
	memset(ret, 0, sizeof(*ret));
	ret->pid = (pid_t)m.pid;
	memcpy(ret->comm, m.comm.data, m.comm.len);
	ret->personality = m.personality;
	memcpy(&ret->mm, m.mm.data, sizeof(ret->mm));
	memcpy(&ret->cpu, m.xlayout.data, sizeof(ret->cpu));
	ret->vdso_start = m.vdso_start;
	ret->vdso_end = m.vdso_end;
	ret->stopped = m.stopped;
	ret->limit_as = m.limit_as;
	ret->limit_data = m.limit_data;
	ret->limit_stack = m.limit_stack;
	ret->bytes = m.bytes;
	ret->used = (struct image_cpu){.user = m.cpu_user_ns, .sys = m.cpu_sys_ns};
	return 0;
}
