/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracing of one task by ptrace(2) in the SEIZE style; see tracee.h for what is promised. */
#include "tracee.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "image.h"
#include "inspect.h"

#define TRACEE_OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE)
#define KERNEL_SIGSET_BYTES 8
#define LOOK_NS (5 * (long)NSEC_PER_MSEC)
#define LOOK_OFTEN_NS (100 * (long)NSEC_PER_USEC)

void tracee_init(struct tracee *t, pid_t pid)
{
	*t = (struct tracee){.pid = pid, .stop = TRACEE_RUNNING, .mem_fd = -1};
}

void tracee_init_child(struct tracee *t, pid_t pid, const struct tracee *parent)
{
	tracee_init(t, pid);
	t->newborn = true;
	t->syscall_ip = parent->syscall_ip;
	/* It begins with its maker's mask, and what that one gets back is its own, too. */
	t->masked = parent->masked;
	t->saved_mask = parent->saved_mask;
}

void tracee_release(struct tracee *t)
{
	if (t->mem_fd >= 0)
		(void)close(t->mem_fd);
	t->mem_fd = -1;
}

static int request(int req, const struct tracee *t, uintptr_t addr, uintptr_t data)
{
	return ptrace(req, t->pid, (void *)addr, (void *)data) == -1 ? -errno : 0;
}

int tracee_seize(struct tracee *t, struct err *e)
{
	int r = request(PTRACE_SEIZE, t, 0, TRACEE_OPTIONS);

	if (r < 0)
		return err_set(e, r, "process %d cannot be traced: %s", t->pid, strerror(-r));
	return 0;
}

static int set_options(struct tracee *t, int more)
{
	return request(PTRACE_SETOPTIONS, t, 0,
		       (uintptr_t)(TRACEE_OPTIONS | more | (t->exitkill ? PTRACE_O_EXITKILL : 0)));
}

int tracee_exitkill(struct tracee *t, bool on)
{
	t->exitkill = on;
	return set_options(t, 0);
}

int tracee_interrupt(struct tracee *t)
{
	return request(PTRACE_INTERRUPT, t, 0, 0);
}

/* Turns a status of waitpid(2) into what happened. ptrace(2) lists the cases. */
static void classify(struct tracee *t, int status)
{
	int sig;

	t->status = status;
	t->sig = 0;
	if (!WIFSTOPPED(status)) {
		t->stop = TRACEE_ENDED;
		return;
	}
	sig = WSTOPSIG(status);
	if (status >> 16 == PTRACE_EVENT_CLONE || status >> 16 == PTRACE_EVENT_FORK) {
		unsigned long child = 0;

		(void)request(PTRACE_GETEVENTMSG, t, 0, (uintptr_t)&child);
		t->child = (pid_t)child;
		t->stop = TRACEE_CLONE;
		return; /* still inside the call */
	}
	if (status >> 16 == PTRACE_EVENT_STOP) {
		t->stop = sig == SIGTRAP ? TRACEE_EVENT : TRACEE_GROUP;
		t->sig = sig == SIGTRAP ? 0 : sig;
		t->group_stop = t->stop == TRACEE_GROUP;
	} else if (sig == (SIGTRAP | 0x80)) {
		t->entered = !t->entered;
		t->stop = t->entered ? TRACEE_ENTER : TRACEE_EXIT;
		return;
	} else {
		t->sig = sig;
		t->stop = TRACEE_SIGNAL;
		if (request(PTRACE_GETSIGINFO, t, 0, (uintptr_t)&t->info) < 0)
			memset(&t->info, 0, sizeof(t->info));
		if (sig == SIGTRAP && t->info.si_code == TRAP_TRACE)
			t->stop = TRACEE_STEP;
	}
	/* Any stop between entry and exit means that the call has left the kernel's entry code: a restarted call
	 * enters anew. */
	t->entered = false;
}

int tracee_poll(struct tracee *t)
{
	int status;
	pid_t r;

	if (t->stop == TRACEE_ENDED)
		return 0;
	r = waitpid(t->pid, &status, __WALL | WNOHANG);
	if (r < 0)
		return -errno;
	if (r == 0)
		return 0;
	classify(t, status);
	return 1;
}

bool tracee_any_news(void)
{
	siginfo_t info = {0};

	return waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == 0 && info.si_pid;
}

