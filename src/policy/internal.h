/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of src/policy share; nobody else includes this.
 * Promise: one struct holds the whole state. Must not: point outside the memory taken in policy_new().
 */
#ifndef GODWIT_POLICY_INTERNAL_H
#define GODWIT_POLICY_INTERNAL_H

#include "policy.h"

#define NONE UINT32_MAX /* no slot */
#define MS 1000000ULL /* ns */
#define OUT_MAX 96 /* moves and placements from here that are not yet seen in the target's own entry */
#define IN_MAX 128 /* guests that were promised a place or have just come */
#define PLACE_NS (3000 * MS) /* a placed program works hard after this time: infod-best's reservation */
#define SCALE 128 /* of the decayed loads, so that rounding does not stop the decay */
#define RAW_MAX 100000000ULL /* runnable milli: 100000 processes */
#define SLOW_MAX 10000000ULL /* slowdown milli */
#define BYTES_MAX (1ULL << 50)
#define PAST_MAX 256 /* processes whose departure is remembered */
#define PAST_NS (300000 * MS) /* for so long */
#define ASKED_MAX 64
#define HINTS_MAX 16
#define DOUBTFUL 3 /* unanswered questions after which a node is suspect whatever its age, and accused */
#define HOPELESS 5 /* after which it may count as dead */
#define FAR_FUTURE (1ULL << 61) /* ns, 73 years: no clock is so wrong */
#define LOOK_MAX 512 /* nodes whose cost is computed for one decision: any so many are a fair choice */
#define TRIES 4 /* targets looked at before a decision is put off to the next tick */

/* The part of a known node that each tick scans, packed: with 10,000 nodes a tick waits for memory more than for
 * anything else. The rest lies under the same slot in policy.hot[], .cold[] and .node[]. */
struct pulse {
	int64_t born_ns; /* when the node said what we know; may lie before this machine's start */
	union {
		struct {
			uint8_t used, left, failed, told; /* told: enum policy_health last announced, 0 = none */
			uint8_t unanswered; /* questions, since something was heard that it said after them */
			uint8_t proved; /* it has spoken to this node itself */
		};
		uint64_t all; /* so that a node of which there is nothing to say costs one comparison: pulse_calm() */
	};
};

/* What a decision asks of a node: one cache line. */
struct hot {
	int64_t room; /* bytes for guests: free less the reserve; may be negative */
	uint64_t out_bytes; /* on their way there from here */
	uint64_t backoff_until;
	uint32_t out_milli; /* demand on its way there from here */
	uint32_t export_milli, one_milli, raw_milli; /* one: normalised load of one process */
	uint32_t stable_milli; /* exported load and stable_percent of one process */
	uint32_t state, cpus_milli, speed;
	uint8_t n_out; /* records of policy.out[] that name the slot */
	uint8_t backoff_level;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct pulse) == 16, "four of them are a cache line");
_Static_assert(sizeof(struct hot) == 64, "one cache line");
_Static_assert(OUT_MAX <= UINT8_MAX, "hot.n_out counts them");

struct cold {
	uint64_t hash; /* of the name */
	int64_t failed_ns; /* if failed: it could not be reached then */
	int64_t asked_ns; /* last question to it; 0: none */
};

struct proc {
	struct policy_process last; /* as reported, bounded; demand and calls smoothed */
	uint64_t hash, seen_ns, failed_until;
	uint64_t home_hash; /* 0: this node is its home */
	uint32_t home_slot; /* guess, true if the slot's hash is home_hash */
	uint32_t failed_reason;
	bool used, pinned, moving;
	uint8_t times; /* it has left this node lately */
};

enum out_kind { OUT_FREE, OUT_MOVE, OUT_DONE, OUT_PLACED };

struct out {
	enum out_kind kind;
	struct policy_id id; /* not of OUT_PLACED */
	uint32_t slot; /* of the target; NONE: unknown there, or this node itself (OUT_PLACED) */
	uint32_t demand_milli;
	uint64_t bytes;
	uint64_t since_ns; /* start; OUT_DONE: end */
	bool here; /* still counted in this node's own samples */
	bool here_memory; /* the same of its memory, which a sample shows as it is in the end and not on average */
};

