/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory that guests use together, and what happens when the host has no more of it.
 * Promise: guests are sent home while there still is memory to do it in, the biggest first; the control group's limit,
 * where there is one, follows what the host can give, so that a guest that is faster hits its own bound and not the
 * host. Must not: take memory from a process of this node, nor refuse a guest (that is the policy's).
 *
 *   free memory of the host, in percent of all:
 *   above 5   new guests are let in                        (policy, reserve_percent)
 *   below 3   a process is sent to a better node           (policy, usher_percent)
 *   below 2   the biggest guest is sent home at once       (the mark; at least 12 MiB, for that takes memory too)
 *   below 1   guests get no more: they wait                (the bound, the limit of the control group; at least 4 MiB)
 *
 * The kernel wakes the daemon when guests come to the mark, and when one waits at the bound (room_bell.c). Who waits
 * there goes home, and so does the biggest; when their agents have told them to stop, the bound is raised by little and
 * little, so that they get the page that they wait for, stop, and leave. godwit-launcher ends the wait by the kernel's
 * means if nobody else does (src/launch/patience.h). A page that the kernel needs for a system call is refused at the
 * bound at once; that is why the mark comes before it.
 *
 * While the host's own processes grow, the mark is higher by what they take until the biggest guest has left. The bound
 * is set anew with each sample. Free memory is looked at as often as needed, so that nobody who writes new
 * pages as fast as a CPU can gets from where it is to the mark unseen.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "node.h"

#define MARK_PERCENT 2
#define MARK_LEAST (12ULL << 20)
#define BOUND_PERCENT 1
#define BOUND_LEAST (4ULL << 20)
#define AGENT (8ULL << 20) /* what a guest needs beside its own memory */
#define FASTEST (1ULL << 30) /* bytes that a process can fill in a second, about */
#define LOOK_MIN_NS (10 * NSEC_PER_MSEC)
#define RATE_NS (100 * NSEC_PER_MSEC) /* over so long it is measured how fast others take memory */
#define LEAVE_NS (200 * NSEC_PER_MSEC) /* for leaving: until the image is on its way, and after it */
#define LEAVE_RATE (128ULL << 20) /* bytes of it per second, on a link of 1 Gb/s and more */
#define SLACK (512ULL << 10) /* pages that the kernel has taken in advance for each CPU, about */
#define STOP_NS (20 * NSEC_PER_MSEC) /* in which an agent tells its guest to stop */
#define AGAIN_NS (10 * NSEC_PER_SEC) /* a guest that has not gone by then is asked once more */

static const char *group_file(const struct room *r, const char *v1, const char *v2, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s/%s", r->dir, r->v2 ? v2 : v1);
	return buf;
}

/* Is the directory ours, and does it count? Then it is the one. */
static bool room_open(struct node *n, const char *mount, const char *path, size_t len, bool v2)
{
	struct room *r = &n->room;
	char file[640];
	const char *name = memrchr(path, '/', len);

	if (!name || strncmp(name, "/godwit-guests", 14) != 0 || strstr(path, ".."))
		return false;
	(void)snprintf(r->dir, sizeof(r->dir), "%s%.*s", mount, (int)len, path);
	r->v2 = v2;
	r->usage_fd = open(group_file(r, "memory.usage_in_bytes", "memory.current", file, sizeof(file)),
			   O_RDONLY | O_CLOEXEC);
	if (r->usage_fd < 0)
		r->dir[0] = '\0';
	return r->usage_fd >= 0;
}

void room_agent(struct helper *h)
{
	static const char unified[] = "/sys/fs/cgroup/unified";
	char path[40], text[4096];
	const char *line, *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", h->os_pid);
	if (h->node->room.dir[0] || file_read_small(path, text, sizeof(text)) <= 0)
		return;
	for (line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, "\n");

		at = memmem(line, len, ":memory:", 8);
		if (at && room_open(h->node, "/sys/fs/cgroup/memory", at + 8, len - (size_t)(at + 8 - line), false))
			return;
		if (!strncmp(line, "0::", 3) &&
		    room_open(h->node, access(unified, F_OK) == 0 ? unified : "/sys/fs/cgroup", line + 3, len - 3,
			      true))
			return;
	}
}

void room_close(struct node *n)
{
	loop_remove(take_ptr(n->room.look));
	room_bell_close(n);
	if (n->room.usage_fd >= 0)
		(void)close(n->room.usage_fd);
	n->room = (struct room){.usage_fd = -1};
	n->sampler.beside = 0;
}

