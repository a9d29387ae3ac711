/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Windows; see sys.h. Standard streams may be consoles, pipes or files, of which none can be waited for together with
 * a socket: each has a thread, which reads or writes one piece at a time and says by an event that it has.
 * Promise: the threads touch only their own stream between two events.
 */
#include "sys.h"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE (64 * 1024)

/* One standard stream and its thread. */
struct stream {
	HANDLE handle, order, done; /* order: the thread may begin a piece; done: it has finished it */
	bool busy, begun, ended;
	char bytes[PIECE];
	DWORD n, taken;
};

static struct stream streams[3];
static HANDLE socket_event, signal_event;
static volatile LONG interrupts;
static DWORD mode_in, mode_out;
static bool catching, is_raw;

/* ---- begin --------------------------------------------------------------------------------------------------------
 */

static DWORD WINAPI serve(void *arg)
{
	struct stream *s = arg;
	bool input = s == &streams[0];

	for (;;) {
		(void)WaitForSingleObject(s->order, INFINITE);
		if (input) {
			if (!ReadFile(s->handle, s->bytes, PIECE, &s->n, NULL))
				s->n = 0;
		} else {
			DWORD at = 0, k;

			while (at < s->n && WriteFile(s->handle, s->bytes + at, s->n - at, &k, NULL))
				at += k;
			s->ended = at < s->n;
		}
		(void)SetEvent(s->done);
	}
	return 0;
}

/* NULL: no such stream, or no thread. */
static bool begin(struct stream *s)
{
	HANDLE t;

	if (s->begun)
		return true;
	s->order = CreateEvent(NULL, FALSE, FALSE, NULL);
	s->done = CreateEvent(NULL, TRUE, s != &streams[0], NULL);
	t = s->order && s->done ? CreateThread(NULL, 0, serve, s, 0, NULL) : NULL;
	if (!t)
		return false;
	(void)CloseHandle(t);
	s->begun = true;
	return true;
}

int sys_begin(struct err *e)
{
	static const DWORD names[3] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return err_set(e, -EIO, "Windows has no sockets for us");
	for (int i = 0; i < 3; i++)
		streams[i].handle = GetStdHandle(names[i]);
	socket_event = WSACreateEvent();
	signal_event = CreateEvent(NULL, TRUE, FALSE, NULL);
	return socket_event && signal_event ? 0 : err_set(e, -ENOMEM, "out of memory");
}

uint64_t sys_ms(void)
{
	return GetTickCount64();
}

/* Who may read a file is said by the directory's list of rights; a user's own is his own. */
int sys_read_secret(const char *path, char *buf, size_t cap, struct err *e)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		return err_set(e, -errno, "%s cannot be read: %s", path, strerror(errno));
	n = fread(buf, 1, cap - 1, f);
	(void)fclose(f);
	buf[n] = '\0';
	return 0;
}

int sys_key_path(char *buf, size_t cap)
{
	const char *home = getenv("USERPROFILE");

	return home && (size_t)snprintf(buf, cap, "%s\\.godwit-client", home) < cap ? 0 : -ENOENT;
}

/* ---- sockets ------------------------------------------------------------------------------------------------------
 */

static SOCKET connect_one(const struct addrinfo *a, unsigned ms)
{
	SOCKET s = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
	struct timeval t = {.tv_sec = (long)(ms / 1000), .tv_usec = (long)(ms % 1000 * 1000)};
	u_long on = 1;
	BOOL nodelay = TRUE;
	fd_set out, failed;

	if (s == INVALID_SOCKET)
		return s;
	(void)ioctlsocket(s, FIONBIO, &on);
	FD_ZERO(&out);
	FD_ZERO(&failed);
	FD_SET(s, &out);
	FD_SET(s, &failed);
	if ((connect(s, a->ai_addr, (int)a->ai_addrlen) == 0 || WSAGetLastError() == WSAEWOULDBLOCK) &&
	    select(0, NULL, &out, &failed, &t) > 0 && FD_ISSET(s, &out)) {
		(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&nodelay, sizeof(nodelay));
		return s;
	}
	(void)closesocket(s);
	return INVALID_SOCKET;
}

intptr_t sys_connect(const char *address, const char *port, unsigned ms, struct err *e)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list, *a;
	SOCKET s = INVALID_SOCKET;

	if (getaddrinfo(address, port, &hints, &list) != 0)
		return err_set(e, -EHOSTUNREACH, "no such address");
	for (a = list; a && s == INVALID_SOCKET; a = a->ai_next)
		s = connect_one(a, ms);
	freeaddrinfo(list);
	return s == INVALID_SOCKET ? err_set(e, -EHOSTUNREACH, "it cannot be reached") : (intptr_t)s;
}

void sys_close(intptr_t socket)
{
	(void)closesocket((SOCKET)socket);
}

int sys_send(intptr_t socket, const void *p, size_t n)
{
	return send((SOCKET)socket, p, (int)n, 0) == (int)n ? 0 : -EIO;
}

/* ---- streams ------------------------------------------------------------------------------------------------------
 */

static bool is_done(const struct stream *s)
{
	return s->begun && WaitForSingleObject(s->done, 0) == WAIT_OBJECT_0;
}