struct in {
	bool used, came;
	uint64_t mig, bytes, since_ns; /* since: promised, or came */
	uint32_t demand_milli;
};

struct asked {
	uint32_t slot;
	uint64_t hash; /* of the name: the slot may have got another since */
	uint64_t since_ns;
	bool confirms; /* others have not been answered either: counts twice */
};

/* A process that has left this node lately. */
struct past {
	uint64_t hash, left_ns;
	uint32_t times;
};

struct table { /* chained hash over slots; the chains run through next[] */
	uint32_t *bucket, *next;
	uint32_t mask, free, high, count, max; /* high: slots ever used */
};

struct policy {
	struct policy_params par;
	struct policy_limits lim;
	struct policy_node self;
	uint64_t now, rng, hash_seed;
	uint64_t next_gossip, last_move;
	uint64_t ask_ns, suspect_ns, dead_ns; /* ages */
	uint32_t doubtful; /* DOUBTFUL, but while any node will do */
	uint64_t first_incarnation, start_ns; /* as given to policy_new(): tell about the time of day */
	uint32_t rounds; /* of gossip */
	uint32_t
	    late; /* how late this node itself is: the times it waits for an answer are longer by so many intervals */
	uint32_t window; /* entries in a message, for so many nodes: */
	uint32_t window_for; /* 0: to be computed */
	uint32_t ask_next; /* slot at which the search for nodes to ask goes on */
	struct asked asked[ASKED_MAX]; /* waiting for their answer */
	unsigned n_asked;
	struct asked hint[HINTS_MAX]; /* accused by others */
	unsigned n_hints;
	uint64_t local_q, export_q; /* runnable milli * SCALE */
	uint64_t raw_last; /* runnable milli of the last sample; never below the local view */
	uint64_t age_needed_ms; /* CPU time that a process must have used; follows raw_last */
	uint32_t own_one;
	uint32_t n_moves; /* OUT_MOVE records */
	uint32_t here_milli; /* demand of out[] that the samples still contain */
	uint64_t here_bytes;
	uint64_t mem_now; /* free as the last sample said; what self says lacks what was promised */
	uint64_t mem_fall; /* bytes per second by which it becomes less */
	uint64_t mem_fell; /* in the last sample alone */
	bool mem_pressed; /* the last sample had signs of paging */
	bool mem_short; /* processes are moved away until the reserve is free again */
	bool expelling, sampled;
	struct table nodes, procs;
	struct pulse *pulse;
	struct hot *hot;
	uint32_t *want; /* of each slot: stable load, with what is on its way there */
	struct cold *cold;
	struct policy_node *node;
	struct proc *proc;
	uint32_t *alive, n_alive; /* slots that are alive or suspect, by the last sweep */
	int64_t eldest_ns; /* none of them is older; INT64_MIN while one has not answered */
	uint32_t n_proved, alive_proved; /* slots in use, and those of alive[], that are proved */
	uint32_t *stable; /* scratch, beside alive[] */
	uint64_t survey_bytes; /* memory for which stable[] was made */
	uint32_t *ties; /* scratch: positions in alive[] */
	uint32_t *movable, n_movable; /* scratch */
	struct out out[OUT_MAX];
	uint64_t econ_log2; /* of the number of nodes, Q32 */
	uint32_t econ_limit; /* load that stands for all there is, normalised milli */
	struct past past[PAST_MAX];
	uint32_t past_next;
	struct in in[IN_MAX];
};

/* The node's own situation, once per decision. */
struct here {
	uint32_t raw, load, one, slow;
	uint32_t load_last; /* of the last sample alone: does not lag behind, but jitters */
};

