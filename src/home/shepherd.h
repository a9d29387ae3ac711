/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shepherd: looks after one process of this node that is away, or about to leave. Shared state of its files.
 *
 * DOC: Theory of Operation. The shepherd seizes the process, sends its user context to an agent (leave.c) and turns it
 * into the deputy (deputy.c): the same task, without its memory, that sleeps in pause() with its own signal mask. Calls
 * of the guest come over the link and are run by the deputy (calls.c); pages of files are read from its mappings
 * (link.c), to which those are added that the guest makes (map.c). When a signal wants to be delivered, when the guest
 * needs home, or when godwitd says so, the image comes back into the deputy (comehome.c), or goes on to another host
 * (relay.c). A program that the guest executes begins at home, without an image (exec.c). Each event of the deputy is a
 * stop that only this program sees. Must not: drop the deputy's memory before STARTED; let the deputy run with
 * registers that are not its own; keep a process whose link is lost.
 */
#ifndef GODWIT_HOME_SHEPHERD_H
#define GODWIT_HOME_SHEPHERD_H

#include <sys/epoll.h>
#include "../base/loop.h"
#include "../base/prompt.h"
#include "../image/build.h"
#include "../image/capture.h"
#include "../image/inspect.h"
#include "../image/x86_64/sigframe.h"
#include "../link/link.h"
#include "../syscalls/syscalls.h"

enum deputy_state {
	DEPUTY_NONE, /* not a deputy (yet, or any more) */
	DEPUTY_IDLE, /* sleeps in pause() */
	DEPUTY_PARKED, /* held at the end of a call, because the next may follow at once */
	DEPUTY_BUSY, /* in a call of the guest */
	DEPUTY_STOPPED, /* stopped by job control: stops.c */
	DEPUTY_HELD, /* held at a signal that has to be delivered at home */
	DEPUTY_STATE__MAX
};

struct shepherd_counts { /* per call number */
	uint64_t forwarded, brought_home;
};

/* One thread of the process. */
struct deputy {
	struct shepherd *s;
	struct tracee t;
	struct image_thread *image; /* at the last departure; owned */
	bool image_taken; /* image->regs are those of this departure */
	enum deputy_state state;
	struct user_regs_struct idle_regs;
	struct loop_watch *park_timer;
	struct prompt_saved prompt; /* while it is driven step by step */

	struct { /* the call that it is in */
		struct wire_call m; /* segments point into `segments` */
		uint64_t args[6]; /* as the deputy has them */
		uint64_t begun_ns;
		bool in_place; /* its buffers are at the guest's own addresses */
		bool resumed; /* is restart_syscall() in truth */
		bool not_entered; /* a signal was first: nothing was written */
		bool refused; /* was not begun; to be told once FREEZE is on its way, or begun at SIGCONT */
		bool signal_ignored; /* a signal came that nobody wanted */
		bool cut; /* a signal came while it was on its way here: it does not wait for anything */
		bool done; /* the kernel has answered it with `result`, which may be a restart code */
		int64_t result;
	} call;
	struct buf segments, answer;
	uint64_t scratch, scratch_size;
	uint8_t *local; /* image of the scratch memory */
	size_t local_size, image_size; /* room; what sysc_place() filled */
	struct { /* the file of /proc that its call reads, if it is one that tells of the process: view.c */
		bool asked; /* the host */
		bool moves; /* the read moves the position */
		int fd;
		uint64_t pos;
		struct view of;
	} view;
	struct { /* a call with a relative time that only we know how to continue: call_continue_time() */
		unsigned nr;
		uint64_t end_ns; /* 0: none */
	} timed;
	struct { /* what the kernel's restart block of the deputy holds: the call and its pointers */
		bool live;
		unsigned nr;
		uint64_t args[6];
		bool in_scratch;
	} restart;

