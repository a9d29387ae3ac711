/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy: what a node knows of the others (gossip), how loaded it is, and which process should move where.
 * Promise: policy_step() is a function of state and event and of nothing else, so that the daemon, a simulator
 * and a replay reach the same decisions. Time and luck come in with the events; memory is taken in policy_new()
 * only; all arithmetic is on integers. Any event is bad input at worst, never a crash.
 * Must not: read a clock, make a system call, log, or use random().
 *
 * Units. A load is in thousandths and normalised: 1000 = one runnable process for each CPU of a standard machine
 * (speed 10000); load = runnable / (CPUs * speed / 10000). cpus_milli: 1000 = one CPU. Times are CLOCK_MONOTONIC
 * nanoseconds of this node unless a name says otherwise. Names are NUL-terminated and not empty unless said.
 *
 * The daemon, once a second: SAMPLE, one PROCESS for each process it watches, TICK; each entry of each gossip
 * message at once as ENTRY; to a message that asks, it answers with policy_window() of policy_window_size(). Where
 * something moves: MOVE_STARTED (by hand only), MOVE_DONE; on the receiving side GUEST_OFFER, GUEST_DONE. After each
 * step it carries out the actions.
 */
#ifndef GODWIT_POLICY_POLICY_H
#define GODWIT_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../base/cleanup.h"

#define POLICY_NAME_MAX 64 /* bytes without the NUL, as in src/wire/messages.def */
#define POLICY_VERSION_MAX 32
#define POLICY_WINDOW_MAX 256
#define POLICY_ACTIONS_MAX 48
#define POLICY_ASKS_MAX 4 /* nodes asked in one step */
#define POLICY_SPEED_STANDARD 10000
#define POLICY_LOAD_MAX 100000000 /* normalised milli; what a node claims beyond this counts as this */

/* Bits of policy_node.state; the numbers are those on the wire. */
enum policy_state {
	POLICY_UP = 1,
	POLICY_STAY = 2, /* moves none of its processes away */
	POLICY_BLOCK = 4, /* takes no guests */
	POLICY_LEAVING = 8, /* takes no guests and sends those it has away */
	POLICY_ACCUSED =
	    16, /* who passes the entry on has asked the node and not been answered: a hint to ask it oneself */
};

/* ---- parameters ------------------------------------------------------------------------------------------ */

struct policy_params {
#define POLICY_PARAM(name, def, min, max, unit, help) uint32_t name;
#include "policy_params.def"
#undef POLICY_PARAM
};

struct policy_param_info {
	const char *name, *unit, *help;
	uint32_t def, min, max;
	size_t offset; /* of the uint32_t in struct policy_params */
};

void policy_params_init(struct policy_params *ret); /* the defaults */
/* Row i of the table, NULL behind the last: for `--help`, documents and completion. */
const struct policy_param_info *policy_param_at(size_t i);
/* Sets one by name from decimal digits. -ENOENT: no such name; -EINVAL: not a number; -ERANGE: outside its
 * bounds. Nothing is changed on an error. */
int policy_param_set(struct policy_params *p, const char *name, const char *value) _must_check_;

/* ---- nodes and processes --------------------------------------------------------------------------------- */

/* What a node says of itself; field for field the node_entry of the wire. */
struct policy_node {
	char name[POLICY_NAME_MAX + 1];
	char address[POLICY_NAME_MAX + 1];
	uint16_t port;
	uint64_t incarnation; /* the newer run of the daemon wins */
	uint64_t seq; /* within it the higher */
	uint64_t age_us; /* since the node itself said this */
	uint32_t state; /* enum policy_state */
	uint32_t cpus_milli;
	uint32_t speed;
	uint32_t load_milli; /* rises slowly, falls at once: own decisions */
	uint32_t export_milli; /* rises at once, falls slowly: what others decide by; promised places included */
	uint64_t mem_total, mem_free; /* bytes */
	uint32_t guests;
	char version[POLICY_VERSION_MAX + 1];
};

/* A process by its home and its pid and start there. home "" means this node (its own name is taken as ""). */
struct policy_id {
	char home[POLICY_NAME_MAX + 1];
	int64_t pid;
	uint64_t start_time; /* clock ticks after boot; a host that does not know it passes 0, always */
};

enum policy_process_flag {
	POLICY_PROC_FAMILY = 1, /* started under godwit: only these move without being asked */
	POLICY_PROC_PINNED = 2, /* its user wants it to stay */
	POLICY_PROC_BUSY = 4, /* the daemon is moving it already */
	POLICY_PROC_CPU = 8, /* it is to be treated as one that only computes: its calls do not count */
	POLICY_PROC_IO = 16, /* its place is at home, unless memory is short there */
};

