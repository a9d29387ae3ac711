/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent: looks after one guest on a host. Shared state of its files.
 *
 * DOC: Theory of Operation. godwitd orders the agent to prepare; prepare.c makes the guest's namespaces and a child
 * that will become the guest. The link arrives as a file descriptor; the image that comes through it is put into the
 * child (src/image/build), start.c fences it with the seccomp filter and, at GO, lets it run. From then on one loop
 * serves system calls (calls.c, map.c), page faults (faults.c), the link (link.c) and stops of the guest (leave.c). All
 * that an agent can do besides is to freeze the guest and give its image; who takes it is not its business. Must not:
 * touch memory of the guest that it may have to supply itself (memory.c makes it present first), nor let the guest run
 * when the link is gone.
 */
#ifndef GODWIT_GUEST_AGENT_H
#define GODWIT_GUEST_AGENT_H

#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <time.h>
#include "../base/loop.h"
#include "../image/build.h"
#include "../image/x86_64/sigframe.h"
#include "../link/link.h"
#include "../syscalls/syscalls.h"
#include "family.h"

enum agent_state {
	AGENT_IDLE, /* no order yet */
	AGENT_PREPARED,
	AGENT_RECEIVING,
	AGENT_READY, /* built, not running */
	AGENT_RUNNING,
	AGENT_FROZEN, /* its image was sent; KILL or RESUME follows */
	AGENT_STATE__MAX
};

struct agent_call {
	bool active; /* a notification is unanswered and the deputy has the call */
	uint64_t id; /* of the notification */
	uint64_t seq;
	unsigned nr;
	uint64_t args[6];
	bool replaces; /* mmap: what lies there goes */
	uint32_t file; /* mmap: home's number for it; 0: not told yet */
};

/* A signal whose handler is to begin as soon as the thread stands. */
struct guest_signal {
	struct guest_signal *next;
	struct sigframe_signal signal;
};

/* An instruction of a thread has failed; traps.c. */
struct guest_trap {
	bool asked; /* home, whether a handler runs; the thread stands at the instruction until it is told */
	bool handled; /* what begins now is its handler */
	siginfo_t info;
	struct sigframe_trap values; /* of the last one here: as in the kernel, frames of all signals have them */
};

/* A wait that the kernel here makes with a point in time of ours; until.c. */
struct guest_until {
	bool active;
	struct user_regs_struct regs; /* as the guest made the call */
	clockid_t clock; /* the guest's */
	int64_t at; /* by that clock */
	int64_t ahead; /* of that clock against the one that it is made by, when it began */
	unsigned point; /* in the page of the clocks */
};

/* One thread of the guest. */
struct guest_thread {
	struct agent *a;
	struct tracee t;
	struct image_thread *image; /* tid: at home, and in the guest's pid namespace; owned by the agent's list */
	struct agent_call call;
	int nice; /* as home says */
	uint64_t makes_tid_address; /* set_tid_address(2) of the thread that it makes */
	int64_t birth_due; /* home has made this thread or process; it waits for its turn to do so here */
	pid_t makes; /* it is about to make this thread, which home has already; 0 = none */
	struct image_cpu cpu_seen; /* of its CPU time here, what image->used has already */
	struct guest_fork fork; /* the process that it is about to make */
	pid_t held_for; /* the child of its own that has our memory: it stands until then; 0: none */
	int lifeline; /* of that child's agent */
	struct loop_watch *lifeline_watch;
	bool waits; /* when it last called, that was to wait until a point in time, which it does by itself */
	struct guest_until until;
	bool leaves; /* home's thread has ended, this one is about to */
	struct guest_signal *signals; /* in the order in which they came; owned */
	uint64_t signals_seen;
	struct sigframe_context *returns; /* what rt_sigreturn() brings back; owned. NULL: does not return */
	bool returned; /* home has taken its mask: the thread may go on from there */
	bool beginning; /* signals_begin() is at work */
	bool stackless; /* a handler could not begin: home decides */
	struct guest_trap trap;
	int64_t settled; /* restart code of the call that the freeze cut off; 0 = none */
	struct { /* the call that it makes again because a move interrupted it */
		bool armed; /* home's */
		bool native; /* this host's kernel's: nobody tells us when it has been made */
		uint64_t args[3];
		int64_t code;
		unsigned nr;
		uint64_t ip;
	} reissue;
};

/* The same moment by the counter of this processor and by this host's monotonic clock. */
struct agent_moment {
	uint64_t tick;
	uint64_t ns, width; /* uncertain by width */
};

