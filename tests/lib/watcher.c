/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watcher: in how many places does a process live?
 * Promise: it believes nobody. It looks for 16 bytes, which a self-checking program keeps once in its memory, in the
 * memory of every process of the machine, and knows nothing of shepherds, links and moves. A deputy has dropped its
 * memory and is not found; a guest is. Must not: disturb those it looks at: it reads only pages that are there (another
 * read of a guest's memory might wait for its agent), and neither stops nor traces anything.
 *
 * watcher                            one cookie a line on standard input, 32 hexadecimal digits; the answer to each:
 *   COOKIE COUNT PID:COMM...         the processes whose memory has it, without Godwit's own programs, through which
 * images pass in pieces, and without the yard
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096ULL
#define PIECE 256ULL /* pages at a time */
#define RANGE_MAX (4ULL << 30) /* what is larger is a sanitizer's reserve */
#define PRESENT (3ULL << 62) /* in memory or swapped out: Documentation/admin-guide/mm/pagemap.rst */

static unsigned char cookie[16];

static bool read_pages(pid_t pid, uint64_t start, uint64_t pages)
{
	static unsigned char buf[PIECE * PAGE];
	struct iovec here = {buf, pages * PAGE}, there = {(void *)(uintptr_t)start, pages * PAGE};
	ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);

	/* The compiler aligns the cookie, and it lies in one page. */
	return n > 0 && memmem(buf, (size_t)n, cookie, sizeof(cookie));
}

static bool look_in(pid_t pid, int pagemap, uint64_t start, uint64_t end)
{
	uint64_t bits[PIECE];

	for (uint64_t at = start; at < end; at += PIECE * PAGE) {
		uint64_t pages = (end - at) / PAGE < PIECE ? (end - at) / PAGE : PIECE, run = 0;
		ssize_t n = pread(pagemap, bits, pages * 8, (off_t)(at / PAGE * 8));

		if (n <= 0)
			return false;
		pages = (uint64_t)n / 8;
		for (uint64_t i = 0; i <= pages; i++) {
			if (i < pages && (bits[i] & PRESENT)) {
				run++;
			} else if (run) {
				if (read_pages(pid, at + (i - run) * PAGE, run))
					return true;
				run = 0;
			}
		}
	}
	return false;
}

/* Private memory that can be written: anonymous, data of programs, a guest's copy of it. */
static bool has_cookie(pid_t pid)
{
	char path[40], line[512], perms[8];
	uint64_t start, end;
	bool found = false;
	FILE *maps;
	int pagemap;

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &start, &end, perms) != 3)
			continue;
		if (perms[0] == 'r' && perms[1] == 'w' && perms[3] == 'p' && end - start <= RANGE_MAX)
			found = look_in(pid, pagemap, start, end);
	}
	if (maps)
		(void)fclose(maps);
	(void)close(pagemap);
	return found;
}

/* The name of a process that may be a place: alive, and none of ours. */
static bool candidate(pid_t pid, char comm[static 64])
{
	char path[40], text[256], *end;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	end = strrchr(text, ')');
	if (!end || !strchr(text, '(') || end[2] == 'Z' || end[2] == 'X')
		return false;
	*end = '\0';
	(void)snprintf(comm, 64, "%s", strchr(text, '(') + 1);
	return strncmp(comm, "godwit", 6) != 0 && strcmp(comm, "yard") != 0 && pid != getpid();
}

static void answer(const char *name)
{
	char places[2000] = "", comm[64];
	size_t at = 0;
	unsigned count = 0;
	struct dirent *d;
	DIR *proc = opendir("/proc");

	while (proc && (d = readdir(proc))) {
		pid_t pid = atoi(d->d_name);

		if (!isdigit((unsigned char)d->d_name[0]) || !candidate(pid, comm) || !has_cookie(pid))
			continue;
		count++;
		if (at + 100 < sizeof(places))
			at += (size_t)snprintf(places + at, sizeof(places) - at, " %d:%s", pid, comm);
	}
	if (proc)
		(void)closedir(proc);
	(void)printf("%s %u%s\n", name, count, places);
	(void)fflush(stdout);
}

int main(void)
{
	char line[80];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < 16; i++) {
			unsigned v = 0;

			if (strlen(line) != 32 || sscanf(line + 2 * i, "%2x", &v) != 1) {
				(void)fprintf(stderr, "watcher: \"%s\" is no cookie\n", line);
				return 2;
			}
			cookie[i] = (unsigned char)v;
		}
		answer(line);
		/* It would find itself in a copy. */
		explicit_bzero(cookie, sizeof(cookie));
	}
	return 0;
}