/* What a guest has in memory now; what its agent said a moment ago if that cannot be had. */
static uint64_t guest_memory(const struct helper *h)
{
	const struct sampler *s = &h->node->sampler;
	struct proc_stat st;
	size_t i;

	for (i = 0; i < s->n_procs; i++)
		if ((h->guest ? s->procs[i].pid == h->guest : s->procs[i].ppid == h->os_pid) && !s->procs[i].godwit &&
		    proc_read_stat(s->procs[i].pid, &st) == 0)
			return st.rss_pages > 0 ? (uint64_t)(st.rss_pages * s->page_size) : 0;
	return h->rss;
}

static uint64_t read_used(const struct node *n)
{
	const struct helper *h;
	uint64_t used = 0;
	char text[32];
	ssize_t k = n->room.usage_fd >= 0 ? pread(n->room.usage_fd, text, sizeof(text) - 1, 0) : -1;

	if (k > 0) {
		text[k] = '\0';
		return strtoull(text, NULL, 10);
	}
	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == HELPER_AGENT && h->arrived_ns)
			used += guest_memory(h);
	return used;
}

static uint64_t part_of(const struct node *n, unsigned percent, uint64_t least)
{
	uint64_t part = n->sampler.mem_total / 100 * percent;

	return part > least ? part : least;
}

/* How fast the host's own processes take memory away, in bytes per second. A guest that grows is stopped when it is
 * told to go, and counts for nothing here. */
static void measure_rate(struct node *n)
{
	struct room *r = &n->room;
	uint64_t now = clock_mono_ns(), left;
	const struct helper *h;

	/* Without a group, what comes in for a guest would look as if others took it. */
	for (h = r->usage_fd < 0 ? n->helpers : NULL; h; h = h->next)
		if (h->kind == HELPER_AGENT && !h->arrived_ns)
			r->rate = r->rate_ns = 0;
	if (r->rate_ns && now - r->rate_ns < RATE_NS)
		return;
	left = n->sampler.mem_free + read_used(n);
	r->rate = r->rate_ns && left < r->rate_left
		      ? (r->rate_left - left) * 1000 / ((now - r->rate_ns) / NSEC_PER_MSEC + 1)
		      : 0;
	r->rate_ns = now;
	r->rate_left = left;
}

/* Below so many free bytes guests go home: see the top. */
static uint64_t room_mark(const struct node *n)
{
	uint64_t mark = part_of(n, MARK_PERCENT, MARK_LEAST), most = 0, ms, half = n->sampler.mem_total / 2;
	const struct helper *h;

	if (!n->room.rate)
		return mark;
	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == HELPER_AGENT && h->arrived_ns && h->rss > most)
			most = h->rss;
	ms = LEAVE_NS / NSEC_PER_MSEC + most * 1000 / LEAVE_RATE;
	mark += n->room.rate / 1000 * ms;
	return mark < half ? mark : half;
}

bool room_relieves(const struct helper *h)
{
	return h->relieve_ns && clock_mono_ns() - h->relieve_ns < AGAIN_NS;
}

/* Its agent stops it at once: it does not grow while its home gets ready. */
static void send_home(struct helper *h, uint64_t memory)
{
	struct wire_helper_evict m = {.reason = REASON_HOST_MEMORY};
	struct node *n = h->node;

	h->relieve_ns = clock_mono_ns();
	log_info("guest %lld (%s) of %s is sent home: it uses %llu MiB, and this node has only %llu MiB free",
		 (long long)h->pid, h->comm, h->home, (unsigned long long)memory >> 20,
		 (unsigned long long)n->sampler.mem_free >> 20);
	if (helper_send(h, NODE_FRAME(n, helper_evict, &m), -1) < 0)
		log_warn("the agent of guest %lld takes no order", (long long)h->pid);
}

/* Sends the biggest guest home, unless what those on their way will give back is enough. */
static void relieve(struct node *n, uint64_t missing)
{
	uint64_t going = 0, most = 0, memory;
	struct helper *h, *biggest = NULL;

	for (h = n->helpers; h; h = h->next) {
		if (!h->greeted || h->kind != HELPER_AGENT || !h->arrived_ns)
			continue;
		memory = guest_memory(h);
		if (room_relieves(h)) {
			going += memory;
		} else if (!biggest || memory > most) {
			biggest = h;
			most = memory;
		}
	}
	if (!biggest || going >= missing)
		return;
	send_home(biggest, most);
}

static void write_bound(struct node *n, uint64_t bound)
{
	struct room *r = &n->room;
	char file[640], text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bound);
	if (file_write(group_file(r, "memory.limit_in_bytes", "memory.max", file, sizeof(file)), text, strlen(text)) ==
	    0)
		r->bound = bound;
}

