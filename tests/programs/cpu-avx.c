/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The wide vector registers keep their contents over calls and moves.
 * Proves: getpid write
 */
#include <string.h>
#include <unistd.h>

#include "promise.h"

static void fill(uint64_t *v, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		v[i] = xorshift(&seed);
}

__attribute__((target("avx"))) static void through(const uint64_t *in, uint64_t *out)
{
	long r;

	/* All sixteen hold values while the call is made. */
	__asm__ volatile("vmovdqu (%1), %%ymm0\n\tvmovdqu 32(%1), %%ymm7\n\tvmovdqu 64(%1), %%ymm15\n\t"
			 "movl $39, %%eax\n\tsyscall\n\t"
			 "vmovdqu %%ymm0, (%2)\n\tvmovdqu %%ymm7, 32(%2)\n\tvmovdqu %%ymm15, 64(%2)\n\tvzeroupper"
			 : "=&a"(r)
			 : "r"(in), "r"(out)
			 : "rcx", "r11", "memory", "xmm0", "xmm7", "xmm15");
	must(r == getpid());
}

static void round_(void)
{
	uint64_t in[12], out[12];

	if (!__builtin_cpu_supports("avx")) {
		say("the vectors are kept");
		return;
	}
	for (uint64_t i = 1; i < 40; i++) {
		fill(in, i);
		fill(in + 4, i * 7);
		fill(in + 8, i * 13);
		memset(out, 0, sizeof(out));
		through(in, out);
		must(memcmp(in, out, sizeof(in)) == 0);
	}
	say("the vectors are kept");
}

int main(void)
{
	return promise_run(round_);
}
