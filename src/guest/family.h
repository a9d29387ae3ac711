/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's forked processes: each has an agent of its own, which its maker's agent forks for it.
 *
 * The kernel gives a family of processes one listener for the calls that their filter asks about, and one namespace of
 * pids. So the agents of a family share these: any of them takes a call off the listener, and hands it to the one whose
 * guest made it. All else they have apart, and any may end before the others.
 * Must not: be included by anything but agent.h.
 */
#ifndef GODWIT_GUEST_FAMILY_H
#define GODWIT_GUEST_FAMILY_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Places in the memfd, before the first file: each process of a family has its own page of the clocks. */
#define FAMILY_CLOCKS ((int64_t)1 << 40)
#define FAMILY_MAX 32 /* agents of a family on this host; the next child is made at home */

struct agent;
struct guest_thread;
struct loop_watch;

/* In memory that all of them share. */
struct family_member {
	pid_t agent; /* 0: free */
	pid_t guest; /* its main thread, as we see it */
};

struct agent_family {
	struct family_member *members; /* [FAMILY_MAX] */
	unsigned slot; /* ours */
	int lock; /* a file for locks that end with their holder */
	int routes[FAMILY_MAX][2]; /* [0] is read by the member in that slot; made before the first child */
	bool routed;
	uint64_t word; /* what the filter wants to see with a clone() of ours */
	bool forks; /* the kernel has what a child on the host needs */
	int forked_uffd; /* the one of a child that is being made; -1: none */
	bool born; /* our guest was forked on this host */
	bool shares; /* and it still has its maker's memory */
	int lifeline; /* ends with us: the maker goes on then; -1 */
	struct loop_watch *maker_watch; /* the other end of it */
	unsigned held; /* threads of our guest that wait for a child with their memory */
};

/* A process that a thread is about to make. */
struct guest_fork {
	bool active;
	uint64_t flags, stack, parent_tid, child_tid, tls; /* clone(2) */
	unsigned signal; /* at its end, at home */
	int slot; /* of its agent; given back if there will be none */
	pid_t pid;
	uint64_t mig, link_id;
	uint8_t psk[64];
	size_t psk_len;
};

int family_prepare(struct agent *a); /* before the filter is installed. -errno */
void family_leave(struct agent *a); /* the agent ends */

/* Takes a call off the listener: 1: it is of our guest, 0: of another's, or there is none any more. */
int family_receive(struct agent *a, int fd, struct seccomp_notif *req);

/* Before the first child: the ways to each other, which each agent that is forked then has. -errno */
int family_make_routes(struct agent *a);
int family_listen(struct agent *a); /* to ours, in a new loop. -errno */
int family_claim(struct agent *a); /* a free place, for an agent that is to be forked. -EAGAIN: there is none */
void family_give_back(struct agent *a, int slot);

/* fork.c: fork(), vfork() and their like. 1: home was asked; 0: the process has to make it at home. */
int fork_begin(struct guest_thread *g, const struct seccomp_notif *req);
void fork_not_made(struct guest_thread *g); /* home has not made it */
int fork_told(struct agent *a, const uint8_t *body, size_t n); /* FORKED */
/* Home has made the process: now the guest does the same. g may be gone afterwards. */
int fork_made(struct guest_thread *g, pid_t pid);
/* Nobody else of the family makes a thread or a process in between. */
int family_lock_birth(struct agent *a);
void family_unlock_birth(struct agent *a);

#endif
