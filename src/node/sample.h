/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this node has and what runs on it, sampled once per second from /proc and the cgroup files.
 * Promise: one open, read and close for a process that slept since the last sample. Must not: decide anything.
 *
 * Load is the average number of runnable tasks over the interval: each process's growth of run time and of run-queue
 * wait
 * (/proc/PID/schedstat), divided by the interval.
 */
#ifndef GODWIT_NODE_SAMPLE_H
#define GODWIT_NODE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/cleanup.h"

struct sample_proc {
	pid_t pid, ppid;
	uint64_t start_time; /* ticks after boot; with pid it names the process */
	char comm[16];
	char state; /* of stat(5) */
	bool kernel; /* kernel thread */
	bool godwit; /* one of our own programs, by name */
	bool threads; /* more than one */
	bool no_schedstat;
	bool measured; /* seen in two samples, so that loads mean something */
	uint32_t seen; /* number of the sample in which it was last there */
	uint64_t run_ns, wait_ns; /* totals at the last sample */
	uint64_t cpu_us; /* CPU time so far, all threads */
	uint32_t load_milli; /* runnable over the last interval; 1000 = one task all the time */
	uint32_t cpu_milli; /* of it: on a processor */
	uint64_t rss; /* bytes; as of the last sample in which it ran */
	/* Kept for families.c */
	pid_t family; /* root's pid, 0: none */
	uid_t uid; /* real; (uid_t)-1: not looked up */
};

struct sampler {
	struct sample_proc *procs; /* ascending pid */
	size_t n_procs, cap;
	uint32_t count; /* samples so far */
	uint64_t last_ns;
	long tick_hz, page_size;
	/* limits from the configuration, 0: none; and what is kept for the owner */
	uint32_t cpus_limit_milli, cpus_kept_milli;
	uint64_t memory_limit, memory_kept;
	bool limits_old; /* they have changed since they were applied */
	/* results */
	uint32_t cpus_milli, load_milli;
	uint64_t mem_total, mem_free; /* bytes */
	uint32_t stalled_milli, faults; /* over the last interval: see struct policy_sample */
	bool no_pressure; /* the kernel does not tell how long processes wait for memory */
	bool paging_of_group; /* whose totals these are */
	uint64_t stalled_us, faults_all; /* totals at the last sample */
	/* the cgroup file system: where the limit that binds us stands, "" without one */
	char memory_dir[512];
	bool memory_v1;
	uint64_t cgroup_memory; /* bytes, UINT64_MAX: none */
	uint64_t beside; /* bytes used by guests whose group stands beside that one (room.c) */
};

void sampler_init(struct sampler *s);
/* Counts from the next step on. */
void sampler_limits(struct sampler *s, uint32_t cpus_milli, uint64_t memory, uint32_t keep_cpus_milli,
		    uint64_t keep_memory);
void sampler_release(struct sampler *s);

/* Takes a sample; now_ns: CLOCK_MONOTONIC. 0, or -errno when /proc cannot be read; processes that end meanwhile are no
 * error. */
int sampler_step(struct sampler *s, uint64_t now_ns) _must_check_;
/* Only looks how much memory is free now. */
void sampler_memory(struct sampler *s);
/* The process of that pid in the last sample, NULL: none. Valid until the next step. */
struct sample_proc *sampler_find(const struct sampler *s, pid_t pid);

/* The parsers, apart so that they can be tested with any text. */
int sample_parse_schedstat(const char *text, uint64_t *ret_run_ns, uint64_t *ret_wait_ns) _must_check_; /* -EINVAL */
int sample_parse_meminfo(const char *text, uint64_t *ret_total, uint64_t *ret_available) _must_check_; /* bytes */
int sample_parse_cpu_max(const char *text, uint32_t *ret_milli) _must_check_; /* "max ..." gives UINT32_MAX */
int sample_parse_pressure(const char *text, uint64_t *ret_us) _must_check_; /* "some ... total=N" */
int sample_parse_field(const char *text, const char *name,
		       uint64_t *ret) _must_check_; /* "name value" of memory.stat */

#endif