	int nice_told; /* to the present host; -1: nothing */
	bool goes_on; /* SIGCONT has come, and it takes the signals that have waited */
	bool unborn; /* not on the host yet: all signals are blocked */
	uint64_t signals_given; /* handed over to its thread on the present host */
	uint64_t signals_ignored; /* that came although nobody wants them: untraced, it would not have been woken */
	uint64_t mask_before; /* the thread's own, before the handler that was begun last */
	int no_stack; /* the signal whose handler found no stack: a SIGSEGV at home; 0: none */
	bool signal_held;
	bool requeued; /* the held signal waits in the process's own queue, blocked */
	siginfo_t held;
	bool held_frame; /* its handler can begin by a frame of ours: held_signal, and then this mask */
	struct sigframe_signal held_signal;
	uint64_t held_mask;
};

/* What the process has said to do at a signal, as far as we have asked. */
struct shepherd_action {
	bool known;
	struct sigframe_action action;
};

struct shepherd_child;

/* What was made of one of its files of /proc for the guest, who has read it up to pos. Empty and not ended: none. */
struct shepherd_view {
	int fd;
	struct view of;
	uint64_t pos;
	struct buf text;
	bool ended; /* it has been read to its end, which is where the descriptor still stands */
};

/* How a process that was forked away from home is linked to its agent; random, but for the last. */
struct shepherd_birth {
	uint64_t mig, link_id;
	uint8_t psk[32];
	struct loop_watch *watch; /* for our maker's word that the host has the process */
};

struct shepherd {
	struct loop *loop;
	const char *run_dir;
	int helper; /* connection to godwitd, -1 while it is away */
	struct loop_watch *helper_watch, *link_watch;

	pid_t pid;
	uint64_t start_time;
	struct deputy **threads; /* [0] is the main thread; none while the process is at home and free */
	size_t threads_n;
	struct inspect facts;
	struct image_maps
	    maps; /* at the last departure, or when the guest last mapped a file; numbers of files hold for life */
	struct image_head head; /* at the last departure; `stopped`: as the host was told last */

	char home[65], host[65]; /* host "" = at home; else the threads are deputies */
	char address[65]; /* of the host, where its daemon listens */
	uint16_t port;
	struct link *link; /* to the present host, NULL at home */
	uint64_t heard_ns, ping_id;

	struct shepherd_child *children; /* that are being born; fork.c */
	unsigned
	    lent; /* of them, and of others: those that still have the process's memory, which stays there so long */
	bool shares; /* the process is such a child itself */
	struct shepherd_birth birth; /* of the last one; or our own */

	struct shepherd_action actions[65];

	struct shepherd_view views[16];
	unsigned views_next; /* is given up next */

	uint8_t page_buffer[256 * IMAGE_PAGE];

	bool moving;
	bool lets_signal_in; /* a call has let a signal in, or raised one, that comes before its return */
	bool want_home; /* BRING_HOME came, or a signal: as soon as the present step is done */
	unsigned home_reason, home_nr;
	struct { /* a coming home that failed is tried again: again.c */
		struct loop_watch *timer; /* NULL: nothing is waited for */
		unsigned failed;
		uint64_t since_ns; /* the first failure */
	} again;

	uint64_t mig; /* of the order under way, 0 = none */
	uint64_t frozen_ns, order_ns; /* when it began */
	uint64_t freeze_ns; /* how long the process stood still in the last move */
	uint64_t move_bytes;
	bool trace;

	uint64_t calls, brought_home, bytes_in, bytes_out, rss;
	uint64_t cpu_us, cpu_sys_us; /* used on hosts, also before this shepherd */
	unsigned last_home_reason;
	struct shepherd_counts counts[512];
	uint8_t treat; /* enum process_treat, as godwitd says; LINK_PING carries it on */
	bool status_due;
};

