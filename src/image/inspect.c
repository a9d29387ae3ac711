/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts of a process from /proc; see inspect.h. proc(5) describes the files. */
#include "inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../base/file.h"
#include "../wire/reasons.h"
#include "pages.h"

#define PF_KTHREAD_ 0x00200000 /* linux/sched.h */
#define PF_EXITING_ 0x00000004

static void add(struct inspect *x, enum reason reason, const char *fmt, ...) _printf_(3, 4);
static void add(struct inspect *x, enum reason reason, const char *fmt, ...)
{
	struct inspect_reason *r = &x->reasons[x->n];
	va_list ap;

	for (size_t i = 0; i < x->n; i++) {
		if (x->reasons[i].reason == reason)
			return;
	}
	if (x->n == INSPECT_REASONS_MAX)
		return;
	r->reason = reason;
	va_start(ap, fmt);
	(void)vsnprintf(r->sentence, sizeof(r->sentence), fmt, ap);
	va_end(ap);
	x->n++;
}

/* The text behind "Name:" in a file of such lines, or NULL. */
static const char *field(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		if (*p == '\n')
			p++;
		if (strncmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " \t");
	}
	return NULL;
}

static uint64_t number(const char *text, const char *name, int base)
{
	const char *p = field(text, name);

	return p ? strtoull(p, NULL, base) : 0;
}

static int read_status(pid_t pid, char *text, size_t cap)
{
	char path[40];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	n = file_read_small(path, text, cap);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	return 0;
}

static void take_signals(struct inspect *x, const char *text)
{
	const char *state = field(text, "State");

	x->state = state ? *state : '?';
	x->sig_blocked = number(text, "SigBlk", 16);
	x->sig_ignored = number(text, "SigIgn", 16);
	x->sig_caught = number(text, "SigCgt", 16);
}

int inspect_signals(pid_t pid, struct inspect *ret)
{
	char text[4096];
	int r = read_status(pid, text, sizeof(text));

	if (r == 0)
		take_signals(ret, text);
	return r;
}

static void check_status(struct inspect *x, const char *text, pid_t pid)
{
	const char *ns = field(text, "NSpid");
	unsigned levels = 0;
	char *end;

	take_signals(x, text);
	x->inner_pid = pid;
	if (number(text, "TracerPid", 10))
		add(x, REASON_TRACED, "process %" PRIu64 " traces it", number(text, "TracerPid", 10));
	if (number(text, "Seccomp", 10))
		add(x, REASON_SECCOMP, "it has a system-call filter of its own");
	x->threads = number(text, "Threads", 10);
	if (x->state == 'Z' && x->threads > 1)
		add(x, REASON_THREADS, "its main thread has ended, but others go on");
	else if (x->state == 'Z' || x->state == 'X')
		add(x, REASON_ZOMBIE, "it has already ended and waits for its parent");
	if (x->state == 'D')
		add(x, REASON_UNINTERRUPTIBLE, "it waits in the kernel and cannot be stopped now");
	for (; ns && *ns && *ns != '\n'; ns = end) {
		x->inner_pid = (pid_t)strtol(ns, &end, 10);
		if (end == ns)
			break;
		levels++;
	}
	/* NSpid of a file in our own /proc begins at our own namespace. */
	if (levels > 1)
		add(x, REASON_NESTED_PIDNS, "it lives in a pid namespace of its own, where it is process %d",
		    x->inner_pid);
}

static void check_policy(struct inspect *x, const struct proc_stat *st)
{
	if (st->policy != 0 && st->policy != 3 && st->policy != 5) /* other, batch, idle */
		add(x, REASON_REALTIME, "it has real-time scheduling policy %u", st->policy);
}

