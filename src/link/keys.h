/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of a cluster and of a node, as texts (PEM) and as files of the state directory.
 * Promise: Ed25519 throughout; certificates are valid from 1970 to 9999, so that no clock decides about membership; a
 * file with a private key has mode 0600 from the moment it exists; private keys are wiped from memory when freed. Must
 * not: speak to anyone, or decide who may join.
 *
 * The cluster's key signs the nodes' certificates; a certificate's common name is the node's name. Every member has the
 * cluster's key, so that any of them can take in a new node.
 */
#ifndef GODWIT_LINK_KEYS_H
#define GODWIT_LINK_KEYS_H

#include <stddef.h>
#include "../base/err.h"
#include "link.h"

#define KEYS_FINGERPRINT_SIZE 65 /* 64 hexadecimal digits of SHA-256, and the NUL */

/* ---- texts ----------------------------------------------------------------------------------------------- */

/* A certificate and its private key, each a terminated PEM text. */
struct keys_pair {
	char *cert, *key;
};
void keys_pair_release(struct keys_pair *p); /* wipes and frees the texts, not p */

/* A new cluster. -ENOMEM; the caller releases *ret. */
int keys_make_cluster(struct keys_pair *ret, struct err *e) _must_check_;
/* A new node key with a certificate signed by the cluster's. name: 1 to LINK_NAME_MAX visible ASCII characters.
 * -EINVAL: a bad name, or ca is no cluster's pair. */
int keys_make_node(struct keys_pair *ret, const struct keys_pair *ca, const char *name, struct err *e) _must_check_;
/* SHA-256 over the cluster's public key (its SubjectPublicKeyInfo in DER), in hexadecimal. -EINVAL: not a certificate.
 */
int keys_fingerprint_of(const char *ca_cert, char ret[KEYS_FINGERPRINT_SIZE], struct err *e) _must_check_;
/* Fills p with random bytes fit for keys. 0 or -EIO. */
int keys_random(void *p, size_t n, struct err *e) _must_check_;

/* ---- a member's keys, on disk: ca.crt, ca.key, node.crt, node.key ------------------------------------------- */

struct keys;

/* Reads dir. -ENOENT: this node is in no cluster; -EINVAL: the files are damaged. The caller frees *ret. */
int keys_load(struct keys **ret, const char *dir, struct err *e) _must_check_;
/* Makes a new cluster with this node in it, in dir. -EEXIST: there is one. */
int keys_init(const char *dir, const char *name, struct err *e) _must_check_;
/* Makes this node a member of the cluster whose pair was received, in dir. -EEXIST: it is in one; -EINVAL: no such
 * pair. */
int keys_join(const char *dir, const struct keys_pair *ca, const char *name, struct err *e) _must_check_;
/* Removes the four files; those that are not there are no error. */
int keys_forget(const char *dir, struct err *e) _must_check_;
void keys_free(struct keys *k); /* NULL is legal */

const char *keys_fingerprint(const struct keys *k); /* of the cluster, as keys_fingerprint_of() */
const struct keys_pair *keys_cluster(const struct keys *k); /* what JOIN_GRANT hands on */
const struct link_identity *keys_identity(const struct keys *k); /* for link_new_cert(); lives as long as k */

#endif
