/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit sim --replay: a fresh policy gets what a recorded one got, and must answer the same.
 * Promise: any file is replayed, or refused with a sentence; the first difference is told in words. Must not: decide.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "policy/record.h"
#include "sim.h"

#define FILE_MAX (128ULL << 20)

struct replay {
	struct policy *policy;
	FILE *rewritten; /* NULL: differences are errors */
	uint64_t began_ns; /* of the first record */
	struct policy_record was, is;
	struct policy_actions act;
	uint8_t a[POLICY_RECORD_MAX + 4], b[POLICY_RECORD_MAX + 4];
};

static const char *const event_words[POLICY_EV__MAX] = {
    [POLICY_EV_CONFIG] = "config",
    [POLICY_EV_SAMPLE] = "sample",
    [POLICY_EV_PROCESS] = "process",
    [POLICY_EV_PROCESS_GONE] = "process gone",
    [POLICY_EV_ENTRY] = "entry",
    [POLICY_EV_TICK] = "tick",
    [POLICY_EV_MOVE_STARTED] = "move begun",
    [POLICY_EV_MOVE_DONE] = "move done",
    [POLICY_EV_GUEST_OFFER] = "offer",
    [POLICY_EV_GUEST_DONE] = "guest done",
    [POLICY_EV_ADMIN] = "order",
    [POLICY_EV_PEER_FAILED] = "peer failed",
    [POLICY_EV_PEER_LEFT] = "peer left",
    [POLICY_EV_PLACE] = "placement",
    [POLICY_EV_LEAVE] = "leave",
};

static const char *const action_words[POLICY_DO__MAX] = {
    [POLICY_DO_GOSSIP] = "gossip to",
    [POLICY_DO_MOVE] = "move",
    [POLICY_DO_ADMIT] = "answer",
    [POLICY_DO_PLACE] = "place on",
    [POLICY_DO_NODE_ALIVE] = "alive:",
    [POLICY_DO_NODE_SUSPECT] = "suspect:",
    [POLICY_DO_NODE_DEAD] = "dead:",
    [POLICY_DO_NODE_FORGOTTEN] = "forgotten:",
    [POLICY_DO_EXPELLED] = "no guest is left",
};

/* A name from a recording may hold anything; only what a name may be is shown. */
static const char *shown(const char *name)
{
	const char *p;

	for (p = name; *p; p++)
		if (*p <= ' ' || *p > '~')
			return "?";
	return name;
}

static void action_text(const struct policy_record *r, unsigned i, char *buf, size_t cap)
{
	const struct policy_action *a = &r->a[i];

	if (i >= r->n)
		(void)snprintf(buf, cap, "nothing more");
	else if (a->type == POLICY_DO_MOVE)
		(void)snprintf(buf, cap, "move process %lld of %.40s to %.40s, %lld us saved",
			       (long long)a->move.id.pid, a->move.id.home[0] ? shown(a->move.id.home) : "this node",
			       shown(a->move.to), (long long)a->move.saved_us);
	else if (a->type == POLICY_DO_ADMIT)
		(void)snprintf(buf, cap, "offer %llu %s, %lld against %lld", (unsigned long long)a->admit.mig,
			       a->admit.accept ? "taken" : "refused", (long long)a->admit.value,
			       (long long)a->admit.threshold);
	else if (a->type == POLICY_DO_PLACE)
		(void)snprintf(buf, cap, "place on %.40s", shown(a->place.to));
	else if (a->type == POLICY_DO_EXPELLED)
		(void)snprintf(buf, cap, "%s", action_words[a->type]);
	else
		(void)snprintf(buf, cap, "%s %.40s", action_words[a->type], shown(a->node.name));
}

static int differs(struct replay *p, uint64_t number, struct err *e)
{
	const struct policy_record *was = &p->was, *is = &p->is;
	bool step = was->kind == POLICY_RECORD_STEP;
	char where[80], a[160], b[160];
	unsigned i;

	(void)snprintf(where, sizeof(where), "record %llu (%s, after %.3f s)", (unsigned long long)number,
		       step ? event_words[was->event.type] : "window",
		       (double)(was->event.now_ns - p->began_ns) * 1e-9);
	if (step && was->result != is->result)
		return err_set(e, -EILSEQ, "%s: the result was %d and is now %d", where, was->result, is->result);
	for (i = 0; step && i < POLICY_ACTIONS_MAX; i++) {
		action_text(was, i, a, sizeof(a));
		action_text(is, i, b, sizeof(b));
		if (strcmp(a, b) != 0)
			return err_set(e, -EILSEQ, "%s: action %u was: %s; is now: %s", where, i + 1, a, b);
	}
	if (was->n_window == is->n_window && was->window == is->window)
		return err_set(e, -EILSEQ, "%s: an action is not the same in all its fields", where);
	return err_set(e, -EILSEQ, "%s: the window had %u entries and has now %u%s", where, was->n_window, is->n_window,
		       was->n_window == is->n_window ? ", but not the same" : "");
}

static void play_step(struct replay *p)
{
	p->is.result = policy_step(p->policy, &p->was.event, &p->act);
	p->is.n = (uint16_t)p->act.n;
	memcpy(p->is.a, p->act.a, p->act.n * sizeof(p->act.a[0]));
	p->is.n_window = (uint16_t)p->act.n_window;
	p->is.window = policy_record_window(p->act.window, p->act.n_window);
}

