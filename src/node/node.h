/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's state, and what its parts offer each other.
 * Promise: everything runs in one thread, in the callbacks of one loop; no function here blocks.
 * Must not: be included by anything outside src/node.
 *
 * The parts: state.c (what survives), families.c (processes of this home), helpers.c (shepherds and agents),
 * launcher.c, conns.c (connections), peers.c (daemons of other nodes), join.c (tokens), moves.c (a move, seen from
 * home), offers.c (a move, seen from the host), requests.c (a host wants a guest away), exec.c (remote execution, seen
 * from where it runs), asks.c (clients that wait for another daemon), clients.c (clients
 * outside of the cluster), policy.c (events in, actions out), owner.c (whom
 * the node takes as guests), doctor.c, methods_*.c (control interface), main.c, config.c and settings.c (the
 * configuration file).
 */
#ifndef GODWIT_NODE_NODE_H
#define GODWIT_NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "link/keys.h"
#include "link/link.h"
#include "policy/policy.h"
#include "wire/reasons.h"
#include "wire/wire.h"
#include "control.h"
#include "sample.h"
#include "settings.h"
#include "usage.h"

#define NODE_NAME_MAX 64 /* bytes without the NUL, as on the wire */
#define NODE_PORT 7117
#define NODE_BEGUN_BYTES (16U << 20) /* what a program is placed by that has only begun */

struct tracked;
struct helper;
struct peer;
struct move;
struct offer;
struct launch;
struct join;
struct token;
struct client_key;
struct conn;
struct peer_ask;

/* ---- config.c ------------------------------------------------------------------------------------------- */

struct node_config {
	char state_dir[256], run_dir[256];
	char name[NODE_NAME_MAX + 1]; /* "": that of node.json, else the host's */
	char listen[NODE_NAME_MAX + 1]; /* "": all addresses */
	char advertise[NODE_NAME_MAX + 1]; /* "": that of node.json, else found out */
	char user[64];
	char record[256]; /* "": no recording */
	uint16_t port; /* 0: that of node.json, else NODE_PORT */
	uint32_t cpus_milli; /* 0: no limit */
	uint64_t memory; /* bytes, 0: no limit */
	char file[256]; /* the configuration file */
	int ready_fd;
	bool check_only, show_only, user_given, file_given;
};

enum config_result { CONFIG_RUN, CONFIG_DONE, CONFIG_WRONG };

/* Reads the command line. CONFIG_DONE: --help or --version was answered; CONFIG_WRONG: e says why. */
enum config_result config_parse(struct node_config *c, int argc, char **argv, struct err *e);
/* "1.5" -> 1500; "4G" -> bytes. -EINVAL */
int config_parse_milli(const char *text, uint32_t *ret) _must_check_;
int config_parse_bytes(const char *text, uint64_t *ret) _must_check_;
int config_parse_listen(struct node_config *c, const char *text) _must_check_; /* "ADDR", "ADDR:PORT", ":PORT" */
bool config_name_ok(const char *name); /* may it be a node's name? */
/* Reads the configuration file; all mistakes are logged, the first one is in e. -EINVAL; *ret is then as before. */
int config_read(const struct node_config *c, struct settings *ret, unsigned *ret_files, struct err *e) _must_check_;
void config_merge(struct node_config *c, const struct settings *s); /* what the command line does not say */

/* ---- room.c: the memory of guests ------------------------------------------------------------------------ */

struct room {
	char dir[512]; /* of the control group in which the agents live; "": there is none, or no guest */
	bool v2;
	int usage_fd; /* -1 without a group */
	uint64_t used, bound; /* bytes, of all guests together; see room.c */
	uint64_t rate, rate_left,
	    rate_ns; /* bytes per second that others take; what was left to them and us, and when */
	struct loop_watch *look;
	struct room_bell *bell; /* room_bell.c; NULL: none */
	uint64_t stuck_ns; /* since when guests have been seen at the limit; 0: they are not */
};

/* ---- exec.c: remote execution ---------------------------------------------------------------------------- */

struct exec_sent { /* commands that this node has sent lately, while nobody's load shows them yet */
	char name[NODE_NAME_MAX + 1];
	uint64_t since_ns;
	unsigned count;
};

struct exec_state {
	struct exec_session *sessions; /* executors here */
	struct exec_stranger *strangers;
	unsigned n_sessions, n_strangers;
	struct loop_watch *watch;
	int fd; /* exec.sock */
	struct exec_sent sent[64];
};

