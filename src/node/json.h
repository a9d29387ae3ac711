/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small helpers around jansson and the words of reasons.def.
 * Promise: text from outside (process names, sentences of peers) becomes valid JSON, whatever its bytes are.
 * Must not: know the daemon's state.
 */
#ifndef GODWIT_NODE_JSON_H
#define GODWIT_NODE_JSON_H

#include <jansson.h>
#include <stddef.h>

/* A string value of s: bytes that are no printable UTF-8 become '?'. NULL when out of memory. */
json_t *json_text(const char *s);

/* Copies the string member of obj into dst; leaves dst when it is absent, no string or too long. */
void json_get_text(const json_t *obj, const char *name, char *dst, size_t cap);
/* The integer member of obj, or `otherwise`. */
json_int_t json_get_int(const json_t *obj, const char *name, json_int_t otherwise);

/* {reason, number, kind, sentence}; the sentence of the table when sentence is NULL or empty. */
json_t *json_refusal(unsigned reason, const char *sentence);

#endif