/* orders.c: the conversation with godwitd */
void shepherd_connect_helper(void *arg);
int shepherd_greet(struct shepherd *s, int helper) _must_check_; /* this is our connection to godwitd; owned */
int shepherd_say(struct shepherd *s, struct buf *b); /* sends and releases b */
void shepherd_say_moved(struct shepherd *s, const struct err *e, uint64_t freeze_ns);
void shepherd_say_status(struct shepherd *s);
void shepherd_say_trace(struct deputy *d, int64_t ret);
void shepherd_end(struct shepherd *s, enum helper_end how, unsigned reason, const char *fmt, ...) _printf_(4, 5)
    __attribute__((noreturn));

/* freeze.c: brings the process at home to a stop, and all its threads into the list; on failure it is to be given back
 * all the same. freeze_take() notes what the image needs of them, and leaves them as they were. */
int freeze_process(struct shepherd *s, struct err *e) _must_check_;
int freeze_take(struct shepherd *s, struct err *e) _must_check_;
void freeze_give_back(struct shepherd *s);

/* leave.c: home to host. 0, or the process goes on at home and e says why. */
int shepherd_leave_home(struct shepherd *s, const struct wire_helper_move *order, struct err *e) _must_check_;
int shepherd_open_link(struct shepherd *s, const struct wire_helper_move *order, struct link **ret,
		       struct err *e) _must_check_;
/* Waits for IMAGE_READY, sends GO on the link, and waits for STARTED; the second without the first. */
int shepherd_start_guest(struct shepherd *s, struct link *link, struct err *e) _must_check_;
int shepherd_go(struct shepherd *s, struct link *link, struct err *e) _must_check_;
void shepherd_note_host(struct shepherd *s, const struct wire_helper_move *order); /* the process is there now */
/* The next frame of a link whose other end is an agent; dead links are an error. */
int shepherd_recv(struct link *link, struct wire_header *h, const uint8_t **body, uint64_t deadline_ns,
		  struct err *e) _must_check_;

/* threads.c */
struct deputy *threads_add(struct shepherd *s, pid_t tid); /* NULL: out of memory */
struct deputy *threads_find(struct shepherd *s, pid_t tid);
void threads_remove(struct deputy *d); /* frees it */
void threads_clear(struct shepherd *s);
bool threads_signal_held(const struct shepherd *s); /* is there one that has to be given at home? */
static inline struct tracee *main_tracee(struct shepherd *s)
{
	return &s->threads[0]->t;
}
/* The deputy stands: it makes a thread, or ends, as its CALL says, and answers it. */
int thread_create(struct deputy *d) _must_check_;
int thread_exit(struct deputy *d, int64_t status) _must_check_;
/* THREAD_BORN: it is on the host; THREAD_END: it did not come to be there. */
int thread_born(struct shepherd *s, const uint8_t *body, size_t n) _must_check_;
int thread_end(struct shepherd *s, const uint8_t *body, size_t n) _must_check_;

/* fork.c */
bool fork_permitted(uint64_t flags); /* those of a CALL for a new process */
int fork_process(struct deputy *d)
    _must_check_; /* the deputy stands: makes the process, and answers, or it is home's */
int fork_end(struct shepherd *s, const uint8_t *body, size_t n) _must_check_; /* FORK_END */
int fork_released(struct shepherd *s, const uint8_t *body, size_t n) _must_check_; /* FORK_RELEASED */

/* main.c */
int shepherd_begin(struct shepherd *s) _must_check_; /* signals, in a new loop */

