/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What godwit make (the coordinator) and its recipes say to each other, over a Unix seqpacket socket with an abstract
 * name: both are the same program, so a message is a structure, sent up to the end of its text.
 *
 *   recipe: BEGIN    coordinator: GO, once there is room    recipe: END, or FAILED and BEGIN again
 * A recipe that runs at home executes its command after GO; the coordinator then follows its process.
 * Must not: be used between nodes.
 */
#ifndef GODWIT_EXEC_MAKE_H
#define GODWIT_EXEC_MAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum make_kind {
	MAKE_BEGIN, /* here: on no other node; text: the command, for people and --local */
	MAKE_GO, /* node, "" for this one; text: the daemon's control socket */
	MAKE_FAILED, /* the node had reasons of its own, told in text; "" : the recipe itself was at fault */
	MAKE_END, /* status */
};

#define MAKE_TEXT_MAX 2048

struct make_note {
	uint32_t kind;
	int32_t status; /* of wait(2) */
	uint32_t here;
	uint64_t cpu_us; /* END, FAILED: what it has used on the other node */
	char node[68];
	char text[MAKE_TEXT_MAX]; /* with its NUL */
};

/* Sends it whole, or is an error: the socket is a seqpacket, and its other end reads. 0 or -errno. */
int make_send(int fd, const struct make_note *m);
/* 1, 0: the other end has gone, or -errno; -EPROTO: that was no message. */
int make_receive(int fd, struct make_note *m);
/* name: without the NUL before it. Whoever is not this user is not connected to. fd or -errno. */
int make_connect(const char *name);
int make_listen(const char *name);

#endif
