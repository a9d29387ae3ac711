/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See record.h. One function for each struct goes over its fields, in both directions, so that writing and reading
 * cannot differ. All numbers are little-endian; a string is a u16 length and so many bytes. Promise: everything that is
 * read lies within its bounds. Must not: allocate.
 */
#include <errno.h>
#include <string.h>
#include "record.h"

static const uint8_t magic[8] = {'g', 'o', 'd', 'w', 'i', 't', 'R', '\n'};

struct tape {
	uint8_t *bytes;
	size_t at, n; /* n: what there is to read, or room to write */
	bool writing, bad;
};

static void raw(struct tape *t, void *p, size_t size)
{
	if (t->bad || t->n - t->at < size) {
		t->bad = true;
		return;
	}
	if (t->writing)
		memcpy(t->bytes + t->at, p, size);
	else
		memcpy(p, t->bytes + t->at, size);
	t->at += size;
}

/* A number of `size` bytes; when reading fails it is 0. */
static uint64_t number(struct tape *t, uint64_t v, unsigned size)
{
	uint8_t b[8] = {0};
	unsigned i;

	for (i = 0; i < size; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	raw(t, b, size);
	if (t->bad)
		return 0;
	for (v = 0, i = 0; i < size; i++)
		v |= (uint64_t)b[i] << 8 * i;
	return v;
}

#define NUMBER(t, field) ((field) = (__typeof__(field))number(t, (uint64_t)(field), sizeof(field)))

static void flag(struct tape *t, bool *v)
{
	uint64_t n = number(t, *v, 1);

	if (n > 1)
		t->bad = true;
	*v = n == 1;
}

/* A small number that must lie in [low, high]. */
static uint8_t choice(struct tape *t, unsigned v, unsigned low, unsigned high)
{
	uint64_t n = number(t, v, 1);

	if (n < low || n > high)
		t->bad = true;
	return t->bad ? (uint8_t)low : (uint8_t)n;
}

static void text(struct tape *t, char *s, size_t cap)
{
	size_t len = 0;

	if (t->writing)
		while (len < cap && s[len])
			len++;
	len = (size_t)number(t, len, 2);
	if (len >= cap) {
		t->bad = true;
		len = 0;
	}
	raw(t, s, len);
	if (!t->writing)
		s[t->bad ? 0 : len] = '\0';
}

static void over_id(struct tape *t, struct policy_id *id)
{
	text(t, id->home, sizeof(id->home));
	NUMBER(t, id->pid);
	NUMBER(t, id->start_time);
}

/* Parameters by their names: a policy with more of them takes its defaults for those, one with fewer refuses. */
static void over_params(struct tape *t, struct policy_params *p)
{
	const struct policy_param_info *info;
	char name[40] = "", digits[12];
	uint32_t v = 0, n, i, k;

	for (n = 0; policy_param_at(n);)
		n++;
	n = (uint32_t)number(t, n, 2);
	if (!t->writing)
		policy_params_init(p);
	for (i = 0; i < n && !t->bad; i++) {
		info = t->writing ? policy_param_at(i) : NULL;
		if (info) {
			memcpy(name, info->name, strlen(info->name) + 1);
			memcpy(&v, (const char *)p + info->offset, sizeof(v));
		}
		text(t, name, sizeof(name));
		NUMBER(t, v);
		for (k = sizeof(digits) - 1, digits[k] = '\0'; k;) {
			digits[--k] = (char)('0' + v % 10);
			v /= 10;
			if (!v)
				break;
		}
		if (!t->writing && policy_param_set(p, name, digits + k) < 0)
			t->bad = true;
	}
}

static void over_config(struct tape *t, struct policy_config *c)
{
	over_params(t, &c->params);
	text(t, c->name, sizeof(c->name));
	text(t, c->address, sizeof(c->address));
	text(t, c->version, sizeof(c->version));
	NUMBER(t, c->port);
	NUMBER(t, c->incarnation);
	NUMBER(t, c->seed);
	NUMBER(t, c->cpus_milli);
	NUMBER(t, c->speed);
	NUMBER(t, c->mem_total);
	NUMBER(t, c->mem_free);
}

static void over_process(struct tape *t, struct policy_process *p)
{
	over_id(t, &p->id);
	NUMBER(t, p->flags);
	NUMBER(t, p->confined);
	NUMBER(t, p->cpu_milli);
	NUMBER(t, p->demand_milli);
	NUMBER(t, p->cpu_age_us);
	NUMBER(t, p->rss);
	NUMBER(t, p->arrived_ns);
	NUMBER(t, p->calls);
}

static void over_entry(struct tape *t, struct policy_node *e)
{
	text(t, e->name, sizeof(e->name));
	text(t, e->address, sizeof(e->address));
	NUMBER(t, e->port);
	NUMBER(t, e->incarnation);
	NUMBER(t, e->seq);
	NUMBER(t, e->age_us);
	NUMBER(t, e->state);
	NUMBER(t, e->cpus_milli);
	NUMBER(t, e->speed);
	NUMBER(t, e->load_milli);
	NUMBER(t, e->export_milli);
	NUMBER(t, e->mem_total);
	NUMBER(t, e->mem_free);
	NUMBER(t, e->guests);
	text(t, e->version, sizeof(e->version));
}

static void over_move(struct tape *t, struct policy_move *m)
{
	over_id(t, &m->id);
	text(t, m->to, sizeof(m->to));
	flag(t, &m->ok);
	flag(t, &m->target_fault);
	NUMBER(t, m->reason);
}

static void over_offer(struct tape *t, struct policy_offer *o)
{
	NUMBER(t, o->mig);
	text(t, o->from, sizeof(o->from));
	NUMBER(t, o->from_load_milli);
	NUMBER(t, o->bytes);
	NUMBER(t, o->demand_milli);
	flag(t, &o->features_ok);
	flag(t, &o->automatic);
	flag(t, &o->returning);
}

static void over_event(struct tape *t, struct policy_event *ev)
{
	ev->type = (enum policy_event_type)choice(t, ev->type, POLICY_EV_CONFIG, POLICY_EV__MAX - 1);
	NUMBER(t, ev->now_ns);
	switch (ev->type) {
	case POLICY_EV_CONFIG:
		over_config(t, &ev->config);
		break;
	case POLICY_EV_SAMPLE:
		NUMBER(t, ev->sample.dt_ns);
		NUMBER(t, ev->sample.runnable_milli);
		NUMBER(t, ev->sample.mem_free);
		NUMBER(t, ev->sample.stalled_milli);
		NUMBER(t, ev->sample.faults);
		break;
	case POLICY_EV_PROCESS:
		over_process(t, &ev->process);
		break;
	case POLICY_EV_PROCESS_GONE:
		over_id(t, &ev->id);
		break;
	case POLICY_EV_ENTRY:
		flag(t, &ev->direct);
		over_entry(t, &ev->entry);
		break;
	case POLICY_EV_MOVE_STARTED:
	case POLICY_EV_MOVE_DONE:
		over_move(t, &ev->move);
		break;
	case POLICY_EV_GUEST_OFFER:
		over_offer(t, &ev->offer);
		break;
	case POLICY_EV_GUEST_DONE:
		NUMBER(t, ev->guest.mig);
		flag(t, &ev->guest.ok);
		break;
	case POLICY_EV_ADMIN:
		ev->admin.op = (enum policy_admin_op)choice(t, ev->admin.op, 1, POLICY_ADMIN__MAX - 1);
		over_id(t, &ev->admin.id);
		break;
	case POLICY_EV_PEER_FAILED:
	case POLICY_EV_PEER_LEFT:
		text(t, ev->peer.name, sizeof(ev->peer.name));
		break;
	case POLICY_EV_PLACE:
		NUMBER(t, ev->place.token);
		NUMBER(t, ev->place.bytes);
		flag(t, &ev->place.not_here);
		break;
	case POLICY_EV_TICK:
	case POLICY_EV_LEAVE:
	case POLICY_EV__MAX:
		break;
	}
}

static void over_action(struct tape *t, struct policy_action *a)
{
	a->type = (enum policy_action_type)choice(t, a->type, POLICY_DO_GOSSIP, POLICY_DO__MAX - 1);
	switch (a->type) {
	case POLICY_DO_MOVE:
		over_id(t, &a->move.id);
		text(t, a->move.to, sizeof(a->move.to));
		flag(t, &a->move.home);
		a->move.motive = (enum policy_motive)choice(t, a->move.motive, 1, POLICY_MOTIVE__MAX - 1);
		NUMBER(t, a->move.gain_percent);
		NUMBER(t, a->move.saved_us);
		break;
	case POLICY_DO_ADMIT:
		NUMBER(t, a->admit.mig);
		flag(t, &a->admit.accept);
		NUMBER(t, a->admit.why);
		NUMBER(t, a->admit.value);
		NUMBER(t, a->admit.threshold);
		break;
	case POLICY_DO_PLACE:
		NUMBER(t, a->place.token);
		text(t, a->place.to, sizeof(a->place.to));
		break;
	case POLICY_DO_EXPELLED:
	case POLICY_DO__MAX:
		break;
	default:
		text(t, a->node.name, sizeof(a->node.name));
		text(t, a->node.address, sizeof(a->node.address));
		NUMBER(t, a->node.port);
		if (a->type == POLICY_DO_GOSSIP)
			NUMBER(t, a->node.ask);
		break;
	}
}

static void over_window(struct tape *t, struct policy_record *r)
{
	NUMBER(t, r->n_window);
	if (r->n_window > POLICY_WINDOW_MAX)
		t->bad = true;
	NUMBER(t, r->window);
}

static void over_record(struct tape *t, struct policy_record *r)
{
	unsigned i;

	r->kind = (enum policy_record_kind)choice(t, r->kind, POLICY_RECORD_START, POLICY_RECORD__MAX - 1);
	switch (r->kind) {
	case POLICY_RECORD_START:
		NUMBER(t, r->limits.nodes);
		NUMBER(t, r->limits.processes);
		NUMBER(t, r->event.now_ns);
		over_config(t, &r->event.config);
		break;
	case POLICY_RECORD_STEP:
		over_event(t, &r->event);
		NUMBER(t, r->result);
		NUMBER(t, r->n);
		if (r->n > POLICY_ACTIONS_MAX)
			t->bad = true;
		for (i = 0; i < r->n && !t->bad; i++)
			over_action(t, &r->a[i]);
		over_window(t, r);
		break;
	case POLICY_RECORD_WINDOW:
		NUMBER(t, r->event.now_ns);
		NUMBER(t, r->max);
		over_window(t, r);
		break;
	case POLICY_RECORD__MAX:
		break;
	}
}

uint64_t policy_record_window(const struct policy_node *const *window, unsigned n)
{
	uint64_t h = 0xcbf29ce484222325ULL, v[3];
	unsigned i, k;

	for (i = 0; i < n; i++) {
		const char *s = window[i]->name;

		for (k = 0; k < POLICY_NAME_MAX && s[k]; k++)
			h = (h ^ (uint8_t)s[k]) * 0x100000001b3ULL;
		v[0] = window[i]->incarnation;
		v[1] = window[i]->seq;
		v[2] = window[i]->age_us;
		for (k = 0; k < 3; k++)
			h = (h ^ v[k]) * 0x100000001b3ULL;
	}
	return h;
}

void policy_record_head(uint8_t ret[POLICY_RECORD_HEAD])
{
	struct tape t = {.bytes = ret, .n = POLICY_RECORD_HEAD, .writing = true};

	memcpy(ret, magic, sizeof(magic));
	t.at = sizeof(magic);
	(void)number(&t, POLICY_RECORD_VERSION, 4);
}

int policy_record_check_head(const uint8_t *bytes, size_t n)
{
	uint8_t want[POLICY_RECORD_HEAD];

	policy_record_head(want);
	if (n < POLICY_RECORD_HEAD || memcmp(bytes, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	return memcmp(bytes, want, sizeof(want)) != 0 ? -EPROTONOSUPPORT : 0;
}

/* A record is a u32 length and so many bytes. */
size_t policy_record_put(struct policy_record *r, uint8_t *bytes, size_t cap)
{
	struct tape t = {.bytes = bytes, .at = 4, .n = cap, .writing = true};
	size_t end;

	if (cap < 4)
		return 0;
	over_record(&t, r);
	if (t.bad || t.at - 4 > POLICY_RECORD_MAX)
		return 0;
	end = t.at;
	t.at = 0;
	(void)number(&t, end - 4, 4);
	return end;
}

int policy_record_get(const uint8_t *bytes, size_t n, struct policy_record *ret, size_t *ret_used)
{
	struct tape t = {.bytes = (uint8_t *)(uintptr_t)bytes, .n = n}; /* only read */
	uint64_t length = number(&t, 0, 4);

	if (t.bad)
		return -EAGAIN;
	if (length > POLICY_RECORD_MAX)
		return -EBADMSG;
	if (n - t.at < length)
		return -EAGAIN;
	t.n = t.at + length;
	memset(ret, 0, sizeof(*ret));
	over_record(&t, ret);
	if (t.bad || t.at != t.n)
		return -EBADMSG;
	*ret_used = t.n;
	return 0;
}
