/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a row of syscalls.tbl becomes in C: private to src/syscalls.
 * Promise: the tables are constant and were checked by generate.py; an index found in them is in range.
 * Must not: be included from outside this folder (tests excepted).
 */
#ifndef GODWIT_SYSCALLS_TABLE_H
#define GODWIT_SYSCALLS_TABLE_H

#include <stdbool.h>
#include "syscalls.h"

enum arg_kind {
	ARG_NONE,
	ARG_VALUE,
	ARG_STR, /* NUL-terminated */
	ARG_STR16, /* NUL-terminated, the kernel looks at 16 bytes at most */
	ARG_PATH,
	ARG_IN,
	ARG_OUT,
	ARG_INOUT,
	ARG_IOV_IN, /* from here on pointers within what is pointed to */
	ARG_IOV_OUT,
	ARG_MSG_IN,
	ARG_MSG_OUT,
	ARG_MMSG_IN,
	ARG_SIGPACK, /* the sixth argument of pselect6: address and size of a signal mask */
	ARG_FDSET,
	ARG_CAPS, /* capget's data: as long as the version in its header says */
	ARG_STRINGS, /* pointers to strings, NULL after the last */
};

enum arg_show {
	SHOW_INT,
	SHOW_UINT,
	SHOW_SIZE,
	SHOW_OFF,
	SHOW_FD,
	SHOW_DIRFD,
	SHOW_PID,
	SHOW_ID,
	SHOW_SIG,
	SHOW_MODE,
	SHOW_HEX,
	SHOW_ADDR,
	SHOW_CLOCK,
	SHOW_OFLAGS,
	SHOW_PROT,
	SHOW_MAPFLAGS,
	SHOW_ATFLAGS,
	SHOW_WHENCE,
	SHOW_FAMILY,
	SHOW_SOCKTYPE,
	SHOW_MSGFLAGS,
	SHOW_ACCMODE,
	SHOW_WAITOPTS,
	SHOW_NONE, /* of memory: its address */
	SHOW_BYTES,
	SHOW_INTS,
	SHOW_TIME,
};

/* Which bytes of a written buffer count after the call; also on the wire, so the numbers are never used again. */
enum seg_rule {
	RULE_ALWAYS = 0,
	RULE_OK = 1, /* all when the call succeeded */
	RULE_POS = 2, /* all when ret > 0 */
	RULE_INTR = 3, /* all when the call was interrupted */
	RULE_RET = 4, /* ret * p1 + p2 bytes */
	RULE_STREAM = 5, /* ret bytes are spread over all segments with this rule, in order */
	RULE_LEN = 6, /* as many as the u32 at offset p2 of segment p1 says after the call */
	RULE__MAX
};

enum len_kind { LEN_CONST, LEN_ARG, LEN_ARG32, LEN_POINTED };

struct sysc_arg {
	const char *name;
	uint8_t kind; /* enum arg_kind */
	uint8_t show; /* enum arg_show */
	uint8_t rule; /* enum seg_rule */
	uint8_t soft; /* failing to write it into the guest is no error */
	uint8_t len_kind;
	uint8_t len_arg;
	uint8_t ret_arg; /* RULE_LEN: the argument that points to the length */
	uint16_t mul; /* length = mul * argument + add; LEN_POINTED: at most add, 0 = no cap */
	uint32_t add;
};

/* What to do with a call in a case: a class of syscalls.h, or native after the agent was asked. */
#define CASE_ASK SYSC_CLASS__MAX

struct sysc_cond {
	uint8_t arg;
	uint8_t wide; /* all 64 bits must be 0 */
	uint32_t mask, value;
};

struct sysc_case {
	const char *name; /* symbol of the first condition's value, or "" */
	uint8_t cls;
	uint8_t nconds;
	struct sysc_cond cond[2];
	const struct sysc_arg *arg[6]; /* NULL: as in the row */
};

struct sysc_detail {
	uint8_t otherwise; /* class when there are cases and none holds */
	uint8_t nargs;
	uint8_t may_block;
	uint8_t range; /* its first two arguments are a range of memory whose mappings it changes */
	uint16_t ncases;
	const struct sysc_case *cases;
	struct sysc_arg arg[6];
};

/* Generated. Indexed by number; name is NULL where there is no row. */
extern const struct sysc_row sysc_rows[];
extern const unsigned sysc_row_count;

/* The class that holds for these arguments (memory not looked at) and, in *ret_case, the case or NULL. Returns an
 * enum sysc_class or CASE_ASK. */
unsigned sysc_decide(const struct sysc_row *row, const uint64_t args[6], const struct sysc_case **ret_case);

/* Argument i of the call under the given case (may be NULL); i < nargs. */
const struct sysc_arg *sysc_arg_of(const struct sysc_row *row, const struct sysc_case *c, unsigned i);

/* Does the argument point to memory that travels in a segment? */
bool sysc_arg_is_memory(const struct sysc_arg *a);

/* Length in bytes of the memory that argument a describes; kinds IN, OUT, INOUT and FDSET with a length that does not
 * lie in memory (not LEN_POINTED). UINT64_MAX when it overflows or is negative. */
uint64_t sysc_arg_length(const struct sysc_arg *a, const uint64_t args[6]);

#endif
