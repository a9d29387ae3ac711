/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU features, XSAVE state, rseq; see cpu.h. Bit positions: Intel SDM volume 2, CPUID; AMD APM volume 3. */
#include "cpu.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "../../base/file.h"

#define XSAVE_LEGACY 576 /* FXSAVE area and header */
#define XSAVE_BV 512 /* offset of xstate_bv */
#define POWER_LEAF 0x80000007U
#define INVARIANT_COUNTER (1U << 8)
#define CLOCKSOURCES "/sys/devices/system/clocksource/clocksource0/available_clocksource"

static uint64_t xcr0(void)
{
	uint32_t a, d;

	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return ((uint64_t)d << 32) | a;
}

static void ask_processor(struct cpu_layout *ret)
{
	/* Only bits that name instructions: which a program may have chosen by itself or by glibc's ifuncs. */
	static const uint32_t masks[CPU_WORDS] = {
	    0x76d83203, /* 1.ecx: sse3 pclmul ssse3 fma cx16 sse4.1 sse4.2 movbe popcnt aes avx f16c rdrand */
	    0x07808111, /* 1.edx: fpu tsc cx8 cmov mmx fxsr sse sse2 */
	    0xf1af0729, /* 7.ebx: fsgsbase bmi1 avx2 bmi2 rtm avx512* rdseed adx clflushopt clwb sha */
	    0x1a407f42, /* 7.ecx: avx512vbmi vbmi2 gfni vaes vpclmul vnni bitalg vpopcntdq rdpid movdiri movdir64b */
	    0x03c0410c, /* 7.edx: avx512_4vnniw 4fmaps vp2intersect serialize amx-* avx512fp16 */
	    0x00000030, /* 7.1.eax: avx-vnni avx512-bf16 */
	    0x0000000b, /* 0xd.1.eax: xsaveopt xsavec xsaves */
	    0x00210961, /* 0x80000001.ecx: lahf abm sse4a prefetchw xop fma4 tbm */
	    0x08000000, /* 0x80000001.edx: rdtscp */
	    0xffffffff, /* XCR0, low word */
	};
	uint32_t a, b, c, d, *f = ret->features;

	memset(ret, 0, sizeof(*ret));
	if (__get_cpuid(1, &a, &b, &c, &d)) {
		f[0] = c;
		f[1] = d;
	}
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		f[2] = b;
		f[3] = c;
		f[4] = d;
	}
	if (__get_cpuid_count(7, 1, &a, &b, &c, &d))
		f[5] = a;
	if (__get_cpuid_count(0xd, 1, &a, &b, &c, &d))
		f[6] = a;
	if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
		f[7] = c;
		f[8] = d;
	}
	f[9] = (uint32_t)xcr0();
	for (unsigned i = 0; i < CPU_WORDS; i++)
		f[i] &= masks[i];
	for (uint32_t id = 2; id < 32 && ret->count < CPU_COMPONENTS; id++) {
		if (!(f[9] >> id & 1) || !__get_cpuid_count(0xd, id, &a, &b, &c, &d) || !a)
			continue;
		ret->components[ret->count++] = (struct cpu_component){.id = id, .offset = b, .size = a};
	}
}

/* In a virtual machine each of these questions costs 30 us and more. */
void cpu_layout_here(struct cpu_layout *ret)
{
	static struct cpu_layout here;
	static bool known;

	if (!known)
		ask_processor(&here);
	known = true;
	*ret = here;
}

static const struct cpu_component *component(const struct cpu_layout *l, uint32_t id)
{
	for (uint32_t i = 0; i < l->count && i < CPU_COMPONENTS; i++) {
		if (l->components[i].id == id)
			return &l->components[i];
	}
	return NULL;
}

int cpu_layout_fits(const struct cpu_layout *here, const struct cpu_layout *from, struct err *e)
{
	for (unsigned i = 0; i < CPU_WORDS; i++) {
		uint32_t missing = from->features[i] & ~here->features[i];

		if (missing)
			return err_set(e, -ENOEXEC,
				       "the CPU lacks instructions that the process may use (word %u, bits %#x)", i,
				       missing);
	}
	for (uint32_t i = 0; i < from->count && i < CPU_COMPONENTS; i++) {
		const struct cpu_component *c = component(here, from->components[i].id);

		if (!c || c->size != from->components[i].size)
			return err_set(e, -ENOEXEC, "the CPU keeps register set %u in another form",
				       from->components[i].id);
	}
	return 0;
}

ssize_t cpu_get_xstate(const struct tracee *t, uint8_t *buf)
{
	struct iovec iov = {buf, XSTATE_MAX};

	if (ptrace(PTRACE_GETREGSET, t->pid, (void *)NT_X86_XSTATE, &iov) == -1)
		return -errno;
	return (ssize_t)iov.iov_len;
}

bool cpu_layout_valid(const struct cpu_layout *l)
{
	if (l->count > CPU_COMPONENTS)
		return false;
	for (uint32_t i = 0; i < l->count; i++) {
		const struct cpu_component *c = &l->components[i];

		if (c->offset < XSAVE_LEGACY || (uint64_t)c->offset + c->size > XSTATE_MAX - sizeof(uint32_t))
			return false;
	}
	return true;
}

