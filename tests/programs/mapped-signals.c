/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a signal that comes while a file is mapped, and a handler that maps one itself, disturb nothing.
 * Proves: mmap munmap rt_sigreturn
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "promise.h"

#define PAGE 4096UL
#define PAGES 16UL
#define TURNS 120

static int fd;
static volatile sig_atomic_t wrong, beats;

/* Maps `n` pages from `from` on, looks, and lets them go. */
static bool look(size_t from, size_t n)
{
	unsigned char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)(from * PAGE));
	bool good = p != MAP_FAILED;

	for (size_t i = 0; good && i < n; i++)
		good = p[i * PAGE] == from + i + 1 && p[(i + 1) * PAGE - 1] == from + i + 1;
	return good && munmap(p, n * PAGE) == 0;
}

static void on_beat(int sig)
{
	int e = errno;

	(void)sig;
	beats++;
	if (!look((size_t)beats % PAGES, 1))
		wrong++;
	errno = e;
}

static void round_(void)
{
	struct itimerval each = {{0, 3000}, {0, 3000}}, none = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = on_beat, .sa_flags = SA_RESTART};
	unsigned char page[PAGE], *stage;
	uint64_t s = 5;

	fd = open("beats.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && unlink("beats.tmp") == 0);
	for (size_t i = 0; i < PAGES; i++) {
		memset(page, (int)i + 1, sizeof(page));
		must(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	wrong = beats = 0;
	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &each, NULL) == 0);
	stage = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < TURNS || beats < 3; i++) {
		size_t from = xorshift(&s) % PAGES, k = xorshift(&s) % PAGES;

		must(look(from, xorshift(&s) % (PAGES - from) + 1));
		must(mmap(stage, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, (off_t)(k * PAGE)) == stage &&
		     *stage == k + 1);
	}
	must(setitimer(ITIMER_REAL, &none, NULL) == 0);
	must(munmap(stage, PAGE) == 0 && close(fd) == 0);
	say("wrong %d", (int)wrong);
}

int main(void)
{
	return promise_run(round_);
}
