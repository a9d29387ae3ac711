/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instruction of the guest fails: SIGSEGV, SIGFPE, SIGILL, SIGTRAP.
 * Promise: home is asked whether a handler runs, and it runs here, with all that a frame at home would tell. What may
 * be otherwise at home, or is of our own making, is not asked but made again there. Must not: guess what the kernel
 * knows.
 *
 * What the processor said to the kernel (error code, number of the exception, CR2) no call tells; only frames do. So
 * the kernel here writes one: the thread stands before its signal, its stack pointer is set to the scratch memory
 * behind the stub of the clocks, and the handler of another signal, which nobody else ever gets, begins. Before its
 * first instruction the thread stops, and gets its registers back. The address of that handler is that of the stub; it
 * is never run.
 */
#include "agent.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../image/pages.h"

#define STEP_NS (5 * NSEC_PER_SEC)
#define PROBE SIGURG
#define SA_RESTORER_ 0x04000000U
#define KERNEL_SIGSET_BYTES 8
#define ACTION_AT 1024 /* in the builder's data, behind what else is there */
#define FLAG_TRAP 0x100ULL
#define ERR_WRITE 2U /* of a page fault */
#define ERR_FETCH 16U
#define CANONICAL_SHIFT 16 /* of four levels of page tables */
#define INSTRUCTION_MAX 15
#define VSYSCALL 0xffffffffff600000ULL

/* Exceptions of the processor: Intel SDM 3, 6.15. */
enum { DIVIDE, DEBUG, BREAKPOINT = 3, OVERFLOW, INVALID = 6, STACK = 12, PROTECTION, PAGE, X87 = 16, VECTOR = 19 };

int trap_prepare(struct agent *a, struct err *e)
{
	struct sigframe_action action = {
	    .handler = a->b.copy.stub, .flags = SA_SIGINFO | SA_NODEFER | SA_RESTORER_, .restorer = a->b.copy.stub};
	uint64_t at;
	int r;

	if (!a->b.copy.scratch)
		return 0;
	r = builder_data(&a->b, ACTION_AT, &action, sizeof(action), &at);
	return r < 0 ? r
		     : builder_call(&a->b, e, "setting a handler", SYS_rt_sigaction, PROBE, at, 0, KERNEL_SIGSET_BYTES,
				    0, 0);
}

static struct sigframe_memory memory(struct agent *a)
{
	return (struct sigframe_memory){agent_mem_read, agent_mem_write, a};
}

/* Of the registers only those of a restartable sequence's end may change. */
static int probe(struct guest_thread *g, struct user_regs_struct *regs, struct sigframe_trap *ret)
{
	struct sigframe_memory mem = memory(g->a);
	uint8_t xstate[XSTATE_MAX];
	struct user_regs_struct at;
	struct cpu_layout here;
	struct cpu_rseq rseq;
	ssize_t n = cpu_get_xstate(&g->t, xstate);
	int r = n < 0 ? (int)n : cpu_get_rseq(&g->t, &rseq), failed;

	if (r == 0)
		r = cpu_rseq_abort(&g->t, &rseq, regs);
	if (r < 0)
		return r;
	cpu_layout_here(&here);
	at = *regs;
	at.rsp = g->a->b.copy.scratch + VDSO_SCRATCH_SIZE;
	at.eflags &= ~FLAG_TRAP;
	r = tracee_set_regs(&g->t, &at);
	if (r < 0)
		return r;
	failed = tracee_begin_handler(&g->t, PROBE, clock_mono_ns() + STEP_NS);
	if (failed && failed != -EFAULT)
		return failed;
	r = tracee_get_regs(&g->t, &at);
	if (r == 0 && !failed)
		failed = sigframe_trap(ret, at.rsp, &mem);
	if (r == 0)
		r = cpu_set_xstate(&g->t, xstate, (size_t)n, &here);
	if (r == 0)
		r = tracee_set_regs(&g->t, regs);
	return r < 0 ? r : failed;
}

static const struct image_vma *origin(const struct agent *a, uint64_t addr)
{
	return maps_find(&a->b.target, addr);
}

/* Clocks' code, vdso, vsyscall page: what is there is not what home has. */
static bool is_ours(const struct agent *a, uint64_t addr)
{
	const struct image_vma *v = origin(a, addr);

	return addr - VSYSCALL < IMAGE_PAGE || (v && (v->flags & (VMA_VDSO | VMA_VVAR)));
}

/* While another thread maps a file, its range cannot be touched for a moment. */
static bool is_open_now(struct agent *a, uint64_t addr, uint64_t err)
{
	uint32_t need = err & ERR_FETCH ? PROT_EXEC : err & ERR_WRITE ? PROT_WRITE : PROT_READ;
	const struct image_vma *v = origin(a, addr);
	struct image_maps now;
	bool is;

	if (a->threads_n == 1 || !v || !v->file)
		return false;
	maps_init(&now);
	is = maps_read(&now, main_tracee(a)->pid, false, NULL) < 0 ||
	     ((v = maps_find(&now, addr)) != NULL && (v->prot & need));
	maps_release(&now);
	return is;
}

