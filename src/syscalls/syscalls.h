/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system-call table of x86-64 and what follows from it: the guests' seccomp filter, the marshalling of a
 * forwarded call on both ends, and the decoder for `godwit trace`.
 * Promise: one row for every call number of Linux 6.18, all knowledge about a call in that row. Pure: memory of
 * the guest comes in through struct sysc_memory. Must not: execute a call, do I/O, log.
 *
 * A forwarded call travels as segments. The agent makes them from the table and the guest's memory
 * (sysc_request). The shepherd needs no table for them: it lays them out in the deputy's scratch memory
 * (sysc_place), lets the deputy run the call, and cuts the answer out of that memory (sysc_collect). The agent
 * writes the answer into the guest (sysc_apply). Before it runs a call the shepherd asks sysc_permitted() and
 * sysc_covered(). HOWTO_ADD.md describes the bytes.
 */
#ifndef GODWIT_SYSCALLS_SYSCALLS_H
#define GODWIT_SYSCALLS_SYSCALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include "../base/buf.h"

enum sysc_class {
	SYSC_NATIVE, /* site-independent: the filter allows it on the host */
	SYSC_NATIVE_IF, /* native when the filter's argument test holds, else as `otherwise` says */
	SYSC_FORWARD, /* run by the deputy */
	SYSC_AGENT, /* answered by the agent (clocks) */
	SYSC_EXIT, /* the deputy ends; so does the guest */
	SYSC_HOME, /* the process comes home and makes the call there */
	SYSC_NOSYS, /* not implemented by the kernel either: -ENOSYS */
	SYSC_CLASS__MAX
};

/* What the kernel does with the call when a signal interrupts it; signal(7). The number is what the register shows. */
enum sysc_restart {
	SYSC_RESTART_NONE, /* never: -EINTR */
	SYSC_RESTART_SYS, /* -ERESTARTSYS 512 */
	SYSC_RESTART_NOHAND, /* -ERESTARTNOHAND 514 */
	SYSC_RESTART_BLOCK /* -ERESTART_RESTARTBLOCK 516 */
};

struct sysc_row {
	uint16_t nr;
	const char *name;
	enum sysc_class cls;
	enum sysc_restart restart;
	/* further fields (arguments, argument test) are private to src/syscalls */
	const struct sysc_detail *detail;
};

/* The row of call nr, NULL for a number that the table does not have (treated as SYSC_HOME). */
const struct sysc_row *sysc_row(unsigned nr);
unsigned sysc_max(void); /* highest number in the table */
const char *sysc_name(unsigned nr); /* "syscall_999" in a static buffer for unknown numbers */
/* The number of a call by name, -1 if unknown. */
int sysc_number(const char *name);

/* Reads or writes the guest's memory. Return 0, or -EFAULT when any byte is not accessible. */
struct sysc_memory {
	int (*read)(void *ctx, uint64_t addr, void *p, size_t n);
	int (*write)(void *ctx, uint64_t addr, const void *p, size_t n);
	void *ctx;
};

/* Agent: what to do with this call. Returns the class that holds for these arguments: SYSC_FORWARD with the
 * segments appended to *out, or SYSC_HOME (also when an argument cannot be read: home will say -EFAULT itself),
 * SYSC_AGENT, SYSC_EXIT, SYSC_NOSYS, or SYSC_NATIVE (let the kernel of the host run it: seccomp CONTINUE). */
enum sysc_class sysc_request(unsigned nr, const uint64_t args[6], const struct sysc_memory *mem, struct buf *out);

/* Shepherd: bytes of scratch memory that these segments need; -EPROTO when they are malformed. */
ssize_t sysc_scratch_size(const uint8_t *segments, size_t n);
/* Shepherd: how many bytes at the beginning of the scratch memory the call may read; only these need be written into
 * the deputy (a read of 1 MiB has none). <= sysc_scratch_size(). -EPROTO. */
ssize_t sysc_image_size(const uint8_t *segments, size_t n);
/* Shepherd: builds in local[0..size) the image of the scratch memory that will lie at address base (a multiple of 16)
 * in the deputy, and rewrites the pointers among args. size: at least sysc_image_size(). 0 or -EPROTO. */
int sysc_place(const uint8_t *segments, size_t n, uint64_t base, uint8_t *local, size_t size, uint64_t args[6]);
/* Shepherd: from the scratch memory after the call, the answer segments, appended to out. read_scratch reads
 * `n` bytes at scratch offset `off` of the deputy. 0 or -errno. */
int sysc_collect(const uint8_t *segments, size_t n, int64_t ret,
		 int (*read_scratch)(void *ctx, size_t off, void *p, size_t n), void *ctx, struct buf *out);
/* Agent: writes the answer segments into the guest. Returns 0, -EFAULT (the guest gets -EFAULT) or -EPROTO. */
int sysc_apply(const uint8_t *answer, size_t n, const struct sysc_memory *mem);

/* Shepherd: may this call with these arguments be asked for by a guest at all (class FORWARD or EXIT)?
 * A hostile host gets -EPERM here, not the owner's rights to mount or ptrace. */
int sysc_permitted(unsigned nr, const uint64_t args[6]);

/* Shepherd, before sysc_place(): does every argument that the kernel takes for an address lie in a segment that is
 * long enough? Otherwise the call would read or write the deputy's own memory. 0, -EPERM, or -EPROTO. */
int sysc_covered(unsigned nr, const uint64_t args[6], const uint8_t *segments, size_t n);

/* One line "openat(AT_FDCWD, "/etc/passwd", O_RDONLY, 0) = 3" from what the shepherd has: the arguments as the
 * guest gave them, the request and answer segments. Always terminated, cut at cap. */
void sysc_decode(unsigned nr, const uint64_t args[6], const uint8_t *segments, size_t n, int64_t ret,
		 const uint8_t *answer, size_t answer_len, char *line, size_t cap);

/* Addresses [start,end); end 0: none. */
struct sysc_range {
	uint64_t start, end;
};
/* Does the call change mappings there? */
bool sysc_touches(unsigned nr, const uint64_t args[6], const struct sysc_range *r);

/* The guests' filter: struct sock_filter instructions, allocated, owned by the caller; *ret_count of them.
 * Everything not native is SECCOMP_RET_USER_NOTIF; another architecture is killed. Calls that would change mappings in
 * `kept` are asked; so are, now and then, some that change others near it. Calls of native_if rows, and of those that
 * change mappings, which return to own_ip are allowed whatever their arguments: the agent makes them there; 0: there is
 * no such place. So is clone(), if own_word is its sixth argument. 0 or -errno. */
struct sock_filter;
int sysc_filter(uint64_t own_ip, uint64_t own_word, const struct sysc_range *kept, struct sock_filter **ret,
		unsigned *ret_count);

/* Does the call, when it succeeds, put another program in the place of the one that makes it? */
bool sysc_begins_program(unsigned nr, const uint64_t args[6]);

/* True when a host's own kernel makes the call, or may make it: the filter asks nobody, or looks at its arguments. */
bool sysc_made_by_host(unsigned nr);

/* True when the call may sleep for as long as it likes (a read from a terminal); the agent then expects no
 * answer within the link's deadline. */
int sysc_may_block(unsigned nr);

#endif
