/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small files and /proc; see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

int file_read_all(const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *p = NULL;
	size_t len = 0, cap = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (len + 1 >= cap) {
			char *q = realloc(p, cap ? cap * 2 : 16384);

			if (!q)
				return -ENOMEM;
			p = q;
			cap = cap ? cap * 2 : 16384;
		}
		n = read(fd, p + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	p[len] = '\0';
	*ret = take_ptr(p);
	if (ret_len)
		*ret_len = len;
	return 0;
}

ssize_t file_read_small(const char *path, char *buf, size_t cap)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len + 1 < cap) {
		ssize_t n = read(fd, buf + len, cap - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

static int write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

int file_write(const char *path, const void *p, size_t n)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_all(fd, p, n);
}

int file_write_atomic(const char *path, const void *p, size_t n, unsigned mode)
{
	_cleanup_close_ int fd = -1;
	char tmp[PATH_MAX];
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = write_all(fd, p, n);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(tmp);
	return r;
}

int file_mkdir_p(const char *path, unsigned mode)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -errno;
		part[i] = path[i];
	}
	return 0;
}

static int read_stat(const char *path, pid_t pid, struct proc_stat *ret)
{
	char text[1024];
	const char *open_paren, *p;
	size_t comm_len;
	uint64_t f[53] = {0};
	ssize_t n;

	n = file_read_small(path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT || n == -ESRCH ? -ESRCH : (int)n;
	open_paren = strchr(text, '(');
	p = strrchr(text, ')'); /* the name itself may hold parentheses */
	if (!open_paren || !p || p < open_paren || p[1] != ' ')
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	ret->pid = pid;
	comm_len = (size_t)(p - open_paren - 1);
	if (comm_len >= sizeof(ret->comm))
		comm_len = sizeof(ret->comm) - 1;
	memcpy(ret->comm, open_paren + 1, comm_len);
	ret->state = p[2];
	p += 3;
	for (unsigned i = 4; i < ARRAY_SIZE(f) && *p; i++) { /* numbered as in proc(5) */
		char *end;

		f[i] = *p == ' ' && p[1] == '-' ? (uint64_t)strtoll(p, &end, 10) : strtoull(p, &end, 10);
		if (end == p)
			break;
		p = end;
	}
	ret->ppid = (pid_t)f[4];
	ret->pgrp = (pid_t)f[5];
	ret->session = (pid_t)f[6];
	ret->tty_nr = (int)f[7];
	ret->tpgid = (pid_t)f[8];
	ret->flags = (unsigned)f[9];
	ret->majflt = f[12];
	ret->utime = f[14];
	ret->stime = f[15];
	ret->nice = (int64_t)f[19];
	ret->num_threads = (int64_t)f[20];
	ret->start_time = f[22];
	ret->vsize = f[23];
	ret->rss_pages = (int64_t)f[24];
	ret->start_code = f[26];
	ret->end_code = f[27];
	ret->start_stack = f[28];
	ret->rt_priority = (unsigned)f[40];
	ret->policy = (unsigned)f[41];
	ret->start_data = f[45];
	ret->end_data = f[46];
	ret->start_brk = f[47];
	ret->arg_start = f[48];
	ret->arg_end = f[49];
	ret->env_start = f[50];
	ret->env_end = f[51];
	return 0;
}

int proc_read_stat(pid_t pid, struct proc_stat *ret)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return read_stat(path, pid, ret);
}

int proc_read_thread_stat(pid_t pid, pid_t tid, struct proc_stat *ret)
{
	char path[60];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	return read_stat(path, tid, ret);
}

static int read_status(pid_t pid, char *text, size_t cap)
{
	char path[40];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	n = file_read_small(path, text, cap);
	return n == -ENOENT || n == -ESRCH ? -ESRCH : n < 0 ? (int)n : 0;
}

int proc_read_status(pid_t pid, const char *key, char *ret, size_t cap)
{
	char text[4096], start[40];
	const char *p;
	int r = read_status(pid, text, sizeof(text));

	if (r < 0)
		return r;
	(void)snprintf(start, sizeof(start), "\n%s:", key);
	p = strstr(text, start);
	if (!p)
		return -ENOENT;
	p += strlen(start);
	(void)snprintf(ret, cap, "%.*s", (int)strcspn(p, "\n"), p);
	return 0;
}

int proc_read_uids(pid_t pid, uid_t ret_uids[4], gid_t ret_gids[4])
{
	char text[4096];
	const char *u, *g;
	int r = read_status(pid, text, sizeof(text));

	if (r < 0)
		return r;
	u = strstr(text, "\nUid:");
	g = strstr(text, "\nGid:");
	if (!u || !g || sscanf(u + 5, "%u %u %u %u", &ret_uids[0], &ret_uids[1], &ret_uids[2], &ret_uids[3]) != 4 ||
	    sscanf(g + 5, "%u %u %u %u", &ret_gids[0], &ret_gids[1], &ret_gids[2], &ret_gids[3]) != 4)
		return -EINVAL;
	return 0;
}

int file_self_dir(char *buf, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", buf, cap - 1);
	char *slash;

	if (n < 0)
		return -errno;
	if ((size_t)n == cap - 1)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (!slash)
		return -EINVAL;
	*slash = '\0';
	return 0;
}

int file_find_program(const char *name, char *buf, size_t cap)
{
	static const char *const places[] = {"%s/%s", "%s/../libexec/godwit/%s"};
	char dir[256];
	size_t i;
	int n, r = file_self_dir(dir, sizeof(dir));

	for (i = 0; r == 0 && i < ARRAY_SIZE(places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		n = snprintf(buf, cap, places[i], dir, name);
#pragma GCC diagnostic pop
		if (n >= 0 && (size_t)n < cap && access(buf, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}