/* ---- the node -------------------------------------------------------------------------------------------- */

struct node {
	struct loop *loop;
	struct node_config cfg;
	struct settings settings; /* of the configuration file */
	uid_t uid; /* as whom the daemon runs */
	uint64_t started_ns; /* CLOCK_MONOTONIC */

	/* who we are; state.c */
	struct keys *keys; /* NULL: in no cluster */
	char name[NODE_NAME_MAX + 1], address[NODE_NAME_MAX + 1];
	uint16_t port;
	uint64_t incarnation;
	bool stay, blocked, expelling, leaving;
	bool closed; /* the policy was told that no guests are taken; see owner.c */
	bool owner_here;

	struct sampler sampler;
	struct room room; /* of guests; room.c */
	struct policy *policy; /* always there; in no cluster it knows this node only */
	struct recorder *recorder; /* NULL: nothing is recorded */
	struct control *control;
	struct loop_watch *second; /* timer of the next sample */

	struct tracked *tracked[256]; /* by pid; families.c */
	bool families_dirty;
	uint64_t families_saved_ns;
	struct helper *helpers;
	json_t *noted; /* [pid, start] of all helpers that were believed once */
	struct launch *launches;
	struct loop_watch *launcher_watch, *launcher_retry, *helper_watch;
	int launcher_fd, helper_fd;
	struct peer *peers;
	unsigned n_peers;
	struct conn *conns; /* conns.c: connections that are open or being opened */
	unsigned n_half_open;
	struct loop_watch *listen_watch;
	int listen_fd;
	struct token *tokens;
	struct join *joining; /* our own attempt, NULL: none */
	struct move *moves;
	struct offer *offers;
	struct request *leaver; /* waits for Leave */
	uint64_t leave_until_ns, farewell_until_ns; /* farewell: 0 until the others have been told */
	struct peer_ask *asks; /* clients that wait for what another node says; asks.c */
	struct exec_state exec;
	struct client_key *clients; /* clients.c */
	uint32_t speed; /* POLICY_SPEED_STANDARD: the standard machine; as measured, see speed.c */
	char cpu_model[96]; /* for which that holds */

	uint64_t n_moves, n_failed_moves;
	struct buf frame; /* the message that is just being sent; see NODE_FRAME */
};

/* Encodes struct wire_<name> *m into the node's scratch buffer; gives that, or NULL when m does not fit its bounds. */
#define NODE_FRAME(n, name, m) (buf_clear(&(n)->frame), wire_##name##_encode(m, &(n)->frame) < 0 ? NULL : &(n)->frame)

/* ---- state.c: what survives a restart -------------------------------------------------------------------- */

int state_load(struct node *n, struct err *e) _must_check_; /* keys, node.json, peers.json */
int state_save(const struct node *n, struct err *e) _must_check_; /* node.json */
void state_save_peers(const struct node *n); /* failures are logged; the file is a convenience */
void state_load_peers(struct node *n); /* after policy_new() */
/* The address that others reach us at, as far as this machine can tell. */
void state_guess_address(char *buf, size_t cap);

/* ---- families.c: processes of this home ------------------------------------------------------------------ */

/* A process at home that Godwit cares for: of a family, or touched by hand. Lives until the process has gone. */
struct tracked {
	struct tracked *next;
	pid_t pid;
	uint64_t start_time;
	pid_t family; /* pid of the root; 0: moved by hand only */
	uid_t ruid, suid;
	char comm[16];
	enum process_treat treat;
	char host[NODE_NAME_MAX + 1]; /* where it computes; "": at home */
	struct helper *shepherd; /* NULL: none */
	struct move *move; /* NULL: none under way */
	uint64_t arrived_ns; /* at its present place */
	unsigned moves;
	/* automatic moves that fail wait longer and longer */
	unsigned failures;
	uint64_t not_before_ns;
	unsigned confined; /* reason that a shepherd gave, 0: none known */
	unsigned last_home_reason;
	struct usage usage; /* lately; since the last exec that was seen */
	uint64_t away_cpu_us, away_cpu_sys_us; /* CPU time used on hosts, as the shepherds said */
	/* placement of a new family's root, once the command has been executed */
	char wish[NODE_NAME_MAX + 1]; /* node or "best"; "": none */
	char wish_comm[16]; /* its name before execve */
	unsigned wish_tries;
	struct loop_watch *wish_timer;
	struct node *node;
};

