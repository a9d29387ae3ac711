/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: vector registers, and the rounding mode of SSE, survive a move in the middle of a loop that lives in
 * them.
 * Proves: no-call
 */
#include <immintrin.h>
#include <string.h>

#include "promise.h"

/* Everything stays in the sixteen registers; the compiler does not know of them. */
__attribute__((target("avx2"))) static void avx2_loop(uint64_t out[8], uint64_t turns)
{
	__asm__ volatile("vpcmpeqd %%ymm0, %%ymm0, %%ymm0\n\t"
			 "vpsrlq $7, %%ymm0, %%ymm1\n\t"
			 "vpsllq $3, %%ymm0, %%ymm2\n\t"
			 "vpsrlq $1, %%ymm0, %%ymm15\n\t"
			 "1:\n\t"
			 "vpaddq %%ymm1, %%ymm2, %%ymm2\n\t"
			 "vpsllq $13, %%ymm15, %%ymm3\n\t"
			 "vpxor %%ymm3, %%ymm15, %%ymm15\n\t"
			 "vpsrlq $7, %%ymm15, %%ymm3\n\t"
			 "vpxor %%ymm3, %%ymm15, %%ymm15\n\t"
			 "vpsllq $17, %%ymm15, %%ymm3\n\t"
			 "vpxor %%ymm3, %%ymm15, %%ymm15\n\t"
			 "vpaddq %%ymm15, %%ymm2, %%ymm1\n\t"
			 "dec %1\n\t"
			 "jnz 1b\n\t"
			 "vmovdqu %%ymm2, (%0)\n\t"
			 "vmovdqu %%ymm15, 32(%0)\n\t"
			 "vzeroupper"
			 : "+r"(out), "+r"(turns)
			 :
			 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm15");
}

__attribute__((target("avx512f"))) static void avx512_loop(uint64_t out[16], uint64_t turns)
{
	__asm__ volatile("movl $0xa5, %%eax\n\t"
			 "kmovw %%eax, %%k3\n\t"
			 "vpternlogd $255, %%zmm31, %%zmm31, %%zmm31\n\t"
			 "vpsrlq $9, %%zmm31, %%zmm30\n\t"
			 "1:\n\t"
			 "vpsllq $13, %%zmm31, %%zmm29\n\t"
			 "vpxorq %%zmm29, %%zmm31, %%zmm31\n\t"
			 "vpsrlq $7, %%zmm31, %%zmm29\n\t"
			 "vpxorq %%zmm29, %%zmm31, %%zmm31\n\t"
			 "vpaddq %%zmm31, %%zmm30, %%zmm30%{%%k3%}\n\t"
			 "dec %1\n\t"
			 "jnz 1b\n\t"
			 "vmovdqu64 %%zmm30, (%0)\n\t"
			 "vmovdqu64 %%zmm31, 64(%0)\n\t"
			 "vzeroupper"
			 : "+r"(out), "+r"(turns)
			 :
			 : "memory", "cc", "rax");
}

static void round_(void)
{
	uint64_t out[16] = {0};
	unsigned mode = _mm_getcsr();
	volatile double three = 3, one = 1;
	double up, down;

	_mm_setcsr((mode & ~0x6000U) | 0x4000U);
	if (__builtin_cpu_supports("avx2"))
		avx2_loop(out, 20000000);
	say("avx2 %016llx", (unsigned long long)hash(0, out, 64));
	memset(out, 0, sizeof(out));
	if (__builtin_cpu_supports("avx512f"))
		avx512_loop(out, 20000000);
	say("avx512 %016llx", (unsigned long long)hash(0, out, sizeof(out)));
	up = one / three;
	say("rounding mode %#x", _mm_getcsr() & 0x6000);
	_mm_setcsr((mode & ~0x6000U) | 0x2000U);
	down = one / three;
	say("up %a down %a", up, down);
	_mm_setcsr(mode);
}

int main(void)
{
	return promise_run(round_);
}