size_t cpu_layout_size(const struct cpu_layout *l)
{
	size_t end = XSAVE_LEGACY;

	for (uint32_t i = 0; i < l->count && i < CPU_COMPONENTS; i++) {
		size_t e = (size_t)l->components[i].offset + l->components[i].size;

		end = e > end ? e : end;
	}
	return end < XSTATE_MAX ? end : XSTATE_MAX;
}

int cpu_convert_xstate(uint8_t *ret, size_t size, const struct cpu_layout *to, const uint8_t *state, size_t n,
		       const struct cpu_layout *from)
{
	uint64_t bv;

	if (n < XSAVE_LEGACY || size < XSAVE_LEGACY)
		return -EPROTO;
	memcpy(ret, state, XSAVE_LEGACY);
	memcpy(&bv, state + XSAVE_BV, sizeof(bv));
	memset(ret + XSAVE_LEGACY, 0, size - XSAVE_LEGACY);
	memset(ret + XSAVE_BV + 8, 0, XSAVE_LEGACY - XSAVE_BV - 8); /* standard format, nothing reserved */
	for (uint32_t i = 0; i < from->count && i < CPU_COMPONENTS; i++) {
		const struct cpu_component *c = &from->components[i], *t = component(to, c->id);

		if (c->id >= 64 || !(bv >> c->id & 1))
			continue;
		if (!t || t->size != c->size || (uint64_t)c->offset + c->size > n ||
		    (uint64_t)t->offset + t->size > size)
			return -ENOEXEC;
		memcpy(ret + t->offset, state + c->offset, c->size);
	}
	return 0;
}

int cpu_set_xstate(const struct tracee *t, const uint8_t *state, size_t n, const struct cpu_layout *from)
{
	uint8_t buf[XSTATE_MAX];
	struct cpu_layout here;
	struct iovec iov;
	ssize_t size = cpu_get_xstate(t, buf); /* the kernel wants exactly its own size */
	int r;

	if (size < 0)
		return (int)size;
	cpu_layout_here(&here);
	r = cpu_convert_xstate(buf, (size_t)size, &here, state, n, from);
	if (r < 0)
		return r;
	iov = (struct iovec){buf, (size_t)size};
	return ptrace(PTRACE_SETREGSET, t->pid, (void *)NT_X86_XSTATE, &iov) == -1 ? -errno : 0;
}

/* PTRACE_GET_RSEQ_CONFIGURATION, linux/ptrace.h since 5.13. */
#define GET_RSEQ_CONFIGURATION_ 0x420f
struct rseq_configuration_ {
	uint64_t ptr;
	uint32_t len, signature, flags, pad;
};

int cpu_get_rseq(struct tracee *t, struct cpu_rseq *ret)
{
	struct rseq_configuration_ c = {0};

	*ret = (struct cpu_rseq){0};
	if (ptrace(GET_RSEQ_CONFIGURATION_, t->pid, (void *)sizeof(c), &c) == -1)
		return errno == EIO ? 0 : -errno; /* a kernel without rseq */
	*ret = (struct cpu_rseq){.ptr = c.ptr, .len = c.len, .sig = c.signature};
	return 0;
}

int cpu_rseq_abort(struct tracee *t, const struct cpu_rseq *rseq, struct user_regs_struct *regs)
{
	struct { /* struct rseq_cs, linux/rseq.h */
		uint32_t version, flags;
		uint64_t start_ip, post_commit_offset, abort_ip;
	} cs;
	uint64_t section = 0, zero = 0;
	int r;

	if (!rseq->ptr)
		return 0;
	r = tracee_read(t, rseq->ptr + 8, &section, sizeof(section));
	if (r < 0 || !section)
		return r;
	r = tracee_read(t, section, &cs, sizeof(cs));
	if (r < 0)
		return r;
	if (regs->rip - cs.start_ip >= cs.post_commit_offset)
		return 0;
	regs->rip = cs.abort_ip;
	/* The kernel would clear it as well when it aborts the section. */
	return tracee_write(t, rseq->ptr + 8, &zero, sizeof(zero));
}

const char *cpu_counter_bad(void)
{
	unsigned a, b, c, d;
	char names[200];
	const char *tsc;

	if (file_read_small(CLOCKSOURCES, names, sizeof(names)) <= 0)
		return "the kernel does not say what clocks it has";
	/* It takes this one off the list when it finds that it cannot be relied upon. In a virtual machine another one
	 * may be preferred although this is good. */
	tsc = strstr(names, "tsc");
	if (!tsc || (tsc != names && tsc[-1] != ' ') || (tsc[3] != ' ' && tsc[3] != '\n'))
		return "the kernel does not trust the processor's counter";
	if (!__get_cpuid(POWER_LEAF, &a, &b, &c, &d) || !(d & INVARIANT_COUNTER))
		return "the processor's counter changes its speed";
	return NULL;
}
