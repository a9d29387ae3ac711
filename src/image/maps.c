/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading /proc/PID/maps and smaps; see maps.h. The formats are those of proc(5) and fs/proc/task_mmu.c. */
#include "maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "../base/file.h"

#define MAPS_TEXT_MAX ((size_t)256 << 20)
#define LOWEST 0x10000ULL /* no mapping is put below: vm.mmap_min_addr */

void maps_init(struct image_maps *m)
{
	memset(m, 0, sizeof(*m));
}

void maps_release(struct image_maps *m)
{
	free(m->v);
	free(m->files);
	maps_init(m);
}

int maps_append(struct image_maps *m, const struct image_vma *v)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 128;
		void *p = reallocarray(m->v, cap, sizeof(*m->v));

		if (!p)
			return -ENOMEM;
		m->v = p;
		m->cap = cap;
	}
	m->v[m->n++] = *v;
	return 0;
}

uint32_t maps_file(struct image_maps *m, uint64_t dev, uint64_t ino)
{
	for (size_t i = 0; i < m->files_n; i++) {
		if (m->files[i].dev == dev && m->files[i].ino == ino)
			return (uint32_t)i + 1;
	}
	if (m->files_n == m->files_cap) {
		size_t cap = m->files_cap ? m->files_cap * 2 : 32;
		void *p = reallocarray(m->files, cap, sizeof(*m->files));

		if (!p)
			return 0;
		m->files = p;
		m->files_cap = cap;
	}
	m->files[m->files_n].dev = dev;
	m->files[m->files_n].ino = ino;
	return (uint32_t)++m->files_n;
}

const struct image_vma *maps_find(const struct image_maps *m, uint64_t addr)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n && m->v[lo].start <= addr ? &m->v[lo] : NULL;
}

/* First multiple of 64 KiB from addr on at which m has `size` bytes free; 0 when beyond the end. */
static uint64_t next_free(const struct image_maps *m, uint64_t addr, uint64_t size)
{
	for (size_t i = 0; m && i < m->n; i++) {
		if (m->v[i].end <= addr)
			continue;
		if (m->v[i].start >= addr + size)
			break;
		addr = (m->v[i].end + 0xffff) & ~0xffffULL;
	}
	return addr + size <= IMAGE_TASK_END ? addr : 0;
}

uint64_t maps_find_gap(const struct image_maps *m, const struct image_maps *other, uint64_t from, uint64_t size)
{
	uint64_t a = (from + 0xffff) & ~0xffffULL, b;

	for (;;) {
		b = next_free(m, a, size);
		if (!b)
			return 0;
		a = next_free(other, b, size);
		if (a == b || !a)
			return a;
	}
}

uint64_t maps_find_below(const struct image_maps *m, uint64_t limit, uint64_t size)
{
	uint64_t end = limit;

	for (size_t i = m->n; i-- > 0;) {
		const struct image_vma *v = &m->v[i];

		if (v->start >= end)
			continue;
		if (v->end <= end && end - v->end >= size)
			return end - size;
		end = v->start;
	}
	return end > size && end - size >= LOWEST ? end - size : 0;
}

bool maps_free(const struct image_maps *m, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i].start < end && start < m->v[i].end)
			return false;
	}
	return true;
}

int maps_replace(struct image_maps *m, const struct image_vma *v)
{
	struct image_maps out = {0};
	bool put = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++) {
		struct image_vma left = m->v[i], right = m->v[i];

		if (left.end > v->start)
			left.end = v->start;
		if (right.start < v->end) {
			right.offset += right.file ? v->end - right.start : 0;
			right.start = v->end;
		}
		if (left.start < left.end)
			r = maps_append(&out, &left);
		if (r == 0 && !put && right.start < right.end) {
			r = maps_append(&out, v);
			put = true;
		}
		if (r == 0 && right.start < right.end)
			r = maps_append(&out, &right);
	}
	if (r == 0 && !put)
		r = maps_append(&out, v);
	if (r < 0) {
		free(out.v);
		return r;
	}
	free(m->v);
	m->v = out.v;
	m->n = out.n;
	m->cap = out.cap;
	return 0;
}

