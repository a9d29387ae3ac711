/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sampling of /proc: see sample.h.
 * Promise: the cost of an idle machine is one small read per process and second; nothing stays open.
 * Must not: fail because a process ended or a kernel lacks a file; what is absent is taken as no limit or no load.
 */
#include "sample.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"

#define PF_KTHREAD_FLAG 0x00200000U /* linux/sched.h */
#define LIMITS_EVERY 10 /* samples between two looks at the limits */

int sample_parse_schedstat(const char *text, uint64_t *ret_run_ns, uint64_t *ret_wait_ns)
{
	char *end;
	uint64_t run, wait;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	run = strtoull(text, &end, 10);
	if (*end != ' ' || !isdigit((unsigned char)end[1]))
		return -EINVAL;
	wait = strtoull(end + 1, &end, 10);
	if (errno || (*end != ' ' && *end != '\n' && *end))
		return -EINVAL;
	*ret_run_ns = run;
	*ret_wait_ns = wait;
	return 0;
}

int sample_parse_field(const char *text, const char *name, uint64_t *ret)
{
	size_t n = strlen(name);
	const char *p;
	char *end;

	for (p = text; p; p = (p = strchr(p, '\n')) ? p + 1 : NULL) {
		if (strncmp(p, name, n) != 0 || (p[n] != ' ' && p[n] != ':'))
			continue;
		p += n + 1;
		p += strspn(p, " \t");
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		errno = 0;
		*ret = strtoull(p, &end, 10);
		return errno ? -EINVAL : 0;
	}
	return -ENOENT;
}

int sample_parse_meminfo(const char *text, uint64_t *ret_total, uint64_t *ret_available)
{
	uint64_t total, avail;

	if (sample_parse_field(text, "MemTotal", &total) < 0 || sample_parse_field(text, "MemAvailable", &avail) < 0)
		return -EINVAL;
	if (total > UINT64_MAX / 1024 || avail > UINT64_MAX / 1024)
		return -EINVAL;
	*ret_total = total * 1024;
	*ret_available = avail * 1024;
	return 0;
}

int sample_parse_cpu_max(const char *text, uint32_t *ret_milli)
{
	long long quota = -1, period = 0;

	if (!strncmp(text, "max", 3)) {
		*ret_milli = UINT32_MAX;
		return 0;
	}
	if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0 || quota > INT64_MAX / 1000)
		return -EINVAL;
	quota = quota * 1000 / period;
	*ret_milli = quota > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)(quota > 0 ? quota : 1);
	return 0;
}

void sampler_init(struct sampler *s)
{
	*s = (struct sampler){
	    .tick_hz = sysconf(_SC_CLK_TCK), .page_size = sysconf(_SC_PAGESIZE), .cgroup_memory = UINT64_MAX};
}

void sampler_limits(struct sampler *s, uint32_t cpus_milli, uint64_t memory, uint32_t keep_cpus_milli,
		    uint64_t keep_memory)
{
	s->cpus_limit_milli = cpus_milli;
	s->memory_limit = memory;
	s->cpus_kept_milli = keep_cpus_milli;
	s->memory_kept = keep_memory;
	s->limits_old = true;
}

void sampler_release(struct sampler *s)
{
	free(s->procs);
	s->procs = NULL;
	s->n_procs = s->cap = 0;
}

/* ---- limits ------------------------------------------------------------------------------------------- */