/* What a move of one process to one node would bring; why is POLICY_WHY_NONE if it should be made. */
struct verdict {
	enum policy_why why;
	int64_t value, threshold;
	uint64_t slow_here, slow_there; /* time per CPU time on a free standard machine, milli */
	int64_t saved_us, score;
};

/* formulas.c */
uint64_t policy_slowdown(uint64_t raw_milli, uint32_t cpus_milli, uint32_t speed);

/* log2(n), Q32, n >= 1 */
uint64_t policy_log2(uint32_t n);

/* economic.c; costs in Q20 */
void economic_prepare(struct policy *p, uint32_t first); /* of alive[], whose costs will be asked for */
uint64_t economic_cost(const struct policy *p, const struct hot *h, uint64_t bytes, uint64_t demand_milli);
uint64_t economic_cost_new(const struct policy *p, uint64_t bytes);
bool economic_gains(const struct policy *p, const struct here *here, const struct proc *pr, const struct hot *h,
		    bool to_home, struct verdict *ret); /* fills value, threshold and score */

/* table.c */
void table_init(struct table *t, uint32_t *bucket, uint32_t n_buckets, uint32_t *next, uint32_t max);
uint32_t table_take(struct table *t, uint64_t hash); /* NONE when full */
void table_drop(struct table *t, uint64_t hash, uint32_t slot);
uint64_t hash_string(uint64_t seed, const char *s);
uint64_t hash_number(uint64_t seed, uint64_t n);
uint64_t draw(struct policy *p); /* splitmix64 */
uint32_t draw_below(struct policy *p, uint32_t n); /* n > 0 */
bool name_ok(const char *s, size_t cap); /* terminated and not empty */
bool text_ok(const char *s, size_t cap); /* terminated */

/* nodes.c */
uint32_t node_find(const struct policy *p, const char *name);
bool node_is_self(const struct policy *p, const char *name); /* "" too */
int node_entry(struct policy *p, const struct policy_node *e, bool direct);
int node_failed(struct policy *p, const char *name, bool left, struct policy_actions *ret);
void node_backoff(struct policy *p, uint32_t slot);
void node_facts(struct policy *p, uint32_t slot); /* computes the hot part from the entry */
void node_want(struct policy *p, uint32_t slot); /* the same of what is on its way there */
void nodes_sweep(struct policy *p, struct policy_actions *ret);

/* gossip.c */
void gossip_limits(struct policy *p);
void gossip_send(struct policy *p, struct policy_actions *ret);
void gossip_hint(struct policy *p, uint32_t slot); /* somebody could not get an answer from it */

/* processes.c */
int id_ok(const struct policy_id *id); /* 0 or -EINVAL */
struct proc *proc_find(const struct policy *p, const struct policy_id *id);
int proc_update(struct policy *p, const struct policy_process *e);
int proc_gone(struct policy *p, const struct policy_id *id);
void proc_left(struct policy *p, const struct policy_id *id); /* it has moved away: remembered for its return */
uint32_t proc_home_slot(const struct policy *p, const struct proc *pr); /* NONE: home is here or unknown */
void proc_ages(struct policy *p); /* after each change of raw_last or a parameter */
/* Why the process itself may not be chosen; NONE if it may. skip: bits 1 << enum policy_why not to look at. value and
 * threshold may be NULL. */
enum policy_why proc_check(const struct policy *p, const struct proc *pr, uint64_t skip, int64_t *value,
			   int64_t *threshold);

/* load.c */
void load_sample(struct policy *p, const struct policy_sample *s);
void load_publish(struct policy *p); /* own entry from the state */
uint64_t load_promised(const struct policy *p); /* demand milli of in[] and of placements here */
/* Is it time to send a process of that size away? From low free memory, now or by the time when it could have left, or
 * signs of paging, until the reserve is free again. */
bool memory_short(struct policy *p, uint64_t rss);
uint64_t memory_missing(const struct policy *p, uint64_t rss); /* bytes, to the reserve, when it could have left */
struct here load_here(const struct policy *p);
uint32_t load_threshold(const struct policy *p); /* runnable milli from which the node sends processes away */

