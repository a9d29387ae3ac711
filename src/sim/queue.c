/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What will happen: a binary heap ordered by time, and by the order of putting in among equal times.
 * Promise: the order depends on nothing else. Must not: know what the events mean.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"

static bool before(const struct event *a, const struct event *b)
{
	return a->time < b->time || (a->time == b->time && a->number < b->number);
}

int queue_put(struct queue *q, struct event e)
{
	size_t i = q->n;

	if (q->n == q->cap) {
		size_t cap = q->cap ? 2 * q->cap : 1024;
		struct event *more = realloc(q->heap, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		q->heap = more;
		q->cap = cap;
	}
	e.number = q->number++;
	q->n++;
	for (; i && before(&e, &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		q->heap[i] = q->heap[(i - 1) / 2];
	q->heap[i] = e;
	return 0;
}

bool queue_take(struct queue *q, struct event *ret)
{
	struct event last;
	size_t i = 0, child;

	if (!q->n)
		return false;
	*ret = q->heap[0];
	last = q->heap[--q->n];
	while ((child = 2 * i + 1) < q->n) {
		if (child + 1 < q->n && before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!before(&q->heap[child], &last))
			break;
		q->heap[i] = q->heap[child];
		i = child;
	}
	q->heap[i] = last;
	return true;
}

void queue_release(struct queue *q)
{
	free(q->heap);
	*q = (struct queue){.n = 0};
}
