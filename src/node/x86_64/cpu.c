/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program on this machine may use of an x86-64 processor.
 * Promise: two machines on which every user program finds the same instructions give the same bytes; bits that only
 * kernels see (virtualisation, mitigations, the APIC) are masked away. Must not: grow beyond CPU_FEATURES_MAX bytes.
 */
#include <assert.h>
#include <cpuid.h>
#include <string.h>
#include "../node.h"

/* One register of one CPUID leaf and the bits in it that user programs can tell (Intel SDM vol. 2A, CPUID; AMD APM vol.
 * 3, E). */
static const struct {
	uint32_t leaf, subleaf;
	enum { EAX, EBX, ECX, EDX } reg;
	uint32_t mask;
} features[] = {
    {0x00000001, 0, ECX, 0x7ed83203}, /* SSE3 .. RDRAND */
    {0x00000001, 0, EDX, 0x07808110}, /* TSC, CX8, CMOV, MMX, FXSR, SSE, SSE2 */
    {0x00000007, 0, EBX, 0xfdad0b39}, /* FSGSBASE, BMI, HLE, AVX2, RTM, AVX-512 .. */
    {0x00000007, 0, ECX, 0x18415f7b}, /* VBMI, PKU, WAITPKG, GFNI, VAES, RDPID .. */
    {0x00000007, 0, EDX, 0x03c0411c}, /* FSRM, SERIALIZE, AMX, FP16 */
    {0x00000007, 1, EAX, 0x00a00037}, /* SHA512, AVX-VNNI, AVX512_BF16 .. */
    {0x0000000d, 1, EAX, 0x00000006}, /* XSAVEC, XGETBV with ECX 1 */
    {0x80000001, 0, ECX, 0x002109e1}, /* LAHF, ABM, SSE4A, XOP, FMA4, TBM */
    {0x80000001, 0, EDX, 0xc8400800}, /* SYSCALL, RDTSCP, 3DNow! */
};

static uint64_t xcr0(void)
{
	uint32_t a, b, c, d, low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

size_t cpu_features(uint8_t *buf, size_t cap)
{
	size_t i, n = ARRAY_SIZE(features) * 4 + 8 + 4;
	uint64_t x = xcr0();

	static_assert(ARRAY_SIZE(features) * 4 + 8 + 4 <= CPU_FEATURES_MAX, "the bytes fit");
	if (cap < n)
		return 0;
	memcpy(buf, "x86", 4); /* another architecture begins otherwise, and then nothing is covered */
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		uint32_t r[4] = {0, 0, 0, 0};

		if (!__get_cpuid_count(features[i].leaf, features[i].subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
			memset(r, 0, sizeof(r));
		put32(buf + 4 + i * 4, r[features[i].reg] & features[i].mask);
	}
	put32(buf + 4 + i * 4, (uint32_t)x);
	put32(buf + 8 + i * 4, (uint32_t)(x >> 32));
	return n;
}

bool cpu_features_cover(const uint8_t *have, size_t n_have, const uint8_t *need, size_t n_need)
{
	size_t i;

	if (!n_need)
		return true;
	if (n_need < 4 || n_have < 4 || memcmp(have, need, 4) != 0)
		return false;
	/* A newer version knows more rows; what the other did not look at counts as absent there. */
	for (i = 4; i < n_need; i++)
		if (need[i] & ~(i < n_have ? have[i] : 0))
			return false;
	return true;
}