int tracee_wait(struct tracee *t, uint64_t deadline_ns)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	if (t->newborn) {
		int r = tracee_poll(t);

		t->newborn = false;
		if (r != 0)
			return r < 0 ? r : 0;
	}
	for (;;) {
		struct timespec ts = {0};
		uint64_t now = clock_mono_ns();
		int r;

		long look = t->meanwhile ? LOOK_OFTEN_NS : LOOK_NS;

		if (t->meanwhile)
			t->meanwhile(t->meanwhile_arg);
		/* SIGCHLDs of several stops merge, and a signalfd may have eaten one: never sleep long on it. Sleeping
		 * first and looking afterwards is right nearly always, for the stop is still to come. */
		if (now < deadline_ns && deadline_ns - now < (uint64_t)look)
			ts.tv_nsec = (long)(deadline_ns - now);
		else if (now < deadline_ns)
			ts.tv_nsec = look;
		(void)sigtimedwait(&set, NULL, &ts);
		r = tracee_poll(t);
		if (r != 0)
			return r < 0 ? r : 0;
		if (now >= deadline_ns)
			return -ETIMEDOUT;
	}
}

int tracee_resume(struct tracee *t, enum tracee_resume how, int sig)
{
	static const int requests[] = {
	    [TRACEE_CONT] = PTRACE_CONT,
	    [TRACEE_TO_SYSCALL] = PTRACE_SYSCALL,
	    [TRACEE_SINGLESTEP] = PTRACE_SINGLESTEP,
	    [TRACEE_LISTEN] = PTRACE_LISTEN,
	};
	int r = request(requests[how], t, 0, (uintptr_t)sig);

	if (r == 0) {
		t->stop = TRACEE_RUNNING;
		if (how != TRACEE_TO_SYSCALL)
			t->entered = false;
	}
	return r;
}

int tracee_begin_handler(struct tracee *t, int sig, uint64_t deadline_ns)
{
	uint64_t mask, open;
	int r = request(PTRACE_GETSIGMASK, t, KERNEL_SIGSET_BYTES, (uintptr_t)&mask);

	open = ~(1ULL << (sig - 1));
	if (r == 0)
		r = request(PTRACE_SETSIGMASK, t, KERNEL_SIGSET_BYTES, (uintptr_t)&open);
	if (r == 0)
		r = tracee_resume(t, TRACEE_SINGLESTEP, sig);
	if (r == 0)
		r = tracee_wait(t, deadline_ns);
	if (r < 0 || t->stop == TRACEE_ENDED)
		return r < 0 ? r : -ESRCH;
	r = request(PTRACE_SETSIGMASK, t, KERNEL_SIGSET_BYTES, (uintptr_t)&mask);
	/* The stop of a step into a handler; a trap has another code: kernel/signal.c, signal_delivered(). */
	if (r == 0 && (t->stop != TRACEE_SIGNAL || t->sig != SIGTRAP || t->info.si_code != SIGTRAP))
		r = -EFAULT;
	return r;
}

int tracee_get_regs(struct tracee *t, struct user_regs_struct *ret)
{
	return request(PTRACE_GETREGS, t, 0, (uintptr_t)ret);
}

int tracee_set_regs(struct tracee *t, const struct user_regs_struct *regs)
{
	return request(PTRACE_SETREGS, t, 0, (uintptr_t)regs);
}

int tracee_mask_all(struct tracee *t)
{
	uint64_t all = ~0ULL;
	int r;

	if (t->masked)
		return 0;
	/* For a task inside sigsuspend() or ppoll() this is its own mask, not the temporary one: right, because the
	 * call is made again when the task goes on. kernel/ptrace.c. */
	r = request(PTRACE_GETSIGMASK, t, KERNEL_SIGSET_BYTES, (uintptr_t)&t->saved_mask);
	if (r == 0)
		r = request(PTRACE_SETSIGMASK, t, KERNEL_SIGSET_BYTES, (uintptr_t)&all);
	if (r == 0)
		t->masked = true;
	return r;
}

int tracee_unmask(struct tracee *t)
{
	int r;

	if (!t->masked)
		return 0;
	r = request(PTRACE_SETSIGMASK, t, KERNEL_SIGSET_BYTES, (uintptr_t)&t->saved_mask);
	if (r < 0)
		return r;
	t->masked = false;
	return tracee_stop_again(t, t->pid);
}

