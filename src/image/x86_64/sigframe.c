/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of signal handlers; see sigframe.h. */
#include "sigframe.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "../image.h"

#define RED_ZONE 128
#define XSAVE_LEGACY 512 /* the area of FXSAVE */
#define XSAVE_BV 512
#define XSAVE_HEAD 576
#define SW_BYTES 464 /* what FXSAVE leaves to software */
#define MAGIC1 0x46505853U /* FP_XSTATE_MAGIC1, asm/sigcontext.h */
#define MAGIC2 0x46505845U
#define FP_AND_SSE 3ULL
#define PKRU_BIT (1ULL << 9)
#define UC_FLAGS 7 /* XSTATE, SIGCONTEXT_SS, STRICT_RESTORE_SS: asm/ucontext.h */
#define FCW_INIT 0x37f
#define MXCSR_INIT 0x1f80
#define USER_CS 0x33
/* AC, OF, DF, TF, SF, ZF, AF, PF, CF and RF: what a program may change by its frame. */
#define FLAGS_OWN 0x50dd5ULL
#define FLAGS_HANDLER_LOSES 0x10500ULL /* RF, DF, TF */

/* struct sigcontext_64, struct ucontext and struct rt_sigframe of the kernel. */
struct context {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
struct frame {
	uint64_t pretcode;
	uint64_t uc_flags, uc_link;
	struct sigframe_stack uc_stack;
	struct context mc;
	uint64_t mask;
	uint8_t info[128];
};
static_assert(sizeof(struct context) == 256 && sizeof(struct frame) == 440, "frames are read by programs");

struct sw_bytes { /* struct _fpx_sw_bytes */
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, pad;
};

static bool on_stack(const struct sigframe_stack *s, uint64_t sp)
{
	return sp > s->sp && sp - s->sp <= s->size;
}

static void registers_to_frame(struct context *mc, const struct user_regs_struct *r)
{
	*mc = (struct context){
	    .r8 = r->r8,
	    .r9 = r->r9,
	    .r10 = r->r10,
	    .r11 = r->r11,
	    .r12 = r->r12,
	    .r13 = r->r13,
	    .r14 = r->r14,
	    .r15 = r->r15,
	    .di = r->rdi,
	    .si = r->rsi,
	    .bp = r->rbp,
	    .bx = r->rbx,
	    .dx = r->rdx,
	    .ax = r->rax,
	    .cx = r->rcx,
	    .sp = r->rsp,
	    .ip = r->rip,
	    .flags = r->eflags,
	    .cs = (uint16_t)r->cs,
	    .ss = (uint16_t)r->ss,
	};
}

static void registers_from_frame(struct user_regs_struct *r, const struct context *mc)
{
	r->r8 = mc->r8;
	r->r9 = mc->r9;
	r->r10 = mc->r10;
	r->r11 = mc->r11;
	r->r12 = mc->r12;
	r->r13 = mc->r13;
	r->r14 = mc->r14;
	r->r15 = mc->r15;
	r->rdi = mc->di;
	r->rsi = mc->si;
	r->rbp = mc->bp;
	r->rbx = mc->bx;
	r->rdx = mc->dx;
	r->rax = mc->ax;
	r->rcx = mc->cx;
	r->rsp = mc->sp;
	r->rip = mc->ip;
	r->eflags = (r->eflags & ~FLAGS_OWN) | (mc->flags & FLAGS_OWN);
	r->orig_rax = ~0ULL; /* no call to be made again */
}

void sigframe_cut_call(struct user_regs_struct *regs, int64_t code, uint64_t flags)
{
	if (!code)
		return;
	if (code == -ERESTARTNOINTR_ || (code == -ERESTARTSYS_ && (flags & SA_RESTART))) {
		regs->rax = regs->orig_rax;
		regs->rip -= 2;
	} else {
		regs->rax = (uint64_t)-EINTR;
	}
	regs->orig_rax = ~0ULL;
}

/* Completes an extended state to what stands in a frame. Returns its length; there is room for MAGIC2 behind it. */
static size_t dress_xstate(uint8_t *x, const struct cpu_layout *home)
{
	struct sw_bytes sw = {.magic1 = MAGIC1, .xfeatures = FP_AND_SSE};
	uint32_t magic2 = MAGIC2, end = XSAVE_HEAD;
	uint64_t bv;

	memcpy(&bv, x + XSAVE_BV, sizeof(bv));
	bv |= FP_AND_SSE;
	for (uint32_t i = 0; i < home->count && i < CPU_COMPONENTS; i++) {
		const struct cpu_component *c = &home->components[i];

		/* Registers of matrices (18) are there for those only who have asked the kernel for them. */
		if (c->id >= 64 || (c->id == 18 && !(bv >> c->id & 1)))
			continue;
		sw.xfeatures |= 1ULL << c->id;
		end = c->offset + c->size > end ? c->offset + c->size : end;
	}
	sw.xstate_size = end;
	sw.extended_size = end + (uint32_t)sizeof(magic2);
	memcpy(x + XSAVE_BV, &bv, sizeof(bv));
	memset(x + SW_BYTES, 0, XSAVE_LEGACY - SW_BYTES);
	memcpy(x + SW_BYTES, &sw, sizeof(sw));
	memcpy(x + end, &magic2, sizeof(magic2));
	return end;
}

/* As a handler, and a frame without extended state, finds the registers. */
static void initial_xstate(uint8_t *x, uint64_t keep)
{
	uint16_t fcw = FCW_INIT;
	uint32_t mxcsr = MXCSR_INIT;
	uint64_t bv;

	memcpy(&bv, x + XSAVE_BV, sizeof(bv));
	bv = (bv & keep) | FP_AND_SSE;
	memset(x, 0, XSAVE_HEAD);
	memcpy(x, &fcw, sizeof(fcw));
	memcpy(x + 24, &mxcsr, sizeof(mxcsr));
	memcpy(x + XSAVE_BV, &bv, sizeof(bv));
}

int sigframe_push(struct sigframe_context *c, const struct sigframe_signal *sig, const struct cpu_layout *home,
		  const struct sigframe_memory *mem)
{
	struct user_regs_struct *r = &c->regs;
	uint64_t sp = r->rsp - RED_ZONE, fp;
	bool alternate = on_stack(&sig->stack, r->rsp);
	struct frame f = {.pretcode = sig->action.restorer, .uc_flags = UC_FLAGS, .uc_stack = sig->stack};
	int32_t signo;
	size_t size;
	int err;

	if (c->xstate_len < XSAVE_HEAD || c->xstate_len + sizeof(uint32_t) > XSTATE_MAX)
		return -EFAULT;
	if ((sig->action.flags & SA_ONSTACK) && sig->stack.size && !on_stack(&sig->stack, sp)) {
		sp = sig->stack.sp + sig->stack.size;
		alternate = true;
	}
	size = dress_xstate(c->xstate, home);
	fp = (sp - size - sizeof(uint32_t)) & ~63ULL;
	sp = ((fp - sizeof(f)) & ~15ULL) - 8;
	if (alternate && !on_stack(&sig->stack, sp))
		return -EFAULT;
	f.uc_stack.flags = sig->stack.size ? 0 : SS_DISABLE;
	registers_to_frame(&f.mc, r);
	f.mc.err = sig->trap.err;
	f.mc.trapno = sig->trap.trapno;
	f.mc.cr2 = sig->trap.cr2;
	f.mc.fpstate = fp;
	f.mc.oldmask = f.mask = sig->mask;
	if (sig->action.flags & SA_SIGINFO)
		memcpy(f.info, sig->info, sizeof(f.info));
	err = mem->write(mem->ctx, fp, c->xstate, size + sizeof(uint32_t));
	if (err == 0)
		err = mem->write(mem->ctx, sp, &f, sizeof(f));
	if (err < 0)
		return -EFAULT;
	memcpy(&signo, sig->info, sizeof(signo));
	r->rdi = (uint64_t)signo;
	r->rax = 0;
	r->rsi = sp + offsetof(struct frame, info);
	r->rdx = sp + offsetof(struct frame, uc_flags);
	r->rip = sig->action.handler;
	r->rsp = sp;
	r->eflags &= ~FLAGS_HANDLER_LOSES;
	r->orig_rax = ~0ULL;
	initial_xstate(c->xstate, PKRU_BIT);
	return 0;
}

/* What the frame has of the extended state; a frame may be without, or have only its legacy part. */
static int pop_xstate(struct sigframe_context *c, uint64_t fp, const struct sigframe_memory *mem)
{
	struct sw_bytes sw;
	uint32_t magic2 = 0;
	uint64_t bv = FP_AND_SSE;

	c->xstate_len = XSAVE_HEAD;
	if (!fp) {
		memset(c->xstate, 0, XSAVE_HEAD);
		initial_xstate(c->xstate, 0);
		return 0;
	}
	if (mem->read(mem->ctx, fp, c->xstate, XSAVE_LEGACY) < 0)
		return -EFAULT;
	memcpy(&sw, c->xstate + SW_BYTES, sizeof(sw));
	if (sw.magic1 == MAGIC1 && sw.xstate_size >= XSAVE_HEAD && sw.xstate_size <= XSTATE_MAX &&
	    sw.extended_size > sw.xstate_size && mem->read(mem->ctx, fp + sw.xstate_size, &magic2, 4) == 0 &&
	    magic2 == MAGIC2) {
		c->xstate_len = sw.xstate_size;
		if (mem->read(mem->ctx, fp, c->xstate, sw.xstate_size) < 0)
			return -EFAULT;
		memcpy(&bv, c->xstate + XSAVE_BV, sizeof(bv));
		bv &= sw.xfeatures;
	} else {
		memset(c->xstate + XSAVE_LEGACY, 0, XSAVE_HEAD - XSAVE_LEGACY);
	}
	memset(c->xstate + SW_BYTES, 0, XSAVE_LEGACY - SW_BYTES);
	memcpy(c->xstate + XSAVE_BV, &bv, sizeof(bv));
	return 0;
}

int sigframe_pop(struct sigframe_context *c, uint64_t sp, uint64_t *mask, struct sigframe_stack *stack,
		 const struct sigframe_memory *mem)
{
	struct frame f;
	int r = mem->read(mem->ctx, sp - sizeof(f.pretcode), &f, sizeof(f));

	if (r < 0)
		return -EFAULT;
	if (f.mc.cs != USER_CS)
		return -ENOTSUP;
	r = pop_xstate(c, f.mc.fpstate, mem);
	if (r < 0)
		return r;
	registers_from_frame(&c->regs, &f.mc);
	*mask = f.mask;
	*stack = f.uc_stack;
	return 0;
}

int sigframe_trap(struct sigframe_trap *ret, uint64_t sp, const struct sigframe_memory *mem)
{
	struct frame f;

	if (mem->read(mem->ctx, sp, &f, sizeof(f)) < 0)
		return -EFAULT;
	*ret = (struct sigframe_trap){.err = f.mc.err, .trapno = f.mc.trapno, .cr2 = f.mc.cr2};
	return 0;
}