struct tracked *tracked_find(const struct node *n, pid_t pid);
/* The process's record; made when there is none. NULL with e: no such process, or no memory. */
struct tracked *tracked_get(struct node *n, pid_t pid, struct err *e);
/* Calls fn for each; fn may free the one that it is given. */
void tracked_each(struct node *n, void (*fn)(struct node *n, struct tracked *t, void *arg), void *arg);
void families_step(struct node *n); /* after each sample: descendants, ended processes, events for the policy */
int families_register(struct node *n, pid_t pid, enum process_treat treat, const char *wish,
		      struct err *e) _must_check_;
const char *treat_word(enum process_treat treat);
int treat_find(const char *word, enum process_treat *ret) _must_check_; /* -ENOENT */
/* How its host is to treat it: one that moves by hand only is left alone. */
enum process_treat tracked_treat(const struct tracked *t);
void families_load(struct node *n); /* after a restart */
void families_save(struct node *n); /* when dirty */
void families_free(struct node *n);
const char *tracked_place(const struct node *n, const struct tracked *t); /* node name where it computes */

/* ---- launcher.c ----------------------------------------------------------------------------------------- */

/* pid: of the helper, 0 when e is set. Called exactly once, also when the launcher is lost. */
typedef void (*launch_fn)(struct node *n, void *arg, pid_t pid, const struct err *e);

void launcher_connect(struct node *n); /* retries by itself for ever */
void launcher_close(struct node *n);
bool launcher_there(const struct node *n);
struct launch *launch_shepherd(struct node *n, pid_t pid, launch_fn fn, void *arg, struct err *e);
struct launch *launch_agent(struct node *n, uint64_t mig, uint64_t bytes, launch_fn fn, void *arg, struct err *e);
struct launch *launch_executor(struct node *n, uint64_t session, const char *user, uid_t uid, launch_fn fn, void *arg,
			       struct err *e);
void launch_forget(struct launch *l); /* its function will not be called; the helper, if one comes, is ended */
void launch_kill(struct node *n, pid_t pid);

/* ---- helpers.c: shepherds and agents --------------------------------------------------------------------- */

struct helper_count {
	uint16_t nr;
	uint64_t forwarded, brought_home;
};

struct helper {
	struct helper *next;
	struct node *node;
	struct loop_watch *watch, *deadline;
	int fd;
	pid_t os_pid;
	bool greeted;
	enum helper_kind kind;
	unsigned state; /* enum helper_state */
	int64_t pid; /* at home */
	uint64_t start_time;
	char home[NODE_NAME_MAX + 1], host[NODE_NAME_MAX + 1];
	char comm[16], user[65]; /* of a guest, from its offer */
	uint64_t mig, link_id;
	uint64_t arrived_ns;
	/* figures */
	uint64_t cpu_us, rss, calls, brought_home, bytes_in, bytes_out;
	uint32_t cpu_milli, calls_per_s;
	uint32_t demand_milli; /* a guest's, over the last sample: also the time that it waited for a CPU */
	uint64_t figures_ns, figures_cpu_us, figures_calls;
	struct helper_count *counts;
	size_t n_counts;
	struct trace *traces; /* clients that look on */
	pid_t guest; /* of an agent that was forked: the guest, which is not its child; else 0 */
	bool forked; /* it waits for a link that no offer knows of */
	bool reset; /* one ECONNRESET has been passed over */
	bool stopped; /* by job control */
	bool let_go; /* a shepherd's: it has said that its process is at home and free */
	uint8_t treat; /* enum process_treat: a guest's; of a shepherd what it was told, TREAT__MAX before that */
	bool evicting; /* its home was asked to take it away */
	char evict_to[NODE_NAME_MAX + 1];
	uint64_t evict_ns;
	uint64_t relieve_ns; /* it was sent home for want of memory; 0: never */
};

int helpers_open(struct node *n, struct err *e) _must_check_;
void helpers_close(struct node *n);
struct helper *helper_find_agent(const struct node *n, const char *home, int64_t pid);
struct helper *helper_find_guest(const struct node *n, pid_t pid, pid_t ppid); /* the agent of this process */
struct helper *helper_find_forked(const struct node *n, uint64_t link_id); /* whose link this is */
struct helper *helper_find_mig(const struct node *n, enum helper_kind kind, uint64_t mig);
struct helper *helper_find_pid(const struct node *n, enum helper_kind kind, pid_t os_pid);
/* Sends one frame (NULL: -EMSGSIZE), with fd when >= 0, which stays the caller's. -errno; the helper is then lost,
 * which its connection will tell. */
