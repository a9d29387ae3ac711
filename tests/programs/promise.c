/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the self-checking programs share; the promises are in promise.h. */
#define PROMISE_ITSELF
#include "promise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/msg.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned char cookie[16] __attribute__((aligned(16)));
static char text[1 << 17], first[1 << 17];
static size_t len;

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void promise_start(void)
{
	const char *s = getenv("COOKIE");

	/* Byte by byte into its place: no second copy of the whole is ever in memory. */
	for (size_t i = 0; s && strlen(s) == 32 && i < sizeof(cookie); i++)
		cookie[i] = (unsigned char)(digit(s[2 * i]) << 4 | digit(s[2 * i + 1]));
}

bool promise_done(void)
{
	struct pollfd p = {.fd = FD_DONE, .events = POLLIN};

	/* A signal with a handler ends it as well: kernel, fs/select.c, do_poll(). */
	return poll(&p, 1, 0) > 0 || p.revents;
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	len += (size_t)vsnprintf(text + len, sizeof(text) - len, fmt, ap);
	va_end(ap);
	if (len + 1 >= sizeof(text))
		promise_broken(__FILE__, __LINE__, "room for the output");
	text[len++] = '\n';
	text[len] = '\0';
}

static void print(const char *s, size_t n)
{
	while (n) {
		ssize_t done = write(STDOUT_FILENO, s, n);

		if (done < 0 && errno != EINTR)
			_exit(3);
		if (done > 0) {
			s += done;
			n -= (size_t)done;
		}
	}
}

void promise_broken(const char *file, int line, const char *what)
{
	char end[300];
	int e = errno;
	int n = snprintf(end, sizeof(end), "BROKEN %s:%d: %s (errno %d, pid %d)\n", file, line, what, e, getpid());

	print(text, len);
	print(end, (size_t)n);
	_exit(1);
}

int promise_run(void (*round)(void))
{
	unsigned rounds = 0;
	size_t n = 0;

	promise_start();
	do {
		len = 0;
		text[0] = '\0';
		round();
		if (rounds++ == 0) {
			n = len;
			memcpy(first, text, n);
		}
		if (len != n || memcmp(first, text, n) != 0) {
			print(first, n);
			print("ANOTHER ROUND SAYS\n", 19);
			print(text, len);
			return 1;
		}
	} while (!promise_done());
	print(first, n);
	return 0;
}

void say_result(const char *what, long result)
{
	if (result == -1)
		say("%s: %s", what, strerrorname_np(errno));
	else
		say("%s: %ld", what, result);
}

void promise_tell(int fd)
{
	must(len < PIPE_BUF && write(fd, text, len) == (ssize_t)len);
}

void boundary(void)
{
	static int passed;
	const char *queue = getenv("GODWIT_GO");
	pid_t pid = getpid();
	int e = errno;
	ssize_t r;
	long type;

	if (queue && __atomic_fetch_add(&passed, 1, __ATOMIC_RELAXED) < BOUNDARIES && fcntl(FD_AT, F_GETFD) >= 0) {
		do
			r = write(FD_AT, &pid, sizeof(pid));
		while (r < 0 && errno == EINTR);
		if (r > 0)
			do
				r = msgrcv(atoi(queue), &type, 0, pid, 0);
			while (r < 0 && errno == EINTR);
	}
	errno = e;
}

pid_t promise_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (size_t i = 0; i < sizeof(cookie); i++)
			cookie[i] = 0;
		len = 0;
		text[0] = '\0';
	}
	return pid;
}

char state_of(pid_t pid)
{
	char path[40], said[400];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	must(fd >= 0);
	n = read(fd, said, sizeof(said) - 1);
	must(n > 0 && close(fd) == 0);
	said[n] = '\0';
	return strrchr(said, ')')[2];
}

uint64_t hash(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	h = h ? h : 0xcbf29ce484222325ULL;
	while (n--)
		h = (h ^ *c++) * 0x100000001b3ULL;
	return h;
}

uint64_t xorshift(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void burn_ms(unsigned ms)
{
	uint64_t end = now_ns() + ms * 1000000ULL;
	uint64_t s = 1;

	while (now_ns() < end) {
		for (int i = 0; i < 20000; i++)
			xorshift(&s);
	}
	must(s != 0);
}

bool took_ms(uint64_t start_ns, unsigned ms, unsigned late)
{
	uint64_t passed = now_ns() - start_ns;

	return passed + 1000000 > ms * 1000000ULL && passed < (ms + (uint64_t)late) * 1000000;
}
