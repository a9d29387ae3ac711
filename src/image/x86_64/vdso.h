/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The copy of home's vdso that a guest sees.
 * Promise: each function that home's vdso exports is there at its address. It makes the system call of the same
 * meaning, which the agent answers; those that read a clock make it only when the stub cannot answer by itself. Must
 * not: read the host's own clock page.
 *
 * The stub (clock.S) is two pages where home has its vvar, so that nothing of the process can be in the way: the code,
 * and the numbers by which the code makes home's time of the processor's counter.
 */
#ifndef GODWIT_IMAGE_X86_64_VDSO_H
#define GODWIT_IMAGE_X86_64_VDSO_H

#include <stddef.h>
#include <stdint.h>
#include "../../base/err.h"

/* The numbers, which the agent keeps. They count when seq is even and did not change while they were read; else the
 * function makes its system call. Time of clock i: sec and nsec of at[i], and (counter - tick) * mult >> 32 ns. */
struct vdso_clock {
	uint64_t seq, tick, mult, unused;
	struct {
		uint64_t sec, nsec;
	} at[8]; /* by clockid_t; only REALTIME, MONOTONIC and BOOTTIME are read */
#define VDSO_POINTS 246 /* that the page has room for */
	/* For the kernel to read: points in time until which threads wait (src/guest/until.c). */
	struct {
		int64_t sec, nsec;
	} point[VDSO_POINTS];
};

enum vdso_function { VDSO_GETTIME, VDSO_GETTIMEOFDAY, VDSO_FUNCTIONS };

#define VDSO_STUB_SIZE 0x2000
#define VDSO_SCRATCH_SIZE VDSO_STUB_SIZE
extern const uint8_t vdso_stub[] __attribute__((visibility("hidden"))); /* what belongs into the first page */
extern const uint64_t vdso_stub_size __attribute__((visibility("hidden")));

struct vdso_copy {
	uint64_t at; /* where the image lies in the guest */
	uint64_t stub; /* and where the stub, in front of it or behind; 0: none */
	uint64_t
	    scratch; /* VDSO_SCRATCH_SIZE bytes behind the stub, for a frame that the host's kernel writes; 0: none */
	uint64_t entry[VDSO_FUNCTIONS]; /* found by vdso_patch(): home's functions that the stub stands for */
};

/* Overwrites in the image the entry of every exported function. Returns how many, or -EPROTO when the image is not
 * an ELF file that we understand (the process then cannot leave home). */
int vdso_patch(uint8_t *image, size_t n, struct vdso_copy *c, struct err *e) _must_check_;

/* A guest may be stopped inside the stub or a patched entry, whose bytes mean something else at home. Says what to do
 * so that the registers hold outside of it: VDSO_RESTART: continue at *ret_entry as if just called; VDSO_RETURN: the
 * function is done, return to the caller; VDSO_OUTSIDE: rip lies in neither. */
enum vdso_place { VDSO_OUTSIDE, VDSO_RESTART, VDSO_RETURN };
enum vdso_place vdso_stub_place(const struct vdso_copy *c, uint64_t rip, uint64_t *ret_entry);
/* The same for patched entries, given the 15 bytes around rip (from rip - 7 on). */
#define VDSO_ENTRY_SIZE 8
enum vdso_place vdso_place(const uint8_t around[2 * VDSO_ENTRY_SIZE - 1], uint64_t rip, uint64_t *ret_entry);

/* Address of a `syscall` instruction in the stub, 0 without a stub. Only the stub's own code and the agent come there.
 */
uint64_t vdso_stub_call(const struct vdso_copy *c);

#endif
