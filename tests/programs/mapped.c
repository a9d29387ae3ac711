/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: files are mapped privately, or shared for reading, as at home: contents, addresses that were asked for,
 * what covers what, and errors. No step needs home.
 * Proves: mmap munmap mprotect madvise
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

#define PAGE 4096UL
#define PAGES 40UL
#define FIXED_NOREPLACE 0x100000
#define RW (PROT_READ | PROT_WRITE)

/* Page i of file `which` is filled with a word that tells both. */
static uint64_t word(unsigned which, uint64_t page)
{
	return which * 0x9e3779b97f4a7c15ULL + page * 0x100000001b3ULL + 1;
}

static int make_file(unsigned which, size_t bytes)
{
	char name[20];
	uint64_t page[PAGE / 8];
	int fd;

	(void)snprintf(name, sizeof(name), "file%u.tmp", which);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0);
	for (size_t i = 0; i * PAGE < bytes; i++) {
		for (size_t k = 0; k < PAGE / 8; k++)
			page[k] = word(which, i);
		must(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	must(ftruncate(fd, (off_t)bytes) == 0 && unlink(name) == 0);
	return fd;
}

/* Has the mapping page `from` of the file at p, and so on? */
static bool shows(const void *p, unsigned which, uint64_t from, size_t pages)
{
	const uint64_t *w = p;

	for (size_t i = 0; i < pages; i++) {
		if (w[i * PAGE / 8] != word(which, from + i) || w[(i + 1) * PAGE / 8 - 1] != word(which, from + i))
			return false;
	}
	return true;
}

static unsigned char *map(int fd, size_t from, size_t pages, int prot, int flags, void *at)
{
	unsigned char *p = mmap(at, pages * PAGE, prot, flags, fd, (off_t)(from * PAGE));

	must(p != MAP_FAILED);
	return p;
}

static void contents(int a)
{
	unsigned char *p = map(a, 0, PAGES, PROT_READ, MAP_PRIVATE, NULL);
	unsigned char *q = map(a, 7, 5, RW, MAP_PRIVATE | MAP_POPULATE | MAP_NORESERVE, NULL), back[16];

	must(shows(p, 1, 0, PAGES) && shows(q, 1, 7, 5));
	q[0] ^= 0xff; /* of page 7, and only of this mapping */
	must(shows(p + 7 * PAGE, 1, 7, 1) && !shows(q, 1, 7, 1) && shows(q + PAGE, 1, 8, 4));
	must(pread(a, back, sizeof(back), 7 * PAGE) == sizeof(back) && memcmp(back, p + 7 * PAGE, sizeof(back)) == 0);
	/* The file's content comes back, also of a page that was never there. */
	must(madvise(q, 2 * PAGE, MADV_DONTNEED) == 0 && shows(q, 1, 7, 5));
	must(mprotect(p, 2 * PAGE, RW) == 0);
	p[PAGE] = 3;
	must(p[PAGE] == 3 && mprotect(p, 2 * PAGE, PROT_READ) == 0 && p[PAGE] == 3);
	must(madvise(p, PAGES * PAGE, MADV_DONTNEED) == 0 && shows(p, 1, 0, PAGES));
	must(munmap(p, PAGES * PAGE) == 0 && munmap(q, 5 * PAGE) == 0);
	p = map(a, 3, 4, PROT_NONE, MAP_PRIVATE, NULL);
	must(madvise(p, 4 * PAGE, MADV_DONTFORK) == 0 && madvise(p, PAGE, MADV_DONTDUMP) == 0);
	must(mprotect(p, 4 * PAGE, PROT_READ) == 0 && shows(p, 1, 3, 4));
	must(madvise(p, PAGE, MADV_DOFORK) == 0 && shows(p, 1, 3, 4) && munmap(p, 4 * PAGE) == 0);
	say("contents");
}

/* As a loader does: the whole, then parts of it at other places of the file, and memory behind. */
static void covered(int a, int b)
{
	unsigned char *p = map(a, 0, 20, PROT_READ, MAP_PRIVATE, NULL), *q;
	uint64_t h = 0;

	must(shows(p, 1, 0, 20));
	must(map(a, 4, 6, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, p + 5 * PAGE) == p + 5 * PAGE);
	must(map(b, 1, 3, RW, MAP_PRIVATE | MAP_FIXED, p + 9 * PAGE) == p + 9 * PAGE);
	must(map(-1, 0, 4, RW, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, p + 16 * PAGE) == p + 16 * PAGE);
	must(shows(p, 1, 0, 5) && shows(p + 5 * PAGE, 1, 4, 4) && shows(p + 9 * PAGE, 2, 1, 3));
	must(shows(p + 12 * PAGE, 1, 12, 4));
	for (size_t i = 16 * PAGE; i < 20 * PAGE; i++)
		must(p[i] == 0);
	p[17 * PAGE] = 9;
	p[10 * PAGE + 1] = 8;
	must(munmap(p + 6 * PAGE, PAGE) == 0 &&
	     map(b, 30, 1, RW, MAP_PRIVATE | FIXED_NOREPLACE, p + 6 * PAGE) == p + 6 * PAGE);
	must(mmap(p + 6 * PAGE, PAGE, RW, MAP_PRIVATE | FIXED_NOREPLACE, b, 0) == MAP_FAILED && errno == EEXIST);
	must(shows(p + 6 * PAGE, 2, 30, 1) && shows(p + 7 * PAGE, 1, 6, 2));
	h = hash(hash(0, p, 16 * PAGE), p + 16 * PAGE, 4 * PAGE);
	/* A hint is followed when the place is free, and else not. */
	q = map(b, 0, 2, PROT_READ, MAP_PRIVATE, p);
	must(q != p && (q + 2 * PAGE <= p || q >= p + 20 * PAGE) && shows(q, 2, 0, 2));
	must(munmap(q, 2 * PAGE) == 0 && munmap(p + PAGE, 3 * PAGE) == 0);
	must(map(b, 5, 2, PROT_READ, MAP_PRIVATE, p + PAGE) == p + PAGE && shows(p + PAGE, 2, 5, 2) &&
	     shows(p, 1, 0, 1));
	must(munmap(p, 20 * PAGE) == 0);
	say("covered %016llx", (unsigned long long)h);
}

/* Memory where a file was: what home fills must not be taken for the file. */
static void reused(int a)
{
	unsigned char *p = map(a, 0, 8, PROT_READ, MAP_PRIVATE, NULL);

	must(shows(p, 1, 0, 1) && munmap(p, 8 * PAGE) == 0);
	must(map(-1, 0, 8, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, p) == p);
	must(pread(a, p + 3 * PAGE, PAGE, 0) == (ssize_t)PAGE && shows(p + 3 * PAGE, 1, 0, 1) && p[5 * PAGE] == 0);
	must(map(a, 20, 2, RW, MAP_PRIVATE | MAP_FIXED, p + 4 * PAGE) == p + 4 * PAGE);
	must(pread(a, p + 4 * PAGE + 8, 8, 0) == 8 && *(uint64_t *)(void *)(p + 4 * PAGE) == word(1, 20));
	must(*(uint64_t *)(void *)(p + 4 * PAGE + 8) == word(1, 0) && shows(p + 5 * PAGE, 1, 21, 1));
	must(munmap(p, 8 * PAGE) == 0);
	say("reused");
}

static void shared(void)
{
	int fd = open("shared.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), reader;
	unsigned char *p;

	must(fd >= 0 && write(fd, "first", 5) == 5 && ftruncate(fd, 3 * PAGE) == 0);
	reader = open("shared.tmp", O_RDONLY | O_CLOEXEC);
	p = map(reader, 0, 3, PROT_READ, MAP_SHARED, NULL);
	must(pwrite(fd, "second", 6, PAGE) == 6); /* before its page is touched */
	must(memcmp(p, "first", 6) == 0 && memcmp(p + PAGE, "second", 7) == 0 && p[2 * PAGE] == 0);
	must(close(reader) == 0 && p[3 * PAGE - 1] == 0 && munmap(p, 3 * PAGE) == 0);
	must(close(fd) == 0 && unlink("shared.tmp") == 0);
	say("shared");
}

static int fails(size_t len, int prot, int flags, int fd)
{
	return mmap(NULL, len, prot, flags, fd, 0) == MAP_FAILED ? errno : 0;
}

static void errors(int a)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int writer = open("w.tmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), pair[2];

	must(dir >= 0 && writer >= 0 && pipe(pair) == 0);
	say("errors %d %d %d", fails(PAGE, PROT_READ, MAP_PRIVATE, 999), fails(PAGE, PROT_READ, MAP_PRIVATE, writer),
	    fails(PAGE, PROT_READ, MAP_SHARED, -1));
	must(close(dir) == 0 && close(writer) == 0 && unlink("w.tmp") == 0);
	must(close(pair[0]) == 0 && close(pair[1]) == 0 && fails(PAGE, PROT_READ, MAP_PRIVATE, a) == 0);
}

/* The last page of a file is filled up with zeros. */
static void tail(void)
{
	int fd = make_file(3, PAGE + 100);
	unsigned char *p = map(fd, 0, 2, RW, MAP_PRIVATE, NULL);

	must(shows(p, 3, 0, 1) && *(uint64_t *)(void *)(p + PAGE) == word(3, 1));
	for (size_t i = PAGE + 104; i < 2 * PAGE; i++)
		must(p[i] == 0);
	must(munmap(p, 2 * PAGE) == 0 && close(fd) == 0);
	say("tail");
}

static void round_(void)
{
	int a = make_file(1, PAGES * PAGE), b = make_file(2, PAGES * PAGE);
	unsigned char *kept = map(b, 10, 10, RW, MAP_PRIVATE, NULL);

	kept[5 * PAGE + 9] ^= 1;
	contents(a);
	boundary();
	covered(a, b);
	boundary();
	reused(a);
	shared();
	boundary();
	errors(a);
	tail();
	must(close(a) == 0 && close(b) == 0);
	/* Without any descriptor the file lives on in its mapping. */
	kept[5 * PAGE + 9] ^= 1;
	must(shows(kept, 2, 10, 10) && munmap(kept, 10 * PAGE) == 0);
}

int main(void)
{
	return promise_run(round_);
}
