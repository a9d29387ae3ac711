/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One traced task: stop it, know how it stopped, read and write it, make it execute system calls.
 * Promise: a wait never outlives its deadline; a task that is given up by tracee_leave() goes on exactly where its
 * registers say, with the kernel's own restart of an interrupted call. Must not: put code into a task at home; calls
 * are made at a `syscall` instruction that is there already.
 *
 * The calling process must have SIGCHLD blocked: the waits use it to have a deadline.
 */
#ifndef GODWIT_IMAGE_TRACEE_H
#define GODWIT_IMAGE_TRACEE_H

#include <stdbool.h>
#include <stdint.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/user.h>
#include "../base/err.h"

enum tracee_stop {
	TRACEE_RUNNING,
	TRACEE_EVENT, /* PTRACE_INTERRUPT, inside the kernel's get_signal(): restart codes are still undecided */
	TRACEE_GROUP, /* stopped by job control; sig says by which signal */
	TRACEE_SIGNAL, /* about to be delivered sig; the siginfo is in `info` */
	TRACEE_ENTER, /* at the entry of a call */
	TRACEE_EXIT, /* at its end */
	TRACEE_STEP, /* one instruction further */
	TRACEE_CLONE, /* has made a new task, which is traced and stops by itself; its pid is in `child` */
	TRACEE_ENDED, /* exited or killed: status as from waitpid(2); reaped */
};

struct tracee {
	pid_t pid;
	enum tracee_stop stop;
	int sig;
	int status;
	siginfo_t info;
	pid_t child; /* the last one made */
	bool entered; /* the next syscall stop is the exit */
	uint64_t syscall_ip; /* address of a `syscall` instruction in the task, 0 = not known yet */
	int mem_fd; /* /proc/PID/mem, -1 until needed */
	bool masked; /* all signals are blocked for injection; saved_mask is the task's own */
	uint64_t saved_mask;
	bool newborn; /* its first stop may have been told already, together with its maker's */
	bool exitkill; /* as tracee_exitkill() has set it */
	bool group_stop; /* its process was stopped by job control when it last came to TRACEE_EVENT or TRACEE_GROUP */
	void (*meanwhile)(void *arg); /* called all the time while it is waited for; NULL: nothing to do */
	void *meanwhile_arg;
	bool stop_again; /* a SIGSTOP came meanwhile, which nothing blocks; it is sent again when the mask is given back
			  */
};

void tracee_init(struct tracee *t, pid_t pid);
/* The same for a task that a traced one has made (TRACEE_CLONE): it is traced from its birth. */
void tracee_init_child(struct tracee *t, pid_t pid, const struct tracee *parent);
void tracee_release(struct tracee *t); /* closes the fd; does not detach */

/* PTRACE_SEIZE; threads that it makes are traced too, children by fork() only if tracee_fork() made it. It keeps
 * running. -ESRCH, -EPERM (also when traced by another). */
int tracee_seize(struct tracee *t, struct err *e) _must_check_;
/* From now on the task is killed when the tracer dies (on), or is let go (off). Task must be stopped. */
int tracee_exitkill(struct tracee *t, bool on) _must_check_;

/* Asks for a stop; the stop itself comes by tracee_wait(). Harmless when already stopped: another follows. */
int tracee_interrupt(struct tracee *t) _must_check_;
/* Waits for the next stop or end. 0, -ETIMEDOUT, -ECHILD. t->stop tells. */
int tracee_wait(struct tracee *t, uint64_t deadline_ns) _must_check_;
/* As tracee_wait() without waiting: 1 = changed, 0 = nothing new. */
int tracee_poll(struct tracee *t) _must_check_;

/* Has something happened to any task that we trace, that was not taken by tracee_wait() or tracee_poll() yet? One
 * call, however many there are. Also true for an untaken end of a child. */
bool tracee_any_news(void);

