/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building a user context; see build.h. The order of steps follows what the kernel demands of each. */
#include "build.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/prctl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"
#include "batch.h"
#include "layout.h"
#include "x86_64/vdso.h"

#define VDSO_MAX ((size_t)1 << 20)

int builder_init_fresh(struct builder *b, struct tracee *t, int memfd, int uffd, bool track)
{
	struct err e;
	int64_t at;
	int r;

	memset(b, 0, sizeof(*b));
	b->t = t;
	b->fresh = true;
	b->memfd = memfd;
	b->uffd = uffd;
	b->track = track;
	maps_init(&b->current);
	maps_init(&b->target);
	maps_init(&b->ahead);
	r = maps_read(&b->current, t->pid, false, NULL);
	if (r < 0)
		return r;
	if (!b->current.vdso_start)
		return -ENOTSUP;
	r = tracee_find_syscall(t, b->current.vdso_start, b->current.vdso_end);
	if (r < 0)
		return r;
	/* A first stub anywhere; it moves once the image's mappings are known. */
	r = batch_inject(b, &e, "mapping the stub", &at, SYS_mmap, 0, BATCH_STUB_SIZE,
			 PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~0ULL, 0);
	b->stub = (uint64_t)at;
	b->stub_size = BATCH_STUB_SIZE;
	return r;
}

int builder_init_deputy(struct builder *b, struct tracee *t, const struct image_maps *files)
{
	memset(b, 0, sizeof(*b));
	b->t = t;
	b->uffd = -1;
	maps_init(&b->current);
	maps_init(&b->target);
	maps_init(&b->ahead);
	for (size_t i = 0; i < files->files_n; i++) {
		if (!maps_file(&b->current, files->files[i].dev, files->files[i].ino))
			return -ENOMEM;
	}
	return 0;
}

void builder_release(struct builder *b)
{
	maps_release(&b->current);
	maps_release(&b->target);
	image_threads_release(&b->threads);
	maps_release(&b->ahead);
	free(b->vdso);
	free(b->batch);
	free(b->batch_what);
	b->vdso = NULL;
	b->batch = NULL;
	b->batch_what = NULL;
}

static int copy_missing(struct builder *b, uint64_t addr, const uint8_t *data, size_t n, struct err *e)
{
	struct uffdio_copy c = {.dst = addr, .src = (uintptr_t)data, .len = n};

	if (ioctl(b->uffd, UFFDIO_COPY, &c) < 0)
		return err_set(e, -errno, "filling %#" PRIx64 ": %s", addr, strerror(errno));
	return 0;
}

/* What the guest has written into a mapping that is shared at home cannot be put there. */
static bool shared_here(const struct builder *b, uint64_t addr)
{
	const struct image_vma *c = b->fresh ? NULL : maps_find(&b->current, addr);

	return c && c->file && (c->flags & VMA_SHARED);
}

/* Puts n bytes of whole pages where they belong; a run may touch several mappings. */
static int put_pages(struct builder *b, uint64_t addr, const uint8_t *data, size_t n, struct err *e)
{
	while (n) {
		const struct image_vma *v = maps_find(&b->target, addr);
		size_t part;
		int r;

		if (!v)
			return err_set(e, -EPROTO, "a page at %#" PRIx64 " belongs to no mapping", addr);
		part = v->end - addr < n ? v->end - addr : n;
		if (v->flags & VMA_VDSO)
			r = !b->fresh ? 0 : addr - v->start + part > VDSO_MAX ? -EPROTO : 0;
		else if (b->fresh && !layout_had_ahead(b, v))
			r = copy_missing(b, addr, data, part, e);
		else if (!shared_here(b, addr))
			r = tracee_write(b->t, addr, data, part);
		else
			r = 0;
		if (r == 0 && b->fresh && (v->flags & VMA_VDSO) && addr == v->start && part == v->end - v->start) {
			b->vdso = malloc(part);
			if (!b->vdso)
				return err_set(e, -ENOMEM, "no memory for the vdso's copy");
			memcpy(b->vdso, data, part);
			b->copy.at = addr;
			r = vdso_patch(b->vdso, part, &b->copy, e);
			if (r >= 0)
				r = tracee_write(b->t, addr, b->vdso, part);
		}
		if (r < 0)
			return e && e->code ? r : err_set(e, r, "writing %#" PRIx64 ": %s", addr, strerror(-r));
		addr += part;
		data += part;
		n -= part;
	}
	return 0;
}

