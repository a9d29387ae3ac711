/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agents of a family share; see family.h.
 * Promise: a call is taken by the agent whose guest made it, or by nobody if that has just ended; no agent waits for
 * another that does not go on. Must not: know what a call does.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/log.h"
#include "../base/sock.h"

#define LOCK_NS NSEC_PER_SEC
#define ROUTE_NS NSEC_PER_SEC
#define SHARED_SIZE (FAMILY_MAX * sizeof(struct family_member))

enum lock { LOCK_RECEIVE, LOCK_MEMBERS, LOCK_BIRTH };

static bool try_lock(struct agent *a, enum lock what)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = what, .l_len = 1};

	return fcntl(a->family.lock, F_SETLK, &l) == 0;
}

static void unlock(struct agent *a, enum lock what)
{
	struct flock l = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = what, .l_len = 1};

	(void)fcntl(a->family.lock, F_SETLK, &l);
}

static int lock(struct agent *a, enum lock what)
{
	uint64_t deadline = clock_mono_ns() + LOCK_NS;

	while (!try_lock(a, what)) {
		if (clock_mono_ns() > deadline)
			return -EBUSY;
		(void)poll(NULL, 0, 1);
	}
	return 0;
}

int family_lock_birth(struct agent *a)
{
	return lock(a, LOCK_BIRTH);
}

void family_unlock_birth(struct agent *a)
{
	unlock(a, LOCK_BIRTH);
}

int family_prepare(struct agent *a)
{
	struct agent_family *f = &a->family;

	f->lifeline = f->forked_uffd = -1;
	if (getrandom(&f->word, sizeof(f->word), 0) != sizeof(f->word))
		return -EIO;
	f->lock = memfd_create("godwit-family", MFD_CLOEXEC);
	if (f->lock < 0)
		return -errno;
	f->members = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f->members == MAP_FAILED)
		return -errno;
	f->members[0] = (struct family_member){.agent = getpid(), .guest = main_tracee(a)->pid};
	return 0;
}

static pid_t load(const pid_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

void family_leave(struct agent *a)
{
	if (a->family.members)
		__atomic_store_n(&a->family.members[a->family.slot].agent, 0, __ATOMIC_RELEASE);
}

static pid_t process_of(pid_t tid)
{
	char text[40];
	int pid = 0;

	return proc_read_status(tid, "Tgid", text, sizeof(text)) == 0 && sscanf(text, "%d", &pid) == 1 ? pid : 0;
}

static int hand_on(int fd, const struct seccomp_notif *req)
{
	int r = sock_wait(fd, POLLOUT, clock_mono_ns() + ROUTE_NS);

	return r < 0 ? r : send(fd, req, sizeof(*req), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(*req) ? 0 : -errno;
}

/* To the agent that it is for. One that has just ended has ended its guest, too; one that takes nothing any more has a
 * guest that would wait for ever. */
static void route(struct agent *a, const struct seccomp_notif *req)
{
	pid_t guest = process_of((pid_t)req->pid);

	for (unsigned i = 0; guest && i < FAMILY_MAX; i++) {
		const struct family_member *m = &a->family.members[i];
		int r;

		if (!load(&m->agent) || load(&m->guest) != guest)
			continue;
		r = hand_on(a->family.routes[i][1], req);
		if (r < 0) {
			log_warn("agent %d takes no call of its guest, which is ended: %s", load(&m->agent),
				 strerror(-r));
			(void)kill(guest, SIGKILL);
		}
	}
}

int family_receive(struct agent *a, int fd, struct seccomp_notif *req)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	bool several = a->family.routed; /* or were: what we were woken for, one of them may have taken */
	int r = 0;

	/* Whoever asks for a call when there is none waits for it. */
	if (several && (!try_lock(a, LOCK_RECEIVE) || poll(&p, 1, 0) != 1 || !(p.revents & POLLIN))) {
		unlock(a, LOCK_RECEIVE);
		return 0;
	}
	memset(req, 0, sizeof(*req));
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, req) < 0)
		r = errno == ENOENT || errno == EINTR ? 0 : -errno;
	else
		r = 1;
	if (several)
		unlock(a, LOCK_RECEIVE);
	if (r <= 0 || thread_find(a, (pid_t)req->pid))
		return r;
	if (!a->family.routed)
		return -ESRCH;
	route(a, req); /* nobody's, if its agent has just ended, and its guest is about to */
	return 0;
}

static void on_route(void *arg, int fd, uint32_t events)
{
	struct agent *a = arg;
	struct seccomp_notif req;

	(void)events;
	if (recv(fd, &req, sizeof(req), MSG_DONTWAIT) == sizeof(req) && thread_find(a, (pid_t)req.pid))
		agent_take_call(a, &req);
}

int family_listen(struct agent *a)
{
	return loop_add_fd(a->loop, a->family.routes[a->family.slot][0], EPOLLIN, on_route, a) ? 0 : -ENOMEM;
}

int family_make_routes(struct agent *a)
{
	struct agent_family *f = &a->family;

	if (f->routed)
		return 0;
	for (unsigned i = 0; i < FAMILY_MAX; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->routes[i]) == 0)
			continue;
		while (i-- > 0) {
			(void)close(f->routes[i][0]);
			(void)close(f->routes[i][1]);
		}
		return -errno;
	}
	f->routed = true;
	return family_listen(a);
}

int family_claim(struct agent *a)
{
	struct agent_family *f = &a->family;
	uint8_t old[sizeof(struct seccomp_notif)];
	int slot = -EAGAIN, r = lock(a, LOCK_MEMBERS);

	for (int i = 0; r == 0 && slot < 0 && i < FAMILY_MAX; i++) {
		pid_t agent = load(&f->members[i].agent);

		/* One that was killed could not say that it left. */
		if (agent && (kill(agent, 0) == 0 || errno != ESRCH))
			continue;
		slot = i;
		f->members[i].guest = 0;
		__atomic_store_n(&f->members[i].agent, getpid(), __ATOMIC_RELEASE);
		while (recv(f->routes[i][0], old, sizeof(old), MSG_DONTWAIT) > 0)
			;
	}
	if (r == 0)
		unlock(a, LOCK_MEMBERS);
	return r < 0 ? r : slot;
}

void family_give_back(struct agent *a, int slot)
{
	__atomic_store_n(&a->family.members[slot].agent, 0, __ATOMIC_RELEASE);
}
