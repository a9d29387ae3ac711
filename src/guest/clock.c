/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Home's clocks, without a round trip.
 * Promise: never ahead of home's true time, and CLOCK_MONOTONIC never steps back, also across moves (design: time),
 * whether the guest reads it by the vdso or by the call.
 * Must not: answer clocks that only home knows (CPU time of the process; the raw, TAI and
 * coarse clocks, which differ from the others by what only home's kernel knows).
 *
 * Where this host's kernel trusts the processor's counter, so do we: the guest computes the time from it by the numbers
 * in its stub (src/image/x86_64/clock.S), and a call is answered from the same numbers, so that the two can be mixed.
 * Elsewhere the numbers stay invalid, the stub makes the call, and the ticks are ns of our own monotonic clock.
 */
#include "agent.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../image/x86_64/cpu.h"

/* We go slower than home by this part of the time, so that a late sample need not set us back: 122 us in a second, more
 * than clocks drift apart, less than the way varies. A sample is due each second. */
#define SLOWER 8192
#define LATEST (1ULL << 62) /* ns */
#define TRIES 5 /* the best of them was not interrupted */
#define EXACT (2 * SLOWER) /* the counter's speed must be known this well */
#define RECENT_NS (500 * NSEC_PER_MSEC) /* as long as that, the last sample says better what the speed is now */
#define ASTRAY 2048 /* the counter is of no use when it differs from the kernel's clock by this part of the time */

/* ns << 32 in `ticks` at speed mult is what the stub computes. */
static int64_t elapsed(uint64_t ticks, uint64_t mult)
{
	return (int64_t)(((unsigned __int128)ticks * mult) >> 32);
}

static uint64_t now_tick(const struct agent_clock *c)
{
	return c->counter ? cpu_counter() : clock_mono_ns();
}

static struct agent_moment moment(void)
{
	struct agent_moment best = {.width = UINT64_MAX};

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = clock_mono_ns(), tick = cpu_counter(), after = clock_mono_ns();

		if (after - before < best.width)
			best = (struct agent_moment){.tick = tick, .ns = before, .width = after - before};
	}
	return best;
}

/* ns << 32 in a tick, between two moments. */
static uint64_t speed(const struct agent_moment *from, const struct agent_moment *to)
{
	return (uint64_t)(((unsigned __int128)(to->ns - from->ns) << 32) / (to->tick - from->tick));
}

void agent_clock_init(struct agent *a)
{
	struct agent_clock *c = &a->clock;
	uint8_t *p = mmap(NULL, VDSO_STUB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, a->memfd, 0);

	c->why_not = p == MAP_FAILED ? "the page of the clocks cannot be mapped" : cpu_counter_bad();
	if (p == MAP_FAILED)
		return;
	memcpy(p, vdso_stub, vdso_stub_size);
	c->page = (struct vdso_clock *)(p + VDSO_STUB_SIZE / 2);
	c->seq = 1;
	__atomic_store_n(&c->page->seq, c->seq, __ATOMIC_RELEASE);
	if (!c->why_not)
		c->first = c->last = moment();
}

/* The guest's numbers are in force, or it has to ask us. Nothing but these two functions writes the page. */
static void guest_asks(struct agent_clock *c)
{
	if (!c->page || (c->seq & 1))
		return;
	__atomic_store_n(&c->page->seq, ++c->seq, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* also: the ticks that follow are later than those it has used */
}

static void guest_reads(struct agent_clock *c)
{
	const int64_t at[8] = {[CLOCK_REALTIME] = c->real, [CLOCK_MONOTONIC] = c->mono, [CLOCK_BOOTTIME] = c->boot};

	if (!c->counter || !c->page)
		return;
	c->page->tick = c->tick;
	c->page->mult = c->mult;
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		c->page->at[i].sec = (uint64_t)at[i] / NSEC_PER_SEC;
		c->page->at[i].nsec = (uint64_t)at[i] % NSEC_PER_SEC;
	}
	__atomic_store_n(&c->page->seq, ++c->seq, __ATOMIC_RELEASE);
}

/* Brings the three clocks to now. One ns is given back, for what rounding twice may lose. */
static void advance(struct agent_clock *c)
{
	uint64_t tick = now_tick(c);
	int64_t ns = tick > c->tick ? elapsed(tick - c->tick, c->mult) : 0;

	c->tick = tick;
	c->real += ns + 1;
	c->mono += ns + 1;
	c->boot += ns + 1;
}

/* Why the counter is not to be used any more, or NULL: the counter of a machine that was moved to another one or put to
 * sleep may have jumped, and a kernel may find out late that its processors disagree. */
