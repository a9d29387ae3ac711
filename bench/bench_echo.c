/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that a forwarded call can cost: the frames of a call without buffers and of its reply, on a link over
 * TCP on the loopback, between two processes that do nothing else.
 *
 * bench-echo CPU-A CPU-B MS: A asks, B answers; prints the us of one echo. The measure that bench/calls.py holds
 * forwarded calls against. Must not: be run as a test.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../src/base/clock.h"
#include "../src/base/sock.h"
#include "../src/link/link.h"

#define PATIENCE (120 * NSEC_PER_SEC)

static const uint8_t psk[LINK_PSK_SIZE] = {1};

__attribute__((noreturn)) static void die(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "bench-echo: %s: %s\n", what, e ? e->text : strerror(errno));
	exit(1);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("cannot use that CPU", NULL);
}

static void pair(int ret[2])
{
	struct sockaddr_in sa = {0};
	socklen_t n = sizeof(sa);
	struct err e = {0};
	int l = sock_listen_tcp("127.0.0.1", 0, &e);

	if (l < 0)
		die("listening", &e);
	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (getsockname(l, (struct sockaddr *)&sa, &n) < 0 || connect(ret[0], (struct sockaddr *)&sa, n) < 0 ||
	    (ret[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC)) < 0)
		die("connecting", NULL);
	(void)close(l);
}

static struct link *open_link(int fd, bool server)
{
	struct link *l;
	struct err e = {0};

	if (link_new_psk(&l, fd, server, "bench", psk, sizeof(psk), &e) < 0 ||
	    link_handshake_wait(l, clock_mono_ns() + PATIENCE, &e) < 0)
		die("link", &e);
	link_set_accept(l, server ? WIRE_FROM_AGENT : WIRE_FROM_SHEPHERD);
	return l;
}

/* Waits for a frame; false: the peer has ended the link in order. */
static bool receive(struct link *l)
{
	struct wire_header h;
	const uint8_t *body;
	struct err e = {0};
	int r = link_recv_wait(l, clock_mono_ns() + PATIENCE, &h, &body, &e);

	if (r < 0 && r != -EPIPE)
		die("receiving", &e);
	return r > 0;
}

static void flush(struct link *l, int encoded)
{
	struct err e = {0};

	if (encoded < 0 || link_flush_wait(l, clock_mono_ns() + PATIENCE, &e) < 0)
		die("sending", &e);
}

static void serve(int fd)
{
	struct link *l = open_link(fd, true);
	struct wire_reply m = {.ret = 1};

	while (receive(l)) {
		m.seq++;
		flush(l, wire_reply_encode(&m, link_out(l)));
	}
	link_free(l);
}

/* ns of one echo, from a batch of at least so many ns; the batches before it warm the path up. */
static double ask(struct link *l, uint64_t least)
{
	struct wire_call m = {.nr = SYS_getppid, .sp = 1UL << 46};

	for (uint64_t n = 16;; n *= 2) {
		uint64_t begin = clock_mono_ns(), ns;

		for (uint64_t i = 0; i < n; i++) {
			m.seq++;
			flush(l, wire_call_encode(&m, link_out(l)));
			if (!receive(l))
				die("the other end has ended", NULL);
		}
		ns = clock_mono_ns() - begin;
		if (ns >= least)
			return (double)ns / (double)n;
	}
}

int main(int argc, char **argv)
{
	struct link *l;
	int fds[2], status;
	pid_t pid;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: bench-echo CPU-A CPU-B MS\n");
		return 2;
	}
	pair(fds);
	pid = fork();
	if (pid < 0)
		die("fork", NULL);
	pin(atoi(argv[pid ? 1 : 2]));
	(void)close(fds[pid ? 1 : 0]);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fds[1]);
		return 0;
	}
	l = open_link(fds[0], false);
	(void)printf("%.3f\n", ask(l, strtoull(argv[3], NULL, 10) * NSEC_PER_MSEC) / 1e3);
	link_free(l);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}
