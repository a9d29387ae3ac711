/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values in words for `godwit trace`; the promise is in symbols.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "symbols.h"

#define SHOWN_BYTES 32

struct symbol {
	uint32_t value;
	const char *name;
};
#define S(x)                      \
	{                         \
		(uint32_t)(x), #x \
	}

static const struct symbol oflags[] = {
    S(O_CREAT),
    S(O_EXCL),
    S(O_NOCTTY),
    S(O_TRUNC),
    S(O_APPEND),
    S(O_NONBLOCK),
    S(O_SYNC),
    S(O_DSYNC),
    S(O_ASYNC),
    S(O_DIRECT),
    {0100000, "O_LARGEFILE"},
    S(O_TMPFILE),
    S(O_DIRECTORY),
    S(O_NOFOLLOW),
    S(O_NOATIME),
    S(O_CLOEXEC),
    S(O_PATH),
};
static const struct symbol prots[] = {S(PROT_READ), S(PROT_WRITE), S(PROT_EXEC)};
static const struct symbol mapflags[] = {
    S(MAP_SHARED_VALIDATE), S(MAP_SHARED),    S(MAP_PRIVATE),         S(MAP_FIXED),     S(MAP_ANONYMOUS),
    S(MAP_GROWSDOWN),       S(MAP_DENYWRITE), S(MAP_LOCKED),          S(MAP_NORESERVE), S(MAP_POPULATE),
    S(MAP_STACK),           S(MAP_HUGETLB),   S(MAP_FIXED_NOREPLACE),
};
/* 0x200 means AT_EACCESS in some calls and AT_REMOVEDIR in others. */
static const struct symbol atflags[] = {
    S(AT_SYMLINK_NOFOLLOW), {0x200, "AT_REMOVEDIR"},         S(AT_SYMLINK_FOLLOW),           S(AT_NO_AUTOMOUNT),
    S(AT_EMPTY_PATH),       {0x2000, "AT_STATX_FORCE_SYNC"}, {0x4000, "AT_STATX_DONT_SYNC"},
};
static const struct symbol msgflags[] = {
    S(MSG_OOB),      S(MSG_PEEK), S(MSG_DONTROUTE),    S(MSG_CTRUNC),   S(MSG_TRUNC),
    S(MSG_DONTWAIT), S(MSG_EOR),  S(MSG_WAITALL),      S(MSG_CONFIRM),  S(MSG_ERRQUEUE),
    S(MSG_NOSIGNAL), S(MSG_MORE), S(MSG_CMSG_CLOEXEC), S(MSG_FASTOPEN),
};
static const struct symbol accmodes[] = {S(R_OK), S(W_OK), S(X_OK)};
static const struct symbol waitopts[] = {
    S(WNOHANG),
    S(WUNTRACED),
    S(WEXITED),
    S(WCONTINUED),
    S(WNOWAIT),
    {0x20000000, "__WNOTHREAD"},
    {0x40000000, "__WALL"},
    {0x80000000, "__WCLONE"},
};
static const struct symbol whences[] = {S(SEEK_SET), S(SEEK_CUR), S(SEEK_END), S(SEEK_DATA), S(SEEK_HOLE)};
static const struct symbol families[] = {S(AF_UNSPEC),  S(AF_UNIX),   S(AF_INET), S(AF_INET6),
					 S(AF_NETLINK), S(AF_PACKET), S(AF_ALG),  S(AF_VSOCK)};
static const struct symbol socktypes[] = {
    {1, "SOCK_STREAM"}, {2, "SOCK_DGRAM"}, {3, "SOCK_RAW"}, {5, "SOCK_SEQPACKET"}};
static const struct symbol clocks[] = {
    S(CLOCK_REALTIME),          S(CLOCK_MONOTONIC),     S(CLOCK_PROCESS_CPUTIME_ID),
    S(CLOCK_THREAD_CPUTIME_ID), S(CLOCK_MONOTONIC_RAW), S(CLOCK_REALTIME_COARSE),
    S(CLOCK_MONOTONIC_COARSE),  S(CLOCK_BOOTTIME),      S(CLOCK_REALTIME_ALARM),
    S(CLOCK_BOOTTIME_ALARM),    S(CLOCK_TAI),
};
#undef S

void line_put(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->len + 1 >= l->cap)
		return;
	va_start(ap, fmt);
	n = vsnprintf(l->p + l->len, l->cap - l->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len = (size_t)n < l->cap - l->len ? l->len + (size_t)n : l->cap - 1;
}

void line_bytes(struct line *l, const uint8_t *p, size_t n, bool is_string)
{
	static const char escaped[] = "\n\t\r\"\\", letters[] = "ntr\"\\";
	size_t shown = n < SHOWN_BYTES ? n : SHOWN_BYTES;

	if (is_string && n && p[n - 1] == 0) {
		n--;
		shown = shown < n ? shown : n;
	}
	line_put(l, "\"");
	for (size_t i = 0; i < shown; i++) {
		const char *at = p[i] ? strchr(escaped, p[i]) : NULL;

		if (at)
			line_put(l, "\\%c", letters[at - escaped]);
		else if (p[i] >= 32 && p[i] < 127)
			line_put(l, "%c", p[i]);
		else if (i + 1 < n && p[i + 1] >= '0' && p[i + 1] <= '9')
			line_put(l, "\\%03o", p[i]);
		else
			line_put(l, "\\%o", p[i]);
	}
	line_put(l, shown < n ? "\"..." : "\"");
}