static const char *astray(const struct agent_clock *c, const struct agent_moment *now)
{
	uint64_t since = now->ns - c->last.ns, by;
	const char *bad = cpu_counter_bad();
	int64_t off;

	if (bad)
		return bad;
	if (now->tick <= c->last.tick)
		return "the processor's counter went back";
	if (!c->counter)
		return NULL;
	off = elapsed(now->tick - c->last.tick, c->mult) - (int64_t)since;
	by = (uint64_t)(off < 0 ? -off : off);
	if (by > since / ASTRAY + now->width + c->last.width)
		return "the processor's counter does not agree with the kernel's clock";
	return NULL;
}

/* Learns the counter's speed. The kernel's clock, and with it the speed, is corrected all the time, but slightly. */
static void measure(struct agent_clock *c)
{
	struct agent_moment m;
	const struct agent_moment *from;

	if (c->why_not)
		return;
	m = moment();
	c->why_not = astray(c, &m);
	if (c->why_not) {
		log_warn("the guest asks for the time from now on: %s", c->why_not);
		c->counter = false;
		return;
	}
	from = m.ns - c->last.ns < RECENT_NS ? &c->first : &c->last;
	if ((m.width + from->width) * EXACT < m.ns - from->ns) {
		uint64_t mult = speed(from, &m);

		c->mult = mult - mult / SLOWER;
		c->counter = true;
	}
	c->last = m;
}

/* Whatever home says, nothing overflows. */
static int64_t sane(uint64_t ns)
{
	return ns < LATEST ? (int64_t)ns : (int64_t)LATEST;
}

static void better(int64_t *at, int64_t home, bool known)
{
	if (!known || home > *at)
		*at = home;
}

void agent_clock_sample(struct agent *a, uint64_t mono, uint64_t real, uint64_t boot)
{
	struct agent_clock *c = &a->clock;
	bool counter = c->counter;

	guest_asks(c);
	if (c->known)
		advance(c);
	measure(c);
	if (!c->counter)
		c->mult = (1ULL << 32) - (1ULL << 32) / SLOWER;
	if (!c->known || c->counter != counter)
		c->tick = now_tick(c);
	better(&c->mono, sane(mono), c->known);
	better(&c->boot, sane(boot), c->known);
	/* The wall clock may be set: a jump of more than 100 ms is taken as it is. */
	better(&c->real, sane(real), c->known && sane(real) > c->real - 100 * (int64_t)NSEC_PER_MSEC);
	if (!c->known && (c->why_not || !a->b.copy.stub))
		log_info("guest %d asks for the time at each reading: %s", a->home_pid,
			 c->why_not ? c->why_not : "home's vdso leaves no place for the stub");
	c->known = true;
	guest_reads(c);
}

static int read_clock(const struct agent *a, uint64_t id, int64_t *ret)
{
	const struct agent_clock *c = &a->clock;
	uint64_t tick = now_tick(c);
	int64_t ns = tick > c->tick ? elapsed(tick - c->tick, c->mult) : 0;

	switch (id) {
	case CLOCK_REALTIME:
		*ret = c->real + ns;
		return 0;
	case CLOCK_MONOTONIC:
		*ret = c->mono + ns;
		return 0;
	case CLOCK_BOOTTIME:
		*ret = c->boot + ns;
		return 0;
	default:
		return -ENOSYS;
	}
}

int64_t agent_clock_now(const struct agent *a, clockid_t id)
{
	int64_t v;

	return a->clock.known && read_clock(a, (uint64_t)id, &v) == 0 ? v : -1;
}

int agent_clock_call(struct agent *a, unsigned nr, const uint64_t args[6], int64_t *ret)
{
	uint64_t id = nr == SYS_clock_gettime ? args[0] & 0xffffffff : CLOCK_REALTIME;
	uint64_t at = nr == SYS_clock_gettime ? args[1] : args[0];
	int64_t v, pair[2], zone[1] = {0};
	int r = read_clock(a, id, &v);

	if (r < 0)
		return r;
	pair[0] = v / (int64_t)NSEC_PER_SEC;
	pair[1] = v % (int64_t)NSEC_PER_SEC;
	*ret = 0;
	switch (nr) {
	case SYS_clock_gettime:
		if (agent_mem_write(a, at, pair, sizeof(pair)) < 0)
			*ret = -EFAULT;
		return 0;
	case SYS_gettimeofday:
		pair[1] /= 1000;
		if ((at && agent_mem_write(a, at, pair, sizeof(pair)) < 0) ||
		    (args[1] && agent_mem_write(a, args[1], zone, sizeof(zone)) < 0))
			*ret = -EFAULT;
		return 0;
	default:
		return -ENOSYS;
	}
}

void agent_clock_heard(struct agent *a, uint64_t mono)
{
	struct agent_clock *c = &a->clock;
	int64_t now, by;

	if (!c->known || read_clock(a, CLOCK_MONOTONIC, &now) < 0 || sane(mono) <= now)
		return;
	guest_asks(c);
	advance(c);
	by = sane(mono) - c->mono;
	if (by > 0) {
		c->mono += by;
		c->real += by;
		c->boot += by;
	}
	guest_reads(c);
}
