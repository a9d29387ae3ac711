/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: what ends a file's mapping is as at home: the file's end, a shorter file, growing and moving it, a child.
 * Proves: mmap munmap ftruncate mremap
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define PAGE 4096UL

static sigjmp_buf out;

static void on_fault(int sig)
{
	siglongjmp(out, sig);
}

/* The signal that reading raises, 0 when it goes through. */
static int probe(const volatile unsigned char *p)
{
	int sig = sigsetjmp(out, 1);

	if (sig == 0)
		(void)*p;
	return sig;
}

static unsigned char *map(int fd, size_t pages, int prot)
{
	unsigned char *p = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE, fd, 0);

	must(p != MAP_FAILED);
	return p;
}

static int make_file(size_t bytes)
{
	int fd = open("ends.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unsigned char page[PAGE];

	must(fd >= 0);
	for (size_t i = 0; i * PAGE < bytes; i++) {
		memset(page, 'a' + (int)i, sizeof(page));
		must(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	must(ftruncate(fd, (off_t)bytes) == 0 && unlink("ends.tmp") == 0);
	return fd;
}

static void ends(void)
{
	int fd = make_file(2 * PAGE + 10);
	unsigned char *p = map(fd, 6, PROT_READ | PROT_WRITE);
	char c = 'x';

	must(p[0] == 'a' && p[2 * PAGE + 9] == 'c' && p[2 * PAGE + 10] == 0);
	say("beyond %d %d, as a buffer %zd", probe(p + 3 * PAGE), probe(p + 5 * PAGE), pread(fd, p + 4 * PAGE, 5, 0));
	must(ftruncate(fd, PAGE) == 0);
	say("shorter %d", probe(p + PAGE));
	must(ftruncate(fd, 5 * PAGE) == 0 && pwrite(fd, &c, 1, 4 * PAGE) == 1);
	must(p[4 * PAGE] == 'x' && p[3 * PAGE] == 0 && probe(p + 5 * PAGE) == SIGBUS);
	must(munmap(p, 6 * PAGE) == 0 && probe(p) == SIGSEGV);
	must(close(fd) == 0);
}

static void moved(void)
{
	int fd = make_file(9 * PAGE), status;
	unsigned char *p = map(fd, 4, PROT_READ | PROT_WRITE), *q;
	pid_t pid;

	p[PAGE] = '!';
	q = mremap(p, 4 * PAGE, 9 * PAGE, MREMAP_MAYMOVE);
	must(q != MAP_FAILED && q[0] == 'a' && q[PAGE] == '!' && q[PAGE + 1] == 'b' && q[8 * PAGE] == 'i');
	must(mprotect(q + 3 * PAGE, PAGE, PROT_NONE) == 0 && probe(q + 3 * PAGE) == SIGSEGV);
	pid = promise_fork();
	must(pid >= 0);
	if (pid == 0)
		_exit(q[PAGE] == '!' && q[7 * PAGE] == 'h' ? 5 : 6);
	must(waitpid(pid, &status, 0) == pid);
	must(munmap(q, 9 * PAGE) == 0 && close(fd) == 0);
	say("child %#x", status);
}

static void round_(void)
{
	must(signal(SIGBUS, on_fault) != SIG_ERR && signal(SIGSEGV, on_fault) != SIG_ERR);
	ends();
	moved();
}

int main(void)
{
	return promise_run(round_);
}