static int take_pages(struct builder *b, const uint8_t *body, size_t n, struct err *e)
{
	static const uint8_t zeros[64 * IMAGE_PAGE];
	struct wire_image_pages m;
	uint64_t addr, left;
	int r = wire_image_pages_decode(&m, body, n);

	if (r < 0 || (m.addr & (IMAGE_PAGE - 1)) || m.pages > (1U << 28) ||
	    (!m.zero && m.data.len != m.pages * IMAGE_PAGE))
		return err_set(e, -EPROTO, "a message with pages is malformed");
	b->pages += m.pages;
	if (!m.zero) {
		b->bytes += m.data.len;
		return put_pages(b, m.addr, m.data.data, m.data.len, e);
	}
	addr = m.addr;
	for (left = m.pages * IMAGE_PAGE; left;) {
		const struct image_vma *v = maps_find(&b->target, addr);
		uint64_t part = left < sizeof(zeros) ? left : sizeof(zeros);

		/* Anonymous memory is zero already. */
		if (v && !v->file && !(v->flags & VMA_VDSO)) {
			part = v->end - addr < left ? v->end - addr : left;
			r = 0;
		} else {
			r = put_pages(b, addr, zeros, part, e);
		}
		if (r < 0)
			return r;
		addr += part;
		left -= part;
	}
	return 0;
}

static int take_vmas(struct builder *b, const uint8_t *body, size_t n, struct err *e)
{
	struct wire_image_vmas m;
	struct wire_vma v;
	int r = wire_image_vmas_decode(&m, body, n);

	if (r < 0)
		return err_set(e, -EPROTO, "a message with mappings is malformed");
	while (wire_vma_next(&m.vmas, &v)) {
		struct image_vma x = {v.start, v.end, v.offset, v.prot, v.flags, v.file};

		if ((v.start | v.end | v.offset) & (IMAGE_PAGE - 1) || v.start >= v.end || v.end > IMAGE_TASK_END ||
		    (b->target.n && b->target.v[b->target.n - 1].end > v.start) || (v.flags >> 16) ||
		    v.offset >> BUILD_FILE_SHIFT || v.file >> 18 || (v.prot & ~7U))
			return err_set(e, -EPROTO, "a mapping of the image is malformed");
		r = maps_append(&b->target, &x);
		if (r < 0)
			return err_set(e, r, "no memory for the list of mappings");
	}
	return 0;
}

static int take_thread(struct builder *b, const uint8_t *body, size_t n, struct err *e)
{
	_cleanup_free_ struct image_thread *t = malloc(sizeof(*t));
	int r = t ? image_thread_decode(t, body, n) : -ENOMEM;

	if (r == 0 && (image_threads_find(&b->threads, t->tid) || (!b->threads.n && t->tid != b->head.pid)))
		r = -EPROTO;
	if (r == 0)
		r = image_threads_add(&b->threads, t);
	if (r < 0)
		return err_set(e, r, "a thread of the image cannot be taken: %s", strerror(-r));
	t = NULL;
	return 0;
}

int builder_frame(struct builder *b, const struct wire_header *h, const uint8_t *body, struct err *e)
{
	int r;

	if (e)
		e->code = 0;
	if (b->fresh && !b->begun && !b->ahead.n) {
		if (h->type == WIRE_IMAGE_VMAS)
			return take_vmas(b, body, h->length, e);
		if (h->type == WIRE_IMAGE_AHEAD)
			return layout_ahead(b, body, h->length, e);
	}
	if ((h->type == WIRE_IMAGE_BEGIN) == b->begun || (h->type == WIRE_IMAGE_BEGIN && b->target.n) ||
	    (h->type == WIRE_IMAGE_VMAS && b->laid_out))
		return err_set(e, -EPROTO, "the parts of the image come in the wrong order");
	switch (h->type) {
	case WIRE_IMAGE_BEGIN:
		b->begun = true;
		if (image_head_decode(&b->head, body, h->length) < 0)
			return err_set(e, -EPROTO, "the head of the image is malformed");
		return 0;
	case WIRE_IMAGE_THREAD:
		return b->target.n ? err_set(e, -EPROTO, "a thread of the image comes after its mappings")
				   : take_thread(b, body, h->length, e);
	case WIRE_IMAGE_VMAS:
		return take_vmas(b, body, h->length, e);
	case WIRE_IMAGE_PAGES:
	case WIRE_IMAGE_END:
		b->complete = h->type == WIRE_IMAGE_END;
		if (!b->threads.n)
			return err_set(e, -EPROTO, "the image has no thread");
		r = b->laid_out || (b->laid_out = layout_was_ahead(b)) ? 0 : layout_make(b, e);
		if (r == 0 && h->type == WIRE_IMAGE_PAGES)
			r = take_pages(b, body, h->length, e);
		else if (r == 0 && b->fresh)
			r = layout_unregister(b, e);
		return r < 0 ? r : h->type == WIRE_IMAGE_END;
	default:
		return err_set(e, -EPROTO, "message %u does not belong into an image", h->type);
	}
}

