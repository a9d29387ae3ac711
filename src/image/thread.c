/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each thread of an image has of its own, IMAGE_THREAD; see build.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"

int image_threads_add(struct image_threads *l, struct image_thread *t)
{
	struct image_thread **v;

	if (l->n >= IMAGE_THREADS_MAX)
		return -E2BIG;
	v = reallocarray(l->v, l->n + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	l->v = v;
	v[l->n++] = t;
	return 0;
}

void image_threads_release(struct image_threads *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct image_threads){0};
}

struct image_thread *image_threads_find(const struct image_threads *l, pid_t tid)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i]->tid == tid)
			return l->v[i];
	}
	return NULL;
}

int image_thread_encode(const struct image_thread *t, struct buf *out)
{
	struct wire_image_thread m = {
	    .tid = t->tid,
	    .regs = {(const void *)&t->regs, sizeof(t->regs)},
	    .xstate = {t->xstate, t->xstate_len},
	    .rseq_ptr = t->rseq.ptr,
	    .rseq_len = t->rseq.len,
	    .rseq_sig = t->rseq.sig,
	    .robust_ptr = t->robust_ptr,
	    .robust_len = t->robust_len,
	    .tid_address = t->tid_address,
	    .cpu_user_ns = t->used.user,
	    .cpu_sys_ns = t->used.sys,
	};

	return wire_image_thread_encode(&m, out);
}

int image_thread_decode(struct image_thread *ret, const uint8_t *body, size_t n)
{
	struct wire_image_thread m;
	int r = wire_image_thread_decode(&m, body, n);

	if (r < 0)
		return r;
	if (m.regs.len != sizeof(ret->regs) || m.xstate.len > XSTATE_MAX || m.tid <= 0 || m.tid > INT32_MAX)
		return -EPROTO;
	memset(ret, 0, sizeof(*ret));
	ret->tid = (pid_t)m.tid;
	memcpy(&ret->regs, m.regs.data, sizeof(ret->regs));
	memcpy(ret->xstate, m.xstate.data, m.xstate.len);
	ret->xstate_len = m.xstate.len;
	ret->rseq = (struct cpu_rseq){.ptr = m.rseq_ptr, .len = m.rseq_len, .sig = m.rseq_sig};
	ret->robust_ptr = m.robust_ptr;
	ret->robust_len = m.robust_len;
	ret->tid_address = m.tid_address;
	ret->used = (struct image_cpu){.user = m.cpu_user_ns, .sys = m.cpu_sys_ns};
	return 0;
}