/* deputy.c */
int deputy_make(struct shepherd *s, struct err *e) _must_check_; /* after STARTED: drops memory, all become idle */
struct user_regs_struct deputy_asleep(const struct deputy *d); /* registers that lead into pause() */
int deputy_idle(struct deputy *d) _must_check_; /* from any stop */
/* From idle to a stop; a signal that came has been handed over, or is held. */
int deputy_stop(struct deputy *d) _must_check_;
int deputy_take_stop(struct deputy *d) _must_check_; /* the same from any stop that was not looked at */
int deputy_idle_all(struct shepherd *s) _must_check_; /* those that stand, and have no call to finish */
void deputy_on_event(struct shepherd *s); /* SIGCHLD */
void deputy_look(struct deputy *d); /* acts on the stop that t shows */
void deputy_lost(struct shepherd *s, const char *why) __attribute__((noreturn)); /* the guest is gone: SIGKILL */
void process_ended(struct shepherd *s) __attribute__((noreturn));
void deputy_lost_for(struct shepherd *s, unsigned reason, const char *why) __attribute__((noreturn)); /* not the link */
/* Ends the call under way by interrupting it; *ret is its result or its restart code. */
int deputy_settle(struct deputy *d, int64_t *ret, struct err *e) _must_check_;

/* stops.c */
/* What the deputies' stops have said of job control is told to the host, if it is news. */
int stops_tell(struct shepherd *s) _must_check_;
/* The host has the process by an image, which may be older than the last stop or SIGCONT. */
int stops_tell_again(struct shepherd *s) _must_check_;
/* From any stop: the process may be stopped by job control. 1: it is, and the deputy waits for its continuation, with
 * its own mask; 0: it is not, and the deputy stands. */
int stops_wait(struct deputy *d) _must_check_;
int stops_ended(struct deputy *d) _must_check_; /* it has waited, and stands: SIGCONT has come */

/* signals.c */
bool signals_may_hand_over(const struct deputy *d); /* the guest runs, and is to go on doing so */
/* The deputy stands before a signal that has a handler, and facts tell its masks: 0 handed over, it stands with the
 * handler's mask; 1: home's to do. */
int signals_hand_over(struct deputy *d) _must_check_;
/* The same, but home is on its way or wanted: notes in held_signal how the handler begins there. */
int signals_hold(struct deputy *d) _must_check_;
/* The thread is whole at home, and masked: the handler of the held signal begins in *regs. 1: not by a frame of ours.
 */
int signals_begin_at_home(struct deputy *d, struct user_regs_struct *regs) _must_check_;
/* The deputy stands: takes the signals that wait for it, all that can be handed over. Then it stands again. */
int signals_let_in(struct deputy *d) _must_check_;
int signals_return(struct deputy *d) _must_check_; /* its CALL is rt_sigreturn() */
int signals_failed(struct shepherd *s, const uint8_t *body, size_t n) _must_check_; /* SIGNAL_FAILED */
void signals_forget_action(struct shepherd *s, uint64_t sig);

/* traps.c */
int trap_arrives(struct shepherd *s, const uint8_t *body, size_t n) _must_check_; /* GUEST_FAULT */

/* calls.c */
/* Memory of the deputy for a question of ours, a page; what a call has left in its own is not touched. */
int call_aside(struct deputy *d, uint64_t *ret) _must_check_;
int call_begin(struct shepherd *s, const uint8_t *body, size_t n) _must_check_;
int call_place(struct deputy *d) _must_check_; /* its request lies in the deputy's memory; -ENOMEM */
/* The deputy enters the call, and its end is looked at, or comes later. */
int call_start(struct deputy *d) _must_check_;
/* 0: the deputy stands; 1: a signal was there before the call, which is to be made after it. */
int call_stand(struct deputy *d) _must_check_;
int call_conclude(struct deputy *d, int r) _must_check_; /* r: what became of its beginning */
int call_refuse(struct shepherd *s, const uint8_t *body, size_t n) _must_check_; /* to be made again elsewhere */
int call_at_last(struct deputy *d) _must_check_; /* begins the one that came while the process was stopped */
int call_give_back(struct deputy *d) _must_check_; /* answers a call that was not begun */
int call_finish(struct deputy *d, int64_t ret) _must_check_; /* sends REPLY */
int call_answer(struct deputy *d, int64_t ret) _must_check_; /* a REPLY without memory */
int call_rerun(struct deputy *d) _must_check_; /* 1: it stands again, which nobody has looked at */
int call_entered(struct deputy *d) _must_check_; /* the deputy stands at the entry of the call: on with it */
/* The call is given back to the guest once it is on its way home. 0. */
int call_take_home(struct deputy *d, unsigned reason);
/* The call that stands in *regs is to be made again at home: its time goes on. */
void call_continue_time(const struct deputy *d, struct user_regs_struct *regs);

