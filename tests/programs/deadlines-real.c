/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a wait until a point in time of CLOCK_REALTIME does not end before it, and one that is woken ends at once,
 * whatever the thread waits for; one that has passed, that is none, or that a handler interrupts ends as futex(2) says,
 * and leaves all registers as they were.
 * Proves: futex futex_waitv futex_wait
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define TIMES 4
#define LATE 10000 /* ms: a busy machine, and moves */
#define NR_futex_wait 455 /* 6.7 */
#define FLAGS2 (2 | 128) /* 32 bits, private */
#define NONE 0xffffffffL
#define LOCK_PI2 13

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, plain = PTHREAD_MUTEX_INITIALIZER, inherits;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static bool woken;
static uint32_t word = 7;
static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static struct timespec in_ms(unsigned ms)
{
	struct timespec ts;

	must(clock_gettime(CLOCK_REALTIME, &ts) == 0);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000L;
	ts.tv_sec += ts.tv_nsec / 1000000000L;
	ts.tv_nsec %= 1000000000L;
	return ts;
}

/* The clock is not behind the point, and not too far beyond it. */
static bool reached(const struct timespec *at)
{
	struct timespec now = in_ms(0);
	int64_t by = (int64_t)(now.tv_sec - at->tv_sec) * 1000000000 + now.tv_nsec - at->tv_nsec;

	return by >= 0 && by < LATE * 1000000LL;
}

/* The call itself: its result, and no register but those that every call changes is another afterwards. */
static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret = nr, a_ = a, b_ = b, c_ = c;

	__asm__ volatile("syscall"
			 : "+a"(ret), "+D"(a_), "+S"(b_), "+d"(c_), "+r"(r10), "+r"(r8), "+r"(r9)
			 :
			 : "rcx", "r11", "memory");
	must(a_ == a && b_ == b && c_ == c && r10 == d && r8 == e && r9 == f);
	return ret;
}

static long wait_bits(const struct timespec *until, uint32_t value)
{
	return raw(SYS_futex, (long)&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, value,
		   (long)until, 0, NONE);
}

static long wait_vector(const struct timespec *until)
{
	struct futex_waitv v = {.val = word, .uaddr = (uintptr_t)&word, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG};

	return raw(SYS_futex_waitv, (long)&v, 1, 0, (long)until, CLOCK_REALTIME, 0);
}

static long wait_newer(const struct timespec *until)
{
	return raw(NR_futex_wait, (long)&word, word, NONE, FLAGS2, (long)until, CLOCK_REALTIME);
}

static long lock_owned(const struct timespec *until)
{
	return raw(SYS_futex, (long)&inherits.__data.__lock, LOCK_PI2 | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 0,
		   (long)until, 0, 0);
}

/* Without a call of that kind here, there is nothing to say. */
static bool timed_out(long r, const struct timespec *until)
{
	return r == -ENOSYS || (r == -ETIMEDOUT && reached(until));
}

static void *times_out(void *arg)
{
	static long (*const waits[])(const struct timespec *) = {wait_vector, wait_newer, lock_owned};
	struct timespec until;
	int r;

	for (int i = 0; i < TIMES; i++) {
		until = in_ms(3);
		must(pthread_mutex_lock(&lock) == 0);
		do
			r = pthread_cond_timedwait(&cond, &lock, &until);
		while (r == 0);
		must(pthread_mutex_unlock(&lock) == 0);
		must(r == ETIMEDOUT && reached(&until));
		until = in_ms(2);
		while ((r = sem_timedwait(&sem, &until)) < 0 && errno == EINTR)
			;
		must(r < 0 && errno == ETIMEDOUT && reached(&until));
		until = in_ms(2);
		must(pthread_mutex_timedlock(&plain, &until) == ETIMEDOUT && reached(&until));
		until = in_ms(2);
		must(pthread_mutex_timedlock(&inherits, &until) == ETIMEDOUT && reached(&until));
		for (size_t k = 0; k < sizeof(waits) / sizeof(waits[0]); k++) {
			long v;

			until = in_ms(2);
			while ((v = waits[k](&until)) == -EINTR)
				;
			must(timed_out(v, &until));
		}
		/* One that has passed. */
		until = in_ms(0);
		until.tv_sec--;
		must(pthread_mutex_timedlock(&inherits, &until) == ETIMEDOUT);
		until = (struct timespec){.tv_sec = 1};
		must(sem_timedwait(&sem, &until) < 0 && errno == ETIMEDOUT);
	}
	return arg;
}

static void *is_woken(void *arg)
{
	struct timespec until = in_ms(100000);

	must(pthread_mutex_lock(&lock) == 0);
	while (!woken)
		must(pthread_cond_timedwait(&cond, &lock, &until) == 0);
	must(pthread_mutex_unlock(&lock) == 0);
	return arg;
}

/* Errors that the kernel finds before it waits. */
static void refused(void)
{
	struct timespec bad = {.tv_sec = 1, .tv_nsec = 1000000000}, later = in_ms(100000);

	say_result("no such nanosecond", wait_bits(&bad, word));
	bad = (struct timespec){.tv_sec = -1};
	say_result("before all time", wait_bits(&bad, word));
	say_result("no time at all", wait_bits((void *)16, word));
	say_result("another value", wait_bits(&later, word + 1));
	later.tv_sec = INT64_MAX;
	say_result("another value, at the end of time", wait_bits(&later, word + 1));
	say_result("not with this call",
		   raw(SYS_futex, (long)&word, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, (long)&later, 0, 0));
}

/* It ticks on, as there may be a move between the start of the timer and the wait. */
static void interrupted(int flags)
{
	struct sigaction sa = {.sa_handler = on_tick, .sa_flags = flags};
	struct itimerval it = {.it_value = {.tv_usec = 30000}, .it_interval = {.tv_usec = 30000}}, off = {0};
	struct timespec until = in_ms(100000);

	ticks = 0;
	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
	must(wait_bits(&until, word) == -EINTR); /* whatever SA_RESTART says */
	must(setitimer(ITIMER_REAL, &off, NULL) == 0 && ticks > 0);
}

static void round_(void)
{
	pthread_t t[3], w;
	sigset_t set;

	refused();
	interrupted(0);
	interrupted(SA_RESTART);
	must(sigemptyset(&set) == 0 && sigaddset(&set, SIGALRM) == 0 && pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	woken = false;
	must(pthread_mutex_lock(&inherits) == 0 && pthread_mutex_lock(&plain) == 0);
	must(pthread_create(&w, NULL, is_woken, NULL) == 0);
	for (int i = 0; i < 3; i++)
		must(pthread_create(&t[i], NULL, times_out, NULL) == 0);
	for (int i = 0; i < 3; i++)
		must(pthread_join(t[i], NULL) == 0);
	must(pthread_mutex_lock(&lock) == 0);
	woken = true;
	must(pthread_cond_broadcast(&cond) == 0 && pthread_mutex_unlock(&lock) == 0);
	must(pthread_join(w, NULL) == 0);
	must(pthread_mutex_unlock(&inherits) == 0 && pthread_mutex_unlock(&plain) == 0);
	must(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
	say("none was early");
}

int main(void)
{
	pthread_mutexattr_t a;

	must(pthread_mutexattr_init(&a) == 0 && pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0);
	must(pthread_mutex_init(&inherits, &a) == 0 && sem_init(&sem, 0, 0) == 0);
	return promise_run(round_);
}