int tracee_stop_again(struct tracee *t, pid_t pid)
{
	/* A SIGCONT after it has undone it: kernel/signal.c, prepare_signal(). */
	if (t->stop_again && !inspect_pending(pid, SIGCONT) && kill(pid, SIGSTOP) < 0)
		return -errno;
	t->stop_again = false;
	return 0;
}

bool tracee_signal_waits(const struct tracee *t)
{
	struct __ptrace_peeksiginfo_args args = {.nr = 1};
	siginfo_t info;

	for (args.flags = 0; args.flags <= PTRACE_PEEKSIGINFO_SHARED; args.flags++) {
		if (ptrace(PTRACE_PEEKSIGINFO, t->pid, &args, &info) != 0)
			return true; /* or it cannot be said */
	}
	return false;
}

bool tracee_fault_waits(const struct tracee *t)
{
	struct __ptrace_peeksiginfo_args args = {.nr = 1};
	siginfo_t info;

	for (; ptrace(PTRACE_PEEKSIGINFO, t->pid, &args, &info) == 1; args.off++) {
		bool sync = info.si_signo == SIGSEGV || info.si_signo == SIGBUS || info.si_signo == SIGILL ||
			    info.si_signo == SIGTRAP || info.si_signo == SIGFPE;

		if (sync && info.si_code > 0)
			return true;
	}
	return false;
}

bool tracee_puts_off_stop(struct tracee *t)
{
	bool is_stop = t->stop == TRACEE_SIGNAL && t->sig == SIGSTOP && t->masked;

	t->stop_again |= is_stop;
	return is_stop;
}

/* Resumes to the next syscall stop. Group stops and interrupts that come between are passed over. */
static int to_syscall_stop(struct tracee *t, enum tracee_stop wanted, uint64_t deadline_ns)
{
	for (;;) {
		int r = tracee_resume(t, TRACEE_TO_SYSCALL, 0);

		if (r == 0)
			r = tracee_wait(t, deadline_ns);
		if (r < 0)
			return r;
		if (t->stop == wanted)
			return 0;
		if (t->stop == TRACEE_ENDED)
			return -ESRCH;
		if (tracee_puts_off_stop(t))
			continue;
		if (t->stop != TRACEE_EVENT && t->stop != TRACEE_GROUP && t->stop != TRACEE_CLONE)
			return -EPROTO;
	}
}

/* The registers with which the task makes a call. */
static void call_registers(const struct tracee *t, struct user_regs_struct *regs, unsigned nr, const uint64_t args[6])
{
	regs->rip = t->syscall_ip;
	regs->rax = nr;
	regs->orig_rax = ~0ULL; /* no call to restart over the new registers */
	regs->rdi = args[0];
	regs->rsi = args[1];
	regs->rdx = args[2];
	regs->r10 = args[3];
	regs->r8 = args[4];
	regs->r9 = args[5];
	regs->eflags &= ~0x500ULL; /* neither TF nor DF */
}

static int enter_call(struct tracee *t, const struct user_regs_struct *regs, uint64_t deadline_ns)
{
	int r = tracee_set_regs(t, regs);

	return r < 0 ? r : to_syscall_stop(t, TRACEE_ENTER, deadline_ns);
}

int tracee_begin_syscall(struct tracee *t, unsigned nr, const uint64_t args[6], uint64_t deadline_ns)
{
	struct user_regs_struct regs;
	int r = tracee_get_regs(t, &regs);

	if (r < 0)
		return r;
	call_registers(t, &regs, nr, args);
	r = enter_call(t, &regs, deadline_ns);
	return r < 0 ? r : tracee_resume(t, TRACEE_TO_SYSCALL, 0);
}

int tracee_syscall(struct tracee *t, int64_t *ret, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
		   uint64_t a4, uint64_t a5)
{
	uint64_t deadline = clock_mono_ns() + 10 * NSEC_PER_SEC;
	struct user_regs_struct regs;
	int r = tracee_get_regs(t, &regs);

	if (r < 0)
		return r;
	call_registers(t, &regs, nr, (uint64_t[]){a0, a1, a2, a3, a4, a5});
	/* Job control makes clone() give up, whatever is blocked: kernel/fork.c, copy_process(). */
	do {
		struct user_regs_struct now;

		r = enter_call(t, &regs, deadline);
		if (r == 0)
			r = to_syscall_stop(t, TRACEE_EXIT, deadline);
		if (r == 0)
			r = tracee_get_regs(t, &now);
		if (r == 0)
			*ret = (int64_t)now.rax;
	} while (r == 0 && *ret == -ERESTARTNOINTR_ && clock_mono_ns() < deadline);
	return r;
}