static void check_stat(struct inspect *x, const struct proc_stat *st)
{
	(void)snprintf(x->comm, sizeof(x->comm), "%s", st->comm);
	if (st->flags & PF_KTHREAD_)
		add(x, REASON_KERNEL_THREAD, "it is a kernel thread");
	if (st->pid == 1)
		add(x, REASON_INIT, "it is the init process");
	check_policy(x, st);
	x->mm = (struct image_mm){
	    .start_code = st->start_code,
	    .end_code = st->end_code,
	    .start_data = st->start_data,
	    .end_data = st->end_data,
	    .start_brk = st->start_brk,
	    .start_stack = st->start_stack,
	    .arg_start = st->arg_start,
	    .arg_end = st->arg_end,
	    .env_start = st->env_start,
	    .env_end = st->env_end,
	};
}

/* As the kernel has made it: a host makes its own in that way. */
static bool has_vdso(const struct image_maps *m)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct image_vma *v = &m->v[i];

		if (v->flags & VMA_VDSO)
			n += v->prot == (PROT_READ | PROT_EXEC) ? 1 : 2;
	}
	return n == 1;
}

static void check_maps(struct inspect *x, const struct image_maps *m)
{
	static const struct {
		uint32_t flag;
		enum reason reason;
		const char *what;
	} bad[] = {
	    {VMA_HUGETLB, REASON_HUGETLB, "it maps huge pages explicitly"},
	    {VMA_DEVICE, REASON_DEVICE, "it maps a device"},
	    {VMA_LOCKED, REASON_LOCKED, "it has locked memory"},
	    {VMA_SEALED, REASON_SEALED, "it has sealed mappings"},
	    {VMA_UFFD, REASON_UFFD, "it handles its own page faults"},
	    {VMA_SHADOW_STACK, REASON_SHADOW_STACK, "it uses a shadow stack"},
	};

	for (size_t i = 0; i < m->n; i++) {
		const struct image_vma *v = &m->v[i];

		if (v->flags & (VMA_VDSO | VMA_VVAR))
			continue;
		if ((v->flags & VMA_SHARED) && (v->flags & VMA_MAYWRITE))
			add(x, REASON_SHARED_MEMORY, "it maps %" PRIu64 " KiB of shared writable memory at %#" PRIx64,
			    (v->end - v->start) >> 10, v->start);
		else if ((v->flags & VMA_SHARED) && !v->file)
			add(x, REASON_SHARED_MEMORY, "it maps shared memory without a file at %#" PRIx64, v->start);
		for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
			if (v->flags & bad[k].flag)
				add(x, bad[k].reason, "%s at %#" PRIx64, bad[k].what, v->start);
		}
		if (v->start <= x->mm.start_brk && x->mm.start_brk <= v->end && !v->file)
			x->mm.brk = v->end;
	}
	if (!has_vdso(m))
		add(x, REASON_NO_VDSO, "it has no vdso, or has changed it");
}

ssize_t inspect_threads(pid_t pid, pid_t **ret)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ pid_t *v = NULL;
	size_t n = 0, cap = 0;
	char path[40];
	struct dirent *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((d = readdir(dir))) { /* in the order of their making: fs/proc/base.c, first_tid() */
		pid_t tid = (pid_t)strtol(d->d_name, NULL, 10);

		if (tid <= 0)
			continue;
		if (n == cap) {
			pid_t *bigger = reallocarray(v, cap + 64, sizeof(*v));

			if (!bigger)
				return -ENOMEM;
			v = bigger;
			cap += 64;
		}
		v[n++] = tid;
	}
	if (!n)
		return -ESRCH;
	*ret = take_ptr(v);
	return (ssize_t)n;
}

