/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbered fault points: places at which a test makes a program fail, die or stop.
 * Promise: a program that was started with neither GODWIT_FAULT nor GODWIT_FAULT_FILE pays one comparison per point.
 * Must not: do anything that the environment did not ask for.
 *
 *   GODWIT_FAULT="name[:nth][:error|kill|stall][,...]"   at the nth passing (default 1) of the point, once
 *   GODWIT_FAULT_FILE=PATH                               the same text in a file, read at each point; counting starts
 *                                                        anew whenever the text changes
 * error: fault_point() returns -EIO (default); kill: SIGKILL to the process itself; stall: it waits for ever.
 */
#ifndef GODWIT_BASE_FAULT_H
#define GODWIT_BASE_FAULT_H

#include "cleanup.h"

enum fault {
#define FAULT(number, name, where) FAULT_##name = number,
#include "fault.def"
#undef FAULT
	FAULT__MAX
};

/* 0: go on. -EIO: behave as if the step had failed. */
int fault_point(enum fault f) _must_check_;

/* "offer-sent" for FAULT_OFFER_SENT; NULL for a number that has no row. */
const char *fault_name(unsigned f);

/* Parses text into the rules that fault_point() obeys, and forgets those before. 0, or -EINVAL: nothing changed. */
int fault_arm(const char *text) _must_check_;

#endif
