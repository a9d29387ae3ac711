/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Helpers around jansson: see json.h.
 * Promise: no function fails but by returning NULL or leaving its output. Must not: keep references.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "wire/reasons.h"

/* Length of the UTF-8 sequence at s, 0 when there is none. Jansson itself refuses overlong forms and surrogates. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = *s < 0x20 || *s == 0x7f ? 0
		   : *s < 0x80             ? 1
		   : *s < 0xc2             ? 0
		   : *s < 0xe0             ? 2
		   : *s < 0xf0             ? 3
		   : *s < 0xf5             ? 4
					   : 0;
	size_t i;

	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

json_t *json_text(const char *s)
{
	_cleanup_free_ char *copy = strdup(s);
	json_t *v;
	size_t i, n;

	if (!copy)
		return NULL;
	for (i = 0; copy[i]; i += n ? n : 1) {
		n = utf8_length((const unsigned char *)copy + i);
		if (!n)
			copy[i] = '?';
	}
	v = json_string(copy);
	if (v)
		return v;
	for (i = 0; copy[i]; i++)
		if ((unsigned char)copy[i] >= 0x80)
			copy[i] = '?';
	return json_string(copy);
}

void json_get_text(const json_t *obj, const char *name, char *dst, size_t cap)
{
	const json_t *v = json_object_get(obj, name);

	if (json_is_string(v) && json_string_length(v) < cap)
		memcpy(dst, json_string_value(v), json_string_length(v) + 1);
}

json_int_t json_get_int(const json_t *obj, const char *name, json_int_t otherwise)
{
	const json_t *v = json_object_get(obj, name);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

json_t *json_refusal(unsigned reason, const char *sentence)
{
	return json_pack("{s:s, s:i, s:s, s:o}", "reason", reason_word(reason), "number", (int)reason, "kind",
			 reason_kind_name(reason_kind(reason)), "sentence",
			 json_text(sentence && *sentence ? sentence : reason_sentence(reason)));
}
