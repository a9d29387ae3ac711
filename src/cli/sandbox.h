/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster on one machine. DOC: how the sandbox is built
 *
 * Everything is named after the sandbox, so that `down` needs no record of what `up` did:
 *
 *   /run/godwit-sandbox/NAME/         state.json, and for each node nK/{pid,log,state/}
 *   /run/netns/godwit-NAME-wire       a network with nothing but the bridge br0; the cables n1, n2, ... end there
 *   /run/netns/godwit-NAME-nK         the network of a node: lo and eth0, 10.77.x.K
 *   <cgroup>/godwit-NAME/nK           in every hierarchy that there is (see struct cgroups)
 *
 * A node is one process, `godwit sandbox-init`, the first of its own pid, mount, uts and ipc namespaces. It mounts
 * its own /proc, /run and /dev/shm, and keeps godwit-launcher and godwitd running. When it ends, the kernel ends
 * every process of the node.
 *
 * Promise: nothing outside these names is touched. Must not: need anything of the machine's network.
 */
#ifndef GODWIT_CLI_SANDBOX_H
#define GODWIT_CLI_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "cli.h"

#define SANDBOX_ROOT "/run/godwit-sandbox"
#define SANDBOX_NETNS "/run/netns"
#define SANDBOX_NODES_MAX 250
#define SANDBOX_PATH_MAX 192
#define SANDBOX_STATE_DIR "/run/godwit-state" /* inside a node */
#define SANDBOX_CONFIG SANDBOX_STATE_DIR "/godwit.conf"

/* Marks a call whose failure changes nothing that was promised. */
static inline void may_fail(int r)
{
	(void)r;
}

struct sandbox_node {
	unsigned number; /* 1.. */
	char name[8]; /* n1 */
	char address[16];
	pid_t init; /* 0: not started, or dead */
	int ready_fd; /* during `up`: the node's init writes here; -1 afterwards */
	bool ready;
};

struct sandbox {
	char name[16];
	char dir[64];
	int lock; /* flock on dir; -1 */
	unsigned n;
	double cpus; /* of a node */
	uint64_t memory; /* of a node, bytes */
	unsigned pinned; /* processors that belong to each node alone; 0: a quota instead */
	char programs[512]; /* directories where godwitd and godwit-launcher are looked for, with ':' between them */
	struct sandbox_node *nodes;
};

/* The name from --name, $GODWIT_SANDBOX or "default"; opens nothing. -EINVAL for a name that is not 1-12 of a-z0-9. */
int sandbox_named(struct sandbox *s, const char *name, struct err *e) _must_check_;
/* Reads the record of `up` and looks which nodes live. -ENOENT: no such sandbox; -EUCLEAN: the record is damaged. */
int sandbox_load(struct sandbox *s, struct err *e) _must_check_;
int sandbox_save(const struct sandbox *s, struct err *e) _must_check_;
/* Both of the above, for a verb that works on a running sandbox; says no to who is not root. */
int sandbox_open(struct sandbox *s, struct cli *cx, struct err *e) _must_check_;
/* Takes the sandbox's lock for `up`, `down` and `start`, making its directory if make is set; waits up to 20 s. */
int sandbox_lock(struct sandbox *s, bool make, struct err *e) _must_check_;
void sandbox_release(struct sandbox *s);
int sandbox_set_nodes(struct sandbox *s, unsigned n, struct err *e) _must_check_;
struct sandbox_node *sandbox_find(struct sandbox *s, const char *node, struct err *e);
int sandbox_need_root(struct err *e) _must_check_;

/* The control socket of a node of the sandbox named by the environment, seen from outside. */
int sandbox_socket(const char *node, char *buf, size_t cap, struct err *e) _must_check_;
int sandbox_node_socket(const struct sandbox_node *node, char *buf, size_t cap, struct err *e) _must_check_;

void sandbox_netns_path(const struct sandbox *s, const char *node, char *buf, size_t cap); /* node or "wire" */
void sandbox_node_path(const struct sandbox *s, const struct sandbox_node *node, const char *file, char *buf,
		       size_t cap);

/* Starts the node's init (not its cluster membership); sets init and ready_fd. */
int sandbox_node_start(const struct sandbox *s, struct sandbox_node *node, struct err *e) _must_check_;
/* Waits until all nodes that have a ready_fd say that their daemon answers. */
int sandbox_wait_ready(struct sandbox *s, uint64_t deadline, struct err *e) _must_check_;

/* Network: sandbox_net.c */
int net_make(const struct sandbox *s, struct err *e) _must_check_;
int net_remove(const struct sandbox *s, struct err *e);
int net_cable(const struct sandbox *s, const struct sandbox_node *node, bool up, struct err *e) _must_check_;
int net_loss(const struct sandbox *s, const struct sandbox_node *node, double percent, struct err *e) _must_check_;
bool net_is_cut(const struct sandbox *s, const struct sandbox_node *node);

/* Ends and removes everything of the sandbox but its directory; needs only its name and the lock. */
int sandbox_sweep(struct sandbox *s, struct err *e) _must_check_;
/* The same with the directory, and the lock with it. Says in e what is left. */
int sandbox_destroy(struct sandbox *s, struct err *e) _must_check_;
/* Kills all processes of the sandbox, or of one node, and waits until they are gone or the deadline is over. */
int sandbox_kill_processes(const struct sandbox *s, const char *node, uint64_t deadline, struct err *e) _must_check_;
/* Finds a program in the list of directories. 0 or -ENOENT. */
int sandbox_program(const char *programs, const char *name, char *buf, size_t cap) _must_check_;
/* Processes of the sandbox or, with a node, of that node, by their control groups and network; into pids, at most cap;
 * returns how many there are. */
size_t sandbox_processes(const struct sandbox *s, const char *node, pid_t *pids, size_t cap);

/* Runs a program with input on its stdin; netns: path or NULL. Its first line of complaint becomes the sentence. */
int tool_run(char *const argv[], const char *input, const char *netns, unsigned seconds, struct err *e) _must_check_;

#endif