int tracee_fork(struct tracee *t, int64_t *ret, uint64_t flags, uint64_t child_tid, uint64_t word)
{
	int r = set_options(t, PTRACE_O_TRACEFORK);

	t->child = 0;
	if (r == 0)
		r = tracee_syscall(t, ret, SYS_clone, flags, 0, 0, child_tid, 0, word);
	/* What the child has of it goes when it gets another tracer. */
	return r < 0 ? r : set_options(t, 0);
}

int tracee_settle(struct tracee *t, const struct user_regs_struct *regs, uint64_t deadline_ns)
{
	int r;

	/* Restart codes are decided in get_signal(): only an event or group stop lies inside it. */
	while (t->stop != TRACEE_EVENT && t->stop != TRACEE_GROUP) {
		r = tracee_mask_all(t);
		if (r == 0)
			r = tracee_interrupt(t);
		if (r == 0)
			r = tracee_resume(t, TRACEE_CONT, 0);
		if (r == 0)
			r = tracee_wait(t, deadline_ns);
		if (r < 0)
			return r;
		if (t->stop == TRACEE_ENDED)
			return -ESRCH;
		(void)tracee_puts_off_stop(t);
	}
	r = tracee_set_regs(t, regs);
	return r < 0 ? r : tracee_unmask(t);
}

int tracee_leave(struct tracee *t, const struct user_regs_struct *regs, uint64_t deadline_ns)
{
	int r = tracee_settle(t, regs, deadline_ns);

	if (r == 0)
		r = request(PTRACE_DETACH, t, 0, 0);
	if (r == 0)
		t->stop = TRACEE_RUNNING;
	return r;
}

int tracee_detach(struct tracee *t, int sig)
{
	int r = request(PTRACE_DETACH, t, 0, (uintptr_t)sig);

	if (r == 0)
		t->stop = TRACEE_RUNNING;
	return r;
}

static int mem_fd(struct tracee *t)
{
	char path[40];

	if (t->mem_fd >= 0)
		return t->mem_fd;
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", t->pid);
	t->mem_fd = open(path, O_RDWR | O_CLOEXEC);
	return t->mem_fd >= 0 ? t->mem_fd : -errno;
}

int tracee_read(struct tracee *t, uint64_t addr, void *p, size_t n)
{
	size_t done = 0;
	int fd;

	while (done < n) {
		struct iovec local = {(char *)p + done, n - done}, remote = {(void *)(addr + done), n - done};
		ssize_t r = process_vm_readv(t->pid, &local, 1, &remote, 1, 0);

		if (r > 0) {
			done += (size_t)r;
			continue;
		}
		/* Pages without read permission: /proc/PID/mem does not mind. */
		fd = mem_fd(t);
		if (fd < 0)
			return fd;
		r = pread(fd, (char *)p + done, n - done < 4096 ? n - done : 4096 - ((addr + done) & 4095),
			  (off_t)(addr + done));
		if (r <= 0)
			return -EFAULT;
		done += (size_t)r;
	}
	return 0;
}

int tracee_write(struct tracee *t, uint64_t addr, const void *p, size_t n)
{
	size_t done = 0;
	int fd;

	while (done < n) {
		struct iovec local = {(char *)p + done, n - done}, remote = {(void *)(addr + done), n - done};
		ssize_t r = process_vm_writev(t->pid, &local, 1, &remote, 1, 0);

		if (r > 0) {
			done += (size_t)r;
			continue;
		}
		fd = mem_fd(t);
		if (fd < 0)
			return fd;
		r = pwrite(fd, (const char *)p + done, n - done < 4096 ? n - done : 4096 - ((addr + done) & 4095),
			   (off_t)(addr + done));
		if (r <= 0)
			return -EFAULT;
		done += (size_t)r;
	}
	return 0;
}

int tracee_find_syscall(struct tracee *t, uint64_t start, uint64_t end)
{
	uint8_t page[4096];

	for (uint64_t a = start; a < end; a += sizeof(page)) {
		int r = tracee_read(t, a, page, sizeof(page));

		if (r < 0)
			return r;
		for (size_t i = 0; i + 1 < sizeof(page); i++) {
			if (page[i] == 0x0f && page[i + 1] == 0x05) {
				t->syscall_ip = a + i;
				return 0;
			}
		}
	}
	return -ENOENT;
}
