/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a program sees the CPU time that it uses, by every call that tells it, and threads and process agree. With
 * the argument `hosts` it is not taken home between two readings: then no clock ever goes back.
 * Proves: times getrusage
 */
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define MS 1000000LL
#define SLACK (30 * MS) /* between a clock and what is counted in ticks */
#define TRIES 50
#define GROWS (100 * MS)
#define PATIENCE (30000 * MS)

static bool hosts;

static int64_t ns(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts) == 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000 * MS);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

static int64_t usage(int who)
{
	struct rusage ru;

	must(getrusage(who, &ru) == 0 && ru.ru_utime.tv_usec < 1000000 && ru.ru_stime.tv_usec < 1000000);
	return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 * MS +
	       (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000;
}

static int64_t ticks(void)
{
	struct tms t;

	must(times(&t) != (clock_t)-1);
	return (t.tms_utime + t.tms_stime) * (1000 * MS / sysconf(_SC_CLK_TCK));
}

static int64_t process(void)
{
	return ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int64_t thread(void)
{
	return ns(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t main_thread(void)
{
	clockid_t id;

	must(pthread_getcpuclockid(pthread_self(), &id) == 0);
	return ns(id);
}

static int64_t by_pid(void)
{
	clockid_t id;

	must(clock_getcpuclockid(getpid(), &id) == 0);
	return ns(id);
}

static int64_t usage_process(void)
{
	return usage(RUSAGE_SELF);
}

static int64_t usage_thread(void)
{
	return usage(RUSAGE_THREAD);
}

static int64_t (*const readings[])(void) = {process, thread, main_thread, by_pid, ticks, usage_process, usage_thread};
#define READINGS (sizeof(readings) / sizeof(*readings))

static void none_goes_back(void)
{
	static int64_t last[READINGS];

	for (size_t i = 0; hosts && i < READINGS; i++) {
		int64_t v = readings[i]();

		if (v < last[i])
			say("reading %zu from %lld by %lld ns", i, (long long)last[i], (long long)(v - last[i]));
		last[i] = v;
	}
}

/* One after the other, as they must be in order. */
static bool agree(void)
{
	int64_t t = thread(), m = main_thread(), p = process(), q = by_pid();

	return t <= m && m <= p && p <= q && usage_thread() <= usage_process() + SLACK &&
	       usage_process() + SLACK >= q && usage_process() <= process() + SLACK && ticks() + SLACK >= q &&
	       ticks() <= process() + SLACK;
}

static void they_agree(void)
{
	bool ok = agree();

	/* Taken home between two of them, a program reads home's part only. */
	for (int i = 0; !ok && !hosts && i < TRIES; i++)
		ok = agree();
	must(ok);
}

/* What it computes is what it has used; asking costs home something, but not that much. */
static void grows(int64_t (*reading)(void))
{
	int64_t end = (int64_t)now_ns() + PATIENCE, sum = 0, last = reading();

	while (sum < GROWS) {
		int64_t before = (int64_t)now_ns(), more;

		must(before < end);
		burn_ms(20);
		more = reading() - last;
		last += more;
		must(!hosts || (more >= 0 && more <= (int64_t)now_ns() - before + SLACK));
		sum += more > 0 && more < 1000 * MS ? more : 0;
	}
}

static void *worker(void *arg)
{
	int64_t *used = arg;

	grows(thread);
	*used = usage_thread();
	return NULL;
}

static void round_(void)
{
	int64_t before = process(), used = 0;
	pthread_t t;

	must(pthread_create(&t, NULL, worker, &used) == 0 && pthread_join(t, NULL) == 0);
	must(used + SLACK >= GROWS || !hosts);
	must(process() - before + SLACK >= used || !hosts);
	they_agree();
	grows(process);
	grows(usage_thread);
	they_agree();
	none_goes_back();
	say("CPU time counts");
}

int main(int argc, char **argv)
{
	hosts = argc > 1 && strcmp(argv[1], "hosts") == 0;
	return promise_run(round_);
}
