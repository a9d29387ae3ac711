/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POSIX; see sys.h. */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SMALL 512 /* _POSIX_PIPE_BUF: what a pipe takes whole when poll(2) says that there is room */
#define BACKGROUND_MS 500

static const struct {
	int here, there;
} signals[] = {{SIGHUP, SYS_HUP},   {SIGINT, SYS_INT},    {SIGQUIT, SYS_QUIT}, {SIGUSR1, SYS_USR1},
	       {SIGUSR2, SYS_USR2}, {SIGALRM, SYS_ALRM},  {SIGTERM, SYS_TERM}, {SIGCONT, SYS_CONT},
	       {SIGTSTP, SYS_TSTP}, {SIGWINCH, SYS_WINCH}};

struct caught {
	int signo;
	bool group;
};

static int signal_pipe[2] = {-1, -1};
static struct termios before;
static bool is_raw;

static int nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno
													     : 0;
}

int sys_begin(struct err *e)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (pipe(signal_pipe) < 0 || nonblocking(signal_pipe[0]) < 0 || nonblocking(signal_pipe[1]) < 0)
		return err_set(e, -errno, "no pipe: %s", strerror(errno));
	return 0;
}

uint64_t sys_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int sys_read_secret(const char *path, char *buf, size_t cap, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s cannot be read: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_mode & 077)
		return err_set(e, -EPERM, "others may read %s, which is a secret: chmod 600 %s", path, path);
	n = read(fd, buf, cap - 1);
	if (n < 0)
		return err_set(e, -errno, "%s cannot be read: %s", path, strerror(errno));
	buf[n] = '\0';
	return 0;
}

int sys_key_path(char *buf, size_t cap)
{
	const char *home = getenv("HOME");

	return home && (size_t)snprintf(buf, cap, "%s/.godwit-client", home) < cap ? 0 : -ENOENT;
}

/* ---- sockets ------------------------------------------------------------------------------------------------------
 */

static int connect_one(const struct addrinfo *a, unsigned ms)
{
	_cleanup_close_ int fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int one = 1, error = 0, r;
	socklen_t len = sizeof(error);

	if (fd < 0 || nonblocking(fd) < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
		return -errno;
	r = poll(&p, 1, (int)ms);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		return error ? -error : -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return take_fd(&fd);
}

intptr_t sys_connect(const char *address, const char *port, unsigned ms, struct err *e)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list, *a;
	int r = getaddrinfo(address, port, &hints, &list);

	if (r != 0)
		return err_set(e, -EHOSTUNREACH, "%s", gai_strerror(r));
	for (r = -EHOSTUNREACH, a = list; a && r < 0; a = a->ai_next)
		r = connect_one(a, ms);
	freeaddrinfo(list);
	return r < 0 ? err_set(e, r, "it cannot be reached: %s", strerror(-r)) : r;
}

void sys_close(intptr_t socket)
{
	(void)close((int)socket);
}

int sys_send(intptr_t socket, const void *p, size_t n)
{
	return send((int)socket, p, n, 0) == (ssize_t)n ? 0 : -EIO;
}

/* ---- streams ------------------------------------------------------------------------------------------------------
 */

/* Standard input may be a terminal that belongs to another process group now. */
static bool may_read(void)
{
	return !isatty(0) || tcgetpgrp(0) == getpgrp();
}

void sys_wait(struct sys_wait *w)
{
	bool mine = !w->in || may_read();
	struct pollfd p[5] = {{.fd = (int)w->socket, .events = (short)(POLLIN | (w->send ? POLLOUT : 0))},
			      {.fd = signal_pipe[0], .events = POLLIN},
			      {.fd = w->in && mine ? 0 : -1, .events = POLLIN},
			      {.fd = w->out[1] ? 1 : -1, .events = POLLOUT},
			      {.fd = w->out[2] ? 2 : -1, .events = POLLOUT}};
	unsigned ms = !mine && w->ms > BACKGROUND_MS ? BACKGROUND_MS : w->ms;

	if (poll(p, 5, (int)ms) < 0)
		for (int i = 0; i < 5; i++)
			p[i].revents = 0; /* EINTR: the pipe tells */
	w->in = p[2].revents;
	w->out[1] = p[3].revents;
	w->out[2] = p[4].revents;
}

