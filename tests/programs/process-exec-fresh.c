/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A program begins with the registers, the memory and the descriptors that the kernel gives to one, and
 * nothing else.
 * Proves: execve getpid
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

/* Where the deputy of a process that is away keeps the memory of its calls. */
#define SCRATCH 0x200000000000UL
#define SCRATCH_END 0x210000000000UL

/* All registers but the stack's and the instruction's, then the flags; and some of the vectors. */
uint64_t began_with[16] __attribute__((visibility("hidden")));
unsigned char vectors[64] __attribute__((visibility("hidden"), aligned(16)));

void at_entry(void);
__asm__(".globl at_entry\n"
	"at_entry:\n"
	"	mov %rax, began_with(%rip)\n"
	"	mov %rbx, began_with+8(%rip)\n"
	"	mov %rcx, began_with+16(%rip)\n"
	"	mov %rdx, began_with+24(%rip)\n"
	"	mov %rsi, began_with+32(%rip)\n"
	"	mov %rdi, began_with+40(%rip)\n"
	"	mov %rbp, began_with+48(%rip)\n"
	"	mov %r8, began_with+56(%rip)\n"
	"	mov %r9, began_with+64(%rip)\n"
	"	mov %r10, began_with+72(%rip)\n"
	"	mov %r11, began_with+80(%rip)\n"
	"	mov %r12, began_with+88(%rip)\n"
	"	mov %r13, began_with+96(%rip)\n"
	"	mov %r14, began_with+104(%rip)\n"
	"	mov %r15, began_with+112(%rip)\n"
	"	pushfq\n"
	"	popq began_with+120(%rip)\n"
	"	movaps %xmm0, vectors(%rip)\n"
	"	movaps %xmm7, vectors+16(%rip)\n"
	"	movaps %xmm8, vectors+32(%rip)\n"
	"	movaps %xmm15, vectors+48(%rip)\n"
	"	jmp _start\n");

static void check_memory(void)
{
	char line[400];
	unsigned long from, to;
	FILE *f = fopen("/proc/self/maps", "re");

	must(f);
	while (fgets(line, sizeof(line), f)) {
		must(sscanf(line, "%lx-%lx", &from, &to) == 2);
		must(to <= SCRATCH || from >= SCRATCH_END);
	}
	must(fclose(f) == 0);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0, open_now = 0;
	char number[12], now[12], pid[12];

	promise_start();
	for (int fd = 0; fd < 200; fd++)
		open_now += fcntl(fd, F_GETFD) >= 0;
	if (n) {
		for (int i = 0; i < 15; i++)
			must(began_with[i] == 0);
		must((began_with[15] & 0xdd5) == 0 && open_now == atoi(argv[2]) && getpid() == atoi(argv[3]));
		for (size_t i = 0; i < sizeof(vectors); i++)
			must(vectors[i] == 0);
	}
	/* What a driver may move has to be in a process that can be: not while this file is open. */
	if (n % 3 == 1)
		check_memory();
	if (n >= 6 && promise_done()) {
		(void)printf("fresh\n");
		return 0;
	}
	burn_ms(3);
	(void)snprintf(number, sizeof(number), "%d", n + 1);
	(void)snprintf(now, sizeof(now), "%d", open_now);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	(void)execl("/proc/self/exe", argv[0], number, now, pid, (char *)NULL);
	must(!"execl");
}
