/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls of the guest that its filter does not leave to the host's kernel.
 * Promise: each is answered exactly once: by home's kernel, by the agent, or by taking the process home to make it
 * there. Must not: give a restart code (512 and above) to a guest that will not be stopped by it.
 */
#include "agent.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "../base/file.h"
#include "../base/fault.h"
#include "../wire/reasons.h"

#define POLL_MAX 4096 /* descriptors; more is an address or flags of another call */

int agent_answer(struct agent *a, uint64_t id, int64_t ret, uint32_t flags)
{
	struct seccomp_notif_resp resp = {.id = id, .flags = flags};

	if (!flags && ret < 0 && ret > -4096)
		resp.error = (int32_t)ret;
	else if (!flags)
		resp.val = ret;
	if (ioctl(a->notify, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0)
		return errno == ENOENT ? 0 : -errno; /* ENOENT: the guest was killed meanwhile */
	return 0;
}

int agent_bring_home(struct agent *a, unsigned reason, unsigned nr, const char *sentence)
{
	struct wire_bring_home m = {.reason = reason, .nr = (uint16_t)nr, .sentence = wire_str(sentence)};
	int r = 0;

	if (a->home_asked)
		return 0;
	a->home_asked = true;
	if (a->t.stop == TRACEE_RUNNING)
		r = tracee_interrupt(&a->t);
	if (r == 0)
		r = wire_bring_home_encode(&m, link_out(a->link));
	return r < 0 ? r : agent_send(a);
}

/* The guest is to stop before the call: it will find the code in rax, and home makes the call again. */
static int take_back(struct agent *a, uint64_t id)
{
	return agent_answer(a, id, -ERESTARTNOINTR_, 0);
}

static unsigned reason_of(unsigned nr)
{
	switch (nr) {
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
		return REASON_FORK;
	case SYS_execve:
	case SYS_execveat:
		return REASON_EXEC;
	default:
		return REASON_CALL_HOME;
	}
}

/* The stack pointer of a guest that waits in a call: sigaltstack() depends on it. */
static uint64_t stack_pointer(const struct agent *a)
{
	char path[40], text[256];
	uint64_t sp = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", a->t.pid);
	if (file_read_small(path, text, sizeof(text)) > 0)
		(void)sscanf(text, "%*s %*s %*s %*s %*s %*s %*s %" SCNx64, &sp);
	return sp;
}

static int forward(struct agent *a, const struct seccomp_notif *req)
{
	struct wire_call m = {.nr = (uint16_t)req->data.nr, .seq = ++a->seq};
	int r;

	a->call = (struct agent_call){.active = true, .id = req->id, .seq = m.seq, .nr = (unsigned)req->data.nr};
	for (int i = 0; i < 6; i++)
		m.args[i] = a->call.args[i] = req->data.args[i];
	if (a->reissue.armed && a->reissue.nr == a->call.nr)
		m.reissue = 1;
	if (req->data.nr == SYS_sigaltstack)
		m.sp = stack_pointer(a);
	m.segments = (struct wire_bytes){a->segments.len ? buf_head(&a->segments) : NULL, a->segments.len};
	r = wire_call_encode(&m, link_out(a->link));
	return r < 0 ? r : agent_send(a);
}

static int decide(struct agent *a, const struct seccomp_notif *req)
{
	const struct sysc_memory mem = {agent_mem_read, agent_mem_write, a};
	const struct sysc_context cx = {.pid = a->home_pid};
	unsigned nr = (unsigned)req->data.nr;
	uint64_t args[6];
	int64_t ret;
	int r;

	memcpy(args, req->data.args, sizeof(args));
	buf_clear(&a->segments);
	if (nr == SYS_restart_syscall && a->reissue.armed) {
		/* Stopped and continued at home before it left: which call it is only the deputy's kernel knows. The
		 * registers still are that call's; poll() is the one that reads its array again. */
		if (args[1] > POLL_MAX || sysc_request(SYS_poll, args, &mem, &cx, &a->segments) != SYSC_FORWARD)
			buf_clear(&a->segments);
		return forward(a, req);
	}
	switch (sysc_request(nr, args, &mem, &cx, &a->segments)) {
	case SYSC_AGENT:
		if (agent_clock_call(a, nr, args, &ret) == 0)
			return agent_answer(a, req->id, ret, 0);
		break;
	case SYSC_FORWARD:
	case SYSC_EXIT:
		return forward(a, req);
	case SYSC_NATIVE:
		/* Files' ranges must keep their addresses: the deputy knows them by those. */
		if (nr == SYS_mremap && agent_in_file_range(a, args[0], args[1]))
			break;
		return agent_answer(a, req->id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
	case SYSC_NOSYS:
		return agent_answer(a, req->id, -ENOSYS, 0);
	default:
		break;
	}
	r = agent_bring_home(a, reason_of(nr), nr, sysc_name(nr));
	return r < 0 ? r : take_back(a, req->id);
}

void agent_on_notify(void *arg, int fd, uint32_t events)
{
	struct agent *a = arg;
	struct seccomp_notif req;
	int r;

	memset(&req, 0, sizeof(req));
	if (!(events & EPOLLIN)) {
		agent_on_stop(a); /* the last task under the filter is gone */
		return;
	}
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0) {
		if (errno != ENOENT && errno != EINTR)
			agent_end(a, 1, "the filter's listener failed: %s", strerror(errno));
		return;
	}
	if (fault_point(FAULT_GUEST_CALL) < 0)
		agent_end(a, 1, "fault point guest-call");
	if (a->reissue.nr != (unsigned)req.data.nr)
		a->reissue.armed = false;
	if (a->freeze_wanted || a->home_asked)
		r = take_back(a, req.id);
	else
		r = decide(a, &req);
	if (r < 0)
		agent_end(a, 1, "call %s cannot be served: %s", sysc_name((unsigned)req.data.nr), strerror(-r));
	/* Whatever comes after the repeated call is new. */
	if (!a->freeze_wanted && !a->home_asked)
		a->reissue.armed = a->call.active && a->reissue.armed;
	/* Fetching a page may have taken more off the socket than that page. */
	if (link_pending(a->link))
		(void)!agent_link_pump(a, false, 0);
}

int agent_reply(struct agent *a, const uint8_t *body, size_t n)
{
	const struct sysc_memory mem = {agent_mem_read, agent_mem_write, a};
	struct wire_reply m;
	int64_t ret;
	int r = wire_reply_decode(&m, body, n);

	if (r < 0)
		return r;
	if (!a->call.active || m.seq != a->call.seq)
		return -EPROTO;
	ret = m.ret;
	if (image_is_restart(ret) && !a->freeze_wanted)
		return -EPROTO;
	/* Writing may have to fetch pages first, and what they bring overwrites the link's buffer. */
	buf_clear(&a->segments);
	r = buf_append(&a->segments, m.segments.data, m.segments.len);
	if (r == 0 && m.segments.len)
		r = sysc_apply(buf_head(&a->segments), a->segments.len, &mem);
	if (r == -EFAULT)
		ret = -EFAULT;
	else if (r < 0)
		return r;
	if (image_is_restart(ret)) {
		/* Not done. The guest stops with a harmless code; the true one is put into the image. */
		a->settled = a->reissue.armed && ret == -ERESTARTNOINTR_ ? a->reissue.code : ret;
		ret = -ERESTARTNOINTR_;
	} else {
		a->reissue.armed = false;
		if (a->call.nr == SYS_clock_gettime && ret == 0)
			agent_clock_told(a, a->call.args);
	}
	a->call.active = false;
	return agent_answer(a, a->call.id, ret, 0);
}
