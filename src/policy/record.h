/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings: what a policy was given and what it answered, as bytes (docs/simulator.md has the format).
 * Promise: what is written is read back as it was; whatever else is read gives -EBADMSG, never a crash. Pure like the
 * rest. Must not: touch files; godwitd --record and godwit sim --replay do.
 */
#ifndef GODWIT_POLICY_RECORD_H
#define GODWIT_POLICY_RECORD_H

#include "policy.h"

#define POLICY_RECORD_VERSION 3
#define POLICY_RECORD_HEAD 12 /* bytes at the beginning of a recording: 8 of magic, the version */
#define POLICY_RECORD_MAX 20000 /* bytes of one record */

enum policy_record_kind {
	POLICY_RECORD_START = 1, /* policy_new(): limits, config, now */
	POLICY_RECORD_STEP = 2, /* policy_step(): event, result, actions, window */
	POLICY_RECORD_WINDOW = 3, /* policy_window(): now, max, window */
	POLICY_RECORD__MAX
};

struct policy_record {
	enum policy_record_kind kind;
	struct policy_limits limits; /* START */
	struct policy_event event; /* STEP; START: config and now_ns are used; WINDOW: now_ns */
	uint32_t max; /* WINDOW */
	int32_t result; /* STEP: of policy_step() */
	uint16_t n; /* STEP: actions */
	struct policy_action a[POLICY_ACTIONS_MAX];
	uint16_t n_window;
	uint64_t window; /* digest of the entries, see policy_record_window() */
};

/* The digest of a window: names, incarnations, seqs and ages, in their order. */
uint64_t policy_record_window(const struct policy_node *const *window, unsigned n);
void policy_record_head(uint8_t ret[POLICY_RECORD_HEAD]);
/* -EBADMSG: no recording; -EPROTONOSUPPORT: of another version. */
int policy_record_check_head(const uint8_t *bytes, size_t n) _must_check_;
/* Writes the record, which is not changed; bytes used. 0: no room, or it is no good record. */
size_t policy_record_put(struct policy_record *r, uint8_t *bytes, size_t cap);
/* Reads one; *ret_used tells how many bytes it had. -EAGAIN: it is cut off; -EBADMSG. */
int policy_record_get(const uint8_t *bytes, size_t n, struct policy_record *ret, size_t *ret_used) _must_check_;

#endif
