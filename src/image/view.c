/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of /proc that tell a process of itself; see view.h. The formats are those of proc(5), fs/proc/array.c and
 * fs/proc/task_mmu.c.
 *
 * The guest's mappings of files are mappings of one memory file (build.h), by whose offset they are known; the deputy
 * has the true file at the same place. Its vdso is a copy, and the stub lies where home's vvar is.
 */
#include "view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build.h"

#define NAME_AT 72 /* where the kernel begins to write the name of a mapping */

/* Every file of /proc/PID that the deputy may have for its guest; all others are VIEW_HOME. Of a directory, also what
 * is below it. */
static const struct {
	const char *name;
	enum view_kind kind;
} rows[] = {
    {"", VIEW_RIGHT}, /* the directory itself */
    {"maps", VIEW_MAPS},
    {"smaps", VIEW_SMAPS},
    {"smaps_rollup", VIEW_ROLLUP},
    {"stat", VIEW_STAT},
    {"statm", VIEW_STATM},
    {"status", VIEW_STATUS},
    {"cmdline", VIEW_ARGUMENTS},
    {"environ", VIEW_ARGUMENTS},
    /* What a task has besides memory and CPU time is the deputy's. */
    {"attr", VIEW_RIGHT},
    {"autogroup", VIEW_RIGHT},
    {"auxv", VIEW_RIGHT},
    {"cgroup", VIEW_RIGHT},
    {"children", VIEW_RIGHT},
    {"comm", VIEW_RIGHT},
    {"coredump_filter", VIEW_RIGHT},
    {"cpuset", VIEW_RIGHT},
    {"fd", VIEW_RIGHT},
    {"fdinfo", VIEW_RIGHT},
    {"gid_map", VIEW_RIGHT},
    {"io", VIEW_RIGHT},
    {"limits", VIEW_RIGHT},
    {"loginuid", VIEW_RIGHT},
    {"mountinfo", VIEW_RIGHT},
    {"mounts", VIEW_RIGHT},
    {"mountstats", VIEW_RIGHT},
    {"net", VIEW_RIGHT},
    {"ns", VIEW_RIGHT},
    {"oom_adj", VIEW_RIGHT},
    {"oom_score", VIEW_RIGHT},
    {"oom_score_adj", VIEW_RIGHT},
    {"personality", VIEW_RIGHT},
    {"projid_map", VIEW_RIGHT},
    {"sessionid", VIEW_RIGHT},
    {"setgroups", VIEW_RIGHT},
    {"timens_offsets", VIEW_RIGHT},
    {"timers", VIEW_RIGHT},
    {"timerslack_ns", VIEW_RIGHT},
    {"uid_map", VIEW_RIGHT},
};

/* ---- which file it is ------------------------------------------------------------------------------------------ */

static bool number(const char **p, int64_t *ret)
{
	char *end;

	if (**p < '1' || **p > '9')
		return false;
	*ret = strtoll(*p, &end, 10);
	if (*end && *end != '/')
		return false;
	*p = *end ? end + 1 : end;
	return true;
}

struct view view_of(const char *link)
{
	struct view v = {VIEW_RIGHT, 0, 0};
	const char *p = link;
	size_t n;

	if (strncmp(p, "/proc/", 6) != 0)
		return v;
	p += 6;
	if (!number(&p, &v.pid))
		return v;
	if (strcmp(p, "task") == 0)
		return v;
	if (strncmp(p, "task/", 5) == 0) {
		p += 5;
		if (!number(&p, &v.tid))
			return v;
	}
	n = strcspn(p, "/");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].name) == n && memcmp(rows[i].name, p, n) == 0) {
			v.kind = rows[i].kind;
			return v;
		}
	}
	v.kind = VIEW_HOME;
	return v;
}

const char *view_name(enum view_kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].kind == kind)
			return rows[i].name;
	}
	return "";
}

/* ---- maps and smaps -------------------------------------------------------------------------------------------- */

struct entry {
	uint64_t start, end, offset, ino;
	char perms[5];
	const char *dev; /* "fe:00" and the file's number, up to the spaces before the name */
	size_t dev_len;
	const char *name, *line; /* line: NULL when it has to be written anew */
	char *more, *more_end; /* lines of attributes */
};

