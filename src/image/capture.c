/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending a user context; see capture.h. */
#include "capture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"
#include "pages.h"

#define BATCH_PAGES (CAPTURE_BATCH / IMAGE_PAGE)
#define FLUSH_BYTES ((size_t)256 << 10)
#define STALL_NS (30 * NSEC_PER_SEC)
#define STEPS_MAX 20000
#define VMAS_PER_MESSAGE 256
#define RUNS_MAX 1024 /* of pages to come, in one IMAGE_AHEAD */
#define RUN_MIN 4 /* pages; shorter runs are not worth a row */

static int step_once(struct tracee *t, bool can_step, uint64_t deadline_ns)
{
	int r;

	if (!can_step) {
		r = tracee_interrupt(t);
		if (r == 0)
			r = tracee_resume(t, TRACEE_CONT, 0);
		if (r == 0)
			r = tracee_wait(t, deadline_ns);
		if (r == 0)
			(void)tracee_puts_off_stop(t);
		return r;
	}
	/* A signal on the way is delivered: it is the process's business whether its handler runs first. */
	r = tracee_resume(t, TRACEE_SINGLESTEP, t->stop == TRACEE_SIGNAL ? t->sig : 0);
	return r < 0 ? r : tracee_wait(t, deadline_ns);
}

int capture_step_out(struct tracee *t, uint64_t start, uint64_t end, bool can_step, uint64_t deadline_ns)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		struct user_regs_struct regs;
		int r = tracee_get_regs(t, &regs);

		if (r < 0)
			return r;
		if (regs.rip - start >= end - start && t->stop != TRACEE_SIGNAL)
			return 0;
		if (clock_mono_ns() > deadline_ns)
			return -ETIMEDOUT;
		r = step_once(t, can_step, deadline_ns);
		if (r < 0)
			return r;
		if (t->stop == TRACEE_ENDED)
			return -ESRCH;
	}
	return -EAGAIN;
}

int capture_thread(struct tracee *t, struct image_thread *ret, struct err *e)
{
	size_t len = 0;
	void *robust = NULL;
	ssize_t n;
	int r = tracee_get_regs(t, &ret->regs);

	if (r == 0)
		r = cpu_get_rseq(t, &ret->rseq);
	if (r == 0)
		r = cpu_rseq_abort(t, &ret->rseq, &ret->regs);
	if (r < 0)
		return err_set(e, r, "the registers cannot be read: %s", strerror(-r));
	n = cpu_get_xstate(t, ret->xstate);
	if (n < 0)
		return err_set(e, (int)n, "the extended registers cannot be read: %s", strerror((int)-n));
	ret->xstate_len = (size_t)n;
	if (syscall(SYS_get_robust_list, t->pid, &robust, &len) == 0) {
		ret->robust_ptr = (uintptr_t)robust;
		ret->robust_len = len;
	}
	return 0;
}

static int flush(struct link *link, bool all, struct err *e)
{
	if (!all && link_out(link)->len < FLUSH_BYTES)
		return 0;
	return link_flush_wait(link, clock_mono_ns() + STALL_NS, e);
}

static bool is_zero(const uint8_t *page)
{
	uint64_t first;

	memcpy(&first, page, sizeof(first));
	return first == 0 && memcmp(page, page + 8, IMAGE_PAGE - 8) == 0;
}

static int send_run(struct capture *c, uint64_t addr, uint32_t pages, bool zero, const uint8_t *data, struct link *link)
{
	struct wire_image_pages m = {.addr = addr, .pages = pages, .zero = zero};

	if (!zero)
		m.data = (struct wire_bytes){data, pages * IMAGE_PAGE};
	c->pages += pages;
	c->bytes += m.data.len;
	return wire_image_pages_encode(&m, link_out(link));
}

struct send_ctx {
	struct capture *c;
	struct link *link;
	struct err *e;
	bool zeros; /* zero pages must be said: the target would otherwise take the file's content */
	uint8_t *batch; /* BATCH_PAGES pages */
};

/* Splits a batch into runs of zero and other pages. */
static int send_batch(struct send_ctx *s, uint64_t addr, uint32_t pages)
{
	uint32_t i = 0;

	while (i < pages) {
		bool zero = is_zero(s->batch + i * IMAGE_PAGE);
		uint32_t k = i + 1;
		int r;

		while (k < pages && is_zero(s->batch + k * IMAGE_PAGE) == zero)
			k++;
		if (!zero || s->zeros) {
			r = send_run(s->c, addr + i * IMAGE_PAGE, k - i, zero, s->batch + i * IMAGE_PAGE, s->link);
			if (r < 0)
				return err_set(s->e, r, "pages cannot be queued: %s", strerror(-r));
		}
		i = k;
	}
	return flush(s->link, false, s->e);
}

static int send_pages(void *ctx, uint64_t addr, uint64_t pages)
{
	struct send_ctx *s = ctx;

	while (pages) {
		uint32_t n = pages < BATCH_PAGES ? (uint32_t)pages : BATCH_PAGES;
		int r = tracee_read(s->c->t, addr, s->batch, n * IMAGE_PAGE);

		if (r < 0)
			return err_set(s->e, r, "the memory at %#" PRIx64 " cannot be read: %s", addr, strerror(-r));
		r = send_batch(s, addr, n);
		if (r < 0)
			return r;
		addr += n * IMAGE_PAGE;
		pages -= n;
	}
	return 0;
}

