/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Laying out a task's mappings; see layout.h. The order of steps follows what the kernel demands of each. */
#include "layout.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../base/clock.h"
#include "batch.h"

#define AHEAD_NS (10 * NSEC_PER_SEC) /* for having memory ready */
#define AHEAD_STEP (64ULL << 20) /* bytes had by one batch */
#define POPULATE_WRITE_ 23 /* MADV_POPULATE_WRITE, 5.14 */

/* Has the process put a mapping t of its own where home's vvar c was? */
static bool replaces_vvar(const struct image_vma *c, const struct image_vma *t)
{
	return t && (c->flags & VMA_VVAR) && !(t->flags & VMA_VVAR);
}

/* Does the task's mapping c serve, at address a, for the image's mapping t? */
static bool serves(const struct builder *b, const struct image_vma *c, const struct image_vma *t)
{
	if (b->fresh)
		return false;
	if (c->flags & (VMA_VDSO | VMA_VVAR))
		return !replaces_vvar(c, t);
	return c->file && c->file == t->file && c->offset - c->start == t->offset - t->start;
}

typedef int (*piece_fn)(struct builder *b, const struct image_vma *of, const struct image_vma *other, uint64_t start,
			uint64_t end, struct err *e);

/* Cuts every mapping of list into pieces that lie wholly inside or wholly outside of the mappings of `against`, and
 * calls fn for each, with the other mapping or NULL. */
static int for_pieces(struct builder *b, const struct image_maps *list, const struct image_maps *against, piece_fn fn,
		      struct err *e)
{
	size_t k = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct image_vma *v = &list->v[i];
		uint64_t a = v->start;

		while (a < v->end) {
			const struct image_vma *o;
			uint64_t end = v->end;
			int r;

			while (k < against->n && against->v[k].end <= a)
				k++;
			o = k < against->n ? &against->v[k] : NULL;
			if (o && o->start > a) {
				end = o->start < end ? o->start : end;
				o = NULL;
			} else if (o && o->end < end) {
				end = o->end;
			}
			r = fn(b, v, o, a, end, e);
			if (r < 0)
				return r;
			a = end;
		}
	}
	return 0;
}

/* Neighbouring ranges are unmapped together, with the gaps between them. */
static int flush_unmap(struct builder *b, struct err *e)
{
	uint64_t start = b->unmap_start, end = b->unmap_end;

	b->unmap_start = b->unmap_end = 0;
	return end ? builder_call(b, e, "unmapping", SYS_munmap, start, end - start, 0, 0, 0, 0) : 0;
}