/* Does somebody wait at the bound, or would the next one? */
static bool at_bound(const struct node *n)
{
	return n->room.dir[0] && !n->room.v2 &&
	       (room_stuck(n) || (n->room.bound && read_used(n) + SLACK > n->room.bound));
}

/* Is one of its threads asleep where only the kernel wakes it? */
static bool waits_for_memory(const struct helper *h)
{
	const struct sampler *s = &h->node->sampler;
	struct proc_stat st;
	struct dirent *ent;
	char path[40];
	size_t i;

	for (i = 0; i < s->n_procs; i++) {
		_cleanup_closedir_ DIR *d = NULL;

		if (s->procs[i].godwit || (h->guest ? s->procs[i].pid != h->guest : s->procs[i].ppid != h->os_pid))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task", s->procs[i].pid);
		d = opendir(path);
		while (d && (ent = readdir(d)))
			if (atoi(ent->d_name) > 0 && proc_read_stat(atoi(ent->d_name), &st) == 0 && st.state == 'D')
				return true;
	}
	return false;
}

static void raise_bound(struct node *n)
{
	uint64_t used = read_used(n);

	/* the host's own needs some of what there is, too */
	write_bound(n, (used > n->room.bound ? used : n->room.bound) + n->sampler.mem_free / 4);
}

/* Guests are at the bound. */
static void unstick(struct node *n)
{
	struct room *r = &n->room;
	uint64_t now = clock_mono_ns();
	struct helper *h;

	if (!r->stuck_ns)
		r->stuck_ns = now;
	relieve(n, part_of(n, MARK_PERCENT, MARK_LEAST));
	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == HELPER_AGENT && h->arrived_ns && !room_relieves(h) && waits_for_memory(h))
			send_home(h, guest_memory(h));
	if (now - r->stuck_ns >= STOP_NS)
		raise_bound(n);
}

static void look_now(struct node *n);

static void look(void *arg)
{
	struct node *n = arg;
	uint64_t mark, mem_free, wait;

	n->room.look = NULL;
	sampler_memory(&n->sampler);
	measure_rate(n);
	mark = room_mark(n);
	mem_free = n->sampler.mem_free;
	if (mem_free < mark)
		relieve(n, mark - mem_free);
	if (at_bound(n)) {
		unstick(n);
		mem_free = mark; /* the next look is soon */
	} else {
		n->room.stuck_ns = 0;
		if (mem_free > mark)
			room_bell_set(n, read_used(n) + mem_free - mark, look_now);
	}
	wait = mem_free > mark ? (mem_free - mark) * 1000 / FASTEST * NSEC_PER_MSEC : 0;
	if (wait < NSEC_PER_SEC) /* else the next sample is sooner */
		n->room.look = loop_add_timer(n->loop, clock_mono_ns() + (wait > LOOK_MIN_NS ? wait : LOOK_MIN_NS),
					      look, n);
}

static void look_now(struct node *n)
{
	loop_remove(take_ptr(n->room.look));
	look(n);
}

/* The group's limit. It is never set below what is used, which the kernel would refuse or answer with a killed guest.
 */
static void set_bound(struct node *n, uint64_t bound)
{
	uint64_t step = n->sampler.mem_total / 500 + 1;

	if (n->room.dir[0] && (bound >= n->room.bound + step || n->room.bound >= bound + step))
		write_bound(n, bound);
}

uint64_t room_bound(const struct node *n)
{
	uint64_t part = part_of(n, BOUND_PERCENT, BOUND_LEAST);

	if (!n->sampler.mem_total)
		return 0;
	return read_used(n) + (n->sampler.mem_free > 2 * part ? n->sampler.mem_free - part : n->sampler.mem_free / 2);
}

uint64_t room_needed(const struct node *n, uint64_t bytes)
{
	uint64_t mark = part_of(n, MARK_PERCENT, MARK_LEAST), reserve;
	struct policy_params params;

	policy_params_init(&params);
	reserve = part_of(n, params.reserve_percent, 0); /* below that the policy lets no guest in */
	return bytes + AGENT + (mark > reserve ? mark - reserve : 0);
}

void room_second(struct node *n)
{
	const struct helper *h;
	struct room *r = &n->room;

	for (h = n->helpers; h && !(h->greeted && h->kind == HELPER_AGENT); h = h->next)
		;
	if (!h || !n->sampler.mem_total) {
		room_close(n);
		return;
	}
	r->used = read_used(n);
	n->sampler.beside = r->v2 ? r->used : 0;
	if (!r->stuck_ns)
		set_bound(n, room_bound(n));
	look_now(n);
}
