/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patching a vdso image; see vdso.h. ELF: elf(5). */
#include "vdso.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

/* An entry becomes: mov $nr,%eax; syscall; ret. A process is never left inside it: see vdso_place(). */
static const struct {
	const char *name;
	int nr; /* -1: tell the caller that there is no such function */
	int stub; /* enum vdso_function; -1: none */
} functions[] = {
    {"__vdso_clock_gettime", SYS_clock_gettime, VDSO_GETTIME},
    {"__vdso_gettimeofday", SYS_gettimeofday, VDSO_GETTIMEOFDAY},
    {"__vdso_time", SYS_time, -1}, /* the second of the coarse clock, which only home knows */
    {"__vdso_getcpu", SYS_getcpu, -1},
    {"__vdso_clock_getres", SYS_clock_getres, -1},
    {"__vdso_getrandom", -1, -1},
};

/* clock.S: offsets in the stub of each function and of its system call */
extern const struct {
	uint16_t begin, call;
} vdso_stub_functions[VDSO_FUNCTIONS] __attribute__((visibility("hidden")));

static void put_entry(uint8_t *p, int nr)
{
	static const uint8_t enosys[] = {0xb8, 0xda, 0xff, 0xff, 0xff, 0x48, 0x98, 0xc3}; /* -38, cltq, ret */
	uint8_t call[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};

	if (nr < 0) {
		memcpy(p, enosys, sizeof(enosys));
		return;
	}
	memcpy(call + 1, &nr, 4);
	memcpy(p, call, sizeof(call));
}

/* jmp to the stub. False when it is too far away for that. */
static bool put_jump(uint8_t *p, uint64_t from, uint64_t to)
{
	int64_t far = (int64_t)(to - (from + 5));
	int32_t near = (int32_t)far;

	if (near != far)
		return false;
	*p = 0xe9;
	memcpy(p + 1, &near, sizeof(near));
	return true;
}

static void patch(uint8_t *image, uint64_t value, size_t k, struct vdso_copy *c)
{
	int f = functions[k].stub;

	if (f >= 0 && c->stub && put_jump(image + value, c->at + value, c->stub + vdso_stub_functions[f].begin)) {
		c->entry[f] = c->at + value;
		return;
	}
	put_entry(image + value, functions[k].nr);
}

static bool inside(size_t off, size_t len, size_t n)
{
	return off <= n && len <= n - off;
}

struct tables {
	const Elf64_Sym *sym;
	const char *str;
	size_t sym_count, str_size;
};

/* The section headers of a vdso are part of its image. */
static int find_tables(const uint8_t *image, size_t n, struct tables *t)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Shdr *sh;

	if (n < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_shentsize != sizeof(*sh) || eh->e_shoff % _Alignof(Elf64_Shdr) ||
	    !inside(eh->e_shoff, (size_t)eh->e_shnum * sizeof(*sh), n))
		return -EPROTO;
	sh = (const void *)(image + eh->e_shoff);
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		const Elf64_Shdr *str;

		if (sh[i].sh_type != SHT_DYNSYM || sh[i].sh_link >= eh->e_shnum)
			continue;
		str = &sh[sh[i].sh_link];
		if (sh[i].sh_offset % _Alignof(Elf64_Sym) || !inside(sh[i].sh_offset, sh[i].sh_size, n) ||
		    !inside(str->sh_offset, str->sh_size, n) || !str->sh_size ||
		    image[str->sh_offset + str->sh_size - 1])
			return -EPROTO;
		*t = (struct tables){.sym = (const void *)(image + sh[i].sh_offset),
				     .sym_count = sh[i].sh_size / sizeof(Elf64_Sym),
				     .str = (const char *)image + str->sh_offset,
				     .str_size = str->sh_size};
		return 0;
	}
	return -EPROTO;
}

int vdso_patch(uint8_t *image, size_t n, struct vdso_copy *c, struct err *e)
{
	struct tables t;
	int count = 0;

	if (find_tables(image, n, &t) < 0)
		return err_set(e, -EPROTO, "the vdso of the home node is not understood");
	for (size_t i = 0; i < t.sym_count; i++) {
		const Elf64_Sym *s = &t.sym[i];
		const char *name = s->st_name < t.str_size ? t.str + s->st_name : "";

		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_shndx == SHN_UNDEF)
			continue;
		for (size_t k = 0; k < sizeof(functions) / sizeof(functions[0]); k++) {
			if (strcmp(name, functions[k].name) != 0)
				continue;
			if (s->st_size < 8 || !inside(s->st_value, 8, n))
				return err_set(e, -EPROTO, "function %s of the vdso is not understood", name);
			patch(image, s->st_value, k, c);
			count++;
		}
	}
	return count;
}

enum vdso_place vdso_place(const uint8_t around[2 * VDSO_ENTRY_SIZE - 1], uint64_t rip, uint64_t *ret_entry)
{
	static const uint8_t starts[] = {0, 5, 7}; /* of the three instructions */

	for (size_t i = 0; i < sizeof(starts); i++) {
		const uint8_t *e = around + 7 - starts[i];
		bool call = e[5] == 0x0f && e[6] == 0x05, none = e[5] == 0x48 && e[6] == 0x98;

		if (e[0] != 0xb8 || (!call && !none) || e[7] != 0xc3)
			continue;
		*ret_entry = rip - starts[i];
		return starts[i] == 7 ? VDSO_RETURN : VDSO_RESTART;
	}
	return VDSO_OUTSIDE;
}

enum vdso_place vdso_stub_place(const struct vdso_copy *c, uint64_t rip, uint64_t *ret_entry)
{
	uint64_t at = rip - c->stub;

	if (!c->stub || at >= vdso_stub_size)
		return VDSO_OUTSIDE;
	for (size_t f = VDSO_FUNCTIONS; f--;) {
		if (at < vdso_stub_functions[f].begin)
			continue;
		*ret_entry = c->entry[f];
		/* Before the call nothing is lost by beginning anew; behind it stands its return. */
		return at < vdso_stub_functions[f].call + 7U ? VDSO_RESTART : VDSO_RETURN;
	}
	return VDSO_OUTSIDE;
}

uint64_t vdso_stub_call(const struct vdso_copy *c)
{
	return c->stub ? c->stub + vdso_stub_functions[VDSO_GETTIME].call + 5U : 0; /* behind mov $nr,%eax */
}