/* map.c: the deputy stands; it maps the file that its CALL names, and answers, or the process comes home */
int deputy_map(struct deputy *d) _must_check_;

/* view.c: files of /proc that tell of the process itself */
bool view_concerns(struct deputy *d); /* its CALL is for one of them */
int view_begin(struct deputy *d) _must_check_; /* that CALL; the deputy stands */
int view_told(struct shepherd *s, const uint8_t *body, size_t n) _must_check_; /* VIEW_TELL */
/* The process at home stands still, and leaves; it is whole at home again, and masked. */
void view_leave_home(struct shepherd *s);
void view_come_home(struct shepherd *s);
/* The call has ended with ret. 1: it has opened what it may only have at home, and which is closed again. */
int view_opened(struct deputy *d, int64_t ret) _must_check_;

/* exec.c */
bool exec_under_way(const struct shepherd *s); /* by the time that it is seen, the memory may be another program's */
/* The call has ended with ret. Does not return when another program has begun, or the process is ending; 1: the call
 * is to be made at home, without a tracer; 0: it is to be answered. */
int exec_returned(struct deputy *d, int64_t ret) _must_check_;
/* The guest is lost: when it was about to execute another program, that is waited for. Returns when it is not. */
void exec_await(struct shepherd *s);

/* link.c */
void shepherd_want_home(struct shepherd *s, unsigned reason, unsigned nr); /* as soon as the present step is done */
void shepherd_watch_link(struct shepherd *s);
void shepherd_kill_guest(struct link *link); /* on the host; if that is reached, for a second */
void shepherd_pump(struct shepherd *s); /* takes what the link has, and comes home if that is wanted */
int shepherd_frame(struct shepherd *s, const struct wire_header *h, const uint8_t *body) _must_check_;
int shepherd_send(struct shepherd *s) _must_check_;
void shepherd_clocks(uint64_t *mono, uint64_t *real, uint64_t *boot);
/* FREEZE and all that comes before the image: settles the call, serves what is still on its way. */
int shepherd_freeze_guest(struct shepherd *s, struct err *e) _must_check_;
/* Frames that may come between those of an image: 1 handled, 0 not one of them. */
int shepherd_stray_frame(struct shepherd *s, const struct wire_header *h, const uint8_t *body) _must_check_;

/* comehome.c and relay.c */
void shepherd_come_home(struct shepherd *s, unsigned reason);
void shepherd_take_home(struct shepherd *s, unsigned reason); /* the rest of it, when the guest stands still already */
/* The process goes on at home, and nothing of ours is in it: tells godwitd (e: what an order under way has come to) and
 * ends. */
void shepherd_is_home(struct shepherd *s, unsigned reason, const struct err *e, uint64_t freeze_ns)
    __attribute__((noreturn));
/* The rest of an image that nobody can use has still to be taken off the link, before RESUME. */
void shepherd_drain_image(struct shepherd *s);
int shepherd_go_on(struct shepherd *s, const struct wire_helper_move *order, struct err *e) _must_check_;

/* again.c */
void shepherd_try_again(struct shepherd *s, const struct err *why); /* a coming home has failed, the guest runs again */
void shepherd_forget_again(struct shepherd *s); /* the wish is void, or granted */
/* Home is wanted, not because of an attempt that failed just now, and possible. */
static inline bool shepherd_home_now(const struct shepherd *s)
{
	return s->want_home && !s->again.timer && !s->lent && s->link;
}

#endif