/* The home's clocks: home = at tick + (tick now - tick) * mult. Each sample is late by the way here, so the greatest is
 * the best and none is ever ahead of home: time never steps back when the process returns. */
struct agent_clock {
	bool known;
	bool counter; /* ticks are the counter's, which the guest reads by itself; else ns of our own monotonic clock */
	const char *why_not; /* the guest asks us: why; NULL when it need not */
	struct agent_moment first, last; /* of this host */
	uint64_t tick, mult;
	int64_t real, mono, boot; /* home's clocks at tick */
	struct vdso_clock *page; /* shared with the guest; never read */
	uint64_t seq;
};

/* The guest's time namespace: its CLOCK_MONOTONIC is the host's and an offset, so that home's points in time are right
 * for the calls that this host's kernel makes: waits.c. */
struct agent_waits {
	bool usable;
	int64_t ahead_ns; /* what the namespace's clock is ahead of the host's */
};

struct agent {
	struct loop *loop;
	const char *run_dir;
	enum agent_state state;

	int helper; /* connection to godwitd, -1 while it is away */
	struct loop_watch *helper_watch;
	uint64_t mig, link_id;
	char home[65], host[65];
	uint8_t psk[64];
	size_t psk_len;
	pid_t home_pid;

	pid_t init; /* pid 1 of the guest's pid namespace */
	int last_pid; /* socket to init, which tells the kernel the next thread's id */
	struct guest_thread **threads; /* [0] is the main thread */
	size_t threads_n;
	int memfd, uffd, notify, pagemap;
	uint64_t memfd_dev, memfd_ino;
	bool track;

	struct link *link;
	struct loop_watch *link_watch;
	uint64_t link_heard_ns;
	uint8_t
	    *batch; /* for taking the guest apart; had before, as a host that sends it home may have no memory left */
	uint8_t treat; /* enum process_treat, as LINK_PING says; godwitd here is told */
	struct builder b; /* its target: what comes from files, or did before the guest covered it */

	struct cpu_layout home_cpu; /* the layout of frames */
	struct sysc_range kept; /* the vdso's copy and what stands in vvar's place: changed at home only */

	struct agent_family family;
	struct guest_thread *birth; /* the one that is about to make a thread; NULL: none */

	uint64_t seq;
	bool freeze_wanted; /* home waits for the image */
	bool home_asked; /* BRING_HOME was sent */
	struct agent_clock clock;
	struct agent_waits waits;
	struct image_cpu cpu_seen; /* of the guest's CPU time here, what b.head.used has already */
	uint64_t fetched; /* address of the last answer */
	uint64_t fault_window; /* pages to ask for at a fault */
	uint64_t next_fault; /* address after the last answered request */
	struct buf segments; /* reused */
	bool fetching; /* a page is waited for in the midst of a call: answers to others have to wait */
	struct buf deferred; /* such REPLYs, frame after frame */
	uint8_t *scratch; /* for page installation */
};

/* prepare.c: makes namespaces, memfd, userfaultfd and the child; needs privilege, which is dropped at its end. */
int agent_prepare(struct agent *a, struct err *e) _must_check_;

/* threads.c */
struct guest_thread *thread_add(struct agent *a, pid_t tid, pid_t pid); /* pid: as we see it. NULL: out of memory */
struct guest_thread *thread_find(struct agent *a, pid_t pid);
struct guest_thread *thread_of_tid(struct agent *a, int64_t tid); /* as home knows it */
void thread_remove(struct guest_thread *g); /* frees it */
static inline struct tracee *main_tracee(struct agent *a)
{
	return &a->threads[0]->t;
}
/* The calls that make or end a thread. 1: was one of them. */
int thread_call(struct guest_thread *g, const struct seccomp_notif *req) _must_check_;
/* Lets the next one that waits for its turn make its thread or its process. */
int threads_next_birth(struct agent *a) _must_check_;
/* Home has made the thread, or ended it: now the guest does the same. */
int thread_made(struct guest_thread *g, int64_t tid) _must_check_;
int thread_ended_at_home(struct guest_thread *g) _must_check_;
/* The guest's thread has made another, and stands. */
int thread_born(struct guest_thread *g) _must_check_;
/* It stands without having made the thread that it was to make: home's is not needed. */
int thread_not_made(struct guest_thread *g) _must_check_;
/* The next task of the guest's pid namespace will have this id. */
int thread_next_id(struct agent *a, pid_t tid) _must_check_;
/* Builds the other threads of an image out of the main one. */
int threads_build(struct agent *a, struct err *e) _must_check_;