/* Reads dir/name as one number; -ENOENT and the like when it is not there, UINT64_MAX for "max". */
static int read_number(const char *dir, const char *name, uint64_t *ret)
{
	char path[640], text[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	n = file_read_small(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	*ret = strncmp(text, "max", 3) ? strtoull(text, NULL, 10) : UINT64_MAX;
	return 0;
}

/* What the cgroup at dir allows; keeps the tightest. v1 says -1 or a huge number for no limit. */
static void limits_of(struct sampler *s, const char *dir, bool v1, uint32_t *cpus)
{
	char path[640], text[64];
	uint64_t memory = UINT64_MAX, quota, period;
	uint32_t milli;

	if (read_number(dir, v1 ? "memory.limit_in_bytes" : "memory.max", &memory) == 0 && memory < s->cgroup_memory &&
	    memory < UINT64_MAX / 4) {
		s->cgroup_memory = memory;
		s->memory_v1 = v1;
		(void)snprintf(s->memory_dir, sizeof(s->memory_dir), "%s", dir);
	}
	if (v1) {
		if (read_number(dir, "cpu.cfs_quota_us", &quota) == 0 &&
		    read_number(dir, "cpu.cfs_period_us", &period) == 0 && (int64_t)quota > 0 && period > 0 &&
		    quota < UINT32_MAX && quota * 1000 / period < *cpus)
			*cpus = (uint32_t)(quota * 1000 / period);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/cpu.max", dir);
	if (file_read_small(path, text, sizeof(text)) > 0 && sample_parse_cpu_max(text, &milli) == 0 && milli < *cpus)
		*cpus = milli;
}

/* The cgroup and all above it, up to the root of the mount. */
static void limits_upward(struct sampler *s, const char *mount, const char *path, bool v1, uint32_t *cpus)
{
	char dir[512];
	size_t base = strlen(mount);
	char *slash;

	if (strstr(path, "..") || snprintf(dir, sizeof(dir), "%s%s", mount, path) >= (int)sizeof(dir))
		return;
	while (strlen(dir) > base) {
		limits_of(s, dir, v1, cpus);
		slash = strrchr(dir, '/');
		if (!slash || (size_t)(slash - dir) < base)
			return;
		*slash = '\0';
	}
	limits_of(s, dir, v1, cpus);
}

/* One line of /proc/self/cgroup: "0::/path" (v2) or "4:memory:/path" (v1). */
static void limits_line(struct sampler *s, char *line, uint32_t *cpus)
{
	char *controllers = strchr(line, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path)
		return;
	*path++ = '\0';
	controllers++;
	if (!*controllers) {
		limits_upward(s,
			      access("/sys/fs/cgroup/unified", F_OK) == 0 ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup",
			      path, false, cpus);
		return;
	}
	if (!strcmp(controllers, "memory"))
		limits_upward(s, "/sys/fs/cgroup/memory", path, true, cpus);
	if (!strncmp(controllers, "cpu", 3) && (controllers[3] == '\0' || controllers[3] == ','))
		limits_upward(s, "/sys/fs/cgroup/cpu", path, true, cpus);
}

static void read_limits(struct sampler *s)
{
	char text[4096], *line, *save = NULL;
	uint32_t cpus = UINT32_MAX;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		cpus = (uint32_t)CPU_COUNT(&set) * 1000;
	else
		cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000;
	if (s->cpus_limit_milli && s->cpus_limit_milli < cpus)
		cpus = s->cpus_limit_milli;
	s->cgroup_memory = UINT64_MAX;
	if (file_read_small("/proc/self/cgroup", text, sizeof(text)) > 0)
		for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			limits_line(s, line, &cpus);
	s->cpus_milli = cpus > s->cpus_kept_milli ? cpus - s->cpus_kept_milli : 1;
}

/* Bytes that processes of the limiting cgroup use and that cannot be reclaimed at once. */
static uint64_t cgroup_used(const struct sampler *s)
{
	char path[640];
	_cleanup_free_ char *text = NULL;
	uint64_t used = 0, active = 0, inactive = 0;

	if (read_number(s->memory_dir, s->memory_v1 ? "memory.usage_in_bytes" : "memory.current", &used) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/memory.stat", s->memory_dir);
	if (file_read_all(path, 64 * 1024, &text, NULL) == 0) {
		(void)!sample_parse_field(text, s->memory_v1 ? "total_active_file" : "active_file", &active);
		(void)!sample_parse_field(text, s->memory_v1 ? "total_inactive_file" : "inactive_file", &inactive);
	}
	return used > active + inactive ? used - active - inactive : 0;
}

void sampler_memory(struct sampler *s)
{
	uint64_t total = 0, avail = 0, used, sum = 0;
	char text[4096];
	size_t i;

	if (file_read_small("/proc/meminfo", text, sizeof(text)) < 0 || sample_parse_meminfo(text, &total, &avail) < 0)
		return;
	if (s->cgroup_memory < total) {
		used = cgroup_used(s) + s->beside;
		total = s->cgroup_memory;
		if (total - (used < total ? used : total) < avail)
			avail = used < total ? total - used : 0;
	}
	/* A limit of the command line binds nobody; what our processes use counts against it. */
	if (s->memory_limit && s->memory_limit < total) {
		for (i = 0; i < s->n_procs; i++)
			sum += s->procs[i].rss;
		total = s->memory_limit;
		if (sum >= total)
			avail = 0;
		else if (total - sum < avail)
			avail = total - sum;
	}
	s->mem_total = total;
	s->mem_free = avail > s->memory_kept ? avail - s->memory_kept : 0;
}

int sample_parse_pressure(const char *text, uint64_t *ret_us)
{
	const char *at = strncmp(text, "some ", 5) ? NULL : strstr(text, " total=");

	if (!at || !isdigit((unsigned char)at[7]))
		return -EINVAL;
	errno = 0;
	*ret_us = strtoull(at + 7, NULL, 10);
	return errno ? -EINVAL : 0;
}

/* Signs that the node pages. Where a control group is the limit, what it says; the machine's pressure is that of
 * others, too, and version 1 has none of its own. */
static void sample_paging(struct sampler *s, uint64_t interval_ns)
{
	_cleanup_free_ char *text = NULL;
	bool group = s->memory_dir[0] && s->cgroup_memory < UINT64_MAX;
	uint64_t us, faults, ms = interval_ns / NSEC_PER_MSEC;
	char path[640], small[256];

	if (group != s->paging_of_group)
		s->stalled_us = s->faults_all = 0;
	s->paging_of_group = group;
	us = s->stalled_us;
	faults = s->faults_all;
	(void)snprintf(path, sizeof(path), group ? "%s/memory.pressure" : "/proc/pressure/memory", s->memory_dir);
	s->no_pressure = file_read_small(path, small, sizeof(small)) <= 0 || sample_parse_pressure(small, &us) < 0;
	(void)snprintf(path, sizeof(path), group ? "%s/memory.stat" : "/proc/vmstat", s->memory_dir);
	if (file_read_all(path, 64 * 1024, &text, NULL) == 0)
		(void)!sample_parse_field(text, group && s->memory_v1 ? "total_pgmajfault" : "pgmajfault", &faults);
	if (ms && s->stalled_us && us >= s->stalled_us)
		s->stalled_milli = (uint32_t)(us - s->stalled_us > ms * 1000 ? 1000 : (us - s->stalled_us) / ms);
	else
		s->stalled_milli = 0;
	s->faults = ms && s->faults_all && faults >= s->faults_all && faults - s->faults_all < UINT32_MAX / 1000
			? (uint32_t)((faults - s->faults_all) * 1000 / ms)
			: 0;
	s->stalled_us = us;
	s->faults_all = faults;
}

/* ---- processes ---------------------------------------------------------------------------------------- */

static int compare_pid(const void *a, const void *b)
{
	const struct sample_proc *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* Looks among the first n, which are sorted. */
static struct sample_proc *find_among(const struct sampler *s, size_t n, pid_t pid)
{
	struct sample_proc key = {.pid = pid};

	return n ? bsearch(&key, s->procs, n, sizeof(key), compare_pid) : NULL;
}

struct sample_proc *sampler_find(const struct sampler *s, pid_t pid)
{
	return find_among(s, s->n_procs, pid);
}

/* comm of our programs; 15 characters are all that the kernel keeps. */
static bool is_godwit(const char *comm)
{
	static const char *const names[] = {"godwitd", "godwit-launcher", "godwit-shepherd", "godwit-agent",
					    "godwit-init"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(comm, names[i], 15))
			return true;
	return false;
}

/* Reads stat and takes over what changes. -ESRCH when the process has gone. */
static int refresh_stat(const struct sampler *s, struct sample_proc *p)
{
	struct proc_stat st;
	int r = proc_read_stat(p->pid, &st);

	if (r < 0)
		return r;
	if (p->start_time != st.start_time)
		*p = (struct sample_proc){
		    .pid = p->pid, .start_time = st.start_time, .uid = (uid_t)-1, .seen = p->seen};
	p->ppid = st.ppid;
	p->state = st.state;
	p->kernel = st.flags & PF_KTHREAD_FLAG;
	p->threads = st.num_threads > 1;
	p->rss = st.rss_pages > 0 ? (uint64_t)st.rss_pages * (uint64_t)s->page_size : 0;
	(void)snprintf(p->comm, sizeof(p->comm), "%.15s", st.comm);
	p->godwit = is_godwit(p->comm);
	p->cpu_us = (st.utime + st.stime) * 1000000ULL / (uint64_t)s->tick_hz;
	return 0;
}

static uint32_t per_mille(uint64_t part_ns, uint64_t whole_ns)
{
	uint64_t v = whole_ns ? part_ns * 1000 / whole_ns : 0;

	return v > 1000000 ? 1000000 : (uint32_t)v;
}

/*
 * One process that was there before. The first line of schedstat is the leader's alone, so with several threads the run
 * time comes from stat; what the other threads wait is not seen, and the load then errs towards less.
 */
static int sample_known(const struct sampler *s, struct sample_proc *p, uint64_t interval_ns)
{
	uint64_t run = 0, wait = 0, before_cpu = p->cpu_us, start = p->start_time;
	char path[40], text[96];

	p->measured = true;
	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", p->pid);
	p->no_schedstat = file_read_small(path, text, sizeof(text)) < 0 ||
			  sample_parse_schedstat(text, &run, &wait) < 0;
	if (!p->no_schedstat && run == p->run_ns && wait == p->wait_ns && !p->threads && p->state != 'R') {
		p->load_milli = p->cpu_milli = 0;
		return 0;
	}
	if (refresh_stat(s, p) < 0)
		return -ESRCH;
	if (p->start_time != start || run < p->run_ns) { /* another process under the same pid */
		p->load_milli = p->cpu_milli = 0;
	} else if (p->no_schedstat) {
		p->cpu_milli = per_mille((p->cpu_us - before_cpu) * 1000, interval_ns);
		p->load_milli = p->state == 'R' ? 1000 : 0;
	} else {
		p->cpu_milli = per_mille(run - p->run_ns, interval_ns);
		if (p->threads && p->cpu_us >= before_cpu && (p->cpu_us - before_cpu) * 1000 > run - p->run_ns)
			p->cpu_milli = per_mille((p->cpu_us - before_cpu) * 1000, interval_ns);
		p->load_milli = p->cpu_milli + per_mille(wait - p->wait_ns, interval_ns);
	}
	if (!p->no_schedstat && !p->threads)
		p->cpu_us = run / 1000; /* finer than ticks */
	p->run_ns = run;
	p->wait_ns = wait;
	return 0;
}

static int grow(struct sampler *s)
{
	size_t cap = s->cap ? s->cap * 2 : 256;
	struct sample_proc *p = reallocarray(s->procs, cap, sizeof(*p));

	if (!p)
		return -ENOMEM;
	s->procs = p;
	s->cap = cap;
	return 0;
}

/* A process that was not there before: it gives no load yet, since its totals have no beginning. */
static int sample_new(struct sampler *s, pid_t pid)
{
	struct sample_proc p = {.pid = pid, .uid = (uid_t)-1, .seen = s->count};
	char path[40], text[96];

	if (s->n_procs == s->cap && grow(s) < 0)
		return -ENOMEM;
	if (refresh_stat(s, &p) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (file_read_small(path, text, sizeof(text)) > 0)
		(void)!sample_parse_schedstat(text, &p.run_ns, &p.wait_ns);
	s->procs[s->n_procs++] = p;
	return 0;
}

/* Drops those that were not seen, sorts in the new ones, sums up. */
static void settle(struct sampler *s)
{
	uint64_t load = 0;
	size_t i, n = 0;

	for (i = 0; i < s->n_procs; i++) {
		if (s->procs[i].seen != s->count)
			continue;
		if (!s->procs[i].godwit && !s->procs[i].kernel)
			load += s->procs[i].load_milli;
		s->procs[n++] = s->procs[i];
	}
	s->n_procs = n;
	if (n > 1)
		qsort(s->procs, n, sizeof(*s->procs), compare_pid);
	s->load_milli = load > UINT32_MAX ? UINT32_MAX : (uint32_t)load;
}

int sampler_step(struct sampler *s, uint64_t now_ns)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	uint64_t interval = s->last_ns ? now_ns - s->last_ns : 0;
	size_t known = s->n_procs;
	struct sample_proc *p;
	struct dirent *ent;
	int r = 0;

	if (!d)
		return -errno;
	s->count++;
	while (r == 0 && (ent = readdir(d))) {
		if (!isdigit((unsigned char)ent->d_name[0]))
			continue;
		p = find_among(s, known, atoi(ent->d_name));
		if (!p)
			r = sample_new(s, atoi(ent->d_name));
		else if ((p->kernel && s->count % 64) || sample_known(s, p, interval) == 0)
			p->seen = s->count;
	}
	settle(s);
	s->last_ns = now_ns;
	if (s->count % LIMITS_EVERY == 1 || s->limits_old)
		read_limits(s);
	s->limits_old = false;
	sample_paging(s, interval);
	sampler_memory(s);
	return r;
}
