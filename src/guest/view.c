/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest reads a file of /proc that tells of itself: what only this host knows of it. Home makes the text of it.
 * Promise: each question is answered, in whatever state the guest is; what cannot be said is an error, and home makes
 * the call where it can. Must not: fetch a page of the guest from home, which waits for the answer.
 */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../base/fault.h"
#include "../base/file.h"
#include "../image/view.h"

static int read_memory(struct agent *a, uint64_t addr, uint64_t n, char **ret)
{
	if (!n || n > VIEW_ARGUMENTS_MAX || addr >= IMAGE_TASK_END || agent_in_file_range(a, addr, n))
		return -EFAULT;
	*ret = malloc(n);
	return *ret ? tracee_read(main_tracee(a), addr, *ret, n) : -ENOMEM;
}

static int read_text(struct agent *a, enum view_kind kind, char **ret, size_t *ret_len)
{
	bool itself = kind == VIEW_SMAPS || kind == VIEW_ROLLUP;
	char path[60];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", main_tracee(a)->pid, itself ? view_name(kind) : "maps");
	return file_read_all(path, VIEW_TEXT_MAX, ret, ret_len);
}

static bool runs(struct agent *a, const struct guest_thread *g)
{
	struct proc_stat st;

	return proc_read_thread_stat(main_tracee(a)->pid, g->t.pid, &st) == 0 && st.state == 'R';
}

static int look(struct agent *a, const struct wire_view_ask *m, struct wire_view_tell *ret, char *status, size_t cap,
		char **text)
{
	struct guest_thread *g = thread_of_tid(a, m->about);
	struct image_cpu used;
	char path[40];
	ssize_t n;
	size_t len = m->bytes;
	int r;

	if (!g)
		return -ESRCH;
	if (fault_point(FAULT_GUEST_VIEW) < 0)
		return -EIO;
	r = m->kind == VIEW_ARGUMENTS ? read_memory(a, m->addr, m->bytes, text) : read_text(a, m->kind, text, &len);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", main_tracee(a)->pid);
	n = file_read_small(path, status, cap);
	if (r < 0 || n <= 0)
		return r < 0 ? r : -ESRCH;
	used = agent_cpu_used(a, m->whole ? NULL : g);
	ret->running = runs(a, g);
	ret->cpu_user_ns = used.user;
	ret->cpu_sys_ns = used.sys;
	ret->status = (struct wire_bytes){(const uint8_t *)status, (uint32_t)n};
	ret->text = (struct wire_bytes){(const uint8_t *)*text, (uint32_t)len};
	return 0;
}

int agent_view(struct agent *a, const uint8_t *body, size_t n)
{
	_cleanup_free_ char *text = NULL;
	struct wire_view_tell out = {0};
	struct wire_view_ask m;
	char status[8192];
	int r = wire_view_ask_decode(&m, body, n);

	if (r < 0)
		return r;
	out.seq = m.seq;
	out.tid = m.tid;
	out.error = look(a, &m, &out, status, sizeof(status), &text);
	r = wire_view_tell_encode(&out, link_out(a->link));
	return r < 0 ? r : agent_send(a);
}
