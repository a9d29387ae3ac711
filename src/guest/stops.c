/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Job control, as home says.
 * Promise: from HALT on no thread makes a step until home says that the process goes on; one that waits for its call
 * stops when it has the answer. Must not: stop or continue by the host's own job control.
 */
#include "agent.h"

#include <errno.h>

#include "../base/fault.h"

int agent_halt(struct agent *a, const uint8_t *body, size_t n)
{
	struct wire_halt m;
	int r = wire_halt_decode(&m, body, n);

	if (r < 0 || a->state < AGENT_READY)
		return r < 0 ? r : -EPROTO;
	if (fault_point(FAULT_GUEST_HALT) < 0)
		agent_end(a, 1, "fault point guest-halt");
	a->b.head.stopped = m.stopped; /* which is all, while it does not run */
	/* From the last: one that turns out to have ended goes off the list. */
	for (size_t i = a->threads_n; r == 0 && a->state == AGENT_RUNNING && i-- > 0;) {
		struct guest_thread *g = i < a->threads_n ? a->threads[i] : NULL;

		if (!g)
			continue;
		if (m.stopped && g->t.stop == TRACEE_RUNNING && !g->leaves)
			r = tracee_interrupt(&g->t);
		else if (!m.stopped && g->trap.asked) /* home may have been stopped when it heard of it */
			r = trap_ask_again(g);
		else if (!m.stopped && g->t.stop != TRACEE_RUNNING && !g->beginning)
			agent_stands(g);
	}
	return r == -ESRCH ? 0 : r; /* its end will be seen */
}
