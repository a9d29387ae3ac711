/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handlers of signals on the host. The kernel here knows nothing of them: home's has taken the signal, and here the
 * frame is written and read as it would have done it. Promise: a handler begins before the thread makes another step,
 * at a stop of its own; its return is home's as well, so that what it lets in comes first. Must not: keep a mask or an
 * action; both are home's.
 */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../base/fault.h"

static struct sigframe_memory memory(struct agent *a)
{
	return (struct sigframe_memory){agent_mem_read, agent_mem_write, a};
}

void signals_release(struct guest_signal **list)
{
	while (*list) {
		struct guest_signal *s = *list;

		*list = s->next;
		free(s);
	}
}

static void append(struct guest_signal **list, struct guest_signal *s)
{
	while (*list)
		list = &(*list)->next;
	s->next = NULL;
	*list = s;
}

static int give(struct guest_thread *g, struct guest_signal *s)
{
	int r;

	append(&g->signals, s);
	g->signals_seen++;
	/* In a call that home has, the stop follows the answer. */
	if (g->t.stop == TRACEE_RUNNING)
		return tracee_interrupt(&g->t);
	if (g->beginning || g->held_for)
		return 0;
	g->stackless = false;
	r = signals_begin(g);
	if (r == 0)
		agent_stands(g);
	return r;
}

int signal_arrives(struct agent *a, const uint8_t *body, size_t n)
{
	struct guest_signal *s;
	struct guest_thread *g;
	struct wire_signal m;
	int r = wire_signal_decode(&m, body, n);

	if (r < 0)
		return r;
	g = thread_of_tid(a, m.tid); /* home gives none to a thread that is not born here */
	if (!g || m.info.len != sizeof(s->signal.info))
		return -EPROTO;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	memcpy(s->signal.info, m.info.data, m.info.len);
	s->signal.action = (struct sigframe_action){m.handler, m.flags, m.restorer, 0};
	s->signal.stack = (struct sigframe_stack){.sp = m.alt_sp, .size = m.alt_size};
	s->signal.mask = m.mask;
	agent_clock_heard(a, m.home_mono_ns);
	return give(g, s);
}

int signal_return(struct guest_thread *g, const struct seccomp_notif *req)
{
	struct sigframe_memory mem = memory(g->a);
	struct seccomp_notif ask = *req;
	struct sigframe_stack stack;
	uint64_t mask;
	int r;

	if (!g->returns)
		g->returns = calloc(1, sizeof(*g->returns));
	if (!g->returns)
		return -ENOMEM;
	r = sigframe_pop(g->returns, agent_stack_pointer(g), &mask, &stack, &mem);
	/* An alternate stack that arms itself again is set by home's kernel. */
	if (r < 0 || ((uint32_t)stack.flags & SIGFRAME_AUTODISARM))
		return 0;
	memset(ask.data.args, 0, sizeof(ask.data.args));
	ask.data.args[0] = mask;
	buf_clear(&g->a->segments);
	r = agent_forward(g, &ask);
	return r < 0 ? r : 1;
}

int signal_returned(struct guest_thread *g)
{
	g->returned = true;
	return agent_take_back(g, g->call.id);
}

/* The state of the thread, extended registers as home's CPU has them. */
static int take_context(struct guest_thread *g, struct sigframe_context *c, int64_t *code)
{
	struct cpu_layout here;
	uint8_t xstate[XSTATE_MAX];
	ssize_t n = cpu_get_xstate(&g->t, xstate);
	int r = n < 0 ? (int)n : agent_interrupted(g, &c->regs, code);

	if (r < 0)
		return r;
	cpu_layout_here(&here);
	c->xstate_len = cpu_layout_size(&g->a->home_cpu);
	return cpu_convert_xstate(c->xstate, c->xstate_len, &g->a->home_cpu, xstate, (size_t)n, &here);
}

static int say_failed(struct guest_thread *g, const struct guest_signal *s)
{
	struct wire_signal_failed m = {.tid = g->image->tid};
	int r;

	memcpy(&m.signo, s->signal.info, sizeof(m.signo));
	g->stackless = true;
	r = wire_signal_failed_encode(&m, link_out(g->a->link));
	return r < 0 ? r : agent_send(g->a);
}

static int push_all(struct guest_thread *g, struct sigframe_context *c, int64_t code)
{
	struct sigframe_memory mem = memory(g->a);
	int r = 0;

	while (r == 0 && g->signals) {
		struct guest_signal *s = g->signals;

		sigframe_cut_call(&c->regs, code, s->signal.action.flags);
		code = 0;
		g->signals = s->next;
		s->signal.trap = g->trap.values;
		if (sigframe_push(c, &s->signal, &g->a->home_cpu, &mem) < 0)
			r = say_failed(g, s);
		free(s);
	}
	return r;
}

int signals_begin(struct guest_thread *g)
{
	struct sigframe_context *c;
	int64_t code = 0;
	int r;

	if (!signals_wait(g))
		return 0;
	if (fault_point(FAULT_GUEST_SIGNAL) < 0)
		agent_end(g->a, 1, "fault point guest-signal");
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	/* Its memory may have to be fetched first, and with it comes what else is on the link. */
	g->beginning = true;
	g->trap.handled = g->signals && trap_is(g, g->signals);
	r = take_context(g, c, &code);
	if (r == 0 && g->returned) {
		/* The frame has all of it but the segments' bases, which stay. */
		struct user_regs_struct now = c->regs;

		c->regs = g->returns->regs;
		c->regs.fs_base = now.fs_base;
		c->regs.gs_base = now.gs_base;
		c->regs.cs = now.cs;
		c->regs.ss = now.ss;
		c->regs.ds = now.ds;
		c->regs.es = now.es;
		c->regs.fs = now.fs;
		c->regs.gs = now.gs;
		memset(c->xstate, 0, sizeof(c->xstate));
		memcpy(c->xstate, g->returns->xstate, g->returns->xstate_len);
		g->returned = false;
		code = 0;
	}
	g->settled = 0;
	g->reissue.armed = g->reissue.native = false;
	if (r == 0)
		r = push_all(g, c, code);
	if (r == 0)
		r = cpu_set_xstate(&g->t, c->xstate, c->xstate_len, &g->a->home_cpu);
	if (r == 0)
		r = tracee_set_regs(&g->t, &c->regs);
	free(c);
	g->beginning = g->trap.asked = g->trap.handled = false;
	g->t.stop = TRACEE_EVENT; /* another fault that it stood before is made again when the handler returns */
	return r;
}