void sys_wait(struct sys_wait *w)
{
	HANDLE list[5];
	DWORD n = 0;
	int i;

	list[n++] = signal_event;
	if (w->socket >= 0) {
		/* Whatever is there already is told again. */
		(void)WSAEventSelect((SOCKET)w->socket, socket_event,
				     FD_READ | FD_CLOSE | FD_CONNECT | (w->send ? FD_WRITE : 0));
		list[n++] = socket_event;
	}
	if (w->in && begin(&streams[0])) {
		if (!streams[0].busy && !is_done(&streams[0]) && !streams[0].ended) {
			streams[0].busy = true;
			(void)SetEvent(streams[0].order);
		}
		list[n++] = streams[0].done;
	}
	for (i = 1; i < 3; i++)
		if (w->out[i] && begin(&streams[i]))
			list[n++] = streams[i].done;
	(void)WaitForMultipleObjects(n, list, FALSE, w->ms);
	(void)WSAResetEvent(socket_event);
	w->in = w->in && is_done(&streams[0]);
	for (i = 1; i < 3; i++)
		w->out[i] = w->out[i] && is_done(&streams[i]);
}

/* Gives out of the piece that the thread has read. */
long sys_read(void *p, size_t n)
{
	struct stream *s = &streams[0];
	size_t k;

	if (s->ended)
		return 0;
	if (!is_done(s))
		return -1;
	k = s->n - s->taken < n ? s->n - s->taken : n;
	memcpy(p, s->bytes + s->taken, k);
	s->taken += (DWORD)k;
	s->ended = s->n == 0;
	if (s->taken == s->n) {
		s->taken = 0;
		s->busy = false;
		(void)ResetEvent(s->done);
	}
	return (long)k;
}

/* Gives the thread a piece when it has finished the one before. */
long sys_write(int fd, const void *p, size_t n)
{
	struct stream *s = &streams[fd];

	if (!begin(s) || !is_done(s))
		return begin(s) ? -1 : -2;
	if (s->ended)
		return -2;
	s->n = (DWORD)(n < PIECE ? n : PIECE);
	memcpy(s->bytes, p, s->n);
	(void)ResetEvent(s->done);
	(void)SetEvent(s->order);
	return (long)s->n;
}

static bool is_console(int i, DWORD *ret_mode)
{
	return GetConsoleMode(streams[i].handle, ret_mode) != 0;
}

void sys_look(uint8_t *ret_open, uint8_t *ret_tty, bool *ret_merged)
{
	DWORD mode;

	*ret_open = *ret_tty = 0;
	*ret_merged = false;
	for (int i = 0; i < 3; i++)
		if (streams[i].handle && streams[i].handle != INVALID_HANDLE_VALUE)
			*ret_open |= (uint8_t)(1 << i);
	if (!is_console(0, &mode_in) || !is_console(1, &mode_out))
		return;
	*ret_tty = (uint8_t)(3 | (is_console(2, &mode) ? 4 : 0));
}

bool sys_size(uint16_t *ret_rows, uint16_t *ret_cols)
{
	CONSOLE_SCREEN_BUFFER_INFO info;

	if (!GetConsoleScreenBufferInfo(streams[1].handle, &info))
		return false;
	*ret_rows = (uint16_t)(info.srWindow.Bottom - info.srWindow.Top + 1);
	*ret_cols = (uint16_t)(info.srWindow.Right - info.srWindow.Left + 1);
	return true;
}

void sys_raw(bool raw)
{
	if (raw == is_raw)
		return;
	is_raw = raw;
	(void)SetConsoleMode(streams[0].handle, raw ? ENABLE_VIRTUAL_TERMINAL_INPUT : mode_in);
	(void)SetConsoleMode(streams[1].handle,
			     raw ? mode_out | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING : mode_out);
	(void)SetConsoleCP(CP_UTF8);
	(void)SetConsoleOutputCP(CP_UTF8);
}

/* ---- signals: of those, Windows has ^C and ^Break -----------------------------------------------------------------
 */

static BOOL WINAPI on_control(DWORD kind)
{
	if (!catching || (kind != CTRL_C_EVENT && kind != CTRL_BREAK_EVENT))
		return FALSE; /* this program ends, and with it the command */
	(void)InterlockedIncrement(&interrupts);
	(void)SetEvent(signal_event);
	return TRUE;
}

void sys_catch(void)
{
	catching = true;
	(void)SetConsoleCtrlHandler(on_control, TRUE);
}

bool sys_signal(int *ret_signo, bool *ret_group)
{
	(void)ResetEvent(signal_event);
	if (interrupts <= 0)
		return false;
	(void)InterlockedDecrement(&interrupts);
	*ret_signo = SYS_INT;
	*ret_group = true;
	return true;
}

void sys_stop(void)
{
	/* Nothing stands still here: the command is told at once to go on. */
}

int sys_end(int status)
{
	int i;

	/* What the last pieces held is written. */
	for (i = 1; i < 3; i++)
		if (streams[i].begun)
			(void)WaitForSingleObject(streams[i].done, INFINITE);
	return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
}