/* signals.c */
int signal_arrives(struct agent *a, const uint8_t *body, size_t n) _must_check_; /* SIGNAL */
/* rt_sigreturn(). 1: is on its way to home; 0: is home's to do. */
int signal_return(struct guest_thread *g, const struct seccomp_notif *req) _must_check_;
int signal_returned(struct guest_thread *g) _must_check_; /* home has taken the mask */
/* The thread stands: if handlers are to begin, or one returns, its registers say so afterwards. */
int signals_begin(struct guest_thread *g) _must_check_;
static inline bool signals_wait(const struct guest_thread *g)
{
	return g->signals || g->returned;
}
void signals_release(struct guest_signal **list);

/* traps.c */
int trap_prepare(struct agent *a, struct err *e) _must_check_; /* before the filter is installed */
/* The thread stands before a signal of the kernel here. 1: home is asked, and it goes on standing; 0: the instruction
 * is to be made again at home. */
int trap_ask(struct guest_thread *g) _must_check_;
int trap_ask_again(struct guest_thread *g) _must_check_; /* home may have passed over the first time */
bool trap_is(const struct guest_thread *g, const struct guest_signal *s); /* has home sent that for it? */

/* start.c */
/* The place where calls can be made that the filter lets pass; 0: there is none. The guest cannot change it. */
static inline uint64_t agent_own_call(const struct agent *a)
{
	return vdso_stub_call(&a->b.copy);
}
int agent_built(struct agent *a, struct err *e) _must_check_; /* after IMAGE_END: fence the guest */
int agent_serve(struct agent *a) _must_check_; /* listens to the guest's calls */
int agent_serve_faults(struct agent *a) _must_check_; /* and to its faults: what they ask for comes by the link */
int agent_run(struct agent *a) _must_check_; /* lets all threads go from their images' raw registers */

/* calls.c */
void agent_on_notify(void *arg, int fd, uint32_t events);
void agent_take_call(struct agent *a, const struct seccomp_notif *req); /* of a thread of ours */
/* Out of the call that the notification is about, to a stop. */
int agent_take_out(struct guest_thread *g, uint64_t id) _must_check_;
/* The restart code of a wait that the kernel here was about to begin; 0: another call, which is simply made again. */
int64_t agent_code_of_wait(const struct seccomp_notif *req);
int agent_reply(struct agent *a, const uint8_t *body, size_t n) _must_check_; /* REPLY */
/* g: the thread that cannot go on here, NULL: none in particular. */
int agent_bring_home(struct agent *a, struct guest_thread *g, unsigned reason, unsigned nr,
		     const char *sentence) _must_check_;
int agent_answer(struct agent *a, uint64_t id, int64_t ret, uint32_t flags) _must_check_;
int agent_forward(struct guest_thread *g, const struct seccomp_notif *req) _must_check_;
/* The stack pointer of a thread that waits in a call; 0: not known. */
uint64_t agent_stack_pointer(const struct guest_thread *g);
int agent_take_back(struct guest_thread *g, uint64_t id) _must_check_; /* the call is made again elsewhere */

/* clock.c: needs the memfd; without success the guest asks us for the time */
void agent_clock_init(struct agent *a);
void agent_clock_sample(struct agent *a, uint64_t mono, uint64_t real, uint64_t boot);
/* What home has done at that time of its own takes effect here: a sleep has ended, a file has been written. */
void agent_clock_heard(struct agent *a, uint64_t mono);
/* Answers clock_gettime or gettimeofday; -ENOSYS when the clock is not ours to answer. */
int agent_clock_call(struct agent *a, unsigned nr, const uint64_t args[6], int64_t *ret) _must_check_;

/* Home's clock of this kind as the guest can read it now; -1: not known, or not ours. */
int64_t agent_clock_now(const struct agent *a, clockid_t id);

/* waits.c */
int agent_waits_prepare(struct agent *a) _must_check_; /* before the guest is made: children go there, we do not */
/* Is the call a wait until a point in time that this host's kernel may make as it is? */
bool agent_waits_native(struct guest_thread *g, unsigned nr, const uint64_t args[6]);
int64_t agent_waits_now(const struct agent *a); /* CLOCK_MONOTONIC of the guest's namespace */
void agent_waits_look(struct agent *a); /* each second: is what was said still true? */

/* until.c */
clockid_t until_clock(unsigned nr, const uint64_t args[6]); /* of a wait until a point in time; -1: is none */
/* Has this host's kernel make the wait, with a point in time of ours. 1: it does; 0: it is home's to do. */
int until_begin(struct guest_thread *g, const struct seccomp_notif *req) _must_check_;
int until_stopped(struct guest_thread *g) _must_check_; /* to be called first, whenever a thread has stopped */
bool until_astray(const struct guest_thread *g); /* does it wait by a clock that has been set since? */

