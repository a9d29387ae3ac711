/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwitd --record: everything that goes into the policy and comes out, for godwit sim --replay.
 * Promise: at most RECORD_MAX bytes; then, or when the disk is full, it ends with a line in the log, and the daemon
 * goes on as before. What has been written can be replayed up to its end. Must not: do anything unless it was asked
 * for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "node.h"
#include "policy/record.h"

#define RECORD_MAX (64ULL << 20) /* days of a small cluster */

struct recorder {
	FILE *f;
	uint64_t written;
	struct policy_record record;
	uint8_t bytes[POLICY_RECORD_MAX + 4];
};

int record_open(struct node *n, struct err *e)
{
	uint8_t head[POLICY_RECORD_HEAD];
	int fd;

	if (!n->cfg.record[0])
		return 0;
	n->recorder = calloc(1, sizeof(*n->recorder));
	if (!n->recorder)
		return err_set(e, -ENOMEM, "out of memory");
	fd = open(n->cfg.record, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	n->recorder->f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!n->recorder->f) {
		int r = -errno;

		if (fd >= 0)
			(void)close(fd);
		free(take_ptr(n->recorder));
		return err_set(e, r, "%.200s cannot be written: %s", n->cfg.record, strerror(-r));
	}
	policy_record_head(head);
	n->recorder->written = fwrite(head, 1, sizeof(head), n->recorder->f);
	return 0;
}

void record_close(struct node *n)
{
	if (!n->recorder)
		return;
	if (fclose(n->recorder->f) != 0)
		log_error("%s could not be written: %s", n->cfg.record, strerror(errno));
	free(take_ptr(n->recorder));
}

static void append(struct node *n)
{
	struct recorder *r = n->recorder;
	size_t size = policy_record_put(&r->record, r->bytes, sizeof(r->bytes));

	if (size && r->written + size <= RECORD_MAX && fwrite(r->bytes, 1, size, r->f) == size) {
		r->written += size;
		return;
	}
	log_error("the recording %s ends after %llu bytes: %s", n->cfg.record, (unsigned long long)r->written,
		  size && r->written + size > RECORD_MAX ? "it is full" : "it cannot be written");
	record_close(n);
}

void record_start(struct node *n, const struct policy_limits *limits, const struct policy_config *config,
		  uint64_t now_ns)
{
	if (!n->recorder)
		return;
	n->recorder->record = (struct policy_record){.kind = POLICY_RECORD_START, .limits = *limits};
	n->recorder->record.event.now_ns = now_ns;
	n->recorder->record.event.config = *config;
	append(n);
}

void record_step(struct node *n, const struct policy_event *ev, int result, const struct policy_actions *act)
{
	struct policy_record *r = n->recorder ? &n->recorder->record : NULL;

	if (!r)
		return;
	r->kind = POLICY_RECORD_STEP;
	r->event = *ev;
	r->result = result;
	r->n = (uint16_t)act->n;
	memcpy(r->a, act->a, act->n * sizeof(act->a[0]));
	r->n_window = (uint16_t)act->n_window;
	r->window = policy_record_window(act->window, act->n_window);
	append(n);
	/* so that a daemon that is killed leaves what it has done; a tick ends what belongs together */
	if (n->recorder && ev->type == POLICY_EV_TICK)
		(void)fflush(n->recorder->f);
}

unsigned policy_freshest(struct node *n, const struct policy_node **window, unsigned max)
{
	uint64_t now = clock_mono_ns();
	unsigned k = policy_window(n->policy, now, window, max);

	if (!n->recorder)
		return k;
	n->recorder->record.kind = POLICY_RECORD_WINDOW;
	n->recorder->record.event.now_ns = now;
	n->recorder->record.max = max;
	n->recorder->record.n_window = (uint16_t)k;
	n->recorder->record.window = policy_record_window(window, k);
	append(n);
	return k;
}