/* What the daemon measured of one process that runs on this node, over the last second. */
struct policy_process {
	struct policy_id id;
	uint32_t flags; /* enum policy_process_flag */
	uint32_t confined; /* 0, or the daemon's reason number why it cannot move: opaque here */
	uint32_t cpu_milli; /* share of one CPU that it used */
	uint32_t demand_milli; /* share of the time that it ran or waited for a CPU */
	uint64_t cpu_age_us; /* CPU time since exec, on all nodes together */
	uint64_t rss; /* bytes */
	uint64_t arrived_ns; /* when it came to this node; 0: long ago, or it was started here */
	uint32_t calls; /* a second: for a guest those forwarded, at home those that would be; 0: not known */
};

/* ---- events ---------------------------------------------------------------------------------------------- */

enum policy_event_type {
	POLICY_EV_CONFIG = 1, /* config: new parameters or facts of this node */
	POLICY_EV_SAMPLE, /* sample */
	POLICY_EV_PROCESS, /* process: new or known */
	POLICY_EV_PROCESS_GONE, /* id: ended, or no longer on this node */
	POLICY_EV_ENTRY, /* entry: heard of a node, from itself or another */
	POLICY_EV_TICK, /* decide and gossip */
	POLICY_EV_MOVE_STARTED, /* move: one that was not ordered here (by hand); others may be announced again */
	POLICY_EV_MOVE_DONE, /* move: it has gone, or could not */
	POLICY_EV_GUEST_OFFER, /* offer: another node wants to send a process -> ADMIT */
	POLICY_EV_GUEST_DONE, /* guest: an admitted guest has come (ok) or will not */
	POLICY_EV_ADMIN, /* admin */
	POLICY_EV_PEER_FAILED, /* name: it could not be reached; holds until it is heard of again */
	POLICY_EV_PEER_LEFT, /* name: it said that it leaves; holds until a new incarnation */
	POLICY_EV_PLACE, /* place: where to start something -> PLACE */
	POLICY_EV_LEAVE, /* this node leaves: guests are expelled; bringing its own home is the daemon's work */
	POLICY_EV__MAX
};

/* What a node is; given at the start and changed by CONFIG. */
struct policy_config {
	struct policy_params params;
	char name[POLICY_NAME_MAX + 1]; /* cannot be changed later */
	char address[POLICY_NAME_MAX + 1];
	char version[POLICY_VERSION_MAX + 1];
	uint16_t port;
	uint64_t incarnation; /* at the start only */
	uint64_t seed; /* of the luck; at the start only */
	uint32_t cpus_milli, speed;
	uint64_t mem_total;
	uint64_t mem_free; /* at the start only */
};

struct policy_sample {
	uint64_t dt_ns; /* what the averages are over; the sample ends now */
	uint32_t runnable_milli; /* average number of tasks that ran or waited for a CPU; not normalised */
	uint64_t mem_free; /* bytes: MemAvailable */
	uint32_t stalled_milli; /* of the time some task waited for memory to be made free or read back; 0 where nobody
				   says */
	uint32_t faults; /* major ones, per second */
};

struct policy_move {
	struct policy_id id;
	char to[POLICY_NAME_MAX + 1]; /* "" or own name = this node */
	bool ok; /* MOVE_DONE */
	bool target_fault; /* MOVE_DONE, not ok: the target refused or failed (it is left alone for a while); otherwise
			    * the process is to blame and is itself left alone */
	uint32_t reason; /* opaque, kept for policy_why() */
};

struct policy_offer {
	uint64_t mig; /* names the offer until GUEST_DONE */
	char from[POLICY_NAME_MAX + 1]; /* node where the process runs now */
	uint32_t from_load_milli; /* exported load of that node as it says itself; 0: as gossip has it */
	uint64_t bytes; /* memory that it will need here */
	uint32_t demand_milli; /* CPU it wants; 0: not known, one CPU */
	bool features_ok; /* this node's CPU and kernel can run it */
	bool automatic; /* the other node's policy decided, not a person: refused also when it would not pay */
	bool returning; /* this node is the process's home: never refused for blocking or leaving */
};

enum policy_admin_op {
	POLICY_ADMIN_STAY = 1,
	POLICY_ADMIN_NOSTAY,
	POLICY_ADMIN_BLOCK,
	POLICY_ADMIN_UNBLOCK,
	POLICY_ADMIN_EXPEL, /* all guests go, no guest comes until they have gone */
	POLICY_ADMIN_PIN, /* id */
	POLICY_ADMIN_UNPIN, /* id */
	POLICY_ADMIN__MAX
};