static int send_vmas(struct capture *c, struct link *link, struct err *e)
{
	struct wire_vma batch[VMAS_PER_MESSAGE];
	size_t n = 0;

	for (size_t i = 0; i < c->maps->n; i++) {
		const struct image_vma *v = &c->maps->v[i];

		if (!(v->flags & VMA_SCRATCH))
			batch[n++] = (struct wire_vma){.start = v->start,
						       .end = v->end,
						       .offset = v->offset,
						       .prot = v->prot,
						       .flags = v->flags & 0xffff & ~(uint32_t)VMA_SCRATCH,
						       .file = v->file};
		if (n == VMAS_PER_MESSAGE || (n && i + 1 == c->maps->n)) {
			struct wire_image_vmas m = {.vmas = {.items = batch, .count = (uint32_t)n}};
			int r = wire_image_vmas_encode(&m, link_out(link));

			if (r < 0)
				return err_set(e, r, "the mappings cannot be queued: %s", strerror(-r));
			n = 0;
		}
	}
	return 0;
}

struct runs {
	struct wire_page_run v[RUNS_MAX];
	uint32_t n;
};

static int note_run(void *ctx, uint64_t addr, uint64_t pages)
{
	struct runs *runs = ctx;

	if (pages >= RUN_MIN && runs->n < RUNS_MAX)
		runs->v[runs->n++] = (struct wire_page_run){.addr = addr, .pages = pages};
	return 0;
}

int capture_announce(struct capture *c, struct link *link, struct err *e)
{
	_cleanup_free_ struct runs *runs = calloc(1, sizeof(*runs));
	struct wire_image_ahead m;
	int r;

	if (!runs)
		return err_set(e, -ENOMEM, "out of memory");
	r = send_vmas(c, link, e);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < c->maps->n && runs->n < RUNS_MAX; i++) {
		const struct image_vma *v = &c->maps->v[i];

		if (!v->file && (v->prot & PROT_WRITE) && !(v->flags & (VMA_VDSO | VMA_VVAR | VMA_SCRATCH)))
			r = pages_scan(c->pagemap_fd, v->start, v->end, false, note_run, runs);
	}
	/* What the process unmaps meanwhile cannot be scanned, and need not be: the list is only a hint. */
	m = (struct wire_image_ahead){.runs = {.items = runs->v, .count = runs->n}};
	r = wire_image_ahead_encode(&m, link_out(link));
	if (r < 0)
		return err_set(e, r, "the image cannot be announced: %s", strerror(-r));
	return flush(link, true, e);
}

int capture_send_range(struct capture *c, uint64_t start, uint64_t end, struct link *link, struct err *e)
{
	_cleanup_free_ uint8_t *batch = malloc(CAPTURE_BATCH);
	struct send_ctx s = {.c = c, .link = link, .e = e, .zeros = true, .batch = batch};

	return batch ? send_pages(&s, start, (end - start) / IMAGE_PAGE) : err_set(e, -ENOMEM, "out of memory");
}

int capture_send(struct capture *c, struct image_head *h, const struct image_threads *threads, struct link *link,
		 struct err *e)
{
	_cleanup_free_ uint8_t *own = c->batch ? NULL : malloc(CAPTURE_BATCH);
	struct send_ctx s = {.c = c, .link = link, .e = e, .batch = c->batch ? c->batch : own};
	struct wire_image_end end;
	int r;

	if (!s.batch)
		return err_set(e, -ENOMEM, "out of memory");
	cpu_layout_here(&h->cpu);
	r = image_head_encode(h, link_out(link));
	for (size_t i = 0; r == 0 && i < threads->n; i++)
		r = image_thread_encode(threads->v[i], link_out(link));
	if (r < 0)
		return err_set(e, r, "the image cannot be queued: %s", strerror(-r));
	r = send_vmas(c, link, e);
	if (r == 0)
		r = flush(link, true, e); /* the target builds while the pages are on their way */
	for (size_t i = 0; r == 0 && i < c->maps->n; i++) {
		const struct image_vma *v = &c->maps->v[i];

		if (v->flags & (VMA_VVAR | VMA_SCRATCH))
			continue;
		if (v->flags & VMA_VDSO) {
			r = c->send_vdso ? capture_send_range(c, v->start, v->end, link, e) : 0;
			continue;
		}
		s.zeros = v->file != 0;
		r = pages_scan(c->pagemap_fd, v->start, v->end, c->track && v->file, send_pages, &s);
		if (r < 0 && e && !e->code)
			(void)err_set(e, r, "the pages at %#" PRIx64 " cannot be listed: %s", v->start, strerror(-r));
	}
	if (r < 0)
		return r;
	end = (struct wire_image_end){.pages = c->pages, .bytes = c->bytes};
	r = wire_image_end_encode(&end, link_out(link));
	if (r < 0)
		return err_set(e, r, "the image cannot be queued: %s", strerror(-r));
	return flush(link, true, e);
}