/* Flags joined by |. first: a name for what the caller has taken out of v, or NULL. */
static void put_flags(struct line *l, const struct symbol *s, unsigned n, uint32_t v, const char *first)
{
	const char *sep = "";

	if (first) {
		line_put(l, "%s", first);
		sep = "|";
	}
	for (unsigned i = 0; i < n; i++) {
		/* A name for several bits (O_SYNC) takes the names of its parts with it. */
		if (s[i].value && (v & s[i].value) == s[i].value) {
			line_put(l, "%s%s", sep, s[i].name);
			v &= ~s[i].value;
			sep = "|";
		}
	}
	if (v)
		line_put(l, "%s%#x", sep, v);
	else if (!*sep)
		line_put(l, "0");
}

static void put_name(struct line *l, const struct symbol *s, unsigned n, uint32_t v)
{
	for (unsigned i = 0; i < n; i++) {
		if (s[i].value == v) {
			line_put(l, "%s", s[i].name);
			return;
		}
	}
	line_put(l, "%d", (int32_t)v);
}

static void put_oflags(struct line *l, uint32_t v)
{
	static const char *const modes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};

	put_flags(l, oflags, ARRAY_SIZE(oflags), v & ~3u, modes[v & 3]);
}

static void put_socktype(struct line *l, uint32_t v)
{
	put_name(l, socktypes, ARRAY_SIZE(socktypes), v & 0xf);
	if (v & SOCK_CLOEXEC)
		line_put(l, "|SOCK_CLOEXEC");
	if (v & SOCK_NONBLOCK)
		line_put(l, "|SOCK_NONBLOCK");
	v &= ~(0xfu | SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (v)
		line_put(l, "|%#x", v);
}

static void put_signal(struct line *l, uint32_t v)
{
	const char *name = v && v < 32 ? sigabbrev_np((int)v) : NULL;

	if (name)
		line_put(l, "SIG%s", name);
	else
		line_put(l, "%d", (int32_t)v);
}

static void put_dirfd(struct line *l, uint32_t v)
{
	if ((int32_t)v == AT_FDCWD)
		line_put(l, "AT_FDCWD");
	else
		line_put(l, "%d", (int32_t)v);
}

static void put_accmode(struct line *l, uint32_t v)
{
	if (v)
		put_flags(l, accmodes, ARRAY_SIZE(accmodes), v, NULL);
	else
		line_put(l, "F_OK");
}

static void put_prot(struct line *l, uint32_t v)
{
	if (v)
		put_flags(l, prots, ARRAY_SIZE(prots), v, NULL);
	else
		line_put(l, "PROT_NONE");
}

/* Kinds whose value is a plain number. */
static void put_number(struct line *l, enum arg_show show, uint64_t v)
{
	if (show == SHOW_UINT)
		line_put(l, "%u", (uint32_t)v);
	else if (show == SHOW_SIZE)
		line_put(l, "%llu", (unsigned long long)v);
	else if (show == SHOW_OFF)
		line_put(l, "%lld", (long long)v);
	else if (show == SHOW_MODE)
		line_put(l, "%#o", (uint32_t)v);
	else if (show == SHOW_HEX)
		line_put(l, v ? "%#llx" : "%llu", (unsigned long long)v);
	else if (show < SHOW_HEX)
		line_put(l, "%d", (int32_t)v);
	else if (v)
		line_put(l, "%#llx", (unsigned long long)v);
	else
		line_put(l, "NULL");
}

void line_value(struct line *l, enum arg_show show, uint64_t value)
{
	uint32_t v = (uint32_t)value;

	switch (show) {
	case SHOW_DIRFD:
		return put_dirfd(l, v);
	case SHOW_SIG:
		return put_signal(l, v);
	case SHOW_CLOCK:
		return put_name(l, clocks, ARRAY_SIZE(clocks), v);
	case SHOW_OFLAGS:
		return put_oflags(l, v);
	case SHOW_PROT:
		return put_prot(l, v);
	case SHOW_MAPFLAGS:
		return put_flags(l, mapflags, ARRAY_SIZE(mapflags), v, NULL);
	case SHOW_ATFLAGS:
		return put_flags(l, atflags, ARRAY_SIZE(atflags), v, NULL);
	case SHOW_WHENCE:
		return put_name(l, whences, ARRAY_SIZE(whences), v);
	case SHOW_FAMILY:
		return put_name(l, families, ARRAY_SIZE(families), v);
	case SHOW_SOCKTYPE:
		return put_socktype(l, v);
	case SHOW_MSGFLAGS:
		return put_flags(l, msgflags, ARRAY_SIZE(msgflags), v, NULL);
	case SHOW_ACCMODE:
		return put_accmode(l, v);
	case SHOW_WAITOPTS:
		return put_flags(l, waitopts, ARRAY_SIZE(waitopts), v, NULL);
	default:
		return put_number(l, show, value);
	}
}

void line_result(struct line *l, int64_t ret)
{
	static const char *const restarts[] = {
	    [0] = "ERESTARTSYS", [1] = "ERESTARTNOINTR", [2] = "ERESTARTNOHAND", [4] = "ERESTART_RESTARTBLOCK"};
	const char *name;

	if (ret <= -512 && ret >= -516 && restarts[-512 - ret]) {
		line_put(l, "? %s", restarts[-512 - ret]);
		return;
	}
	if (ret >= 0 || ret < -4095) {
		line_put(l, ret >= 0 && ret <= UINT32_MAX ? "%lld" : "%#llx", (long long)ret);
		return;
	}
	name = strerrorname_np((int)-ret);
	if (name)
		line_put(l, "-1 %s (%s)", name, strerrordesc_np((int)-ret));
	else
		line_put(l, "-1 (errno %lld)", (long long)-ret);
}
