/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A member's keys on disk; see keys.h. node.key is written last and removed first: a node is a member exactly when it
 * is there, whatever moment a crash chose.
 */
#include "keys.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <openssl/crypto.h>

#include "../base/file.h"

#define PEM_MAX (64U << 10)

struct keys {
	struct keys_pair ca;
	struct link_identity *identity;
	char fingerprint[KEYS_FINGERPRINT_SIZE];
};

struct path {
	char text[PATH_MAX];
};

static int path_of(struct path *p, const char *dir, const char *file, struct err *e)
{
	int n = snprintf(p->text, sizeof(p->text), "%s/%s", dir, file);

	return n < 0 || (size_t)n >= sizeof(p->text) ? err_set(e, -ENAMETOOLONG, "the name of %s is too long", dir) : 0;
}

static int read_text(char **ret, const char *dir, const char *file, struct err *e)
{
	struct path p;
	int r = path_of(&p, dir, file, e);

	if (r < 0)
		return r;
	r = file_read_all(p.text, PEM_MAX, ret, NULL);
	if (r == -ENOENT)
		r = -EINVAL; /* -ENOENT means: no member; see keys_load() */
	return r < 0 ? err_set(e, r, "cannot read %s: %s", p.text, strerror(-r)) : 0;
}

static int write_text(const char *dir, const char *file, const char *text, unsigned mode, struct err *e)
{
	struct path p;
	int r = path_of(&p, dir, file, e);

	if (r < 0)
		return r;
	r = file_write_atomic(p.text, text, strlen(text), mode);
	return r < 0 ? err_set(e, r, "cannot write %s: %s", p.text, strerror(-r)) : 0;
}

/* 1 member, 0 not, or -errno. */
static int is_member(const char *dir, struct err *e)
{
	struct path p;
	int r = path_of(&p, dir, "node.key", e);

	if (r < 0)
		return r;
	if (access(p.text, F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_set(e, -errno, "cannot look for %s: %s", p.text, strerror(errno));
}

static int load_into(struct keys *k, const char *dir, struct err *e)
{
	_cleanup_(keys_pair_release) struct keys_pair node = {0};
	int r = read_text(&k->ca.cert, dir, "ca.crt", e);

	if (r == 0)
		r = read_text(&k->ca.key, dir, "ca.key", e);
	if (r == 0)
		r = read_text(&node.cert, dir, "node.crt", e);
	if (r == 0)
		r = read_text(&node.key, dir, "node.key", e);
	if (r == 0)
		r = keys_fingerprint_of(k->ca.cert, k->fingerprint, e);
	if (r == 0)
		r = link_identity_new(&k->identity, k->ca.cert, node.cert, node.key, e);
	return r;
}

int keys_load(struct keys **ret, const char *dir, struct err *e)
{
	struct keys *k;
	int r = is_member(dir, e);

	if (r <= 0)
		return r < 0 ? r : err_set(e, -ENOENT, "this node is in no cluster");
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, -ENOMEM, "out of memory");
	r = load_into(k, dir, e);
	if (r < 0) {
		keys_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

int keys_join(const char *dir, const struct keys_pair *ca, const char *name, struct err *e)
{
	_cleanup_(keys_pair_release) struct keys_pair node = {0};
	int r = is_member(dir, e);

	if (r)
		return r < 0 ? r : err_set(e, -EEXIST, "this node is in a cluster already");
	r = keys_make_node(&node, ca, name, e);
	if (r == 0) {
		r = file_mkdir_p(dir, 0700);
		if (r < 0)
			err_set(e, r, "cannot make %s: %s", dir, strerror(-r));
	}
	if (r == 0)
		r = write_text(dir, "ca.crt", ca->cert, 0644, e);
	if (r == 0)
		r = write_text(dir, "ca.key", ca->key, 0600, e);
	if (r == 0)
		r = write_text(dir, "node.crt", node.cert, 0644, e);
	if (r == 0)
		r = write_text(dir, "node.key", node.key, 0600, e);
	return r;
}

int keys_init(const char *dir, const char *name, struct err *e)
{
	_cleanup_(keys_pair_release) struct keys_pair ca = {0};
	int r = keys_make_cluster(&ca, e);

	return r < 0 ? r : keys_join(dir, &ca, name, e);
}

int keys_forget(const char *dir, struct err *e)
{
	static const char *const files[] = {"node.key", "node.crt", "ca.key", "ca.crt"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct path p;
		int r = path_of(&p, dir, files[i], e);

		if (r < 0)
			return r;
		if (unlink(p.text) < 0 && errno != ENOENT)
			return err_set(e, -errno, "cannot remove %s: %s", p.text, strerror(errno));
	}
	return 0;
}

void keys_free(struct keys *k)
{
	if (!k)
		return;
	link_identity_free(k->identity);
	keys_pair_release(&k->ca);
	free(k);
}

const char *keys_fingerprint(const struct keys *k)
{
	return k->fingerprint;
}

const struct keys_pair *keys_cluster(const struct keys *k)
{
	return &k->ca;
}

const struct link_identity *keys_identity(const struct keys *k)
{
	return k->identity;
}
