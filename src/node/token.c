/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens as text: see token.h. Inside the base64url (RFC 4648 5) stands:
 *   u8 count of addresses; each: u8 length, bytes; u16 port; u64 id; secret; 32 bytes fingerprint; i64 expiry; u32
 * check little-endian. The check (FNV-1a over all before it) tells a damaged copy from one that the cluster does not
 * know.
 */
#include "token.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "gw1."
#define BYTES_MAX 512

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static uint32_t fnv(const uint8_t *p, size_t n)
{
	uint32_t h = 2166136261U;

	while (n--)
		h = (h ^ *p++) * 16777619U;
	return h;
}

static uint8_t *put(uint8_t *p, uint64_t v, unsigned bytes)
{
	while (bytes--) {
		*p++ = (uint8_t)v;
		v >>= 8;
	}
	return p;
}

/* Takes an integer off the front; the caller has checked the length. */
static uint64_t get(const uint8_t **p, unsigned bytes)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 0; i < bytes; i++)
		v |= (uint64_t)(*p)[i] << (8 * i);
	*p += bytes;
	return v;
}

/* The last digit is filled up with zero bits. */
static size_t to_text(const uint8_t *p, size_t n, char *buf, size_t cap)
{
	uint32_t acc = 0;
	unsigned bits = 0;
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		acc = acc << 8 | p[i];
		for (bits += 8; bits >= 6 && k < cap;) {
			bits -= 6;
			buf[k++] = digits[acc >> bits & 63];
		}
	}
	if (bits && k < cap)
		buf[k++] = digits[acc << (6 - bits) & 63];
	return k;
}

/* Bytes decoded, or -1: a character that does not belong there, or too much. */
static int from_text(const char *s, uint8_t *buf, size_t cap)
{
	uint32_t acc = 0;
	unsigned bits = 0;
	const char *d;
	size_t k = 0;

	for (; *s; s++) {
		d = strchr(digits, *s);
		if (!d || k >= cap)
			return -1;
		acc = acc << 6 | (uint32_t)(d - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf[k++] = (uint8_t)(acc >> bits);
		}
	}
	return (int)k;
}

static int hex_to_bytes(const char *hex, uint8_t *ret, size_t n)
{
	unsigned v;
	size_t i;

	for (i = 0; i < n; i++) {
		if (sscanf(hex + 2 * i, "%2x", &v) != 1)
			return -EINVAL;
		ret[i] = (uint8_t)v;
	}
	return 0;
}

int token_encode(const struct token_text *t, char *buf, size_t cap)
{
	uint8_t bytes[BYTES_MAX], *p = bytes;
	size_t n, k;
	unsigned i;

	*p++ = (uint8_t)t->n_addresses;
	for (i = 0; i < t->n_addresses; i++) {
		n = strlen(t->addresses[i]);
		*p++ = (uint8_t)n;
		memcpy(p, t->addresses[i], n);
		p += n;
	}
	p = put(p, t->port, 2);
	p = put(p, t->id, 8);
	memcpy(p, t->secret, sizeof(t->secret));
	p += sizeof(t->secret);
	if (strlen(t->fingerprint) != 64 || hex_to_bytes(t->fingerprint, p, 32) < 0)
		return -EINVAL;
	p = put(p + 32, (uint64_t)t->expires, 8);
	p = put(p, fnv(bytes, (size_t)(p - bytes)), 4);
	n = (size_t)(p - bytes);
	if (cap < sizeof(PREFIX) + (n * 8 + 5) / 6)
		return -ENOBUFS;
	memcpy(buf, PREFIX, sizeof(PREFIX) - 1);
	k = to_text(bytes, n, buf + sizeof(PREFIX) - 1, cap - sizeof(PREFIX));
	buf[sizeof(PREFIX) - 1 + k] = '\0';
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

/* Fills ret from the bytes before the check. False: they do not add up. */
static bool parse(const uint8_t *p, size_t n, struct token_text *ret)
{
	const uint8_t *end = p + n;
	unsigned i;
	size_t len;

	if (p == end || *p == 0 || *p > TOKEN_ADDRESSES)
		return false;
	ret->n_addresses = *p++;
	for (i = 0; i < ret->n_addresses; i++) {
		if (p == end)
			return false;
		len = *p++;
		if (!len || len >= sizeof(ret->addresses[i]) || len > (size_t)(end - p) || memchr(p, '\0', len))
			return false;
		memcpy(ret->addresses[i], p, len);
		ret->addresses[i][len] = '\0';
		p += len;
	}
	if ((size_t)(end - p) != 2 + 8 + sizeof(ret->secret) + 32 + 8)
		return false;
	ret->port = (uint16_t)get(&p, 2);
	ret->id = get(&p, 8);
	memcpy(ret->secret, p, sizeof(ret->secret));
	p += sizeof(ret->secret);
	for (i = 0; i < 32; i++)
		(void)snprintf(ret->fingerprint + 2 * (size_t)i, 3, "%02x", *p++);
	ret->expires = (int64_t)get(&p, 8);
	return ret->port && ret->id;
}

int token_decode(const char *text, struct token_text *ret, struct err *e)
{
	struct token_text t = {.n_addresses = 0};
	uint8_t bytes[BYTES_MAX];
	const uint8_t *check;
	size_t len;
	int n;

	text += strspn(text, " \t\r\n");
	len = strcspn(text, " \t\r\n");
	if (strncmp(text, PREFIX, sizeof(PREFIX) - 1) != 0)
		return err_set(e, -EINVAL, "this is no token of Godwit: it does not begin with " PREFIX);
	if (len >= TOKEN_TEXT_MAX || text[len + strspn(text + len, " \t\r\n")])
		return err_set(e, -EINVAL, "the token is damaged: copy it whole, as one line");
	char copy[TOKEN_TEXT_MAX];

	memcpy(copy, text + sizeof(PREFIX) - 1, len - (sizeof(PREFIX) - 1));
	copy[len - (sizeof(PREFIX) - 1)] = '\0';
	n = from_text(copy, bytes, sizeof(bytes));
	check = bytes + n - 4;
	if (n < 5 || get(&check, 4) != fnv(bytes, (size_t)n - 4) || !parse(bytes, (size_t)n - 4, &t))
		return err_set(e, -EINVAL, "the token is damaged: copy it whole, as one line");
	*ret = t;
	return 0;
}
