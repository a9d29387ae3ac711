/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a task that is being built call the kernel; see batch.h, and build.h for what callers use. */
#include "batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"

#define STUB_BATCH 0x10ULL /* the code that makes a batch of calls */
#define STUB_TABLE 0x1000ULL /* the batch */
#define STUB_DATA (BATCH_STUB_SIZE - BUILD_DATA_SIZE) /* structs that calls point to */
#define BATCH_MAX ((STUB_DATA - STUB_TABLE) / (BUILD_CALL_WORDS * 8))
#define BATCH_NS (10 * NSEC_PER_SEC)

int batch_inject(struct builder *b, struct err *e, const char *what, int64_t *ret, unsigned nr, uint64_t a0,
		 uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	int64_t v = 0;
	int r = tracee_syscall(b->t, &v, nr, a0, a1, a2, a3, a4, a5);

	if (r < 0)
		return err_set(e, r, "%s: the task cannot be driven: %s", what, strerror(-r));
	if (v < 0 && v > -4096)
		return err_set(e, (int)v, "%s (%#" PRIx64 ", %#" PRIx64 "): %s", what, a0, a1, strerror((int)-v));
	if (ret)
		*ret = v;
	return 0;
}

/* For each row of the table at rbx, ebp of them: loads number and arguments, calls, stores the result; then ud2, which
 * is a stop for the tracer. */
static const uint8_t batch_code[] = {
    0x48, 0x8b, 0x03, /* mov (%rbx),%rax */
    0x48, 0x8b, 0x7b, 0x08, /* mov 8(%rbx),%rdi */
    0x48, 0x8b, 0x73, 0x10, /* mov 16(%rbx),%rsi */
    0x48, 0x8b, 0x53, 0x18, /* mov 24(%rbx),%rdx */
    0x4c, 0x8b, 0x53, 0x20, /* mov 32(%rbx),%r10 */
    0x4c, 0x8b, 0x43, 0x28, /* mov 40(%rbx),%r8 */
    0x4c, 0x8b, 0x4b, 0x30, /* mov 48(%rbx),%r9 */
    0x0f, 0x05, /* syscall */
    0x48, 0x89, 0x03, /* mov %rax,(%rbx) */
    0x48, 0x83, 0xc3, 0x38, /* add $56,%rbx */
    0xff, 0xcd, /* dec %ebp */
    0x75, 0xd8, /* jnz to the beginning */
    0x0f, 0x0b, /* ud2 */
};

int batch_install(struct tracee *t, uint64_t stub)
{
	return tracee_write(t, stub + STUB_BATCH, batch_code, sizeof(batch_code));
}

int builder_call(struct builder *b, struct err *e, const char *what, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5)
{
	int r = 0;

	if (!b->fresh)
		return batch_inject(b, e, what, NULL, nr, a0, a1, a2, a3, a4, a5);
	if (!b->batch) {
		b->batch = calloc(BATCH_MAX, sizeof(*b->batch));
		b->batch_what = calloc(BATCH_MAX, sizeof(*b->batch_what));
	}
	if (!b->batch || !b->batch_what)
		return err_set(e, -ENOMEM, "out of memory");
	if (b->batch_n == BATCH_MAX)
		r = builder_run(b, e);
	if (r < 0)
		return r;
	memcpy(b->batch[b->batch_n], (uint64_t[]){nr, a0, a1, a2, a3, a4, a5}, sizeof(*b->batch));
	b->batch_what[b->batch_n++] = what;
	return 0;
}

static int run_batch(struct builder *b)
{
	struct user_regs_struct regs;
	size_t bytes = b->batch_n * sizeof(*b->batch);
	int r = tracee_write(b->t, b->stub + STUB_TABLE, b->batch, bytes);

	if (r == 0)
		r = tracee_get_regs(b->t, &regs);
	if (r < 0)
		return r;
	regs.rip = b->stub + STUB_BATCH;
	regs.rbx = b->stub + STUB_TABLE;
	regs.rbp = b->batch_n;
	regs.orig_rax = ~0ULL;
	r = tracee_set_regs(b->t, &regs);
	do {
		if (r == 0)
			r = tracee_resume(b->t, TRACEE_CONT, 0);
		if (r == 0)
			r = tracee_wait(b->t, clock_mono_ns() + BATCH_NS);
	} while (r == 0 && (b->t->stop == TRACEE_EVENT || b->t->stop == TRACEE_GROUP || tracee_puts_off_stop(b->t)));
	if (r == 0 && (b->t->stop != TRACEE_SIGNAL || b->t->sig != SIGILL))
		r = b->t->stop == TRACEE_ENDED ? -ESRCH : -EPROTO;
	return r < 0 ? r : tracee_read(b->t, b->stub + STUB_TABLE, b->batch, bytes);
}

int builder_run(struct builder *b, struct err *e)
{
	size_t n = b->batch_n;
	int r = n ? run_batch(b) : 0;

	b->batch_n = 0;
	if (r < 0)
		return err_set(e, r, "the task cannot be driven: %s", strerror(-r));
	for (size_t i = 0; i < n; i++) {
		int64_t v = (int64_t)b->batch[i][0];

		if (v < 0 && v > -4096 && strcmp(b->batch_what[i], BATCH_HINT) != 0)
			return err_set(e, (int)v, "%s (%#" PRIx64 ", %#" PRIx64 "): %s", b->batch_what[i],
				       b->batch[i][1], b->batch[i][2], strerror((int)-v));
	}
	return 0;
}

int builder_data(struct builder *b, size_t at, const void *p, size_t n, uint64_t *ret)
{
	if (at + n > BUILD_DATA_SIZE)
		return -E2BIG;
	*ret = b->stub + STUB_DATA + at;
	return tracee_write(b->t, *ret, p, n);
}
