/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a process depends on the CPU: the instructions that it may use, and its extended registers (XSAVE).
 * Promise: a process is only put on a CPU that has every user-visible instruction set of the one it began on, and
 * its extended state arrives component by component, wherever the target's CPU keeps each. Must not: care about
 * speed-only feature bits.
 */
#ifndef GODWIT_IMAGE_X86_64_CPU_H
#define GODWIT_IMAGE_X86_64_CPU_H

#include <stdint.h>
#include <x86intrin.h>
#include "../tracee.h"

#define CPU_WORDS 10
#define CPU_COMPONENTS 20
#define XSTATE_MAX 16384

struct cpu_component {
	uint32_t id, offset, size; /* of the standard XSAVE format, CPUID leaf 0xD */
};
struct cpu_layout { /* travels in IMAGE_BEGIN as it is */
	uint32_t features[CPU_WORDS];
	uint32_t count;
	struct cpu_component components[CPU_COMPONENTS];
};

/* The CPU that this runs on. */
void cpu_layout_here(struct cpu_layout *ret);
/* 0, or -ENOEXEC with a sentence when `here` lacks an instruction set of `from`, or a component of its state. */
int cpu_layout_fits(const struct cpu_layout *here, const struct cpu_layout *from, struct err *e) _must_check_;

/* Reads the extended state of a stopped task; buf has XSTATE_MAX bytes; length or -errno. */
ssize_t cpu_get_xstate(const struct tracee *t, uint8_t *buf) _must_check_;
/* Brings a state of n bytes from layout `from` into layout `to`, whose size is given; the rest of it becomes zero.
 * -EPROTO, -ENOEXEC. */
int cpu_convert_xstate(uint8_t *ret, size_t size, const struct cpu_layout *to, const uint8_t *state, size_t n,
		       const struct cpu_layout *from) _must_check_;
/* Bytes that a state of this layout takes. */
size_t cpu_layout_size(const struct cpu_layout *l);
/* Does every component lie where a state, and what a signal's frame has behind it, has room? For one from a peer. */
bool cpu_layout_valid(const struct cpu_layout *l);
/* Gives a stopped task the state that was read on a CPU of layout `from`. */
int cpu_set_xstate(const struct tracee *t, const uint8_t *state, size_t n, const struct cpu_layout *from) _must_check_;

/* The restartable sequence that the task has registered (ptr 0: none), and the regs moved to its abort address when
 * they lie inside a critical section; the section's pointer in memory must then be cleared (*ret_clear = address).
 * Documentation: rseq(2), kernel/rseq.c. */
struct cpu_rseq {
	uint64_t ptr;
	uint32_t len, sig;
};
int cpu_get_rseq(struct tracee *t, struct cpu_rseq *ret) _must_check_;
int cpu_rseq_abort(struct tracee *t, const struct cpu_rseq *rseq, struct user_regs_struct *regs) _must_check_;

/* The counter by which time can be told without the kernel, not before what stands above has been done. */
static inline uint64_t cpu_counter(void)
{
	_mm_lfence();
	return __rdtsc();
}
/* NULL when it goes at one speed and the same on all processors, as this machine's kernel believes; else why not. */
const char *cpu_counter_bad(void);

#endif