int helper_send(struct helper *h, const struct buf *frame, int fd) _must_check_;
unsigned helpers_guests(const struct node *n); /* guests that run here */
/* From now on req is answered with each forwarded call. An error leaves req to the caller. */
int helper_trace(struct helper *h, struct request *req, struct err *e) _must_check_;

/* ---- peers.c: daemons of other nodes --------------------------------------------------------------------- */

enum peer_trouble { PEER_FINE, PEER_UNREACHABLE, PEER_VERSION, PEER_KEY, PEER_TROUBLE__MAX };

struct peer {
	struct peer *next;
	struct node *node;
	char name[NODE_NAME_MAX + 1], address[NODE_NAME_MAX + 1];
	uint16_t port;
	struct conn *out, *in; /* NULL: none; `out` is the one that we opened */
	enum peer_trouble trouble;
	char sentence[ERR_TEXT_MAX];
	unsigned failures;
	uint64_t not_before_ns; /* no attempt before */
	uint64_t heard_ns; /* last message */
	uint64_t ping_ns, pong_ns; /* last of each, CLOCK_MONOTONIC */
	uint64_t ping_id;
	uint64_t rtt_ns; /* of the last ping, 0: none yet */
	int64_t skew_ns; /* its CLOCK_REALTIME less ours */
	char version[POLICY_VERSION_MAX + 1];
	struct buf waiting; /* frames for the connection that is being opened */
	bool left; /* it said goodbye */
};

int peers_listen(struct node *n, struct err *e) _must_check_;
void peers_close(struct node *n);
void peers_step(struct node *n); /* once a second: pings, dead connections, forgotten nodes */
struct peer *peer_find(const struct node *n, const char *name);
struct peer *peer_get(struct node *n, const char *name, const char *address, uint16_t port); /* NULL: no memory */
/* Sends one frame (NULL: -EMSGSIZE) now, or as soon as a connection is there. A connection that fails takes its
 * messages with it and is reported, later and from the loop, to moves_peer_lost() and offers_peer_lost(). -errno with e
 * when it is hopeless at once. */
int peer_send(struct peer *p, const struct buf *frame, struct err *e) _must_check_;
bool peer_connected(const struct peer *p);
void peer_ping(struct peer *p); /* connects if need be, whatever the backoff says */
const char *peer_trouble_word(enum peer_trouble t);
void peer_drop(struct peer *p); /* forgets it and closes its connections */

/* ---- join.c --------------------------------------------------------------------------------------------- */

int token_make(struct node *n, char *buf, size_t cap, int64_t *ret_expires, struct err *e) _must_check_;
/* Starts joining; req is answered. name, address "" and port 0: as configured. */
void join_start(struct node *n, struct request *req, const char *token, const char *name, const char *address,
		uint16_t port);
void tokens_free(struct node *n);
void join_free(struct node *n);
/* Takes the node into the state "member": opens the port, makes the policy anew. */
int node_enter(struct node *n, struct err *e) _must_check_;
void node_exit(struct node *n); /* the reverse */

/* ---- moves.c: seen from home ------------------------------------------------------------------------------ */

struct move_result {
	struct err err; /* code 0: done */
	bool target_fault;
	char where[NODE_NAME_MAX + 1]; /* node's name */
	uint64_t freeze_us, total_us, bytes;
	json_t *refusals; /* dry run: an array as json_refusal() makes them, else NULL; borrowed */
};

enum move_cause {
	MOVE_BY_HAND,
	MOVE_WISHED, /* the first move of a new family, to the node that its user has named */
	MOVE_PLACED, /* the same, to the node that the policy has found; refused where others have come meanwhile */
	MOVE_BALANCE, /* by the policy, for the sake of speed: refused where it would not pay */
	MOVE_MUST, /* by the policy, for want of memory or because a node is to be emptied */
};

typedef void (*move_fn)(struct node *n, void *arg, const struct move_result *r);

/*
 * Moves the process to the node `to` ("" or this node's name: home). fn is called exactly once, perhaps before this
 * returns, perhaps never for a node that is freed. NULL with e when it is refused at once; fn is then not called.
 */