/* The deputy's threads run calls for the guest's: what one thread has of its own must not make a difference. */
static void check_thread(struct inspect *x, pid_t pid, pid_t tid, const char *main_status)
{
	static const char *const same[] = {"Uid", "Gid", "CapEff", "CapPrm", "NoNewPrivs"};
	static const struct {
		int type;
		const char *what;
	} shared[] = {{KCMP_FILES, "descriptors"}, {KCMP_FS, "working directory"}};
	struct proc_stat st;
	char text[4096];

	if (read_status(tid, text, sizeof(text)) < 0 || proc_read_stat(tid, &st) < 0 || (st.flags & PF_EXITING_))
		return; /* ends just now, and has given back what it shared */
	if (number(text, "TracerPid", 10))
		add(x, REASON_TRACED, "process %" PRIu64 " traces it", number(text, "TracerPid", 10));
	if (number(text, "Seccomp", 10))
		add(x, REASON_SECCOMP, "it has a system-call filter of its own");
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		const char *a = field(main_status, same[i]), *b = field(text, same[i]);

		if (a && b && (strcspn(a, "\n") != strcspn(b, "\n") || strncmp(a, b, strcspn(a, "\n")) != 0))
			add(x, REASON_THREADS, "its thread %d has credentials of its own", tid);
	}
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		if (syscall(SYS_kcmp, pid, tid, shared[i].type, 0UL, 0UL) > 0)
			add(x, REASON_THREADS, "its thread %d has its own %s", tid, shared[i].what);
	}
	check_policy(x, &st);
}

static void check_threads(struct inspect *x, pid_t pid)
{
	_cleanup_free_ pid_t *v = NULL;
	char text[4096];
	ssize_t n;

	if (x->threads < 2 || x->state == 'Z')
		return;
	if (x->threads > IMAGE_THREADS_MAX) {
		add(x, REASON_THREADS, "it has %zu threads; up to %d move", x->threads, IMAGE_THREADS_MAX);
		return;
	}
	n = inspect_threads(pid, &v);
	if (n < 0 || read_status(pid, text, sizeof(text)) < 0)
		return;
	for (ssize_t i = 1; i < n; i++)
		check_thread(x, pid, v[i], text);
}

/* Is it a file of this process? One of its threads may have been named by its id, as if it were a process. */
static struct view own_view(const char *link, pid_t pid)
{
	struct view v = view_of(link);
	char path[60];

	if (v.kind != VIEW_RIGHT && v.pid != pid) {
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%" PRId64, pid, v.pid);
		if (access(path, F_OK) < 0)
			v.kind = VIEW_RIGHT;
	}
	return v;
}

int inspect_view_text(const struct view *v, enum view_kind kind, char **ret)
{
	char path[80];

	if (v->tid)
		(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/task/%" PRId64 "/%s", v->pid, v->tid,
			       view_name(kind));
	else
		(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/%s", v->pid, view_name(kind));
	return file_read_all(path, VIEW_TEXT_MAX, ret, NULL);
}

int inspect_read_view(const struct view *v, bool traced, struct buf *out)
{
	bool figures = v->kind == VIEW_STAT || v->kind == VIEW_STATM || v->kind == VIEW_STATUS;
	_cleanup_free_ char *text = NULL, *status = NULL;
	int r = inspect_view_text(v, v->kind, &text);

	if (r == 0 && figures)
		r = inspect_view_text(v, VIEW_STATUS, &status);
	if (r < 0)
		return r;
	return figures ? view_running(v->kind, text, status, traced, out) : buf_append(out, text, strlen(text));
}

/* How far it is read, the kernel does not say by a line but by a position, which means nothing elsewhere. */
static bool reads_view(pid_t pid, const char *fd, const struct view *v)
{
	char path[300], info[512];
	struct buf text;
	uint64_t pos;
	bool unread;

	if (v->kind < VIEW_MAPS || v->kind > VIEW_STATUS)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, fd);
	if (file_read_small(path, info, sizeof(info)) <= 0 || sscanf(info, "pos: %" SCNu64, &pos) != 1 || !pos)
		return false;
	buf_init(&text, 0);
	unread = inspect_read_view(v, false, &text) == 0 && pos < text.len;
	buf_release(&text);
	return unread;
}

