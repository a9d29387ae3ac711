/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest made of a byte array, and the whole way of a forwarded call within one process: request, place, run, collect,
 * apply. Promise: every step's result is asserted. Must not: give the code under test an address that is really mapped.
 */
#ifndef GODWIT_TEST_SYSCALLS_HARNESS_H
#define GODWIT_TEST_SYSCALLS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "syscalls/syscalls.h"

#define GUEST_BASE 0x7e0000000000ULL
#define GUEST_SIZE (1u << 20)

struct guest {
	uint8_t *bytes; /* GUEST_SIZE of them, at GUEST_BASE */
	size_t used;
	size_t read_only_below; /* offsets below cannot be written */
	struct sysc_memory mem;
};

int guest_setup(void **state); /* for cmocka: *state is a struct guest */
int guest_teardown(void **state);

uint64_t guest_alloc(struct guest *g, size_t n); /* zeroed, 16-aligned */
uint64_t guest_put(struct guest *g, const void *p, size_t n);
uint64_t guest_str(struct guest *g, const char *s);
void *guest_at(struct guest *g, uint64_t addr); /* the guest's memory, for looking into it */

/* Makes the call by the whole way with the real kernel. The raw result: -errno for errors. */
long forward(struct guest *g, unsigned nr, const uint64_t args[6]);
#define FORWARD(g, nr, ...) forward(g, nr, (const uint64_t[6]){__VA_ARGS__})

/* What sysc_request() says of a call. */
enum sysc_class class_of(struct guest *g, unsigned nr, const uint64_t args[6]);
#define CLASS_OF(g, nr, ...) class_of(g, nr, (const uint64_t[6]){__VA_ARGS__})

#endif