long sys_read(void *p, size_t n)
{
	ssize_t r = read(0, p, n);

	if (r < 0 && (errno == EINTR || errno == EAGAIN))
		return -1;
	return r < 0 ? 0 : (long)r;
}

/* A descriptor that others have open, too, is not made non-blocking. */
long sys_write(int fd, const void *p, size_t n)
{
	struct stat st;
	bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	ssize_t r = write(fd, p, file || n < SMALL ? n : SMALL);

	if (r >= 0)
		return (long)r;
	return errno == EINTR || errno == EAGAIN ? -1 : -2;
}

void sys_look(uint8_t *ret_open, uint8_t *ret_tty, bool *ret_merged)
{
	struct stat a, b;

	*ret_open = *ret_tty = 0;
	for (int i = 0; i < 3; i++)
		if (fcntl(i, F_GETFD) >= 0)
			*ret_open |= (uint8_t)(1 << i);
		else
			(void)!open("/dev/null", O_RDWR); /* so that nothing of ours gets that number */
	*ret_merged = (*ret_open & 6) == 6 && fstat(1, &a) == 0 && fstat(2, &b) == 0 && a.st_dev == b.st_dev &&
		      a.st_ino == b.st_ino && !S_ISREG(a.st_mode);
	if (!(*ret_open & 1) || !isatty(0) || !isatty(1) || tcgetattr(0, &before) < 0)
		return;
	for (int i = 0; i < 3; i++)
		if (*ret_open >> i & 1 && isatty(i))
			*ret_tty |= (uint8_t)(1 << i);
}

bool sys_size(uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize w;

	if (ioctl(0, TIOCGWINSZ, &w) < 0)
		return false;
	*ret_rows = w.ws_row;
	*ret_cols = w.ws_col;
	return true;
}

void sys_raw(bool raw)
{
	struct termios t = before;

	if (raw == is_raw || (raw && tcgetpgrp(0) != getpgrp()))
		return;
	if (raw) {
		t.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
		t.c_oflag &= ~(tcflag_t)OPOST;
		t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
		t.c_cflag = (t.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
	}
	if (tcsetattr(0, TCSADRAIN, &t) == 0)
		is_raw = raw;
}

/* ---- signals ------------------------------------------------------------------------------------------------------
 */

static void on_signal(int signo, siginfo_t *info, void *context)
{
	struct caught c = {.signo = signo};
	int saved = errno;

	(void)context;
	/* What no process has sent, the terminal has, to the whole process group. */
	c.group = info->si_code != SI_USER && info->si_code != SI_QUEUE && info->si_pid == 0;
	(void)!write(signal_pipe[1], &c, sizeof(c));
	errno = saved;
}

void sys_catch(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO}, old;

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (sigaction(signals[i].here, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i].here, &sa, NULL);
}

bool sys_signal(int *ret_signo, bool *ret_group)
{
	struct caught c;

	while (read(signal_pipe[0], &c, sizeof(c)) == sizeof(c)) {
		for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
			if (signals[i].here != c.signo)
				continue;
			*ret_signo = signals[i].there;
			*ret_group = c.group;
			return true;
		}
	}
	return false;
}

void sys_stop(void)
{
	(void)raise(SIGSTOP);
}

/* The number here of a signal of Linux; those not in the table are the same everywhere (POSIX: 6, 9, 14, 15), or
 * nearly so. */
static int signal_here(int there)
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (signals[i].there == there)
			return signals[i].here;
	return there;
}

int sys_end(int status)
{
	const struct rlimit none = {0, 0};
	int signo = signal_here(status & 0x7f);
	sigset_t set;

	if (!(status & 0x7f))
		return status >> 8 & 0xff;
	(void)setrlimit(RLIMIT_CORE, &none); /* the command has left one already, where it ran */
	(void)signal(signo, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, signo);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(signo);
	return 128 + signo;
}