/* cpu.c */
void agent_cpu_begin(struct agent *a); /* the guest is about to run */
uint64_t agent_cpu_us(struct agent *a); /* used on hosts so far */
void agent_cpu_note(struct agent *a); /* brings the image's figures to now; the guest stands */
struct image_cpu agent_cpu_used(struct agent *a, struct guest_thread *g); /* NULL: by all its threads */
/* Adds it to home's answer to the thread's call, in the guest's memory. 0 or -EFAULT. */
int agent_cpu_add(struct guest_thread *g) _must_check_;

/* memory.c: guest memory, made present first */
int agent_mem_read(void *ctx, uint64_t addr, void *p, size_t n);
int agent_mem_write(void *ctx, uint64_t addr, const void *p, size_t n);
/* For so long a page is waited for that the host has not at the moment. */
#define AGENT_SHORT_NS (4 * NSEC_PER_SEC)
#define AGENT_SHORT_LOOK_MS 5
bool agent_in_file_range(const struct agent *a, uint64_t addr, uint64_t len);

/* map.c: mmap of a file */
/* 1: home was asked; 0: the guest has to make the call at home. */
int agent_map_begin(struct guest_thread *g, const struct seccomp_notif *req) _must_check_;
int agent_mapped(struct agent *a, const uint8_t *body, size_t n) _must_check_; /* MAPPED */
/* Home has answered: the address, or why not. g may be gone afterwards. */
int agent_map_end(struct guest_thread *g, int64_t ret) _must_check_;
/* Is a file about to come to lie there? Its pages are not to be asked for yet. */
bool agent_map_pending(const struct agent *a, uint64_t addr);

/* view.c: its own files of /proc */
int agent_view(struct agent *a, const uint8_t *body, size_t n) _must_check_; /* VIEW_ASK */

/* faults.c */
void agent_on_fault(void *arg, int fd, uint32_t events);
/* Every fault that still waits is made again: another agent may have taken it, and ended. */
void agent_fault_again(struct agent *a);
int agent_request_pages(struct agent *a, uint64_t addr) _must_check_;
int agent_page_reply(struct agent *a, const uint8_t *body, size_t n) _must_check_;

/* leave.c */
void agent_freeze(struct agent *a); /* FREEZE */
void agent_on_stop(struct agent *a); /* a thread of the guest changed state */
void agent_stands(struct guest_thread *g); /* what a thread does that stands and has nothing to begin */
void agent_thread_stopped(struct guest_thread *g); /* this one did, as its tracee says; g may be gone afterwards */
/* The guest's mappings now, with files' ranges as such. */
int agent_read_maps(struct agent *a, struct image_maps *m, bool with_flags, struct err *e) _must_check_;
int agent_resume(struct agent *a) _must_check_; /* RESUME */
/* The code of a call that a kernel was in itself, for another kernel: what the first one's restart block knows is lost,
 * but a handler that runs before the call is made again ends it all the same. */
int64_t agent_native_code(int64_t code);
/* What a signal that comes now would interrupt, as home would see it: outside of what is ours, *code the restart code
 * of the call that it is in, 0: none. */
int agent_interrupted(struct guest_thread *g, struct user_regs_struct *ret, int64_t *code) _must_check_;

/* stops.c */
int agent_halt(struct agent *a, const uint8_t *body, size_t n) _must_check_; /* HALT */

/* link.c */
int agent_link_start(struct agent *a, int fd, struct err *e) _must_check_; /* fd is consumed */
/* Takes what the link has; with want_page, returns 1 as soon as a PAGE_REPLY was installed. */
int agent_link_pump(struct agent *a, bool want_page, uint64_t deadline_ns) _must_check_;
int agent_send(struct agent *a) _must_check_; /* flushes link_out() */
int agent_tell_used(struct agent *a, uint64_t id) _must_check_; /* LINK_PONG; goes with what is sent next */

/* main.c */
int agent_begin(struct agent *a) _must_check_; /* signals and deadlines, in a new loop */
int agent_greet(struct agent *a, int helper) _must_check_; /* this is our connection to godwitd; owned */
void agent_say_status(struct agent *a); /* to godwitd: the guest runs here, with what it uses */
void agent_end(struct agent *a, int status, const char *fmt, ...) _printf_(3, 4) __attribute__((noreturn));

#endif
