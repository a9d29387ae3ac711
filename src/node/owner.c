/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the administrator has decided about guests, by `godwit node` or the configuration file, and whether the
 * machine's owner is there.
 * Promise: a process that comes back to its home is never refused here. Must not: look at anything of a terminal but
 * the time of its last use.
 */
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include "base/log.h"
#include "node.h"

const char *owner_closed(const struct node *n)
{
	const struct settings *s = &n->settings;

	if (s->node_gatekeeper)
		return "is a gatekeeper and takes no guests";
	if (n->blocked || !s->guests_take)
		return "takes no guests";
	if (n->owner_here && s->owner_then != OWNER_NOTHING)
		return "takes no guests while its owner is there";
	if (s->guests_most && helpers_guests(n) + offers_count(n) >= s->guests_most)
		return "has as many guests as it takes";
	return NULL;
}

static void tell(struct node *n, enum policy_admin_op op)
{
	struct policy_event ev = {.type = POLICY_EV_ADMIN, .now_ns = clock_mono_ns()};

	ev.admin.op = op;
	(void)policy_event(n, &ev, NULL);
}

void owner_tell(struct node *n)
{
	bool closed = owner_closed(n) != NULL;

	if (closed == n->closed)
		return;
	n->closed = closed;
	tell(n, closed ? POLICY_ADMIN_BLOCK : POLICY_ADMIN_UNBLOCK);
	if (closed)
		exec_close(n);
}

int owner_admits(const struct node *n, const char *home, const char *user, struct err *e)
{
	const char *closed = owner_closed(n);

	if (closed)
		return err_reason(e, REASON_NODE_BLOCKED, -EBUSY, "%s %s", n->name, closed);
	if (!settings_match(&n->settings.guests_nodes, home))
		return err_reason(e, REASON_NODE_BLOCKED, -EBUSY, "%s takes no guests from %s", n->name, home);
	if (!settings_match(&n->settings.guests_users, user))
		return err_reason(e, REASON_NODE_BLOCKED, -EBUSY, "%s takes no guests of user %s", n->name, user);
	return 0;
}

bool owner_keeps(const struct node *n, const char *comm)
{
	return settings_match(&n->settings.programs_stay, comm);
}

/* ---- the owner's presence -------------------------------------------------------------------------------------- */

/* The kernel sets a terminal's access time when somebody types, to within 8 s (tty_update_time()). */
static bool used_lately(const char *pattern, time_t since)
{
	glob_t found = {0};
	struct stat st;
	bool used = false;
	size_t i;

	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
		for (i = 0; i < found.gl_pathc && !used; i++)
			used = stat(found.gl_pathv[i], &st) == 0 && st.st_atime >= since;
	globfree(&found);
	return used;
}

static bool is_here(const struct settings *s)
{
	char list[SETTINGS_WORDS_MAX], *word, *save = NULL;
	time_t since = (time_t)(clock_real_ns() / NSEC_PER_SEC) - (time_t)s->owner_idle;
	bool here = false;

	memcpy(list, s->owner_terminals.text, sizeof(list));
	for (word = strtok_r(list, " ", &save); word && !here; word = strtok_r(NULL, " ", &save))
		here = used_lately(word, since);
	return here;
}

void owner_second(struct node *n)
{
	const struct settings *s = &n->settings;
	bool here = *s->owner_terminals.text && is_here(s);

	if (here != n->owner_here)
		log_info("the owner of %s %s", n->name, here ? "is there" : "has left");
	n->owner_here = here;
	owner_tell(n);
	/* Also for guests that came in the moment before. */
	if (here && s->owner_then == OWNER_EXPEL && !n->expelling && helpers_guests(n)) {
		n->expelling = true;
		tell(n, POLICY_ADMIN_EXPEL);
	}
}

/* ---- reload ----------------------------------------------------------------------------------------------------- */

static void late(void *arg, const char *name)
{
	log_warn("%s counts when godwitd starts next", name);
}

int owner_reload(struct node *n, struct err *e)
{
	static struct settings s; /* too big for a stack */
	unsigned files = 0;

	if (config_read(&n->cfg, &s, &files, e) < 0)
		return e->code;
	settings_late(&n->settings, &s, late, NULL);
	n->settings = s;
	sampler_limits(&n->sampler, n->cfg.cpus_milli ? n->cfg.cpus_milli : s.node_cpus,
		       n->cfg.memory ? n->cfg.memory : s.node_memory, s.guests_keep_cpus, s.guests_keep_memory);
	policy_reconfigure(n);
	owner_second(n);
	log_info("the configuration was read again: %s and %u more", n->cfg.file, files ? files - 1 : 0);
	return 0;
}
