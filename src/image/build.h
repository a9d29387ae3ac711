/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Putting a user context together inside a stopped task: a fresh one on a host, or the deputy at home.
 * Promise: either the task has exactly the mappings, pages and registers of the image, or an error says which step
 * failed and the task may only be killed (fresh) or built anew (deputy). Must not: let the task run.
 *
 * A deputy keeps its own file mappings, vdso and vvar where the image has them too. A fresh task maps the files'
 * ranges from one empty memfd, whose offsets tell file number and place, and its pages come by userfaultfd.
 */
#ifndef GODWIT_IMAGE_BUILD_H
#define GODWIT_IMAGE_BUILD_H

#include "../wire/wire.h"
#include "image.h"
#include "maps.h"
#include "tracee.h"
#include "x86_64/cpu.h"
#include "x86_64/vdso.h"

/* What each thread has of its own. */
struct image_thread {
	pid_t tid; /* as the process sees it */
	struct user_regs_struct regs;
	uint8_t xstate[XSTATE_MAX];
	size_t xstate_len;
	struct cpu_rseq rseq;
	uint64_t robust_ptr, robust_len; /* set_robust_list(2) */
	uint64_t tid_address; /* set_tid_address(2); 0: nothing to set */
	struct image_cpu used;
};

/* v[0] is the main thread. */
struct image_threads {
	struct image_thread **v;
	size_t n;
};
/* The list owns the thread on success. -ENOMEM, -E2BIG. */
int image_threads_add(struct image_threads *l, struct image_thread *t) _must_check_;
void image_threads_release(struct image_threads *l); /* frees the threads, too */
struct image_thread *image_threads_find(const struct image_threads *l, pid_t tid);

/* What the threads share, but for the mappings and pages. */
struct image_head {
	pid_t pid;
	char comm[16];
	uint64_t personality;
	struct image_mm mm;
	struct cpu_layout cpu;
	uint64_t vdso_start, vdso_end;
	bool stopped;
	uint64_t limit_as, limit_data, limit_stack;
	uint64_t bytes;
	struct image_cpu used; /* also of threads that have ended */
};

/* Encodes IMAGE_BEGIN into out, or reads it. */
int image_head_encode(const struct image_head *h, struct buf *out) _must_check_;
int image_head_decode(struct image_head *ret, const uint8_t *body, size_t n) _must_check_;
/* The same for IMAGE_THREAD. */
int image_thread_encode(const struct image_thread *t, struct buf *out) _must_check_;
int image_thread_decode(struct image_thread *ret, const uint8_t *body, size_t n) _must_check_;

/* Offsets in the memfd of a guest: the file's number above, the place in the file below. There is no file 0: the first
 * VDSO_STUB_SIZE bytes are the stub, and what stands in for home's vvar lies before the first file. */
#define BUILD_FILE_SHIFT 44

#define BUILD_CALL_WORDS 7 /* number and arguments; the number becomes the result */

struct builder {
	struct tracee *t;
	bool fresh;
	struct image_head head;
	struct image_threads threads;
	struct image_maps current; /* of the task; for a deputy numbered like the image */
	struct image_maps target;
	struct image_maps ahead; /* fresh only: laid out before the process stood still; empty: nothing was */
	uint64_t ahead_deadline_ns; /* of having memory ready */
	bool begun, laid_out, complete; /* complete: IMAGE_END has been seen, whatever became of it */
	uint64_t pages, bytes;
	uint64_t unmap_start, unmap_end; /* gathered, not yet done */
	/* fresh only */
	int memfd; /* its number in the task; 0 until known */
	int uffd; /* ours; the caller closes it */
	bool track; /* the kernel tells which fetched pages were written since (WP_ASYNC) */
	uint64_t stub, stub_size; /* where the injected calls are made; gone after builder_drop_stub() */
	uint64_t (*batch)[BUILD_CALL_WORDS]; /* calls that builder_run() makes in one go */
	const char **batch_what;
	size_t batch_n;
	uint8_t *vdso; /* the copy, until it is patched and written */
	struct vdso_copy copy; /* where it lies, and the stub that reads the clocks */
};

/* t is stopped and all its signals are blocked. For a deputy, files is the list whose numbers the image uses. */
int builder_init_fresh(struct builder *b, struct tracee *t, int memfd, int uffd, bool track) _must_check_;
int builder_init_deputy(struct builder *b, struct tracee *t, const struct image_maps *files) _must_check_;
void builder_release(struct builder *b);

/* Takes one IMAGE_* frame. 0: more to come, 1: the image is complete and built, but for the registers. A fresh task may
 * get mappings and IMAGE_AHEAD before IMAGE_BEGIN: they are laid out, and memory is had for the runs (at most 10 s are
 * spent on that); the image's own mappings then decide whether that was right or is done again.
 * -EPROTO and others with the sentence in e. */
int builder_frame(struct builder *b, const struct wire_header *h, const uint8_t *body, struct err *e) _must_check_;

/* A call of the task that is only needed to have succeeded. On a fresh task it is put off until builder_run(), which
 * makes all of them with one stop: on a busy host each stop may cost a time slice. */
int builder_call(struct builder *b, struct err *e, const char *what, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5) _must_check_;
int builder_run(struct builder *b, struct err *e) _must_check_;
/* Fresh: writes what a call points to, BUILD_DATA_SIZE bytes of room; *ret is its address. */
#define BUILD_DATA_SIZE 0x1000
int builder_data(struct builder *b, size_t at, const void *p, size_t n, uint64_t *ret) _must_check_;

/* After the image: memory-manager fields, name. On a fresh task the calls wait for builder_run(). */
int builder_finish(struct builder *b, struct err *e) _must_check_;
/* Gives a stopped task, all of whose signals are blocked, what is a thread's own, but for the registers. */
int builder_finish_thread(struct builder *b, struct tracee *t, const struct image_thread *image,
			  struct err *e) _must_check_;
/* Fresh: unmaps the stub; afterwards only registers can be set. */
int builder_drop_stub(struct builder *b) _must_check_;

#endif