static uint32_t flag_of(const char *two)
{
	static const struct {
		char name[3];
		uint32_t flag;
	} flags[] = {
	    {"sh", VMA_SHARED},     {"mw", VMA_MAYWRITE},   {"gd", VMA_GROWSDOWN},    {"nr", VMA_NORESERVE},
	    {"dc", VMA_DONTFORK},   {"wf", VMA_WIPEONFORK}, {"dd", VMA_DONTDUMP},     {"hg", VMA_HUGEPAGE},
	    {"nh", VMA_NOHUGEPAGE}, {"mg", VMA_MERGEABLE},  {"ht", VMA_HUGETLB},      {"pf", VMA_DEVICE},
	    {"io", VMA_DEVICE},     {"lo", VMA_LOCKED},     {"sl", VMA_SEALED},       {"um", VMA_UFFD},
	    {"uw", VMA_UFFD},       {"ui", VMA_UFFD},       {"ss", VMA_SHADOW_STACK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (two[0] == flags[i].name[0] && two[1] == flags[i].name[1])
			return flags[i].flag;
	}
	return 0;
}

static void parse_flags(struct image_vma *v, const char *p)
{
	for (; p[0] && p[1]; p++) {
		if (*p == ' ')
			continue;
		v->flags |= flag_of(p);
		p++;
	}
	/* The vvar pages are pfn mappings of the kernel, not a device. */
	if (v->flags & (VMA_VVAR | VMA_VDSO))
		v->flags &= ~(uint32_t)(VMA_DEVICE | VMA_DONTDUMP | VMA_DONTFORK | VMA_SEALED);
}

/* "start-end perms offset dev inode   name" */
static int parse_vma(struct image_maps *m, const char *line)
{
	struct image_vma v = {0};
	unsigned major, minor;
	uint64_t ino;
	char perms[5];
	int name = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &v.start, &v.end, perms,
		   &v.offset, &major, &minor, &ino, &name) < 7 ||
	    strlen(perms) != 4 || v.start >= v.end)
		return -EPROTO;
	if (v.start >= IMAGE_TASK_END)
		return 0;
	if (m->n && m->v[m->n - 1].end > v.start)
		return -EPROTO;
	v.prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
		 (perms[2] == 'x' ? PROT_EXEC : 0);
	if (perms[3] == 's')
		v.flags |= VMA_SHARED;
	if (ino) {
		v.file = maps_file(m, ((uint64_t)major << 32) | minor, ino);
		if (!v.file)
			return -ENOMEM;
	} else {
		v.offset = 0;
	}
	if (name && strncmp(line + name, "[vdso]", 6) == 0) {
		v.flags |= VMA_VDSO;
		m->vdso_start = v.start;
		m->vdso_end = v.end;
	} else if (name && strncmp(line + name, "[vvar", 5) == 0) {
		v.flags |= VMA_VVAR;
	} else if (name && strncmp(line + name, "[stack]", 7) == 0) {
		v.flags |= VMA_GROWSDOWN;
	}
	return maps_append(m, &v);
}

int maps_parse(struct image_maps *m, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int r = 0;

		/* Lines of attributes begin with a capital letter, those of mappings with an address. */
		if (strncmp(line, "VmFlags:", 8) == 0 && m->n)
			parse_flags(&m->v[m->n - 1], line + 8);
		else if ((*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f'))
			r = parse_vma(m, line);
		if (r < 0)
			return r;
	}
	return 0;
}

int maps_read(struct image_maps *m, pid_t pid, bool with_flags, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char path[40];
	int r;

	m->n = 0;
	m->vdso_start = m->vdso_end = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, with_flags ? "smaps" : "maps");
	r = file_read_all(path, MAPS_TEXT_MAX, &text, NULL);
	if (r < 0)
		return err_set(e, r, "the mappings of process %d cannot be read: %s", pid, strerror(-r));
	r = maps_parse(m, text);
	if (r < 0)
		return err_set(e, r, "the mappings of process %d are not understood", pid);
	return 0;
}

static bool same_file(const struct image_maps *a, uint32_t x, const struct image_maps *b, uint32_t y)
{
	return x && y ? a->files[x - 1].dev == b->files[y - 1].dev && a->files[x - 1].ino == b->files[y - 1].ino
		      : x == y;
}

bool maps_same_layout(const struct image_maps *a, const struct image_maps *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct image_vma *x = &a->v[i], *y = &b->v[i];

		if (x->start != y->start || x->end != y->end || x->prot != y->prot || x->offset != y->offset ||
		    ((x->flags ^ y->flags) & VMA_SHARED) || !same_file(a, x->file, b, y->file))
			return false;
	}
	return true;
}
