/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU time. Home's kernel counts what the deputy uses; what the guest uses on hosts is added to its answers here.
 * Promise: the sum never goes backwards, wherever on hosts the process goes: what was used on earlier hosts comes with
 * the image and goes on with it. Must not: count what building the guest took.
 *
 * The time of a process or thread comes from its CPU clock and is exact. How much of it was spent in the kernel, is
 * told in clock ticks; each tick is taken out of what the clock has gone on by, so that the two parts together are
 * always what the clock says, and none of them ever becomes less.
 */
#include "agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/file.h"

/* Clock ids that name a task, linux/posix-timers.h: bits 0 and 1 which clock, bit 2 a thread's, above that ~pid. */
enum { CLOCK_PROF, CLOCK_VIRT, CLOCK_SCHED, CLOCK_FD };
#define CLOCK_OF_THREAD 4

static uint64_t tick_ns(void)
{
	return NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* Brings the total to what the task has used by now: all ns, sys of them in the kernel. */
static void count(struct image_cpu *total, struct image_cpu *seen, uint64_t all, uint64_t sys)
{
	uint64_t before = seen->user + seen->sys;
	uint64_t more = all > before ? all - before : 0;
	uint64_t more_sys = sys > seen->sys ? sys - seen->sys : 0;

	more_sys = more_sys < more ? more_sys : more;
	seen->sys += more_sys;
	seen->user += more - more_sys;
	total->sys += more_sys;
	total->user += more - more_sys;
}

static void count_process(struct agent *a, struct image_cpu *total)
{
	pid_t pid = main_tracee(a)->pid;
	struct proc_stat st;
	struct timespec ts;

	if (clock_gettime((clockid_t)(~(unsigned)pid << 3 | CLOCK_SCHED), &ts) < 0 || proc_read_stat(pid, &st) < 0)
		return;
	count(total, &a->cpu_seen, (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec, st.stime * tick_ns());
}

/* A thread's clock can be read by its own process only; schedstat has the same, but for a thread that runs just now: as
 * of the last tick. */
static void count_thread(struct guest_thread *g, struct image_cpu *total)
{
	char path[60], text[64];
	struct proc_stat st;
	uint64_t all;

	if (proc_read_thread_stat(main_tracee(g->a)->pid, g->t.pid, &st) < 0)
		return;
	all = (st.utime + st.stime) * tick_ns();
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", main_tracee(g->a)->pid, g->t.pid);
	if (file_read_small(path, text, sizeof(text)) > 0)
		(void)sscanf(text, "%" SCNu64, &all);
	count(total, &g->cpu_seen, all, st.stime * tick_ns());
}

void agent_cpu_begin(struct agent *a)
{
	struct image_cpu built = {0};

	count_process(a, &built);
	for (size_t i = 0; i < a->threads_n; i++)
		count_thread(a->threads[i], &built);
}

uint64_t agent_cpu_us(struct agent *a)
{
	if (a->state == AGENT_RUNNING)
		count_process(a, &a->b.head.used);
	return (a->b.head.used.user + a->b.head.used.sys) / NSEC_PER_USEC;
}

void agent_cpu_note(struct agent *a)
{
	count_process(a, &a->b.head.used);
	for (size_t i = 0; i < a->threads_n; i++)
		count_thread(a->threads[i], &a->threads[i]->image->used);
}

static const struct image_cpu *used_by_process(struct agent *a)
{
	count_process(a, &a->b.head.used);
	return &a->b.head.used;
}

static const struct image_cpu *used_by_thread(struct guest_thread *g)
{
	count_thread(g, &g->image->used);
	return &g->image->used;
}

struct image_cpu agent_cpu_used(struct agent *a, struct guest_thread *g)
{
	return g ? *used_by_thread(g) : *used_by_process(a);
}

/* v: seconds and their parts, of which a second has per_second. */
static void add(int64_t v[2], uint64_t ns, int64_t per_second)
{
	v[0] += (int64_t)(ns / NSEC_PER_SEC);
	v[1] += (int64_t)(ns % NSEC_PER_SEC) / ((int64_t)NSEC_PER_SEC / per_second);
	if (v[1] >= per_second) {
		v[0]++;
		v[1] -= per_second;
	}
}

static int add_usage(struct guest_thread *g, int who, uint64_t at)
{
	const struct image_cpu *c = who == RUSAGE_SELF     ? used_by_process(g->a)
				    : who == RUSAGE_THREAD ? used_by_thread(g)
							   : NULL;
	int64_t v[4];

	if (!c)
		return 0;
	if (agent_mem_read(g->a, at, v, sizeof(v)) < 0)
		return -EFAULT;
	add(v, c->user, 1000000);
	add(v + 2, c->sys, 1000000);
	return agent_mem_write(g->a, at, v, sizeof(v));
}

static int add_times(struct guest_thread *g, uint64_t at)
{
	const struct image_cpu *c = used_by_process(g->a);
	int64_t v[2];

	if (!at)
		return 0;
	if (agent_mem_read(g->a, at, v, sizeof(v)) < 0)
		return -EFAULT;
	v[0] += (int64_t)(c->user / tick_ns());
	v[1] += (int64_t)(c->sys / tick_ns());
	return agent_mem_write(g->a, at, v, sizeof(v));
}

/* Whose CPU time the clock tells; NULL: not the guest's. */
static const struct image_cpu *used_by_clock(struct guest_thread *g, int id)
{
	pid_t pid = (pid_t)(~(unsigned)id >> 3);
	struct guest_thread *t;

	if (id == CLOCK_PROCESS_CPUTIME_ID)
		return used_by_process(g->a);
	if (id == CLOCK_THREAD_CPUTIME_ID)
		return used_by_thread(g);
	if (id >= 0 || (id & 3) == CLOCK_FD)
		return NULL;
	if (id & CLOCK_OF_THREAD) {
		t = pid ? thread_of_tid(g->a, pid) : g;
		return t ? used_by_thread(t) : NULL;
	}
	return !pid || pid == g->a->home_pid || pid == g->image->tid ? used_by_process(g->a) : NULL;
}

static int add_clock(struct guest_thread *g, int id, uint64_t at)
{
	const struct image_cpu *c = used_by_clock(g, id);
	unsigned which = id < 0 ? (unsigned)id & 3 : CLOCK_SCHED;
	int64_t v[2];

	if (!c)
		return 0;
	if (agent_mem_read(g->a, at, v, sizeof(v)) < 0)
		return -EFAULT;
	add(v, c->user + (which == CLOCK_VIRT ? 0 : c->sys), (int64_t)NSEC_PER_SEC);
	return agent_mem_write(g->a, at, v, sizeof(v));
}

int agent_cpu_add(struct guest_thread *g)
{
	const uint64_t *args = g->call.args;

	switch (g->call.nr) {
	case SYS_getrusage:
		return add_usage(g, (int)args[0], args[1]);
	case SYS_times:
		return add_times(g, args[0]);
	case SYS_clock_gettime:
		return add_clock(g, (int)args[0], args[1]);
	default:
		return 0;
	}
}