/* Holds no pointer: a recorded event may be replayed byte for byte. */
struct policy_event {
	enum policy_event_type type;
	bool direct; /* ENTRY: the node itself said it, on a connection of its own; false: hearsay, or not known */
	uint64_t now_ns; /* never goes back; an earlier time counts as the last one */
	union {
		struct policy_config config;
		struct policy_sample sample;
		struct policy_process process;
		struct policy_id id;
		struct policy_node entry;
		struct policy_move move;
		struct policy_offer offer;
		struct {
			uint64_t mig;
			bool ok;
		} guest;
		struct {
			enum policy_admin_op op;
			struct policy_id id;
		} admin;
		struct {
			char name[POLICY_NAME_MAX + 1];
		} peer;
		struct {
			uint64_t token; /* given back in the action */
			uint64_t bytes;
			bool not_here; /* leave this node out */
		} place;
	};
};

/* ---- actions --------------------------------------------------------------------------------------------- */

enum policy_action_type {
	POLICY_DO_GOSSIP = 1, /* ask 0: send window[] of the actions to node; else see there */
	POLICY_DO_MOVE, /* move; answer with MOVE_DONE */
	POLICY_DO_ADMIT, /* admit: the answer to GUEST_OFFER */
	POLICY_DO_PLACE, /* place: the answer to PLACE */
	POLICY_DO_NODE_ALIVE, /* node: new, or heard of again */
	POLICY_DO_NODE_SUSPECT, /* node: unheard of for a while */
	POLICY_DO_NODE_DEAD, /* node: gone by hearsay or failure. Hearsay: a link that works proves the contrary */
	POLICY_DO_NODE_FORGOTTEN, /* node: no longer known */
	POLICY_DO_EXPELLED, /* no guest is left after EXPEL or LEAVE */
	POLICY_DO__MAX
};

enum policy_motive { POLICY_BALANCE = 1, POLICY_GO_HOME, POLICY_MEMORY, POLICY_EXPEL, POLICY_MOTIVE__MAX };

struct policy_action {
	enum policy_action_type type;
	union {
		struct {
			char name[POLICY_NAME_MAX + 1], address[POLICY_NAME_MAX + 1];
			uint16_t port;
			uint16_t ask; /* GOSSIP: send window[0] and asked[ask - 1], and want an answer */
		} node; /* also of GOSSIP */
		struct {
			struct policy_id id;
			char to[POLICY_NAME_MAX + 1]; /* the node's name; the home's name for a guest that goes home */
			bool home; /* to is its home */
			enum policy_motive motive;
			uint32_t gain_percent; /* expected: how much faster */
			int64_t saved_us; /* expected: time that the process saves, cost of the move deducted */
		} move;
		struct {
			uint64_t mig;
			bool accept;
			unsigned why; /* enum policy_why when refused */
			int64_t value, threshold;
		} admit;
		struct {
			uint64_t token;
			char to[POLICY_NAME_MAX + 1]; /* own name when this node is best, "" when none will do */
		} place;
	};
};

struct policy_actions {
	unsigned n;
	struct policy_action a[POLICY_ACTIONS_MAX];
	unsigned n_window;
	const struct policy_node *window[POLICY_WINDOW_MAX]; /* owned by the policy, valid until the next call */
	unsigned n_asked;
	const struct policy_node
	    *asked[POLICY_ASKS_MAX]; /* what is known of the nodes asked, so that they can correct it */
};

/* ---- the policy ------------------------------------------------------------------------------------------ */

struct policy_limits {
	uint32_t nodes; /* other nodes that may be known, 1 to 100000; about 450 bytes each */
	uint32_t processes; /* local processes watched, 1 to 100000; about 250 bytes each */
};

struct policy;

/* Makes a policy for the node that config describes. Takes all the memory it will ever use. -EINVAL for a
 * config outside the bounds, -ENOMEM. */
int policy_new(const struct policy_limits *limits, const struct policy_config *config, uint64_t now_ns,
	       struct policy **ret) _must_check_;
void policy_free(struct policy *p); /* NULL is legal */

/* Takes one event, fills *ret (whatever was there) with what should be done. 0; -EINVAL: malformed event;
 * -ENOENT: unknown process, node or guest; -ENOBUFS: a table is full. After an error the state is as before and
 * ret empty. An ENTRY that is no news is no error. */
int policy_step(struct policy *p, const struct policy_event *ev, struct policy_actions *ret) _must_check_;