int inspect_view(pid_t pid, int fd, struct view *ret)
{
	char path[60], link[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return errno == ENOENT ? -EBADF : -errno;
	link[n] = '\0';
	*ret = own_view(link, pid);
	return 0;
}

/* Descriptors whose working is tied to the memory or the CPU of the process. */
static int check_descriptors(struct inspect *x, pid_t pid)
{
	static const char *const bad[] = {"anon_inode:[io_uring]",   "anon_inode:[userfaultfd]",
					  "anon_inode:[perf_event]", "anon_inode:bpf-prog",
					  "anon_inode:kvm-vm",       "anon_inode:seccomp notify"};
	_cleanup_closedir_ DIR *dir = NULL;
	char path[300], target[64];
	struct view v;
	struct dirent *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		v = own_view(target, pid);
		x->views |= v.kind != VIEW_RIGHT;
		/* It was opened while the process was here; from afar it would be the deputy's. */
		if (v.kind == VIEW_HOME)
			add(x, REASON_DESCRIPTOR, "its descriptor %s is %s, which shows its memory", d->d_name, target);
		if (reads_view(pid, d->d_name, &v))
			add(x, REASON_DESCRIPTOR, "it is just reading %s, its descriptor %s", target, d->d_name);
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			if (strcmp(target, bad[i]) == 0)
				add(x, REASON_DESCRIPTOR, "its descriptor %s is %s, which only works at home",
				    d->d_name, target);
		}
	}
	return 0;
}

static void check_timers(struct inspect *x, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/timers", pid);
	if (file_read_all(path, 1 << 20, &text, NULL) < 0)
		return; /* kernels without CHECKPOINT_RESTORE have no such file; then no timer is seen */
	for (const char *p = strstr(text, "ClockID:"); p; p = strstr(p + 1, "ClockID:")) {
		long id = strtol(p + 8, NULL, 10);

		if (id < 0 || id == 2 || id == 3)
			add(x, REASON_CPU_TIMER, "it has a timer on its own CPU time");
	}
}

static void take_limits(struct inspect *x, pid_t pid)
{
	static const struct {
		const char *name;
		size_t at;
	} limits[] = {
	    {"Max address space", offsetof(struct inspect, limit_as)},
	    {"Max data size", offsetof(struct inspect, limit_data)},
	    {"Max stack size", offsetof(struct inspect, limit_stack)},
	    {"Max core file size", offsetof(struct inspect, limit_core)},
	};
	char path[40], text[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	if (file_read_small(path, text, sizeof(text)) < 0)
		text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t *v = (uint64_t *)((char *)x + limits[i].at);
		const char *p = strstr(text, limits[i].name);

		*v = ~0ULL;
		if (p)
			p += strlen(limits[i].name);
		if (p && p[strspn(p, " ")] != 'u')
			*v = strtoull(p, NULL, 10);
	}
}

static int count_pages(void *ctx, uint64_t addr, uint64_t pages)
{
	(void)addr;
	*(uint64_t *)ctx += pages * IMAGE_PAGE;
	return 0;
}

static void estimate_dirty(struct inspect *x, pid_t pid, const struct image_maps *m)
{
	_cleanup_close_ int fd = -1;
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; fd >= 0 && i < m->n; i++) {
		if (!(m->v[i].flags & (VMA_VDSO | VMA_VVAR)))
			(void)!pages_scan(fd, m->v[i].start, m->v[i].end, false, count_pages, &x->dirty_bytes);
	}
}

static void check_vm_shared(struct inspect *x, pid_t pid, pid_t ppid)
{
	/* The child of vfork() lives in its parent's memory. */
	if (ppid > 1 && syscall(SYS_kcmp, pid, ppid, KCMP_VM, 0UL, 0UL) == 0)
		add(x, REASON_VFORK, "it shares its memory with process %d", ppid);
}

/* 1: it has memory and descriptors to be looked at. */
static int check_task(struct inspect *x, pid_t pid, pid_t *ret_ppid, struct err *e)
{
	struct proc_stat st;
	char text[4096];
	int r = proc_read_stat(pid, &st);

	if (r == 0)
		r = read_status(pid, text, sizeof(text));
	if (r < 0)
		return err_reason(e, REASON_NO_SUCH_PROCESS, -ESRCH, "there is no process %d on this node", pid);
	check_stat(x, &st);
	check_status(x, text, pid);
	take_limits(x, pid);
	*ret_ppid = st.ppid;
	return x->state != 'Z' && x->state != 'X' && !(st.flags & PF_KTHREAD_);
}