struct entries {
	struct entry *v;
	size_t n, cap;
};

static int add_entry(struct entries *list, const struct entry *x)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 128;
		void *p = reallocarray(list->v, cap, sizeof(*list->v));

		if (!p)
			return -ENOMEM;
		list->v = p;
		list->cap = cap;
	}
	list->v[list->n++] = *x;
	return 0;
}

static int parse_line(char *line, struct entry *ret)
{
	unsigned major, minor;
	int dev = 0, dev_end = 0;

	*ret = (struct entry){.line = line};
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %n%x:%x %" SCNu64 "%n", &ret->start, &ret->end,
		   ret->perms, &ret->offset, &dev, &major, &minor, &ret->ino, &dev_end) < 7 ||
	    !dev_end || ret->start >= ret->end || strlen(ret->perms) != 4)
		return -EPROTO;
	ret->dev = line + dev;
	ret->dev_len = (size_t)(dev_end - dev);
	ret->name = line + dev_end;
	ret->name += strspn(ret->name, " ");
	return 0;
}

/* Cuts the text into lines; they ascend. */
static int parse(struct entries *list, char *text)
{
	char *next;

	for (char *line = text; *line; line = next) {
		struct entry x;
		char *end = strchr(line, '\n');
		int r;

		next = end ? end + 1 : line + strlen(line);
		if (*line >= 'A' && *line <= 'Z') {
			if (!list->n)
				return -EPROTO;
			if (!list->v[list->n - 1].more)
				list->v[list->n - 1].more = line;
			list->v[list->n - 1].more_end = next;
			continue;
		}
		if (end)
			*end = '\0';
		r = parse_line(line, &x);
		if (r == 0 && list->n && x.start < list->v[list->n - 1].end)
			r = -EPROTO;
		if (r == 0)
			r = add_entry(list, &x);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_named(const struct entry *x, const char *name)
{
	return strncmp(x->name, name, strlen(name)) == 0;
}

/* Kept by the kernel at home, in another form or not at all on a host. */
static bool is_vvar(const struct entry *x)
{
	return is_named(x, "[vvar");
}

static bool is_kernels(const struct entry *x)
{
	return is_vvar(x) || is_named(x, "[vdso]") || is_named(x, "[vsyscall]");
}

static const struct entry *find(const struct entries *list, uint64_t addr)
{
	size_t lo = 0, hi = list->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (list->v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < list->n && list->v[lo].start <= addr ? &list->v[lo] : NULL;
}

/* What begins with x, a mapping of a file, gets what home knows of it; up to where home's mapping ends. */
static int name_file(struct entry *x, const struct entries *deputy)
{
	const struct entry *at = find(deputy, x->start);

	x->offset &= (1ULL << BUILD_FILE_SHIFT) - 1;
	if (!at || !at->ino || is_kernels(at) || at->offset + (x->start - at->start) != x->offset)
		return -EPROTO;
	if (at->end < x->end)
		x->end = at->end;
	x->perms[3] = at->perms[3];
	x->dev = at->dev;
	x->dev_len = at->dev_len;
	x->name = at->name;
	x->line = NULL;
	return 0;
}

/* Neighbours that home keeps apart, for what it knows of them, may be one here. Their attributes cannot be parted. */
static int add_file(struct entries *list, const struct entry *x, const struct entries *deputy)
{
	struct entry part = *x;
	int r;

	do {
		r = name_file(&part, deputy);
		if (r == 0 && part.more)
			part.end = x->end;
		if (r == 0)
			r = add_entry(list, &part);
		part.start = part.end;
		part.end = x->end;
		part.offset = x->offset + (part.start - x->start);
	} while (r == 0 && part.start < x->end);
	return r;
}

/* The attributes by which its faults come to the agent are not the process's. */
static void hide_flags(struct entry *x)
{
	static const char *const ours[] = {" um", " uw"};
	char *flags = x->more ? strstr(x->more, "VmFlags:") : NULL;

	for (size_t i = 0; flags && flags < x->more_end && i < ARRAY_SIZE(ours); i++) {
		char *end = memchr(flags, '\n', (size_t)(x->more_end - flags));
		char *at = end ? memmem(flags, (size_t)(end - flags), ours[i], 3) : NULL;

		if (!at)
			continue;
		memmove(at, at + 3, (size_t)(x->more_end - at - 3));
		x->more_end -= 3;
	}
}

/* The guest's list as home would have it: in `list`. */
static int translate(const struct entries *guest, const struct entries *deputy, uint64_t vdso_start, uint64_t vdso_end,
		     struct entries *list)
{
	bool vdso = false, vvar = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < guest->n; i++) {
		struct entry x = guest->v[i];

		if (is_kernels(&x))
			continue;
		if (x.start >= vdso_start && x.end <= vdso_end) {
			vdso = true;
			continue;
		}
		if (x.ino && !(x.offset >> BUILD_FILE_SHIFT)) {
			vvar = true;
			continue;
		}
		hide_flags(&x);
		r = x.ino ? add_file(list, &x, deputy) : add_entry(list, &x);
	}
	for (size_t i = 0; r == 0 && i < deputy->n; i++) {
		const struct entry *x = &deputy->v[i];

		if (!is_kernels(x) || (is_vvar(x) && !vvar) || (is_named(x, "[vdso]") && !vdso))
			continue;
		r = add_entry(list, x);
	}
	return r;
}

static int by_address(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* What the guest has put over a part of the clocks' place is the guest's. */
static void drop_covered(struct entries *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct entry *x = &list->v[i];
		bool covered = (n && list->v[n - 1].end > x->start) ||
			       (i + 1 < list->n && list->v[i + 1].start < x->end);

		if (!covered || !is_vvar(x))
			list->v[n++] = *x;
	}
	list->n = n;
}

/* As mm/mmap.c counts: vm_stat_account(). */
static void measure(const struct entries *list, struct view_sizes *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < list->n; i++) {
		const struct entry *x = &list->v[i];
		uint64_t pages = (x->end - x->start) / IMAGE_PAGE;

		if (is_named(x, "[vsyscall]")) /* no mapping of the process */
			continue;
		ret->all += pages;
		if (is_named(x, "[stack]"))
			ret->stack += pages;
		else if (x->perms[2] == 'x' && x->perms[1] != 'w')
			ret->code += pages;
		else if (x->perms[1] == 'w' && x->perms[3] == 'p')
			ret->data += pages;
	}
}

static int put(struct buf *out, const char *fmt, ...) _printf_(2, 3);
static int put(struct buf *out, const char *fmt, ...)
{
	char text[200];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EPROTO;
	return buf_append(out, text, (size_t)n);
}

static int write_entry(const struct entry *x, struct buf *out)
{
	size_t before = out->len;
	int r;

	if (x->line) {
		r = buf_append(out, x->line, strlen(x->line));
	} else {
		r = put(out, "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " ", x->start, x->end, x->perms, x->offset);
		if (r == 0)
			r = buf_append(out, x->dev, x->dev_len);
		if (r == 0)
			r = put(out, " ");
		if (r == 0 && *x->name)
			r = put(out, "%*s", out->len - before < NAME_AT ? (int)(NAME_AT - (out->len - before)) + 1 : 1,
				"");
		if (r == 0)
			r = buf_append(out, x->name, strlen(x->name));
	}
	if (r == 0)
		r = buf_append(out, "\n", 1);
	return r < 0 || !x->more ? r : buf_append(out, x->more, (size_t)(x->more_end - x->more));
}

int view_maps(char *guest, char *deputy, uint64_t vdso_start, uint64_t vdso_end, struct buf *out,
	      struct view_sizes *ret)
{
	struct entries theirs = {0}, home = {0}, list = {0};
	int r = parse(&theirs, guest);

	if (r == 0)
		r = parse(&home, deputy);
	if (r == 0)
		r = translate(&theirs, &home, vdso_start, vdso_end, &list);
	if (r == 0 && !list.n)
		r = -EPROTO;
	if (r == 0) {
		qsort(list.v, list.n, sizeof(*list.v), by_address);
		drop_covered(&list);
		measure(&list, ret);
	}
	for (size_t i = 0; r == 0 && out && i < list.n; i++)
		r = write_entry(&list.v[i], out);
	free(theirs.v);
	free(home.v);
	free(list.v);
	return r;
}

/* ---- stat, statm and status ------------------------------------------------------------------------------------ */

/* The number behind "Name:" of a status. */
static uint64_t kib(const char *status, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = status; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, n) == 0 && p[n] == ':')
			return strtoull(p + n + 1, NULL, 10);
	}
	return 0;
}