static void play_window(struct replay *p)
{
	const struct policy_node *window[POLICY_WINDOW_MAX];

	p->is.n_window = (uint16_t)policy_window(p->policy, p->was.event.now_ns, window, p->was.max);
	p->is.window = policy_record_window(window, p->is.n_window);
}

static int rewrite(struct replay *p, struct policy_record *r, struct err *e)
{
	size_t n = p->rewritten ? policy_record_put(r, p->b, sizeof(p->b)) : 0;

	return p->rewritten && (!n || fwrite(p->b, 1, n, p->rewritten) != n) ? err_set(e, -EIO, "it cannot be written")
									     : 0;
}

/* One record; -EILSEQ: another answer. */
static int play(struct replay *p, uint64_t number, struct sim_replay *ret, struct err *e)
{
	size_t n, k;
	int r;

	if (p->was.kind == POLICY_RECORD_START) {
		policy_free(take_ptr(p->policy));
		r = policy_new(&p->was.limits, &p->was.event.config, p->was.event.now_ns, &p->policy);
		if (r < 0)
			return err_set(e, r == -ENOMEM ? r : -EBADMSG, "record %llu: no policy can be made of it",
				       (unsigned long long)number);
		ret->starts++;
		return rewrite(p, &p->was, e);
	}
	if (!p->policy)
		return err_set(e, -EBADMSG, "the recording does not begin with a start");
	p->is.kind = p->was.kind;
	p->is.event = p->was.event;
	p->is.max = p->was.max;
	if (p->was.kind == POLICY_RECORD_STEP)
		play_step(p);
	else
		play_window(p);
	if (p->rewritten)
		return rewrite(p, &p->is, e);
	n = policy_record_put(&p->was, p->a, sizeof(p->a));
	k = policy_record_put(&p->is, p->b, sizeof(p->b));
	if (!n || n != k || memcmp(p->a, p->b, n) != 0)
		return differs(p, number, e);
	ret->steps++;
	for (k = 0; p->was.kind == POLICY_RECORD_STEP && k < p->was.n; k++) {
		ret->actions++;
		ret->moves += p->was.a[k].type == POLICY_DO_MOVE;
	}
	return 0;
}

static int replay(const uint8_t *bytes, size_t n, FILE *rewritten, struct sim_replay *ret, struct err *e)
{
	size_t at = POLICY_RECORD_HEAD, used;
	uint64_t number = 0;
	struct replay *p;
	int r = policy_record_check_head(bytes, n);

	*ret = (struct sim_replay){.steps = 0};
	if (r == -EPROTONOSUPPORT)
		return err_set(e, r, "the recording has another version than %d", POLICY_RECORD_VERSION);
	if (r < 0)
		return err_set(e, r, "it is no recording of godwitd --record");
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	p->rewritten = rewritten;
	while (r == 0 && at < n) {
		r = policy_record_get(bytes + at, n - at, &p->was, &used);
		number++;
		if (r == -EAGAIN) { /* the daemon was killed while it wrote */
			ret->cut = true;
			r = 0;
			break;
		}
		if (r < 0) {
			r = err_set(e, r, "record %llu, at byte %zu, is damaged", (unsigned long long)number, at);
			break;
		}
		if (number == 1)
			p->began_ns = p->was.event.now_ns;
		ret->seconds = (double)(p->was.event.now_ns - p->began_ns) * 1e-9;
		r = play(p, number, ret, e);
		at += used;
	}
	policy_free(p->policy);
	free(p);
	return r;
}

int sim_replay(const uint8_t *bytes, size_t n, struct sim_replay *ret, struct err *e)
{
	return replay(bytes, n, NULL, ret, e);
}

static int read_recording(const char *path, char **ret, size_t *ret_n, struct err *e)
{
	int r = file_read_all(path, FILE_MAX, ret, ret_n);

	return r < 0 ? err_set(e, -EIO, "%.200s cannot be read: %s", path, strerror(-r)) : 0;
}

int sim_replay_file(const char *path, struct sim_replay *ret, struct err *e)
{
	_cleanup_free_ char *bytes = NULL;
	size_t n;

	if (read_recording(path, &bytes, &n, e) < 0)
		return e->code;
	return sim_replay((const uint8_t *)bytes, n, ret, e) < 0 ? err_prefix(e, "%.100s", path) : 0;
}

int sim_rewrite_file(const char *path, const char *to, struct err *e)
{
	_cleanup_free_ char *bytes = NULL;
	uint8_t head[POLICY_RECORD_HEAD];
	struct sim_replay done;
	size_t n;
	FILE *f;
	int r;

	if (read_recording(path, &bytes, &n, e) < 0)
		return e->code;
	f = fopen(to, "we");
	if (!f)
		return err_set(e, -EIO, "%.200s cannot be written: %s", to, strerror(errno));
	policy_record_head(head);
	(void)fwrite(head, 1, sizeof(head), f);
	r = replay((const uint8_t *)bytes, n, f, &done, e);
	if (r < 0)
		(void)err_prefix(e, "%.100s", path);
	if (fclose(f) != 0 && r == 0)
		r = err_set(e, -EIO, "%.200s could not be written: %s", to, strerror(errno));
	return r;
}
