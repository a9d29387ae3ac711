/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole small files at once, and the files of /proc.
 * Promise: reads are bounded, writes are atomic where said. Must not: follow what the content means beyond
 * the fixed formats of proc(5).
 */
#ifndef GODWIT_BASE_FILE_H
#define GODWIT_BASE_FILE_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include "cleanup.h"

/* Reads the whole file into a new NUL-terminated buffer; *ret_len may be NULL. max bounds it (-EFBIG). */
int file_read_all(const char *path, size_t max, char **ret, size_t *ret_len) _must_check_;
/* Reads at most cap-1 bytes into buf and terminates them; bytes read or -errno. No allocation. */
ssize_t file_read_small(const char *path, char *buf, size_t cap) _must_check_;
int file_write(const char *path, const void *p, size_t n) _must_check_; /* plain write, no create */
/* Writes beside and renames; a crash leaves the old or the new content. */
int file_write_atomic(const char *path, const void *p, size_t n, unsigned mode) _must_check_;
int file_mkdir_p(const char *path, unsigned mode) _must_check_;

/* Fields of /proc/PID/stat that we use; times in clock ticks. proc(5). */
struct proc_stat {
	pid_t pid, ppid, pgrp, session, tpgid;
	char comm[64];
	char state;
	int tty_nr;
	uint64_t utime, stime, start_time; /* start_time: ticks after boot; with pid it names a process */
	uint64_t vsize;
	int64_t rss_pages, num_threads, nice;
	uint64_t majflt;
	unsigned rt_priority, policy, flags;
	uint64_t start_code, end_code, start_stack, start_data, end_data, start_brk;
	uint64_t arg_start, arg_end, env_start, env_end;
};
/* procdir: "/proc" or another mount; -ESRCH when gone, -EINVAL when unreadable. */
int proc_read_stat(pid_t pid, struct proc_stat *ret) _must_check_;
/* The same of one thread: utime and stime are its own. */
int proc_read_thread_stat(pid_t pid, pid_t tid, struct proc_stat *ret) _must_check_;
/* The value of one line of /proc/PID/status, which may be a thread's; cut to cap. -ESRCH, -ENOENT: no such line. */
int proc_read_status(pid_t pid, const char *key, char *ret, size_t cap) _must_check_;
/* real uid of the process by /proc/PID/status (all four when ret_uids has 4). */
int proc_read_uids(pid_t pid, uid_t ret_uids[4], gid_t ret_gids[4]) _must_check_;
/* Directory of the running executable, no slash at the end: helpers are found beside it. */
int file_self_dir(char *buf, size_t cap) _must_check_;

/* Finds the program `name` of Godwit beside this one, or in ../libexec/godwit. 0 or -ENOENT. */
int file_find_program(const char *name, char *buf, size_t cap) _must_check_;

#endif