enum tracee_resume { TRACEE_CONT, TRACEE_TO_SYSCALL, TRACEE_SINGLESTEP, TRACEE_LISTEN };
/* Lets the task run; sig is delivered when it was in TRACEE_SIGNAL (0: swallowed). */
int tracee_resume(struct tracee *t, enum tracee_resume how, int sig) _must_check_;

/* From TRACEE_SIGNAL: has the kernel begin a handler of sig (which the task must have said something about), and stops
 * before its first instruction; registers, extended ones too, are the handler's then, and the signal that it stood
 * before is gone. Whether sig is blocked does not matter, and stays. -EFAULT: the kernel could not write its frame. */
int tracee_begin_handler(struct tracee *t, int sig, uint64_t deadline_ns) _must_check_;

int tracee_get_regs(struct tracee *t, struct user_regs_struct *ret) _must_check_;
int tracee_set_regs(struct tracee *t, const struct user_regs_struct *regs) _must_check_;

/* Blocks every signal in the task, so that injected calls cannot be interrupted; and undoes it. */
int tracee_mask_all(struct tracee *t) _must_check_;
int tracee_unmask(struct tracee *t) _must_check_;
/* Does a signal wait for the stopped task, blocked or not? Two short calls, where inspect_pending() reads a file. */
bool tracee_signal_waits(const struct tracee *t);
/* Has an instruction of the stopped task failed, and the signal for that is still to be told? The next stop is for it.
 */
bool tracee_fault_waits(const struct tracee *t);
/* True when the task, with all signals blocked, stands before a SIGSTOP: it is to be resumed without it, and gets it
 * again with its own mask. */
bool tracee_puts_off_stop(struct tracee *t);
/* Sends what was put off, unless SIGCONT has come since; tracee_unmask() does so. For a thread that has ended: to its
 * process pid, which another thread takes. */
int tracee_stop_again(struct tracee *t, pid_t pid) _must_check_;

/* Makes the stopped task execute call nr and gives the raw result in *ret. Needs syscall_ip and tracee_mask_all().
 * The registers are changed; the caller sets them again. -errno only when the tracing failed. */
int tracee_syscall(struct tracee *t, int64_t *ret, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
		   uint64_t a4, uint64_t a5) _must_check_;

/* Has the stopped task begin call nr and go on; its end, whatever cuts it short, is the next stop, TRACEE_EXIT. Needs
 * syscall_ip. The caller sets the registers again then. */
int tracee_begin_syscall(struct tracee *t, unsigned nr, const uint64_t args[6], uint64_t deadline_ns) _must_check_;

/* The same as tracee_syscall() for clone(flags, 0, 0, child_tid, 0, word), whose child is traced from its birth: its
 * pid here is in t->child, its first stop comes by tracee_wait(). *ret is the call's result. */
int tracee_fork(struct tracee *t, int64_t *ret, uint64_t flags, uint64_t child_tid, uint64_t word) _must_check_;

/* Brings the task to a stop where the kernel still decides about restarting an interrupted call, with its own mask and
 * registers `regs`, whose rax may be a restart code: whatever becomes of the tracer, it goes on rightly from there. */
int tracee_settle(struct tracee *t, const struct user_regs_struct *regs, uint64_t deadline_ns) _must_check_;
/* tracee_settle(), then detached. Tasks stopped by job control stay stopped. */
int tracee_leave(struct tracee *t, const struct user_regs_struct *regs, uint64_t deadline_ns) _must_check_;

/* Lets the task go from TRACEE_SIGNAL, with that signal; or (0) from the end of a call, or for another tracer. */
int tracee_detach(struct tracee *t, int sig) _must_check_;

/* Memory, any protection. All of n bytes or -EFAULT. Not for pages that this process itself must supply. */
int tracee_read(struct tracee *t, uint64_t addr, void *p, size_t n) _must_check_;
int tracee_write(struct tracee *t, uint64_t addr, const void *p, size_t n) _must_check_;

/* Finds a `syscall` instruction inside [start,end) of the task and stores it in syscall_ip. -ENOENT if none. */
int tracee_find_syscall(struct tracee *t, uint64_t start, uint64_t end) _must_check_;

#endif
