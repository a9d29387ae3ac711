/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A handler of a fault is told the code, the address, the exception and the error code of the processor, and
 * goes on where it likes by changing the registers in its frame.
 * Proves: rt_sigaction rt_sigreturn sigaltstack mprotect
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "promise.h"

#define PAGE 4096L
enum { READ_ONLY, FILLED, HIDDEN, GONE, SHORT, PAGES };

static char *pages;
static uintptr_t address;
static volatile uint64_t resume;
static volatile int seen;
static const char *what;
static char stack[65536];

/* Continues behind the instruction that follows "set_resume". */
#define SET_RESUME "leaq 1f(%%rip), %%rax\n\tmovq %%rax, %0\n\t"
#define FAIL(code, ...) \
	__asm__ volatile(SET_RESUME code "\n1:" : "=m"(resume) : __VA_ARGS__ : "rax", "rcx", "rdx", "memory")

static void tell(int sig, const siginfo_t *si, const greg_t *r)
{
	long offset = (char *)si->si_addr - (char *)address;
	bool page_fault = r[REG_TRAPNO] == 14;
	char place = si->si_addr == NULL                            ? '0'
		     : offset == 0                                  ? '='
		     : (greg_t)(uintptr_t)si->si_addr == r[REG_RIP] ? 'i'
								    : '?';

	say("%s: signal %d code %d address %c trap %lld error %#llx cr2 %c", what, sig, si->si_code, place,
	    r[REG_TRAPNO], r[REG_ERR],
	    !page_fault                        ? '-'
	    : (uintptr_t)r[REG_CR2] == address ? '='
					       : '?');
}

static void on_fault(int sig, siginfo_t *si, void *context)
{
	ucontext_t *u = context;

	seen++;
	tell(sig, si, u->uc_mcontext.gregs);
	if (resume)
		u->uc_mcontext.gregs[REG_RIP] = (greg_t)resume;
	resume = 0;
}

static void reads(void)
{
	FAIL("movb (%1), %%cl", "r"(address));
}

static void writes(void)
{
	FAIL("movb $1, (%1)", "r"(address));
}

static void changes(void)
{
	FAIL("lock incl (%1)", "r"(address));
}

static void jumps(void)
{
	FAIL("jmp *%1", "r"(address));
}

static void pushes(void)
{
	FAIL("movq %%rsp, %%rdx\n\tleaq 8(%1), %%rsp\n\tpushq $0\n1:\n\tmovq %%rdx, %%rsp", "r"(address));
}

static void try(const char *name, char *at, void (*fault)(void))
{
	int before = seen;

	what = name;
	address = (uintptr_t)at;
	fault();
	must(seen == before + 1);
}

static void memory_faults(void)
{
	static const struct {
		const char *name;
		void (*fault)(void);
	} ways[] = {{"read", reads}, {"write", writes}, {"change", changes}, {"jump", jumps}};
	static const char *const names[PAGES] = {"read only", "filled", "hidden", "unmapped", "beyond the file"};
	char text[100];

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		for (int page = 0; page < PAGES; page++) {
			if (ways[i].fault == reads && page <= FILLED)
				continue;
			(void)snprintf(text, sizeof(text), "%s %s", names[page], ways[i].name);
			try(text, pages + page * PAGE + 24, ways[i].fault);
		}
		(void)snprintf(text, sizeof(text), "first page %s", ways[i].name);
		try(text, (char *)16, ways[i].fault);
		(void)snprintf(text, sizeof(text), "kernel's %s", ways[i].name);
		try(text, (char *)-4096, ways[i].fault);
		(void)snprintf(text, sizeof(text), "no address %s", ways[i].name);
		try(text, (char *)0x7000000000000000, ways[i].fault);
	}
	try("stack without address", (char *)0x7000000000000000, pushes);
	try("stack without memory", pages + GONE * PAGE + 32, pushes);
}

static void divides(void)
{
	FAIL("xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\tdivl %%ecx", "r"(address));
}

static void undefined(void)
{
	FAIL("ud2", "r"(address));
}

static void undefined_too(void)
{
	FAIL(".byte 0x06", "r"(address)); /* push %es, of other modes */
}

static void halts(void)
{
	FAIL("hlt", "r"(address));
}

static void asks_port(void)
{
	FAIL("movl $0x80, %%edx\n\tinb %%dx, %%al", "r"(address));
}

static void traps(void)
{
	__asm__ volatile("int3");
}

static void traps_long(void)
{
	__asm__ volatile(".byte 0xcd, 3");
}

static void interrupts(void)
{
	FAIL("int $0x41", "r"(address));
}

static void overflows(void)
{
	__asm__ volatile("int $4");
}

static void misaligned(void)
{
	FAIL("movaps 4(%1), %%xmm1", "r"(stack));
}

static void vector_divides(void)
{
	static const uint32_t strict = 0x1d80, usual = 0x1f80; /* divisions by zero are told */

	__asm__ volatile("ldmxcsr %0" : : "m"(strict));
	FAIL("xorps %%xmm1, %%xmm1\n\tmovl $1, %%ecx\n\tcvtsi2ss %%ecx, %%xmm2\n\tdivss %%xmm1, %%xmm2", "r"(address));
	__asm__ volatile("ldmxcsr %0" : : "m"(usual));
}

static void x87_divides(void)
{
	static const uint16_t strict = 0x37b;

	__asm__ volatile("fldcw %0" : : "m"(strict));
	FAIL("fld1\n\tfldz\n\tfdivrp\n\tfwait", "r"(address));
	__asm__ volatile("fninit");
}

static void other_faults(void)
{
	try("divide", NULL, divides);
	try("ud2", NULL, undefined);
	try("undefined", NULL, undefined_too);
	try("halt", NULL, halts);
	try("port", NULL, asks_port);
	try("int3", NULL, traps);
	try("int 3", NULL, traps_long);
	try("int 0x41", NULL, interrupts);
	try("int 4", NULL, overflows);
	try("misaligned", NULL, misaligned);
	try("vector divide", NULL, vector_divides);
	try("x87 divide", NULL, x87_divides);
}

static void lay_out(const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);

	pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(fd >= 0 && pages != MAP_FAILED);
	/* Pages that are written are there wherever it goes; whether another one is, the error code tells. */
	pages[READ_ONLY * PAGE] = pages[FILLED * PAGE] = pages[HIDDEN * PAGE] = 1;
	must(mprotect(pages + READ_ONLY * PAGE, PAGE, PROT_READ) == 0);
	must(mprotect(pages + FILLED * PAGE, PAGE, PROT_READ) == 0);
	must(mprotect(pages + HIDDEN * PAGE, PAGE, PROT_NONE) == 0);
	must(mmap(pages + SHORT * PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) !=
	     MAP_FAILED);
	must(munmap(pages + GONE * PAGE, PAGE) == 0 && close(fd) == 0 && unlink(file) == 0);
}

static void round_(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};

	lay_out("short");
	must(sigaltstack(&ss, NULL) == 0);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		must(sigaction(signals[i], &sa, NULL) == 0);
	memory_faults();
	other_faults();
	must(munmap(pages, PAGES * PAGE) == 0);
}

int main(void)
{
	return promise_run(round_);
}
