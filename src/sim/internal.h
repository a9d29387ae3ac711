/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of src/sim share; nobody else but their tests includes this.
 * Promise: one struct holds a run. Must not: keep anything between two runs.
 */
#ifndef GODWIT_SIM_INTERNAL_H
#define GODWIT_SIM_INTERNAL_H

#include "sim.h"

#define SECOND 1000000000ULL
#define MSEC 1000000ULL
#define STARTED (1000 * SECOND) /* virtual time at which the daemons start: a policy may look back */
#define NOBODY UINT32_MAX

/* ---- luck.c ---- */

struct luck {
	uint64_t state;
};

struct luck luck_of(uint64_t seed, uint64_t purpose);
uint64_t luck_next(struct luck *l);
double luck_part(struct luck *l); /* in [0, 1) */
uint32_t luck_below(struct luck *l, uint32_t n); /* n > 0 */
double luck_exponential(struct luck *l, double mean);
double luck_draw(struct luck *l, const struct sim_value *v);
double law_mean(const struct sim_value *v);
void range_draw(struct luck *l, struct sim_value *v); /* each range becomes one number of it */

/* ---- queue.c ---- */

enum event_type {
	EV_ARRIVE, /* a: job */
	EV_BEGIN, /* a: job, which was started elsewhere by a static strategy */
	EV_END, /* a: node; b: its generation, another one means that the event is stale */
	EV_SECOND, /* a: node; b: its incarnation */
	EV_GOSSIP, /* p: message */
	EV_OFFER, /* p: offer */
	EV_ANSWER, /* p: offer */
	EV_CAME, /* p: offer */
	EV_SILENT, /* a: node that has sent; b: node that is dead */
	EV_FAILURE, /* a: index of the section */
	EV_LOOK, /* a measurement */
};

struct event {
	uint64_t time, number; /* number: order of putting in */
	enum event_type type;
	uint32_t a, b;
	void *p; /* owned by the event */
};

struct queue {
	struct event *heap;
	size_t n, cap;
	uint64_t number;
};

int queue_put(struct queue *q, struct event e) _must_check_; /* -ENOMEM */
bool queue_take(struct queue *q, struct event *ret);
void queue_release(struct queue *q);

/* ---- the run ---- */

enum job_state { JOB_TO_COME, JOB_RUNS, JOB_FROZEN, JOB_ENDED, JOB_LOST };

struct job {
	enum job_state state;
	bool asking; /* an offer of it is under way */
	bool measured; /* was there at the last sample of its node */
	uint32_t home, node, slot; /* slot: place in the node's list */
	uint32_t moves, placed, user;
	double work, left; /* s of a standard CPU */
	double calls; /* for each second of work */
	uint64_t rss, came_ns, begin_ns, end_ns; /* came: to its node; 0: it was started there */
	uint64_t move_cost_ns, frozen_ns; /* of the last move; of all */
	double cpu_s; /* CPU time used, on all nodes */
	double rate, part, share; /* work done, part of the time runnable, and CPUs used, for each second from now on */
	double run_area, cpu_area, work_area; /* since the last sample */
};

struct node {
	struct policy *policy; /* NULL: dead, or no daemons */
	struct policy_node entry; /* what is always the same in an entry of it */
	bool up, joined; /* joined: later than the others */
	uint32_t cpus_milli, speed, run; /* run: counts its lives */
	double one, cap; /* speed of one CPU and of all, 1 = standard */
	uint64_t mem_total, mem_used;
	uint32_t *jobs, n_jobs, cap_jobs, expected; /* expected: jobs of static strategies on their way */
	uint32_t generation;
	uint64_t last_ns, sampled_ns, phase_ns, stepped_ns; /* stepped: last event that the policy was given */
	double runnable;
	uint64_t *gone, n_gone, cap_gone; /* jobs that ended here, of which the policy has still to be told */
	uint64_t died_ns, avoided_ns, joined_ns, worked_ns; /* 0: not so far */
	bool slow;
	uint64_t awake_ns; /* a slow one does nothing before */
	uint8_t *doubted_by; /* while it is dead, one for each node: see notices.c */
	uint32_t doubts, burials;
	double first_s, half_s, all_s, buried_s; /* after its death; NAN: not so far */
};

struct brief { /* the part of an entry that changes */
	uint64_t incarnation, seq, age_us, mem_free;
	uint32_t node, state, load_milli, export_milli, guests;
};

struct message {
	uint32_t from, to;
	bool wants_answer;
	unsigned n;
	struct brief entry[];
};

struct offer {
	uint64_t mig, began_ns;
	uint32_t job, from, to, from_run, to_run;
	uint32_t demand_milli, from_load_milli;
	bool placement, automatic, returning, accepted, delivered;
};