static uint64_t pages(const char *status, const char *name)
{
	return kib(status, name) * 1024 / IMAGE_PAGE;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t ticks(uint64_t ns)
{
	return ns / (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Fields of stat by their number in proc(5). A deputy is stopped by its shepherd when it is looked at. */
static int stat_field(unsigned field, const char *word, size_t len, const struct view_host *host,
		      const struct view_sizes *sizes, struct buf *out)
{
	uint64_t home = strtoull(word, NULL, 10);

	switch (field) {
	case 3:
		return put(out, " %c", host->running ? 'R' : 'S');
	case 14:
		return put(out, " %" PRIu64, home + ticks(host->used.user));
	case 15:
		return put(out, " %" PRIu64, home + ticks(host->used.sys));
	case 23:
		return put(out, " %" PRIu64, sizes->all * (uint64_t)IMAGE_PAGE);
	case 24:
		return put(out, " %" PRIu64, pages(host->status, "VmRSS"));
	case 35: /* wchan */
	case 52: /* exit_code: which stop it is */
		return put(out, " 0");
	default:
		return put(out, " %.*s", (int)len, word);
	}
}

static int put_stat(const char *deputy, const struct view_host *host, const struct view_sizes *sizes, struct buf *out)
{
	const char *p = strrchr(deputy, ')');
	int r;

	if (!p)
		return -EPROTO;
	p++;
	r = buf_append(out, deputy, (size_t)(p - deputy));
	for (unsigned field = 3; r == 0 && *p == ' '; field++) {
		size_t len = strcspn(p + 1, " \n");

		r = stat_field(field, p + 1, len, host, sizes, out);
		p += 1 + len;
	}
	return r < 0 ? r : buf_append(out, "\n", 1);
}

static int put_statm(const char *deputy, const struct view_host *host, const struct view_sizes *sizes, struct buf *out)
{
	uint64_t shared = pages(host->status, "RssFile") + pages(host->status, "RssShmem"), text;

	if (sscanf(deputy, "%*u %*u %*u %" SCNu64, &text) != 1)
		return -EPROTO;
	return put(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " 0 %" PRIu64 " 0\n", sizes->all,
		   pages(host->status, "VmRSS"), shared, text, sizes->data + sizes->stack);
}

/* 1: the line is as home has it. */
static int status_line(const char *line, size_t len, const char *deputy, const struct view_host *host,
		       const struct view_sizes *sizes, struct buf *out)
{
	static const char *const theirs[] = {"VmRSS", "RssAnon", "RssFile", "RssShmem", "VmPTE", "VmSwap"};
	const uint64_t page = IMAGE_PAGE / 1024, code = sizes->code * page, exe = kib(deputy, "VmExe");
	const struct {
		const char *name;
		uint64_t kib;
	} ours[] = {
	    {"VmPeak", larger(kib(deputy, "VmPeak"), larger(kib(host->status, "VmPeak"), sizes->all * page))},
	    {"VmSize", sizes->all * page},
	    {"VmHWM", larger(kib(deputy, "VmHWM"), kib(host->status, "VmHWM"))},
	    {"VmData", sizes->data * page},
	    {"VmStk", sizes->stack * page},
	    {"VmLib", code > exe ? code - exe : 0},
	};

	if (strncmp(line, "State:", 6) == 0)
		return put(out, "State:\t%s\n", host->running ? "R (running)" : "S (sleeping)");
	if (strncmp(line, "TracerPid:", 10) == 0 && !host->traced)
		return put(out, "TracerPid:\t0\n");
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++) {
		size_t n = strlen(theirs[i]);

		if (n < len && strncmp(line, theirs[i], n) == 0 && line[n] == ':')
			return put(out, "%s:\t%8" PRIu64 " kB\n", theirs[i], kib(host->status, theirs[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		size_t n = strlen(ours[i].name);

		if (n < len && strncmp(line, ours[i].name, n) == 0 && line[n] == ':')
			return put(out, "%s:\t%8" PRIu64 " kB\n", ours[i].name, ours[i].kib);
	}
	return 1;
}

static int put_status(const char *deputy, const struct view_host *host, const struct view_sizes *sizes, struct buf *out)
{
	int r = 0;

	for (const char *line = deputy; r == 0 && *line;) {
		size_t len = strcspn(line, "\n");

		len += line[len] == '\n';
		r = status_line(line, len, deputy, host, sizes, out);
		if (r > 0)
			r = buf_append(out, line, len);
		line += len;
	}
	return r;
}

int view_figures(enum view_kind kind, const char *deputy, const struct view_host *host, const struct view_sizes *sizes,
		 struct buf *out)
{
	switch (kind) {
	case VIEW_STAT:
		return put_stat(deputy, host, sizes, out);
	case VIEW_STATM:
		return put_statm(deputy, host, sizes, out);
	case VIEW_STATUS:
		return put_status(deputy, host, sizes, out);
	default:
		return -EPROTO;
	}
}

int view_running(enum view_kind kind, const char *stopped, const char *status, bool traced, struct buf *out)
{
	const uint64_t page = IMAGE_PAGE / 1024;
	const struct view_host itself = {.status = status, .running = true, .traced = traced};
	const struct view_sizes sizes = {.all = kib(status, "VmSize") / page,
					 .code = (kib(status, "VmExe") + kib(status, "VmLib")) / page,
					 .stack = kib(status, "VmStk") / page,
					 .data = kib(status, "VmData") / page};

	return view_figures(kind, stopped, &itself, &sizes, out);
}

/* ---- from one text to another ---------------------------------------------------------------------------------- */

static size_t line_of(const char *text, size_t pos)
{
	while (pos && text[pos - 1] != '\n')
		pos--;
	return pos;
}

static size_t next_line(const char *text, size_t at)
{
	at += strcspn(text + at, "\n");
	return at + (text[at] == '\n');
}

static bool begins_mapping(const char *line)
{
	return (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
}

/* The first mapping that is the one of this line, or lies behind it; *exact: the one. */
static size_t find_mapping(const char *text, const char *line, bool *exact)
{
	uint64_t start = strtoull(line, NULL, 16), found = 0;
	size_t at = 0;

	for (; text[at]; at = next_line(text, at)) {
		found = begins_mapping(text + at) ? strtoull(text + at, NULL, 16) : 0;
		if (found >= start)
			break;
	}
	*exact = text[at] && found == start;
	return at;
}

size_t view_position(enum view_kind kind, const char *old, size_t pos, const char *now)
{
	bool words = kind == VIEW_STAT || kind == VIEW_STATM, exact = true;
	size_t line = line_of(old, pos), within = pos - line, at = 0, skip = 0, rest;

	if (kind == VIEW_MAPS || kind == VIEW_SMAPS) {
		size_t mapping = line;

		for (; mapping && !begins_mapping(old + mapping); skip++)
			mapping = line_of(old, mapping - 1);
		at = find_mapping(now, old + mapping, &exact);
	} else {
		for (size_t i = 0; i < line; i++)
			skip += old[i] == '\n';
	}
	if (!exact)
		return at;
	for (; skip; skip--)
		at = next_line(now, at);
	for (size_t i = line; words && i < pos; i++) {
		if (old[i] != ' ')
			continue;
		at += strcspn(now + at, " ");
		at += now[at] == ' ';
		within = pos - i - 1;
	}
	rest = strcspn(now + at, words ? " \n" : "\n");
	return at + (within < rest ? within : rest);
}