/* Not "dumpable", prctl(2): its /proc belongs to root. */
static bool access_denied(pid_t pid)
{
	_cleanup_close_ int fd = -1;
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 && (errno == EACCES || errno == EPERM);
}

/* Everything that is not seen in the list of mappings. */
static int check_beside_maps(struct inspect *x, pid_t pid, pid_t ppid, bool descriptors, struct err *e)
{
	char path[40], text[64];
	int r = descriptors ? check_descriptors(x, pid) : 0;

	if (access_denied(pid))
		add(x, REASON_NOT_DUMPABLE,
		    "it has other user or group ids than it began with, so nobody may look at it until its execve()");
	else if (r < 0)
		return err_set(e, r, "the descriptors of process %d cannot be read: %s", pid, strerror(-r));
	check_threads(x, pid);
	check_timers(x, pid);
	check_vm_shared(x, pid, ppid);
	(void)snprintf(path, sizeof(path), "/proc/%d/personality", pid);
	if (file_read_small(path, text, sizeof(text)) > 0)
		x->personality = strtoull(text, NULL, 16);
	return 0;
}

/* In the midst of execve(2) the old memory is gone and the new one is not complete, and its stack not where it may be.
 * The last that is set are the places of the code: fs/binfmt_elf.c, load_elf_binary(). What was read before that must
 * not be believed; and a list of mappings breaks off where the memory went that it is of. So there are two looks before
 * something is said to be missing. */
static int read_maps(const struct inspect *x, struct image_maps *maps, pid_t pid, struct err *e)
{
	struct proc_stat st = {.start_code = x->mm.start_code};
	int r = maps_read(maps, pid, true, NULL);

	if (st.start_code && (r < 0 || !maps->vdso_start)) {
		r = maps_read(maps, pid, true, e);
		if (proc_read_stat(pid, &st) < 0 || st.start_stack != x->mm.start_stack)
			st.start_code = 0;
	}
	if (st.start_code)
		return r;
	return err_reason(e, REASON_EXEC, -EAGAIN, "process %d is about to execute another program or to end", pid);
}

static int look(pid_t pid, struct inspect *ret, struct image_maps *maps, bool descriptors, struct err *e)
{
	pid_t ppid;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = check_task(ret, pid, &ppid, e);
	if (r <= 0)
		return r;
	r = read_maps(ret, maps, pid, e);
	if (r < 0)
		return r;
	check_maps(ret, maps);
	r = check_beside_maps(ret, pid, ppid, descriptors, e);
	if (r == 0)
		estimate_dirty(ret, pid, maps);
	return r;
}

int inspect_process(pid_t pid, struct inspect *ret, struct image_maps *maps, struct err *e)
{
	return look(pid, ret, maps, true, e);
}

int inspect_running(pid_t pid, struct inspect *ret, struct image_maps *maps, struct err *e)
{
	return look(pid, ret, maps, false, e);
}

int inspect_again(pid_t pid, struct inspect *x, struct err *e)
{
	struct inspect old = *x;
	pid_t ppid;
	int r;

	memset(x, 0, sizeof(*x));
	r = check_task(x, pid, &ppid, e);
	if (r > 0)
		r = check_beside_maps(x, pid, ppid, true, e);
	x->mm.brk = old.mm.brk;
	x->dirty_bytes = old.dirty_bytes;
	return r;
}

bool inspect_pending(pid_t pid, int sig)
{
	uint64_t pending;
	char text[4096];

	if (read_status(pid, text, sizeof(text)) < 0)
		return false;
	pending = number(text, "SigPnd", 16) | number(text, "ShdPnd", 16);
	if (sig)
		return (pending >> (sig - 1)) & 1;
	return (pending & ~number(text, "SigBlk", 16)) != 0;
}