struct tally {
	uint64_t arrived, ended, lost, placed, moves, wasted, refused, failed, bytes, suspicions, deaths, looks;
	uint64_t well_suspected, seen_dead;
	double first_s, half_s, all_s, buried_s; /* sums over the seen_dead deaths */
	double age_average, age_greatest, node_seconds;
	uint64_t frozen_ns;
};

struct sim {
	struct sim_scenario sc; /* drawn */
	const struct sim_strategy *how;
	uint64_t seed, now, zero; /* zero: time 0 of the scenario */
	uint64_t arrivals_end, last_end;
	struct luck luck_net, luck_look, luck_slow;
	struct queue queue;
	struct node *nodes;
	uint32_t n, known, n_processes, next_round, n_up;
	struct job *jobs;
	uint32_t n_jobs, to_end; /* to_end: jobs that have neither ended nor been lost */
	double *tree; /* of the least loaded node: tree.c */
	uint32_t leaves;
	uint64_t next_mig;
	struct policy_actions act, spare;
	struct tally tally;
	struct sim_point *points;
	uint32_t n_points, cap_points;
	int error; /* -ENOMEM on the way */
};

void put(struct sim *s, uint64_t time, struct event e); /* an error is kept in s->error */
static inline uint64_t ns_of(double seconds)
{
	return seconds < 1e10 ? (uint64_t)(seconds * 1e9) : 10000000000ULL * SECOND;
}
static inline double number(const struct sim_value *v)
{
	return v->p[0].low;
}

void job_lost(struct sim *s, uint32_t job);

/* jobs.c: everything that is drawn before the run */
void scenario_draw(struct sim_scenario *s, uint64_t seed);
int nodes_make(struct sim *s, struct err *e);
int jobs_make(struct sim *s, struct err *e);

/* machine.c: processors and memory */
void node_advance(struct sim *s, uint32_t node);
void node_rates(struct sim *s, uint32_t node); /* after each change of what runs there; advance first */
void job_put(struct sim *s, uint32_t job, uint32_t node); /* begins to run there */
void job_remove(struct sim *s, uint32_t job); /* from its node's list */
void job_freeze(struct sim *s, uint32_t job, bool frozen);
void job_ends(struct sim *s, uint32_t job);
void on_end(struct sim *s, uint32_t node, uint32_t generation);

/* daemon.c: each node's daemon, around its policy */
int daemon_start(struct sim *s, uint32_t node);
void daemons_meet(struct sim *s); /* all know each other */
void daemon_join(struct sim *s, uint32_t node);
void daemon_gone(struct sim *s, uint32_t node, uint32_t job); /* the job ended there */
bool daemon_place(struct sim *s, uint32_t job); /* true: it has begun at home and may be on its way */
void on_second(struct sim *s, uint32_t node, uint32_t run);
void on_silent(struct sim *s, uint32_t from, uint32_t about);

/* notices.c: who holds whom for gone */
void notices_begin(struct sim *s, uint32_t node); /* it dies */
void notices_end(struct sim *s, uint32_t node); /* it is there again, or the run ends */
void notices_take(struct sim *s, uint32_t observer, const struct policy_actions *act);
uint64_t stall(struct sim *s, uint32_t node); /* by which the next second of its daemon comes later */

/* messages.c: what goes from daemon to daemon */
void gossip_to(struct sim *s, uint32_t from, uint32_t to, const struct policy_node *const *window, unsigned n,
	       bool wants_answer);
void on_gossip(struct sim *s, struct message *m);
void order_move(struct sim *s, uint32_t job, uint32_t from, uint32_t to, bool automatic, bool placement);
void on_offer(struct sim *s, struct offer *o);
void on_answer(struct sim *s, struct offer *o);
void on_came(struct sim *s, struct offer *o);
bool knows(const struct sim *s, uint32_t who, uint32_t whom);
uint32_t node_of(const struct sim *s, const char *name); /* NOBODY */
struct policy_id id_of(const struct sim *s, uint32_t job, uint32_t seen_from);
void step(struct sim *s, uint32_t node, struct policy_event *ev, struct policy_actions *act);

/* place.c: strategies, and the least loaded node */
int tree_make(struct sim *s);
void tree_update(struct sim *s, uint32_t node);
uint32_t tree_least(const struct sim *s);
void on_arrive(struct sim *s, uint32_t job);
void on_begin(struct sim *s, uint32_t job);
double bound_slowdown(const struct sim *s);

/* result.c */
void on_look(struct sim *s);
int result_make(struct sim *s, struct sim_result *ret);

#endif