/* moves.c */
int move_order(struct policy *p, const struct policy_id *id, uint32_t slot, bool place);
bool move_under_way(struct policy *p, const struct policy_id *id);
int move_started(struct policy *p, const struct policy_move *m);
int move_done(struct policy *p, const struct policy_move *m);
void moves_expire(struct policy *p);
void moves_seen_fresh(struct policy *p, uint32_t slot); /* an entry of the node came in */
void moves_sampled(struct policy *p, uint64_t from_ns); /* a sample came in that began then */
uint64_t moves_freed(struct policy *p); /* bytes of those that have left since the last time; they are here no more */
uint32_t moves_allowed(const struct policy *p, const struct here *here);

/* admit.c */
uint64_t admit_promised(const struct policy *p); /* bytes that guests will take that have not come */
uint64_t admit_arrived(const struct policy *p); /* of those that came since the last sample began */
int admit_offer(struct policy *p, const struct policy_offer *o, struct policy_actions *ret);
int admit_done(struct policy *p, uint64_t mig, bool ok);
void admit_expire(struct policy *p);
void admit_sampled(struct policy *p, uint64_t from_ns);

/* judge.c */
enum policy_why node_check(const struct policy *p, const struct hot *h, uint64_t bytes, int64_t *value,
			   int64_t *threshold);
uint64_t slow_there(const struct hot *h, uint64_t demand_milli); /* with one more there */
uint64_t calls_slow(const struct policy *p, const struct proc *pr);
void survey(struct policy *p, uint64_t bytes);
bool survey_usable(struct policy *p, uint32_t i);
void judge(const struct policy *p, const struct here *here, const struct proc *pr, const struct hot *h, bool to_home,
	   struct verdict *ret);
void judge_return(const struct policy *p, const struct here *here, const struct proc *pr, const struct hot *h,
		  struct verdict *ret); /* a guest goes home though this node is not too loaded */
/* No verdict on the process has a greater score, wherever it goes. */
int64_t judge_most(const struct policy *p, const struct here *here, const struct proc *pr);
enum policy_why gate_check(const struct policy *p, const struct here *here, int64_t *value, int64_t *threshold);

/* decide.c */
void decide(struct policy *p, struct policy_actions *ret);
uint32_t best_for_node(struct policy *p, const struct here *here, uint32_t slot, struct verdict *ret);
void place(struct policy *p, uint64_t token, uint64_t bytes, bool not_here, struct policy_actions *ret);

/* Here since it is asked for each known node in each tick. */
static inline enum policy_health node_health(const struct policy *p, const struct pulse *h)
{
	int64_t age = (int64_t)p->now - h->born_ns;

	if (h->left || h->failed)
		return POLICY_DEAD;
	/* whom one has never heard oneself is not worth many questions */
	if (age >= (int64_t)p->dead_ns &&
	    (h->unanswered >= HOPELESS || (p->n_proved && !h->proved && age >= 2 * (int64_t)p->dead_ns)))
		return POLICY_DEAD;
	return age >= (int64_t)p->suspect_ns || h->unanswered >= DOUBTFUL ? POLICY_SUSPECT : POLICY_ALIVE;
}

/* Known to be alive, and nothing was left unanswered: of such a node only the age is asked. */
static inline bool pulse_calm(const struct pulse *h)
{
	const struct pulse calm = {.used = 1, .told = POLICY_ALIVE}, any = {.proved = 0xff};

	return (h->all & ~any.all) == calm.all;
}

static inline const struct pulse *pulse_of(const struct policy *p, const struct hot *h)
{
	return &p->pulse[h - p->hot];
}

static inline struct policy_action *action_add(struct policy_actions *ret, enum policy_action_type type)
{
	struct policy_action *a;

	if (ret->n == POLICY_ACTIONS_MAX)
		return NULL;
	a = &ret->a[ret->n++];
	*a = (struct policy_action){.type = type}; /* also what an action does not use is the same in a replay */
	return a;
}

#endif