struct move *move_start(struct node *n, struct tracked *t, const char *to, bool dry_run, enum move_cause cause,
			move_fn fn, void *arg, struct err *e);
void move_forget(struct move *m); /* fn will not be called; the move itself goes on */
void moves_free(struct node *n);
/* What others hear of. */
void moves_place(struct tracked *t, struct wire_bytes host); /* "" or this node: home */
void moves_helper_hello(struct helper *h);
void moves_helper_moved(struct helper *h, const struct wire_helper_moved *m);
void moves_helper_lost(struct helper *h);
void moves_accept(struct node *n, struct peer *p, const struct wire_peer_accept *m);
void moves_refuse(struct node *n, struct peer *p, const struct wire_peer_refuse *m);
void moves_peer_lost(struct node *n, struct peer *p, const struct err *e);
void moves_process_gone(struct tracked *t);
const char *move_state_name(unsigned state);

/* ---- requests.c: a host asks its guest's home to take it away ----------------------------------------------- */

void request_home(struct node *n, struct helper *agent, const char *to, unsigned reason); /* host: take it to `to` */
void request_came(struct node *n, struct peer *p, const struct wire_peer_move_request *m); /* home */
void request_answered(struct node *n, struct peer *p, const struct wire_peer_move_result *m); /* host */
void request_done(struct node *n, struct helper *agent, bool ok, unsigned reason); /* host: the policy hears of it */

/* ---- offers.c: seen from the host ------------------------------------------------------------------------- */

void offers_offer(struct node *n, struct peer *p, const struct wire_peer_offer *m);
void offers_cancel(struct node *n, struct peer *p, const struct wire_peer_cancel *m);
void offers_helper_hello(struct helper *h);
void offers_helper_prepared(struct helper *h, const struct wire_helper_prepared *m);
void offers_helper_status(struct helper *h);
void offers_helper_lost(struct helper *h);
void offers_link(struct node *n, int fd, uint64_t link_id); /* takes fd over */
void offers_peer_lost(struct node *n, struct peer *p);
void offers_free(struct node *n);
unsigned offers_count(const struct node *n);

/* ---- room.c ---------------------------------------------------------------------------------------------- */

void room_agent(struct helper *h); /* an agent has greeted: where does it live? */
void room_second(struct node *n); /* after each sample */
bool room_relieves(const struct helper *h); /* was it told to go a moment ago? */
uint64_t room_bound(const struct node *n); /* what guests may use together now; 0: not known */
/* What must be free beyond the policy's reserve for a guest of so many bytes, lest it is sent home as soon as it comes.
 */
uint64_t room_needed(const struct node *n, uint64_t bytes);
void room_close(struct node *n);
/* room_bell.c: has fn called when guests use so many bytes together, and when one waits at the limit. */
void room_bell_set(struct node *n, uint64_t used, void (*fn)(struct node *n));
void room_bell_close(struct node *n);
bool room_stuck(const struct node *n); /* does one wait at the limit? */

/* ---- owner.c: what the administrator has decided about guests ---------------------------------------------- */

/* Why this node takes no guests at all now; NULL: it does. */
const char *owner_closed(const struct node *n);
void owner_tell(struct node *n); /* the policy, when that has changed */
void owner_second(struct node *n); /* is the owner there? */
/* Does it take this one's processes? 0, or -EBUSY with e. */
int owner_admits(const struct node *n, const char *home, const char *user, struct err *e) _must_check_;
bool owner_keeps(const struct node *n, const char *comm); /* are programs of this name not moved by the policy? */
/* Reads the configuration file again, and has everybody use it. -EINVAL with e: it has a mistake, nothing is changed.
 */
int owner_reload(struct node *n, struct err *e) _must_check_;

/* ---- record.c ------------------------------------------------------------------------------------------- */

int record_open(struct node *n, struct err *e) _must_check_; /* where --record says; while it is still root */
void record_close(struct node *n);
void record_start(struct node *n, const struct policy_limits *limits, const struct policy_config *config,
		  uint64_t now_ns);
void record_step(struct node *n, const struct policy_event *ev, int result, const struct policy_actions *act);

/* ---- policy.c ------------------------------------------------------------------------------------------- */