/* When a TICK is next of use (gossip); the daemon may send more. */
uint64_t policy_deadline(const struct policy *p);

/* ---- questions ------------------------------------------------------------------------------------------- */

enum policy_health { POLICY_SELF = 1, POLICY_ALIVE, POLICY_SUSPECT, POLICY_DEAD };

struct policy_node_view {
	const struct policy_node *node; /* valid until the next step; age_us inside is stale, use the one below */
	enum policy_health health;
	bool left; /* it said so; it counts as dead, and is kept only so that old news of it is not taken for new */
	uint64_t age_us;
	uint32_t expected_milli; /* exported load and processes on their way there */
};

/* Walks over this node (first) and all known ones: *cursor starts at 0. False behind the last. */
bool policy_node_next(const struct policy *p, unsigned *cursor, struct policy_node_view *ret);
bool policy_node_find(const struct policy *p, const char *name, struct policy_node_view *ret);
const struct policy_node *policy_self(const struct policy *p); /* own entry as it would be sent now */
const struct policy_params *policy_params(const struct policy *p);
/* The freshest entries, own first, at most max, for an answer to gossip or a joining node. Returns how many;
 * pointers as in policy_actions. */
unsigned policy_window(struct policy *p, uint64_t now_ns, const struct policy_node **ret, unsigned max);
unsigned policy_window_size(const struct policy *p); /* entries of a gossip message now, 1 to POLICY_WINDOW_MAX */

/* The node on which a process of that size and demand, which runs on the node `at` now, would be fastest: *ret gets its
 * name and the result is true when that is another one than `at`, and faster by min_gain_percent. */
bool policy_best(const struct policy *p, const char *at, uint32_t demand_milli, uint64_t bytes,
		 char ret[POLICY_NAME_MAX + 1]);

/* Reason why something stays or is refused; policy_why_info() has unit and sentence. */
enum policy_why {
#define POLICY_WHY(name, reason, unit, sentence) POLICY_WHY_##name,
#include "policy_why.def"
#undef POLICY_WHY
	POLICY_WHY__MAX
};

struct policy_why_info {
	const char *name; /* "low_load" style word */
	const char *reason; /* name of the row of src/wire/reasons.def that says the same */
	const char *unit; /* of value and threshold; "" when they mean nothing */
	const char *sentence;
};

const struct policy_why_info *policy_why_info(unsigned why); /* NULL for an unknown number */

struct policy_reason {
	unsigned why; /* enum policy_why */
	int64_t value, threshold; /* what is, and what it would have to be */
	char node[POLICY_NAME_MAX + 1]; /* candidate that it is about, "" = this node or the process */
};

/* All reasons why a process does not move by itself now: those of this node and of the process, then one for each
 * known node that cannot be its target. Fills at most max; returns how many there are (may be more), or -ENOENT.
 * 0: nothing is against it, the next TICK may move it. */
int policy_why(const struct policy *p, const struct policy_id *id, struct policy_reason *ret, unsigned max);

/* ---- formulas, for tests, the simulator and documents ---------------------------------------------------- */

/* runnable (milli, not normalised) to normalised milli; 0 CPUs or speed count as 1. Capped at POLICY_LOAD_MAX. */
uint32_t policy_load(uint64_t runnable_milli, uint32_t cpus_milli, uint32_t speed);
/* One second of the two views: local m (rises slowly), exported u (falls slowly), for the new value r.
 * Reference: the values of MOSIX as published with Kerrighed's scheduler probes: (5m+3r)/8 and (7u+r)/8. */
uint64_t policy_decay_local(uint64_t m, uint64_t r);
uint64_t policy_decay_export(uint64_t u, uint64_t r);
/* n^x in Q20 for x in millionths up to 2000000, too high by at most 2e-5 of it and 2 of the last digit; n up to 2^17.
 * The currency of the economic algorithm. */
uint64_t policy_power(uint32_t n, uint32_t x_millionths);
/* Expected greatest and average age (thousandths of a gossip interval) of what one of n nodes knows of the others,
 * when windows hold w entries. Reference: Amar, Barak, Drezner, Okun 2009. 0 for n < 2. */
uint64_t policy_gossip_max_age(uint32_t n, uint32_t w);
uint64_t policy_gossip_avg_age(uint32_t n, uint32_t w);
/* The inverse: the least window with which both are no greater than wanted (thousandths of an interval; 0: no wish), at
 * most POLICY_WINDOW_MAX where none is enough. */
uint32_t policy_gossip_window(uint32_t n, uint64_t want_avg, uint64_t want_max);

#endif
