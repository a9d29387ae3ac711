/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The copy of home's vdso that a guest sees.
 * Promise: each function that home's vdso exports is there at its address and makes the system call of the same
 * meaning, which the agent answers. Must not: read the host's own clock page.
 */
#ifndef GODWIT_IMAGE_X86_64_VDSO_H
#define GODWIT_IMAGE_X86_64_VDSO_H

#include <stddef.h>
#include <stdint.h>
#include "../../base/err.h"

/* Overwrites in the image the entry of every exported function. Returns how many, or -EPROTO when the image is not
 * an ELF file that we understand (the process then cannot leave home). */
int vdso_patch(uint8_t *image, size_t n, struct err *e) _must_check_;

/* A guest may be stopped inside a patched entry, whose bytes mean something else at home. Given the 15 bytes around rip
 * (from rip - 7 on), says what to do so that the registers hold outside of it: VDSO_RESTART: continue at *ret_entry as
 * if just called; VDSO_RETURN: the function is done, return to the caller; VDSO_OUTSIDE: rip lies in no patched entry.
 */
enum vdso_place { VDSO_OUTSIDE, VDSO_RESTART, VDSO_RETURN };
#define VDSO_ENTRY_SIZE 8
enum vdso_place vdso_place(const uint8_t around[2 * VDSO_ENTRY_SIZE - 1], uint64_t rip, uint64_t *ret_entry);

#endif