/* The kernel is told of what t has, and of what was taken back since c. */
static int advise(struct builder *b, const struct image_vma *t, const struct image_vma *c, uint64_t start, uint64_t end,
		  struct err *e)
{
	static const struct {
		uint32_t flag;
		int advice, undo; /* 0: nothing, it is only about speed */
	} advices[] = {
	    {VMA_DONTFORK, MADV_DONTFORK, MADV_DOFORK}, {VMA_WIPEONFORK, MADV_WIPEONFORK, MADV_KEEPONFORK},
	    {VMA_DONTDUMP, MADV_DONTDUMP, MADV_DODUMP}, {VMA_HUGEPAGE, MADV_HUGEPAGE, 0},
	    {VMA_NOHUGEPAGE, MADV_NOHUGEPAGE, 0},       {VMA_MERGEABLE, MADV_MERGEABLE, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		bool wanted = t->flags & advices[i].flag, had = c && (c->flags & advices[i].flag);
		int advice = wanted ? advices[i].advice : advices[i].undo;
		int r = 0;

		if (wanted != had && advice)
			r = builder_call(b, e, BATCH_HINT, SYS_madvise, start, end - start, (uint64_t)advice, 0, 0, 0);
		/* A host without huge pages or KSM must not refuse the process for them. */
		if (r < 0 && r != -EINVAL)
			return r;
	}
	return 0;
}

/* Only for deputies: a fresh task is cleared as a whole. */
static int clear_piece(struct builder *b, const struct image_vma *c, const struct image_vma *t, uint64_t start,
		       uint64_t end, struct err *e)
{
	uint32_t prot = t ? t->prot : 0;
	int r;

	if (replaces_vvar(c, t) || (!(c->flags & (VMA_VDSO | VMA_VVAR)) && (!t || !serves(b, c, t)))) {
		if (!b->unmap_end)
			b->unmap_start = start;
		b->unmap_end = end;
		return 0;
	}
	r = flush_unmap(b, e);
	if (r < 0 || c->flags & (VMA_VDSO | VMA_VVAR))
		return r;
	/* What is shared here, and private on a host, was made writable there. */
	if (c->flags & VMA_SHARED)
		prot &= ~(uint32_t)PROT_WRITE;
	if (c->prot != prot)
		r = builder_call(b, e, "changing protection", SYS_mprotect, start, end - start, prot, 0, 0, 0);
	/* What the deputy may still have of its own copies would shadow the file. */
	if (r == 0 && !(t->flags & VMA_SHARED) && (t->prot & PROT_WRITE))
		r = builder_call(b, e, "dropping pages", SYS_madvise, start, end - start, MADV_DONTNEED, 0, 0, 0);
	return r < 0 || !((c->flags ^ t->flags) & VMA_ADVICE) ? r : advise(b, t, c, start, end, e);
}

static int map_anonymous(struct builder *b, const struct image_vma *t, uint64_t start, uint64_t end, struct err *e)
{
	uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	if (t->flags & VMA_GROWSDOWN)
		flags |= MAP_GROWSDOWN;
	if (t->flags & VMA_NORESERVE)
		flags |= MAP_NORESERVE;
	return builder_call(b, e, "mapping memory", SYS_mmap, start, end - start, t->prot, flags, ~0ULL, 0);
}

static int map_file(struct builder *b, const struct image_vma *t, uint64_t start, uint64_t end, struct err *e)
{
	uint64_t offset = ((uint64_t)t->file << BUILD_FILE_SHIFT) | (t->offset + (start - t->start));

	return builder_call(b, e, "mapping a file's range", SYS_mmap, start, end - start, t->prot,
			    MAP_PRIVATE | MAP_FIXED_NOREPLACE | (t->flags & VMA_NORESERVE ? MAP_NORESERVE : 0),
			    (uint64_t)b->memfd, offset);
}

bool layout_had_ahead(const struct builder *b, const struct image_vma *t)
{
	return b->ahead.n && !t->file && (t->prot & PROT_WRITE);
}

/* Page faults in files' ranges are ours to serve. Anonymous memory is registered only while it is filled: UFFDIO_COPY
 * puts a page into place without clearing it first. */
static int register_ranges(struct builder *b, struct err *e)
{
	for (size_t i = 0; i < b->target.n; i++) {
		const struct image_vma *t = &b->target.v[i];
		struct uffdio_register reg = {
		    .range = {t->start, t->end - t->start},
		    .mode = UFFDIO_REGISTER_MODE_MISSING | (b->track && t->file ? UFFDIO_REGISTER_MODE_WP : 0),
		};

		if (!(t->flags & (VMA_VDSO | VMA_VVAR)) && !layout_had_ahead(b, t) &&
		    ioctl(b->uffd, UFFDIO_REGISTER, &reg) < 0)
			return err_set(e, -errno, "registering %#" PRIx64 " for page faults: %s", t->start,
				       strerror(errno));
	}
	return 0;
}

int layout_unregister(struct builder *b, struct err *e)
{
	for (size_t i = 0; i < b->target.n; i++) {
		const struct image_vma *t = &b->target.v[i];
		struct uffdio_range range = {t->start, t->end - t->start};

		if (!t->file && !(t->flags & (VMA_VDSO | VMA_VVAR)) && !layout_had_ahead(b, t) &&
		    ioctl(b->uffd, UFFDIO_UNREGISTER, &range) < 0)
			return err_set(e, -errno, "unregistering %#" PRIx64 ": %s", t->start, strerror(errno));
	}
	return 0;
}

/* Where home has its vvar, a guest has the stub that reads the clocks and room for a frame, and nothing in the rest:
 * what the kernel maps for the guest must not come to lie there. */
static int map_vvar(struct builder *b, uint64_t start, uint64_t end, struct err *e)
{
	bool stub = !b->copy.stub && end - start >= VDSO_STUB_SIZE;
	bool scratch = stub && end - start >= VDSO_STUB_SIZE + VDSO_SCRATCH_SIZE;
	int r = builder_call(b, e, "keeping vvar's place", SYS_mmap, start, end - start, PROT_NONE,
			     MAP_SHARED | MAP_FIXED_NOREPLACE, (uint64_t)b->memfd, stub ? 0 : VDSO_STUB_SIZE);

	if (r < 0 || !stub)
		return r;
	b->copy.stub = start;
	b->copy.scratch = scratch ? start + VDSO_STUB_SIZE : 0;
	r = builder_call(b, e, "mapping the clocks' code", SYS_mprotect, start, IMAGE_PAGE, PROT_READ | PROT_EXEC, 0, 0,
			 0);
	if (r == 0)
		r = builder_call(b, e, "mapping the clocks", SYS_mprotect, start + IMAGE_PAGE, IMAGE_PAGE, PROT_READ, 0,
				 0, 0);
	/* A copy of the stub's own pages, for the file can have no others. */
	return r < 0 || !scratch
		   ? r
		   : builder_call(b, e, "mapping the place of a frame", SYS_mmap, b->copy.scratch, VDSO_SCRATCH_SIZE,
				  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, (uint64_t)b->memfd, 0);
}

static int create_piece(struct builder *b, const struct image_vma *t, const struct image_vma *c, uint64_t start,
			uint64_t end, struct err *e)
{
	int r;

	if (t->flags & VMA_VVAR)
		return b->fresh ? map_vvar(b, start, end, e) : 0;
	if (t->flags & VMA_VDSO) {
		if (!b->fresh)
			return 0;
		return builder_call(b, e, "mapping the vdso's copy", SYS_mmap, start, end - start,
				    PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ULL, 0);
	}
	if (c && serves(b, c, t))
		return 0;
	if (t->file && !b->fresh)
		return err_set(e, -ENOENT, "the file mapping at %#" PRIx64 " is no longer there at home", start);
	r = t->file ? map_file(b, t, start, end, e) : map_anonymous(b, t, start, end, e);
	return r < 0 || !(t->flags & VMA_ADVICE) ? r : advise(b, t, NULL, start, end, e);
}

/* Moves the stub to where the image has nothing and unmaps all the rest of the task. */
static int clear_fresh(struct builder *b, struct err *e)
{
	static const uint8_t code[] = {0x0f, 0x05, 0x0f, 0x0b}; /* syscall; ud2 */
	struct cpu_rseq own = {0};
	uint64_t at;
	int r = maps_read(&b->current, b->t->pid, false, e);

	/* The child's own libc has registered one; the kernel would write to memory that is about to go. */
	if (r == 0)
		r = cpu_get_rseq(b->t, &own);
	if (r == 0 && own.ptr)
		r = batch_inject(b, e, "unregistering the restartable sequence", NULL, SYS_rseq, own.ptr, own.len, 1,
				 own.sig, 0, 0);
	if (r < 0)
		return r;
	at = maps_find_gap(&b->target, &b->current, 0x10000, BATCH_STUB_SIZE);
	if (!at)
		return err_set(e, -ENOMEM, "the process leaves no gap of %llu KiB in its address space",
			       BATCH_STUB_SIZE >> 10);
	r = batch_inject(b, e, "mapping the stub", NULL, SYS_mmap, at, BATCH_STUB_SIZE,
			 PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ULL,
			 0);
	if (r == 0)
		r = tracee_write(b->t, at, code, sizeof(code));
	if (r == 0)
		r = batch_install(b->t, at);
	if (r < 0)
		return r;
	b->t->syscall_ip = at;
	b->stub = at;
	r = batch_inject(b, e, "clearing memory", NULL, SYS_munmap, 0, at, 0, 0, 0, 0);
	if (r == 0)
		r = batch_inject(b, e, "clearing memory", NULL, SYS_munmap, at + BATCH_STUB_SIZE,
				 IMAGE_TASK_END - at - BATCH_STUB_SIZE, 0, 0, 0, 0);
	b->current.n = 0;
	return r;
}

int layout_make(struct builder *b, struct err *e)
{
	int r;

	if (b->fresh) {
		r = clear_fresh(b, e);
	} else {
		r = maps_read(&b->current, b->t->pid, true, e);
		if (r == 0)
			r = for_pieces(b, &b->current, &b->target, clear_piece, e);
		if (r == 0)
			r = flush_unmap(b, e);
	}
	if (r == 0)
		r = for_pieces(b, &b->target, &b->current, create_piece, e);
	if (r == 0 && b->fresh)
		r = builder_run(b, e);
	if (r == 0 && b->fresh)
		r = register_ranges(b, e);
	b->laid_out = true;
	return r;
}

static bool same_vma(const struct image_vma *x, const struct image_vma *y)
{
	return x->start == y->start && x->end == y->end && x->offset == y->offset && x->prot == y->prot &&
	       x->flags == y->flags && x->file == y->file;
}

bool layout_was_ahead(struct builder *b)
{
	bool same = b->ahead.n && b->ahead.n == b->target.n;

	for (size_t i = 0; same && i < b->ahead.n; i++)
		same = same_vma(&b->ahead.v[i], &b->target.v[i]);
	if (!same) {
		maps_release(&b->ahead);
		b->copy.stub = b->copy.scratch = 0;
	}
	return same;
}

/* The guest-to-be touches its pages itself. Where that fails they are had when they are written. */
static int populate(struct builder *b, uint64_t start, uint64_t end, uint64_t *waiting, struct err *e)
{
	while (start < end) {
		uint64_t room = AHEAD_STEP - *waiting, part = end - start < room ? end - start : room;
		int r = builder_call(b, e, BATCH_HINT, SYS_madvise, start, part, POPULATE_WRITE_, 0, 0, 0);

		start += part;
		*waiting += part;
		if (r == 0 && *waiting == AHEAD_STEP) {
			*waiting = 0;
			r = builder_run(b, e);
		}
		if (r < 0)
			return r;
		if (clock_mono_ns() >= b->ahead_deadline_ns)
			return 0;
	}
	return 0;
}

static int populate_run(struct builder *b, const struct wire_page_run *run, uint64_t *waiting, struct err *e)
{
	uint64_t at = run->addr, end = at + run->pages * IMAGE_PAGE;
	int r = 0;

	if ((at & (IMAGE_PAGE - 1)) || at >= IMAGE_TASK_END || run->pages > IMAGE_TASK_END / IMAGE_PAGE)
		return err_set(e, -EPROTO, "a run of pages to come is malformed");
	while (r == 0 && at < end && clock_mono_ns() < b->ahead_deadline_ns) {
		const struct image_vma *v = maps_find(&b->ahead, at);
		uint64_t part = v && v->end < end ? v->end : end;

		if (!v)
			break;
		if (layout_had_ahead(b, v))
			r = populate(b, at, part, waiting, e);
		at = part;
	}
	return r;
}

int layout_ahead(struct builder *b, const uint8_t *body, size_t n, struct err *e)
{
	struct wire_image_ahead m;
	struct wire_page_run run;
	uint64_t waiting = 0;
	int r = wire_image_ahead_decode(&m, body, n);

	if (r < 0 || !b->target.n)
		return err_set(e, -EPROTO, "a message with pages to come is malformed");
	b->ahead = b->target; /* register_ranges() looks there */
	r = layout_make(b, e);
	b->laid_out = false;
	maps_init(&b->target); /* to be filled by the image */
	b->ahead_deadline_ns = clock_mono_ns() + AHEAD_NS;
	while (r == 0 && wire_page_run_next(&m.runs, &run))
		r = populate_run(b, &run, &waiting, e);
	return r < 0 ? r : builder_run(b, e);
}