int policy_open(struct node *n, struct err *e) _must_check_;
/* Steps the policy and carries out the actions; an admission and a placement are also given back. */
struct policy_verdict {
	bool accept;
	unsigned why; /* enum policy_why */
	int64_t value, threshold;
	char to[NODE_NAME_MAX + 1];
};
int policy_event(struct node *n, struct policy_event *ev, struct policy_verdict *ret);
/* The freshest entries, as policy_window() gives them. */
unsigned policy_freshest(struct node *n, const struct policy_node **window, unsigned max);
void policy_second(struct node *n, uint64_t dt_ns); /* SAMPLE, PROCESS..., TICK */
void policy_reconfigure(struct node *n);
/* from: whose connection it came on, NULL if none; what a node says of itself is believed before what others say. */
void policy_entry(struct node *n, const struct wire_node_entry *e, const char *from);
void policy_to_wire(const struct policy_node *from, struct wire_node_entry *to);
unsigned policy_reason_number(unsigned why); /* number of reasons.def for an enum policy_why */
void policy_process_id(const struct node *n, const struct tracked *t, struct policy_id *ret);
/* Sentence of a reason, with its figures when it has some. */
void policy_why_text(unsigned why, int64_t value, int64_t threshold, char *buf, size_t cap);

/* ---- asks.c: what a client of this node wants to know of another daemon ------------------------------------ */

struct peer *asks_peer(struct request *req, const char *name); /* NULL: no such node; req was answered */
/* Sends the frame (NULL: -EMSGSIZE); req is answered later by who calls asks_answered() with the same id, or within ns
 * with "PEER late"; late is a constant. */
void asks_send(struct request *req, struct peer *p, const struct buf *frame, uint64_t id, uint64_t ns,
	       const char *late);
struct request *asks_answered(struct node *n, const struct peer *p, uint64_t id); /* NULL: nobody waits any more */
void asks_peer_lost(struct node *n, const struct peer *p, const struct err *e);
void asks_free(struct node *n);

/* ---- exec.c ---------------------------------------------------------------------------------------------- */

int exec_open_socket(struct node *n, struct err *e) _must_check_; /* exec.sock, while it may be made */
void exec_open(struct node *n, struct peer *p, const struct wire_peer_exec_open *m); /* there */
void exec_ready(struct node *n, struct peer *p, const struct wire_peer_exec_ready *m); /* here */
/* Is it an executor's link? Then fd is taken over. */
bool exec_link(struct node *n, int fd, uint64_t link_id);
void exec_close(struct node *n); /* the executors here take no more commands; those that run go on */
/* For a client outside of the cluster: answered by client_ready() with the same id. */
void exec_open_client(struct node *n, uint64_t client, const char *user, uid_t uid, uint64_t id);
void exec_end_client(struct node *n, uint64_t client); /* ends its commands */
void exec_free(struct node *n);

/* ---- clients.c: clients outside of the cluster ------------------------------------------------------------- */

void clients_load(struct node *n); /* a damaged file lets nobody in */
void clients_free(struct node *n);
void clients_forget(struct node *n); /* the file, too */
/* What exec_open_client() has come to; e->code 0: link_id and psk are valid. */
void client_ready(struct node *n, uint64_t id, const struct err *e, uint64_t link_id, const uint8_t psk[LINK_PSK_SIZE]);

/* ---- the rest ------------------------------------------------------------------------------------------- */

void doctor_start(struct request *req);
extern const struct control_method node_methods[];
void leave_check(struct node *n); /* goes on with Leave when nothing is away or here any more */
/* NodeSet between daemons: an order of another node, and its answer. */
void nodeset_order(struct node *n, struct peer *p, const struct wire_peer_node_set *w);
void nodeset_result(struct node *n, struct peer *p, const struct wire_peer_node_set_result *w);

/* How fast one CPU of this machine is; takes less than 0.1 s. Also says of which model it is ("" when not known). */
uint32_t speed_measure(void);
void speed_cpu_model(char *buf, size_t cap);
uint32_t speed_of(uint64_t iterations, uint64_t ns); /* the figure for so much work in so much CPU time, rounded */

#define CPU_FEATURES_MAX 64
/* What programs on this machine may use of its CPU, for comparison with another node's. Bytes written. */
size_t cpu_features(uint8_t *buf, size_t cap);
/* Does a machine with `have` offer all that one with `need` does? An empty `need` is content with everything. */
bool cpu_features_cover(const uint8_t *have, size_t n_have, const uint8_t *need, size_t n_need);

void random_bytes(void *p, size_t n); /* getrandom(2); never fails on a booted machine */
uint64_t random_id(void); /* not 0 */

#endif
