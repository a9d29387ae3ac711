/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is the same for all messages; see wire.h. The rest is generated from messages.def. */
#include "codec.h"

#define MAGIC "GODWIT"
#define MAGIC_LEN (sizeof(MAGIC) - 1)

struct wire_bytes wire_str(const char *s)
{
	return (struct wire_bytes){(const uint8_t *)s, s ? strlen(s) : 0};
}

int wire_str_copy(char *dst, size_t cap, struct wire_bytes s)
{
	size_t n = s.len < cap ? s.len : cap - 1;

	if (n)
		memcpy(dst, s.data, n);
	dst[n] = '\0';
	return n < s.len ? -EMSGSIZE : 0;
}

bool wire_str_equal(struct wire_bytes s, const char *text)
{
	return s.len == strlen(text) && (!s.len || memcmp(s.data, text, s.len) == 0);
}

int codec_frame(struct buf *out, enum wire_type type, const struct sizer *s, uint8_t **ret)
{
	size_t n = WIRE_HEADER_SIZE + s->n;
	uint8_t *p;

	if (s->error)
		return s->error;
	if (s->n > wire_type_max(type))
		return -EMSGSIZE; /* a raw list that no decoder has seen */
	if (out->max && (n > out->max || out->len > out->max - n))
		return -ENOBUFS;
	p = buf_reserve(out, n);
	if (!p)
		return -ENOMEM;
	buf_commit(out, n);
	p = put_u32(p, (uint32_t)s->n);
	p = put_u16(p, (uint16_t)type);
	*ret = put_u16(p, 0);
	return 0;
}

int wire_header_decode(const uint8_t buf[WIRE_HEADER_SIZE], struct wire_header *ret)
{
	struct reader r = {.p = buf, .left = WIRE_HEADER_SIZE};
	uint32_t length = get_u32(&r);
	uint16_t type = get_u16(&r);

	if (get_u16(&r) != 0 || !wire_type_from(type) || length > wire_type_max(type))
		return -EPROTO;
	*ret = (struct wire_header){.length = length, .type = type};
	return 0;
}

void wire_preamble_encode(const struct wire_preamble *p, uint8_t buf[WIRE_PREAMBLE_SIZE])
{
	memcpy(buf, MAGIC, MAGIC_LEN);
	buf[MAGIC_LEN] = p->version;
	buf[MAGIC_LEN + 1] = p->kind;
	(void)put_u64(buf + MAGIC_LEN + 2, p->id);
}

int wire_preamble_decode(const uint8_t buf[WIRE_PREAMBLE_SIZE], struct wire_preamble *ret)
{
	struct reader r = {.p = buf, .left = WIRE_PREAMBLE_SIZE};

	if (memcmp(take(&r, MAGIC_LEN), MAGIC, MAGIC_LEN) != 0)
		return -EPROTO;
	*ret = (struct wire_preamble){.version = get_u8(&r)};
	/* What follows may mean something else in another version. */
	if (ret->version != WIRE_PROTOCOL)
		return -EPROTONOSUPPORT;
	ret->kind = get_u8(&r);
	ret->id = get_u64(&r);
	switch (ret->kind) {
	case WIRE_KIND_PEER:
		return ret->id ? -EPROTO : 0;
	case WIRE_KIND_LINK:
	case WIRE_KIND_JOIN:
	case WIRE_KIND_CLIENT:
		return 0;
	default:
		return -EPROTO;
	}
}