static bool page_fault(struct agent *a, const siginfo_t *info, const struct sigframe_trap *t)
{
	uint64_t addr = (uintptr_t)info->si_addr;

	/* Of another signal: the end of a file, or of the host's memory. Another code: keys of protection. An address
	 * that is none with home's page tables is told otherwise there. */
	return info->si_signo == SIGSEGV && (info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR) &&
	       t->cr2 == addr && (uint64_t)((int64_t)(addr << CANONICAL_SHIFT) >> CANONICAL_SHIFT) == addr &&
	       !is_ours(a, addr) && !is_open_now(a, addr, t->err);
}

/* A byte of the instruction that has failed. It has been read just now, unless somebody has taken it away since. */
static bool code_at(struct agent *a, uint64_t addr, uint8_t *ret)
{
	return (!agent_in_file_range(a, addr, 1) || pages_present(a->pagemap, addr & ~(IMAGE_PAGE - 1)) > 0) &&
	       tracee_read(main_tracee(a), addr, ret, 1) == 0;
}

/* What the instruction does, without its prefixes; two bytes are 0x0fXX. -1: not known. */
static int opcode(struct agent *a, uint64_t rip)
{
	static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

	for (uint64_t at = rip; at < rip + INSTRUCTION_MAX; at++) {
		uint8_t c, second;

		if (!code_at(a, at, &c))
			break;
		if (memchr(prefixes, c, sizeof(prefixes)) || (c & 0xf0) == 0x40)
			continue;
		if (c != 0x0f)
			return c;
		return code_at(a, at + 1, &second) ? 0x0f00 | second : -1;
	}
	return -1;
}

/* ud0, ud1, ud2 are there to fail; others home's kernel may know. */
static bool undefined(struct agent *a, uint64_t rip)
{
	int op = opcode(a, rip);

	return op == 0x0fff || op == 0x0fb9 || op == 0x0f0b;
}

/* in, out, cli, sti, rdpmc: a process may have been given them. */
static bool by_grace(struct agent *a, uint64_t rip)
{
	int op = opcode(a, rip);

	return op < 0 || (op >= 0x6c && op <= 0x6f) || (op >= 0xe4 && op <= 0xe7) || (op >= 0xec && op <= 0xef) ||
	       op == 0xfa || op == 0xfb || op == 0x0f33;
}

/* Would the same instruction, at home, get the same signal, with the same values? */
static bool same_at_home(struct guest_thread *g, uint64_t rip, const siginfo_t *info, const struct sigframe_trap *t)
{
	int sig = info->si_signo, code = info->si_code;

	if (is_ours(g->a, rip) || is_ours(g->a, rip - 1))
		return false;
	switch (t->trapno) {
	case DIVIDE:
	case X87:
	case VECTOR:
		return sig == SIGFPE;
	case DEBUG:
		return sig == SIGTRAP && (code == TRAP_TRACE || code == TRAP_BRKPT);
	case BREAKPOINT:
		return sig == SIGTRAP && code == SI_KERNEL;
	case OVERFLOW:
		return sig == SIGSEGV && code == SI_KERNEL;
	case STACK:
		return sig == SIGBUS && code == SI_KERNEL;
	case INVALID:
		return sig == SIGILL && undefined(g->a, rip);
	case PROTECTION:
		return sig == SIGSEGV && code == SI_KERNEL && !by_grace(g->a, rip);
	case PAGE:
		return page_fault(g->a, info, t);
	default:
		return false;
	}
}

static int say_fault(struct guest_thread *g)
{
	struct wire_guest_fault m = {.tid = g->image->tid,
				     .signals = g->signals_seen,
				     .info = {(const uint8_t *)&g->trap.info, sizeof(g->trap.info)}};
	int r = wire_guest_fault_encode(&m, link_out(g->a->link));

	return r < 0 ? r : agent_send(g->a);
}

/* 1: what the kernel knows is in g->trap, and is to be trusted. */
static int look(struct guest_thread *g)
{
	struct tracee before = g->t;
	struct user_regs_struct regs;
	struct sigframe_trap values;
	int r = tracee_get_regs(&g->t, &regs);

	if (r == 0)
		r = probe(g, &regs, &values);
	if (g->t.stop == TRACEE_ENDED)
		return 0;
	/* For all others it still stands where it stood. */
	g->t.stop = before.stop;
	g->t.sig = before.sig;
	g->t.info = before.info;
	g->t.status = before.status;
	if (r < 0)
		return r == -EFAULT ? 0 : r;
	g->trap.values = values;
	g->trap.info = before.info;
	return same_at_home(g, regs.rip, &before.info, &values);
}

int trap_ask(struct guest_thread *g)
{
	struct agent *a = g->a;
	int r;

	if (g->trap.asked)
		return 1;
	/* Memory that two processes have is also what both their agents would use. */
	if (a->home_asked || g->t.info.si_code <= 0 || a->family.held || a->family.shares || !a->b.copy.scratch)
		return 0;
	if (fault_point(FAULT_GUEST_TRAP) < 0)
		agent_end(a, 1, "fault point guest-trap");
	r = look(g);
	if (r <= 0)
		return r;
	r = say_fault(g);
	g->trap.asked = true;
	return r < 0 ? r : 1;
}

int trap_ask_again(struct guest_thread *g)
{
	return say_fault(g);
}

bool trap_is(const struct guest_thread *g, const struct guest_signal *s)
{
	static_assert(sizeof(s->signal.info) == sizeof(g->trap.info), "siginfo_t travels as it is");
	return g->trap.asked && memcmp(s->signal.info, &g->trap.info, sizeof(g->trap.info)) == 0;
}
