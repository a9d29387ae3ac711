/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages of Godwit as structs, and the two fixed headers; the format is described in PROTOCOL.md.
 * Promise: a decoder reads nothing outside of the bytes it was given and accepts exactly what an encoder writes, so
 * that encoding a decoded message gives the same bytes. Must not: allocate (but for growing a struct buf), do I/O, log.
 *
 * For each message NAME of messages.def wire_gen.h declares
 *   struct wire_name;
 *   int wire_name_encode(const struct wire_name *m, struct buf *out);
 *       Appends header and body. 0; -EMSGSIZE: a field is above its bound; -EINVAL: a str with a NUL, or bytes without
 * data; -ENOBUFS: more than out may hold; -ENOMEM. On an error out is as it was. int wire_name_decode(struct wire_name
 * *ret, const uint8_t *body, size_t n); 0 or -EPROTO. The fields of ret point into body and are valid as long as it is.
 *   int wire_name_encode_reserve(const struct wire_name *m, size_t n, struct buf *out, uint8_t **ret);
 *       Only where the last field is of kind bytes: as encode, but that field has n bytes which the caller then writes
 * to *ret, before out is changed or sent. The field in m is ignored. and for each struct NAME bool
 * wire_name_next(struct wire_list *cursor, struct wire_name *ret); Takes the first element from the list. False at its
 * end.
 */
#ifndef GODWIT_WIRE_WIRE_H
#define GODWIT_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/cleanup.h"

#ifndef WIRE_PROTOCOL /* a test builds a daemon of another version */
#define WIRE_PROTOCOL 1 /* grows with each change that an older program would not understand */
#endif

/* A str or bytes field: not owned, without a NUL at its end. */
struct wire_bytes {
	const uint8_t *data;
	size_t len;
};

/*
 * A list field. To encode: items is an array of count structs of the element's type. Decoded: items is NULL and
 * data/len are the elements as they came, already validated; wire_NAME_next() reads them. Either form may be encoded
 * and iterated. data/len must come from a decoder.
 */
struct wire_list {
	const void *items;
	uint32_t count;
	const uint8_t *data;
	size_t len;
};

/* The text as a field; the terminating NUL is not a part. s must outlive the use. */
struct wire_bytes wire_str(const char *s);
/* Copies with a NUL to dst. 0, or -EMSGSIZE: dst (cap > 0 bytes) holds as much as fits. */
int wire_str_copy(char *dst, size_t cap, struct wire_bytes s);
bool wire_str_equal(struct wire_bytes s, const char *text);

/* Who may send a message (wire_type_from()); a receiver accepts those whose bits it has set. */
enum wire_from {
	WIRE_FROM_PEER = 1, /* a daemon to another node's daemon */
	WIRE_FROM_JOINER = 2,
	WIRE_FROM_MEMBER = 4,
	WIRE_FROM_DAEMON = 8, /* a daemon to its helpers and its launcher */
	WIRE_FROM_HELPER = 16,
	WIRE_FROM_LAUNCHER = 32,
	WIRE_FROM_SHEPHERD = 64,
	WIRE_FROM_AGENT = 128,
	WIRE_FROM_CALLER = 256, /* godwit exec, and the broker of its user; godwit-client */
	WIRE_FROM_EXECUTOR = 512,
};

/* State of a helper in HELPER_HELLO and HELPER_STATUS. */
enum helper_state {
	HELPER_HOME = 1, /* the process is at home, or on its way there */
	HELPER_AWAY, /* it runs on a host */
	HELPER_MOVING, /* a move is under way */
	HELPER_PREPARING, /* an agent that waits for its guest */
};

/* How the user of a process, or itself, wants it to be treated; in HELPER_TREAT, LINK_PING and HELPER_STATUS. */
enum process_treat {
	TREAT_AUTO,
	TREAT_CPU, /* its calls do not count against a move */
	TREAT_IO, /* its place is where its calls are made: at home */
	TREAT_ALONE, /* pinned, or moved by hand only */
	TREAT__MAX
};

enum exec_error { /* EXEC_ERROR */
		  EXEC_ERROR_COMMAND = 1, /* execve(2) says so */
		  EXEC_ERROR_PLACE, /* the directory is not the same there */
		  EXEC_ERROR_NODE, /* the node does not take it */
		  EXEC_ERROR_AGAIN, /* not begun: another link is needed */
		  EXEC_ERROR_LOST, /* begun, and lost */
};

enum helper_kind { HELPER_SHEPHERD = 1, HELPER_AGENT = 2 }; /* HELPER_HELLO */
enum helper_end { /* HELPER_ENDED: what became of the process */
		  HELPER_END_HOME = 1, /* it goes on at home (shepherd), or has left this host (agent) */
		  HELPER_END_DONE, /* it has ended as programs end */
		  HELPER_END_LOST,
};

#include "wire_gen.h" /* enum wire_type, structs, encoders, decoders */

#define WIRE_HEADER_SIZE 8

struct wire_header {
	uint32_t length; /* bytes of the body that follows */
	uint16_t type; /* enum wire_type */
};

/* 0, or -EPROTO: unknown type, more than the type's maximum, or reserved bits set. */
int wire_header_decode(const uint8_t buf[WIRE_HEADER_SIZE], struct wire_header *ret) _must_check_;

const char *wire_type_name(unsigned type); /* "CALL"; "?" when unknown. Never NULL. */
unsigned wire_type_from(unsigned type); /* bits of enum wire_from; 0 when unknown */
uint32_t wire_type_max(unsigned type); /* the longest body in bytes; 0 when unknown or when it has none */

#define WIRE_PREAMBLE_SIZE 16

/* What a TCP connection begins with, before TLS. */
struct wire_preamble {
	uint8_t version; /* WIRE_PROTOCOL of the sender */
	uint8_t kind; /* enum wire_kind */
	uint64_t id; /* of the link, token or client; 0 for peers */
};

enum wire_kind { WIRE_KIND_PEER = 'P', WIRE_KIND_LINK = 'L', WIRE_KIND_JOIN = 'J', WIRE_KIND_CLIENT = 'C' };

void wire_preamble_encode(const struct wire_preamble *p, uint8_t buf[WIRE_PREAMBLE_SIZE]);
/* 0; -EPROTO: not Godwit, or an unknown kind; -EPROTONOSUPPORT: another version, ret->version tells which. */
int wire_preamble_decode(const uint8_t buf[WIRE_PREAMBLE_SIZE], struct wire_preamble *ret) _must_check_;

#endif
