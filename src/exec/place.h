/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a directory on one node the same as one on another?
 * Promise: a directory of the same name that is not the same is told, with the reason in words; nothing is created or
 * changed to find out. Must not: wait longer than the file system does.
 *
 * Two nodes that are one machine (containers, a sandbox) have one kernel, whose device and inode numbers are exact. Two
 * machines can only share what a network or cluster file system serves, or what one of them exports: at least one end
 * must see such a type. Then inode numbers must be equal, and besides them a time of last change, or an entry.
 */
#ifndef GODWIT_EXEC_PLACE_H
#define GODWIT_EXEC_PLACE_H

#include <limits.h>
#include <stdint.h>
#include "../base/err.h"
#include "../wire/wire.h"

#define PLACE_ENTRIES 16
#define PLACE_NAME_MAX 256

struct place {
	char dir[PATH_MAX];
	char boot[65]; /* boot id of the kernel */
	uint64_t dev, ino, mtime_ns, ctime_ns, fs_type;
	struct {
		char name[PLACE_NAME_MAX + 1];
		uint64_t ino;
	} entries[PLACE_ENTRIES]; /* some of them */
	unsigned n_entries;
};

/* The working directory of this process. -errno with e: it has gone, or its name cannot be found. */
int place_read(struct place *ret, struct err *e) _must_check_;
/* Makes `want`, of another node, the working directory of this process. -errno with e (reason DIRECTORY): it is not
 * there, or not the same. */
int place_enter(const struct place *want, struct err *e) _must_check_;
/* The rule, pure: 0, or -EXDEV with e. entry: the inode number here of want->entries[i].name, 0: there is none. */
int place_same(const struct place *want, const struct place *here, const uint64_t entry[PLACE_ENTRIES],
	       struct err *e) _must_check_;

/* The fields of EXEC_START that mean a place; entries must live until the message is encoded. */
void place_to_wire(const struct place *p, struct wire_exec_start *m, struct wire_place_entry entries[PLACE_ENTRIES]);
int place_from_wire(struct place *ret, const struct wire_exec_start *m) _must_check_; /* -EPROTO */

#endif
