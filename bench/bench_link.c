/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast a link is: MiB/s of bulk and the time of an echo of small frames, between two processes.
 * Promise: besides TLS it measures the bare socket in the same run, for only their ratio says something on a shared
 * machine. Must not: be run as a test.
 *
 * Usage: bench-link [MIB [ECHOES [CPU-A CPU-B]]]; the same CPU twice shows the cost without two CPUs at work at once.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../src/base/clock.h"
#include "../src/link/link.h"

#define FRAME (1U << 20)
#define SMALL 100 /* bytes of a small frame's data */
#define PATIENCE (120 * NSEC_PER_SEC)

static const uint8_t psk[LINK_PSK_SIZE] = {1};

__attribute__((noreturn)) static void die(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "bench-link: %s: %s\n", what, e ? e->text : strerror(errno));
	exit(1);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) < 0)
		die("cannot use that CPU", NULL);
}

static struct link *open_link(int fd, bool server)
{
	struct link *l;
	struct err e = {0};

	if (link_new_psk(&l, fd, server, "bench", psk, sizeof(psk), &e) < 0 ||
	    link_handshake_wait(l, clock_mono_ns() + PATIENCE, &e) < 0)
		die("link", &e);
	link_set_accept(l, WIRE_FROM_SHEPHERD | WIRE_FROM_AGENT);
	return l;
}

static void send_pages(struct link *l, const uint8_t *data, size_t n, bool flush)
{
	struct wire_image_pages m = {.pages = 1, .data = {data, n}};
	struct err e = {0};

	if (wire_image_pages_encode(&m, link_out(l)) < 0)
		die("encoding", NULL);
	if (flush && link_flush_wait(l, clock_mono_ns() + PATIENCE, &e) < 0)
		die("sending", &e);
}

static size_t receive(struct link *l)
{
	struct wire_header h;
	const uint8_t *body;
	struct err e = {0};

	if (link_recv_wait(l, clock_mono_ns() + PATIENCE, &h, &body, &e) < 0)
		die("receiving", &e);
	return h.length;
}

static void bare(int fd, uint8_t *p, size_t n, bool out)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = out ? send(fd, p + done, n - done, MSG_NOSIGNAL) : recv(fd, p + done, n - done, 0);

		if (r <= 0)
			die("bare socket", NULL);
		done += (size_t)r;
	}
}

/* The other end: takes the bulk, acknowledges it, then echoes. */
static void peer(int fd, bool tls, unsigned mib, unsigned echoes)
{
	static uint8_t data[FRAME];
	struct link *l = tls ? open_link(fd, true) : NULL;

	for (unsigned i = 0; i < mib; i++) {
		if (tls)
			(void)receive(l);
		else
			bare(fd, data, FRAME, false);
	}
	for (unsigned i = 0; i <= echoes; i++) {
		if (tls) {
			if (i)
				(void)receive(l);
			send_pages(l, data, SMALL, true);
		} else {
			if (i)
				bare(fd, data, SMALL, false);
			bare(fd, data, SMALL, true);
		}
	}
	link_free(l);
}

static void run(bool tls, unsigned mib, unsigned echoes, const int cpus[2], double ret[2])
{
	static uint8_t data[FRAME];
	struct link *l = NULL;
	uint64_t begin;
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 || (pid = fork()) < 0)
		die("cannot begin", NULL);
	pin(cpus[pid == 0]);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(fds[0]);
		peer(fds[1], tls, mib, echoes);
		_exit(0);
	}
	(void)close(fds[1]);
	if (tls)
		l = open_link(fds[0], false);
	begin = clock_mono_ns();
	for (unsigned i = 0; i < mib; i++) {
		if (tls)
			send_pages(l, data, FRAME, true);
		else
			bare(fds[0], data, FRAME, true);
	}
	for (unsigned i = 0; i <= echoes; i++) {
		if (i && tls)
			send_pages(l, data, SMALL, true);
		else if (i)
			bare(fds[0], data, SMALL, true);
		if (tls)
			(void)receive(l);
		else
			bare(fds[0], data, SMALL, false);
		if (i == 0) { /* the acknowledgement of the bulk */
			ret[0] = mib / ((clock_mono_ns() - begin) / 1e9);
			begin = clock_mono_ns();
		}
	}
	ret[1] = (clock_mono_ns() - begin) / 1e3 / echoes;
	if (tls)
		link_free(l);
	else
		(void)close(fds[0]);
	(void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	unsigned mib = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1024;
	unsigned echoes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 20000;
	int cpus[2] = {argc > 4 ? atoi(argv[3]) : -1, argc > 4 ? atoi(argv[4]) : -1};
	double tls[2], plain[2];

	if (!mib || !echoes) {
		(void)fprintf(stderr, "usage: bench-link [MIB [ECHOES [CPU-A CPU-B]]]\n");
		return 2;
	}
	run(false, mib, echoes, cpus, plain);
	run(true, mib, echoes, cpus, tls);
	(void)printf("%-14s %10s %10s %8s\n", "", "link", "bare", "ratio");
	(void)printf("%-14s %10.0f %10.0f %8.2f\n", "bulk MiB/s", tls[0], plain[0], tls[0] / plain[0]);
	(void)printf("%-14s %10.2f %10.2f %8.2f\n", "echo us", tls[1], plain[1], tls[1] / plain[1]);
	return 0;
}