/* prctl(PR_SET_MM, PR_SET_MM_MAP): kernel/sys.c. */
static void mm_map(const struct image_mm *mm, struct prctl_mm_map *ret)
{
	*ret = (struct prctl_mm_map){
	    .start_code = mm->start_code,
	    .end_code = mm->end_code,
	    .start_data = mm->start_data,
	    .end_data = mm->end_data,
	    .start_brk = mm->start_brk,
	    .brk = mm->brk,
	    .start_stack = mm->start_stack,
	    .arg_start = mm->arg_start,
	    .arg_end = mm->arg_end,
	    .env_start = mm->env_start,
	    .env_end = mm->env_end,
	    .exe_fd = (uint32_t)-1,
	};
}

static int finish_fresh(struct builder *b, struct err *e)
{
	struct prctl_mm_map map;
	uint64_t at_map, at_name;
	int r;

	mm_map(&b->head.mm, &map);
	r = builder_data(b, 0, &map, sizeof(map), &at_map);
	if (r == 0)
		r = builder_data(b, sizeof(map), b->head.comm, sizeof(b->head.comm), &at_name);
	if (r < 0)
		return err_set(e, r, "the stub cannot be written: %s", strerror(-r));
	r = builder_call(b, e, "setting the memory fields", SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, at_map, sizeof(map), 0,
			 0);
	if (r == 0)
		r = builder_call(b, e, "setting the name", SYS_prctl, PR_SET_NAME, at_name, 0, 0, 0, 0);
	if (r == 0)
		r = builder_call(b, e, "setting the personality", SYS_personality, b->head.personality, 0, 0, 0, 0, 0);
	return r;
}

static int finish_deputy(struct builder *b, struct err *e)
{
	struct prctl_mm_map map;
	int64_t at = 0;
	int r = batch_inject(b, e, "mapping a scratch page", &at, SYS_mmap, 0, IMAGE_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, ~0ULL, 0);

	if (r < 0)
		return r;
	mm_map(&b->head.mm, &map);
	r = tracee_write(b->t, (uint64_t)at, &map, sizeof(map));
	if (r < 0)
		return err_set(e, r, "the scratch page cannot be written: %s", strerror(-r));
	r = builder_call(b, e, "setting the memory fields", SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, (uint64_t)at,
			 sizeof(map), 0, 0);
	if (r == 0)
		r = builder_call(b, e, "unmapping the scratch page", SYS_munmap, (uint64_t)at, IMAGE_PAGE, 0, 0, 0, 0);
	return r;
}

int builder_finish(struct builder *b, struct err *e)
{
	return b->fresh ? finish_fresh(b, e) : finish_deputy(b, e);
}

int builder_finish_thread(struct builder *b, struct tracee *t, const struct image_thread *image, struct err *e)
{
	const struct {
		const char *what;
		unsigned nr;
		bool wanted;
		uint64_t args[4];
	} calls[] = {
	    {"setting the robust list",
	     SYS_set_robust_list,
	     image->robust_len != 0,
	     {image->robust_ptr, image->robust_len}},
	    {"setting the tid address", SYS_set_tid_address, image->tid_address != 0, {image->tid_address}},
	    {"registering the restartable sequence",
	     SYS_rseq,
	     image->rseq.ptr != 0,
	     {image->rseq.ptr, image->rseq.len, 0, image->rseq.sig}},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++) {
		const uint64_t *a = calls[i].args;
		int64_t v = 0;

		if (!calls[i].wanted)
			continue;
		if (b->fresh && t == b->t) { /* with the others that wait for builder_run() */
			r = builder_call(b, e, calls[i].what, calls[i].nr, a[0], a[1], a[2], a[3], 0, 0);
			continue;
		}
		r = tracee_syscall(t, &v, calls[i].nr, a[0], a[1], a[2], a[3], 0, 0);
		if (r == 0 && v < 0 && v > -4096)
			r = (int)v;
		if (r < 0)
			return err_set(e, r, "%s: %s", calls[i].what, strerror(-r));
	}
	if (r == 0) {
		r = cpu_set_xstate(t, image->xstate, image->xstate_len, &b->head.cpu);
		if (r < 0)
			(void)err_set(e, r, "setting the extended registers: %s", strerror(-r));
	}
	return r;
}

int builder_drop_stub(struct builder *b)
{
	int64_t v;
	int r = tracee_syscall(b->t, &v, SYS_munmap, b->stub, b->stub_size, 0, 0, 0, 0);

	b->t->syscall_ip = 0;
	return r < 0 ? r : (int)v;
}
