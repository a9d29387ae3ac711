/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel does with registers and stack when a handler begins and when it returns, done from outside.
 * Promise: a frame is as home's kernel would have written it, extended registers in the layout of home's CPU, so that
 * a handler may begin on one node and return on another. Must not: decide whether a signal is delivered.
 * Documentation: arch/x86/kernel/signal_64.c and fpu/signal.c, x86-64 psABI 3.2.2.
 */
#ifndef GODWIT_IMAGE_X86_64_SIGFRAME_H
#define GODWIT_IMAGE_X86_64_SIGFRAME_H

#include <stdint.h>
#include <sys/user.h>
#include "cpu.h"

/* struct sigaction as rt_sigaction(2) takes it from the C library. */
struct sigframe_action {
	uint64_t handler, flags, restorer, mask;
};
/* stack_t as sigaltstack(2) takes it. */
struct sigframe_stack {
	uint64_t sp;
	int32_t flags, pad;
	uint64_t size;
};
#define SIGFRAME_AUTODISARM (1U << 31) /* SS_AUTODISARM, linux/signal.h */

/* What a frame tells of the last exception of its thread, REG_ERR, REG_TRAPNO and REG_CR2. */
struct sigframe_trap {
	uint64_t err, trapno, cr2;
};

struct sigframe_signal {
	uint8_t info[128]; /* siginfo_t */
	struct sigframe_action action;
	struct sigframe_stack stack; /* size 0: none */
	uint64_t mask; /* what the return brings back */
	struct sigframe_trap trap;
};

/* The memory of the task; 0 or -EFAULT. */
struct sigframe_memory {
	int (*read)(void *ctx, uint64_t addr, void *p, size_t n);
	int (*write)(void *ctx, uint64_t addr, const void *p, size_t n);
	void *ctx;
};

/* The state of a thread, to be set with tracee_set_regs() and, in the layout `home`, cpu_set_xstate(). */
struct sigframe_context {
	struct user_regs_struct regs;
	uint8_t xstate[XSTATE_MAX];
	size_t xstate_len;
};

/* A handler with these flags of its action interrupts the call that stands in *regs, if it does: it is made again after
 * the handler, or has failed with EINTR, as the restart code `code` (0: in no call) says. signal(7). */
void sigframe_cut_call(struct user_regs_struct *regs, int64_t code, uint64_t flags);

/* Writes the frame of sig below the stack pointer, and makes c the state in which its handler begins. -EFAULT: the
 * stack cannot be written, or an alternate stack is too small for it: the kernel would force a SIGSEGV. */
int sigframe_push(struct sigframe_context *c, const struct sigframe_signal *sig, const struct cpu_layout *home,
		  const struct sigframe_memory *mem) _must_check_;

/* Reads the frame at which a thread calls rt_sigreturn(2) with stack pointer sp, and changes c accordingly; *mask and
 * *stack are what the kernel would set. -EFAULT; -ENOTSUP: the frame names other segments than a 64-bit program has. */
int sigframe_pop(struct sigframe_context *c, uint64_t sp, uint64_t *mask, struct sigframe_stack *stack,
		 const struct sigframe_memory *mem) _must_check_;

/* Of the frame that a kernel has just written, at the stack pointer of its handler. -EFAULT. */
int sigframe_trap(struct sigframe_trap *ret, uint64_t sp, const struct sigframe_memory *mem) _must_check_;

#endif
