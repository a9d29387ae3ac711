/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See key.h. */
#include "key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"
#define ID_DIGITS 16

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int from_hex(const char *s, size_t len, uint8_t *out, size_t n)
{
	if (len != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (digit(s[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(digit(s[2 * i]) << 4 | digit(s[2 * i + 1]));
	return 0;
}

/* The next word of the line: its length, 0 at the end. */
static size_t word(const char **p, const char **ret)
{
	size_t n;

	*p += strspn(*p, " \t\r");
	*ret = *p;
	n = strcspn(*p, BLANKS);
	*p += n;
	return n;
}

static int parse(const char *p, struct key *ret)
{
	const char *w;
	size_t n = word(&p, &w);
	uint8_t id[ID_DIGITS / 2];
	char *end;

	n = word(&p, &w);
	if (!n || n >= sizeof(ret->address))
		return -EINVAL;
	memcpy(ret->address, w, n);
	n = word(&p, &w);
	if (!n || n >= sizeof(ret->port) || *w < '0' || *w > '9' || strtoul(w, &end, 10) > UINT16_MAX || end != w + n)
		return -EINVAL;
	memcpy(ret->port, w, n);
	n = word(&p, &w);
	if (from_hex(w, n, id, sizeof(id)) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(id); i++)
		ret->id = ret->id << 8 | id[i];
	n = word(&p, &w);
	if (from_hex(w, n, ret->secret, sizeof(ret->secret)) < 0 || !ret->id)
		return -EINVAL;
	return p[strspn(p, BLANKS)] ? -EINVAL : 0;
}

int key_parse(const char *text, struct key *ret, struct err *e)
{
	static const char first[] = "godwit-client-1", family[] = "godwit-client-";
	struct key k = {.id = 0};
	size_t n;

	for (;;) {
		text += strspn(text, BLANKS);
		if (*text != '#')
			break;
		text += strcspn(text, "\n");
	}
	n = strcspn(text, BLANKS);
	if (strncmp(text, family, sizeof(family) - 1) != 0)
		return err_set(e, -EINVAL, "this is no key of godwit client add: it does not begin with %s", first);
	if (n != sizeof(first) - 1 || memcmp(text, first, n) != 0)
		return err_set(e, -EINVAL, "the key is for another version of godwit-client");
	if (parse(text, &k) < 0)
		return err_set(e, -EINVAL, "the key is damaged: copy it whole, as one line");
	*ret = k;
	return 0;
}
