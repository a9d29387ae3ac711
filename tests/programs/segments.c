/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: big BSS, relocated read-only data, changed pages of private file mappings and forbidden pages go along.
 * Proves: write rt_sigaction openat close pread64 unlink mmap mprotect munmap clock_gettime
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

#define BSS (24UL << 20)
#define PAGE 4096

static unsigned char bss[BSS];
static unsigned data[5000] = {1, 2, 3};
static const char *const relocated[] = {"one", "two", "three", "four"}; /* pointers: .data.rel.ro */
static sigjmp_buf out;
static volatile sig_atomic_t signo;
static void *volatile address;

static void on_fault(int sig, siginfo_t *si, void *context)
{
	(void)context;
	signo = sig;
	address = si->si_addr;
	siglongjmp(out, 1);
}

/* Returns the signal that a write to p raises, 0 when it goes through. */
static int probe(volatile unsigned char *p)
{
	signo = 0;
	if (sigsetjmp(out, 1) == 0)
		*p = 1;
	must(!signo || address == (void *)p);
	return signo;
}

static void file(void)
{
	int fd = open("segments.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	unsigned char page[PAGE], *m;

	must(fd >= 0);
	for (int i = 0; i < 64; i++) {
		memset(page, 'a' + i % 26, sizeof(page));
		must(write(fd, page, sizeof(page)) == PAGE);
	}
	m = mmap(NULL, 66 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	must(m != MAP_FAILED);
	for (int i = 0; i < 64; i += 3)
		m[i * PAGE + 5] = '!';
	burn_ms(20);
	say("file mapping %016llx", (unsigned long long)hash(0, m, 64 * PAGE));
	/* Beyond the end of the file there is no page. */
	say("beyond the file: %s", probe(m + 65 * PAGE) == SIGBUS ? "SIGBUS" : "?");
	must(pread(fd, page, 16, 0) == 16 && page[5] == 'a');
	must(munmap(m, 66 * PAGE) == 0 && close(fd) == 0 && unlink("segments.tmp") == 0);
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	unsigned char *guard = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t s = 3;

	must(guard != MAP_FAILED);
	must(sigaction(SIGSEGV, &sa, NULL) == 0 && sigaction(SIGBUS, &sa, NULL) == 0);
	memset(bss, 0, sizeof(bss));
	for (size_t i = 0; i < BSS; i += PAGE)
		bss[i + xorshift(&s) % PAGE] = (unsigned char)xorshift(&s);
	for (size_t i = 3; i < 5000; i++)
		data[i] = (unsigned)(i * i);
	must(mprotect(guard, PAGE, PROT_NONE) == 0 && mprotect(guard + 2 * PAGE, PAGE, PROT_READ) == 0);
	guard[PAGE] = 9;
	burn_ms(20);
	say("bss %016llx data %016llx", (unsigned long long)hash(0, bss, sizeof(bss)),
	    (unsigned long long)hash(0, data, sizeof(data)));
	say("relocated %s %s %s %s", relocated[0], relocated[1], relocated[2], relocated[3]);
	say("no access: %s", probe(guard) == SIGSEGV ? "SIGSEGV" : "?");
	say("read only: %s", probe(guard + 2 * PAGE) == SIGSEGV ? "SIGSEGV" : "?");
	say("between: %s", probe(guard + PAGE) == 0 ? "written" : "?");
	must(munmap(guard, 3 * PAGE) == 0);
	file();
}

int main(void)
{
	return promise_run(round_);
}
