/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What a handler does to the vector registers, the rounding mode and the x87 stack is undone when it
 * returns.
 * Proves: rt_sigreturn rt_sigaction
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

static volatile int heard;

__attribute__((target("avx"))) static void spoil(void)
{
	__asm__ volatile("vxorps %%ymm0, %%ymm0, %%ymm0\n\tvxorps %%ymm7, %%ymm7, %%ymm7\n\t"
			 "vxorps %%ymm15, %%ymm15, %%ymm15" ::
			     : "xmm0", "xmm7", "xmm15");
}

static void on_usr1(int sig)
{
	uint32_t mxcsr = 0x7f80; /* rounds to zero */
	uint16_t cw = 0x0f7f;

	(void)sig;
	heard++;
	__asm__ volatile("ldmxcsr %0\n\tfninit\n\tfldcw %1\n\tfldz\n\tfldz" ::"m"(mxcsr), "m"(cw));
	spoil();
}

__attribute__((target("avx"))) static void through(const uint64_t *in, uint64_t *out, long pid, long tid)
{
	uint32_t before = 0x3f80, after = 0; /* rounds up to infinity */
	uint16_t cw = 0x0b7f, now = 0;
	double pi = 0;
	long r = 234; /* tgkill */

	__asm__ volatile("ldmxcsr %4\n\tfldcw %6\n\tfldpi\n\t"
			 "vmovdqu (%2), %%ymm0\n\tvmovdqu 32(%2), %%ymm7\n\tvmovdqu 64(%2), %%ymm15\n\t"
			 "syscall\n\t"
			 "vmovdqu %%ymm0, (%3)\n\tvmovdqu %%ymm7, 32(%3)\n\tvmovdqu %%ymm15, 64(%3)\n\tvzeroupper\n\t"
			 "stmxcsr %1\n\tfnstcw %5\n\tfstpl %7\n\tfninit"
			 : "+&a"(r), "=m"(after)
			 : "r"(in), "r"(out), "m"(before), "m"(now), "m"(cw), "m"(pi), "D"(pid), "S"(tid),
			   "d"((long)SIGUSR1)
			 : "rcx", "r11", "memory", "xmm0", "xmm7", "xmm15");
	must(r == 0 && after == before && now == cw && pi > 3.14159 && pi < 3.1416);
	before = 0x1f80;
	__asm__ volatile("ldmxcsr %0" ::"m"(before));
}

static void round_(void)
{
	uint64_t in[12], out[12], s = 99;

	heard = 0;
	must(signal(SIGUSR1, on_usr1) != SIG_ERR);
	for (int i = 0; i < 20 && __builtin_cpu_supports("avx"); i++) {
		for (int k = 0; k < 12; k++)
			in[k] = xorshift(&s);
		memset(out, 0, sizeof(out));
		through(in, out, getpid(), gettid());
		must(memcmp(in, out, sizeof(in)) == 0 && heard == i + 1);
	}
	say("undone");
}

int main(void)
{
	return promise_run(round_);
}
