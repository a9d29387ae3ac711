/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every forwarded row and case with made-up memory through all steps, and the same bytes damaged: truncated, with bits
 * flipped, and with arguments that the segments do not cover.
 */
#include "harness.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "syscalls/segment.h"

#define SIMULATED 0x5a /* what the kernel "writes" */
#define SCRATCH 0x10000ULL
#define UNITS 8 /* value of every length and count */
#define REGION 1024 /* guest bytes behind each pointer */

struct made { /* a call with all pointers set */
	const struct sysc_row *row;
	const struct sysc_case *c;
	uint64_t args[6];
};

static uint64_t make_iov(struct guest *g)
{
	struct iovec v[UNITS];
	uint64_t data = guest_alloc(g, 16 * UNITS);

	for (unsigned i = 0; i < UNITS; i++)
		v[i] = (struct iovec){(void *)(data + 16 * i), 5};
	return guest_put(g, v, sizeof(v));
}

static struct msghdr make_msg(struct guest *g)
{
	return (struct msghdr){.msg_name = (void *)guest_alloc(g, 16),
			       .msg_namelen = 16,
			       .msg_iov = (void *)make_iov(g),
			       .msg_iovlen = UNITS,
			       .msg_control = (void *)guest_alloc(g, 32),
			       .msg_controllen = 32};
}

static const char *const list[] = {"first", "", "a third one"};

static uint64_t make_strings(struct guest *g)
{
	uint64_t v[ARRAY_SIZE(list) + 1] = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
		v[i] = guest_str(g, list[i]);
	return guest_put(g, v, sizeof(v));
}

/* The array at p leads to them, in the same memory. */
static void check_strings(const struct buf *scratch, const uint8_t *p)
{
	for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
		uint64_t at = seg_get64(p + 8 * i) - SCRATCH;

		assert_true(at < scratch->len && scratch->len - at > strlen(list[i]));
		assert_string_equal(scratch->data + at, list[i]);
	}
	assert_true(seg_get64(p + 8 * ARRAY_SIZE(list)) == 0);
}

static uint64_t make_memory(struct guest *g, const struct sysc_arg *a)
{
	struct mmsghdr mm[UNITS];
	struct msghdr m;
	uint64_t addr, pack[2] = {0, 8};
	uint8_t *p;

	switch (a->kind) {
	case ARG_IOV_IN:
	case ARG_IOV_OUT:
		return make_iov(g);
	case ARG_MSG_IN:
	case ARG_MSG_OUT:
		m = make_msg(g);
		return guest_put(g, &m, sizeof(m));
	case ARG_MMSG_IN:
		for (unsigned i = 0; i < UNITS; i++)
			mm[i] = (struct mmsghdr){make_msg(g), 0};
		return guest_put(g, mm, sizeof(mm));
	case ARG_SIGPACK:
		pack[0] = guest_alloc(g, 8);
		return guest_put(g, pack, sizeof(pack));
	case ARG_STRINGS:
		return make_strings(g);
	}
	addr = guest_alloc(g, REGION);
	p = guest_at(g, addr);
	for (unsigned i = 0; i < REGION; i++)
		p[i] = (uint8_t)(1 + i % 50);
	/* The end of a string, or a length that another argument may look for. */
	if (a->kind <= ARG_PATH)
		p[100] = 0;
	else
		memcpy(p, &(uint32_t){UNITS}, 4);
	return addr;
}

/* Sets up the arguments for row and case; false when this combination is not forwarded. */
static bool make_call(struct guest *g, const struct sysc_row *row, const struct sysc_case *c, struct made *m)
{
	const struct sysc_case *got;

	g->used = 0;
	*m = (struct made){.row = row, .c = c};
	for (unsigned i = 0; i < row->detail->nargs; i++) {
		const struct sysc_arg *a = sysc_arg_of(row, c, i);

		m->args[i] = sysc_arg_is_memory(a) ? make_memory(g, a) : UNITS;
	}
	for (unsigned k = 0; c && k < c->nconds; k++)
		m->args[c->cond[k].arg] = c->cond[k].value;
	return sysc_decide(row, m->args, &got) == SYSC_FORWARD && got == c;
}

static int read_scratch(void *ctx, size_t off, void *p, size_t n)
{
	const struct buf *scratch = ctx;

	assert_true(off <= scratch->len && n <= scratch->len - off);
	memcpy(p, scratch->data + off, n);
	return 0;
}

static void check_placed(struct guest *g, const struct made *m, const uint64_t placed[6], const struct buf *scratch)
{
	for (unsigned i = 0; i < 6; i++) {
		const struct sysc_arg *a = i < m->row->detail->nargs ? sysc_arg_of(m->row, m->c, i) : NULL;
		const uint8_t *local, *before;

		if (!a || !sysc_arg_is_memory(a)) {
			assert_true(placed[i] == m->args[i]);
			continue;
		}
		assert_true(placed[i] >= SCRATCH && placed[i] < SCRATCH + scratch->len && placed[i] % SEG_ALIGN == 0);
		local = scratch->data + (placed[i] - SCRATCH);
		before = guest_at(g, m->args[i]);
		if (a->kind == ARG_STRINGS)
			check_strings(scratch, local);
		else if (a->kind <= ARG_PATH)
			assert_memory_equal(local, before, a->kind == ARG_STR16 ? 16 : 101);
		else if (a->kind == ARG_IN || a->kind == ARG_INOUT)
			assert_memory_equal(local, before,
					    a->len_kind == LEN_POINTED ? UNITS : sysc_arg_length(a, m->args));
		else if (a->kind == ARG_OUT)
			assert_int_equal(local[0], 0);
	}
}

/* After an answer with ret = UNITS: what was to be written is, and nothing else. */
static void check_applied(struct guest *g, const struct made *m, const uint8_t *before, bool failed)
{
	for (unsigned i = 0; i < m->row->detail->nargs; i++) {
		const struct sysc_arg *a = sysc_arg_of(m->row, m->c, i);
		bool written = a->kind == ARG_OUT || a->kind == ARG_INOUT || a->kind == ARG_FDSET ||
			       a->kind == ARG_CAPS;
		size_t off = m->args[i] - GUEST_BASE;

		if (!sysc_arg_is_memory(a))
			continue;
		if (a->kind == ARG_MSG_OUT || a->kind == ARG_MMSG_IN) {
			/* Pointers stay the guest's own, the rest comes from the kernel. */
			assert_memory_equal(g->bytes + off, before + off, 8);
			assert_memory_equal(g->bytes + off + 16, before + off + 16, 8);
			continue;
		}
		if (a->rule == RULE_INTR || (failed && a->rule != RULE_ALWAYS) || (failed && a->kind == ARG_CAPS))
			written = false;
		if (written)
			assert_int_equal(g->bytes[off], SIMULATED);
		else
			assert_memory_equal(g->bytes + off, before + off, 101);
	}
}

static void answer(struct guest *g, const struct made *m, const struct buf *req, const struct buf *scratch, int64_t ret)
{
	uint8_t *before = malloc(GUEST_SIZE);
	struct buf ans;

	assert_non_null(before);
	memcpy(before, g->bytes, GUEST_SIZE);
	buf_init(&ans, 0);
	assert_int_equal(sysc_collect(buf_head(req), req->len, ret, read_scratch, (void *)scratch, &ans), 0);
	assert_int_equal(sysc_apply(buf_head(&ans), ans.len, &g->mem), 0);
	check_applied(g, m, before, ret < 0);
	memcpy(g->bytes, before, GUEST_SIZE);
	buf_release(&ans);
	free(before);
}

static void round_trip(struct guest *g, const struct made *m)
{
	struct buf req, scratch;
	uint64_t args[6];
	bool memory = false;
	ssize_t size;

	buf_init(&req, 0);
	buf_init(&scratch, 0);
	memcpy(args, m->args, sizeof(args));
	if (sysc_request(m->row->nr, args, &g->mem, &req) != SYSC_FORWARD)
		fail_msg("%s is not forwarded", m->row->name);
	assert_int_equal(sysc_permitted(m->row->nr, args), 0);
	if (sysc_covered(m->row->nr, args, buf_head(&req), req.len) != 0)
		fail_msg("%s is not covered by its own segments", m->row->name);
	size = sysc_scratch_size(buf_head(&req), req.len);
	assert_true(size >= 0);
	assert_non_null(buf_reserve(&scratch, (size_t)size + 1));
	buf_commit(&scratch, (size_t)size);
	assert_int_equal(sysc_place(buf_head(&req), req.len, SCRATCH, scratch.data, scratch.len, args), 0);
	check_placed(g, m, args, &scratch);
	memset(scratch.data, SIMULATED, scratch.len);
	answer(g, m, &req, &scratch, UNITS);
	answer(g, m, &req, &scratch, -EBADF);
	for (unsigned i = 0; i < m->row->detail->nargs; i++)
		memory |= sysc_arg_is_memory(sysc_arg_of(m->row, m->c, i));
	assert_int_equal(sysc_covered(m->row->nr, m->args, NULL, 0), memory ? -EPERM : 0);
	buf_release(&req);
	buf_release(&scratch);
}

static void every_forwarded_row(void **state)
{
	struct guest *g = *state;
	unsigned seen = 0, with_cases = 0;
	struct made m;

	for (unsigned nr = 0; nr <= sysc_max(); nr++) {
		const struct sysc_row *row = sysc_row(nr);
		unsigned before = seen;

		if (!row)
			continue;
		for (unsigned k = 0; k <= row->detail->ncases; k++) {
			const struct sysc_case *c = k < row->detail->ncases ? &row->detail->cases[k] : NULL;

			if (!make_call(g, row, c, &m))
				continue;
			round_trip(g, &m);
			seen++;
			with_cases += c != NULL;
		}
		if (row->cls == SYSC_FORWARD && seen == before)
			fail_msg("%s was not tried", row->name);
	}
	assert_true(seen > 250 && with_cases > 100);
}

/* A count or size that grew after the segments were made: the kernel would go beyond them. */
static void arguments_beyond_the_segments(void **state)
{
	static const int calls[] = {SYS_read, SYS_write,    SYS_readv,     SYS_writev,     SYS_poll,  SYS_getdents64,
				    SYS_bind, SYS_sendmmsg, SYS_getgroups, SYS_epoll_wait, SYS_msgrcv};
	static const uint8_t size_arg[] = {2, 2, 2, 2, 1, 2, 2, 2, 0, 2, 2};
	struct guest *g = *state;
	struct made m;
	struct buf req;

	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		buf_init(&req, 0);
		assert_true(make_call(g, sysc_row((unsigned)calls[i]), NULL, &m));
		assert_int_equal(sysc_request(m.row->nr, m.args, &g->mem, &req), SYSC_FORWARD);
		assert_int_equal(sysc_covered(m.row->nr, m.args, buf_head(&req), req.len), 0);
		m.args[size_arg[i]]++;
		if (sysc_covered(m.row->nr, m.args, buf_head(&req), req.len) != -EPERM)
			fail_msg("%s", m.row->name);
		buf_release(&req);
	}
	/* A segment for an argument that is no address would replace a number. */
	buf_init(&req, 0);
	assert_true(make_call(g, sysc_row(SYS_read), NULL, &m));
	assert_int_equal(sysc_request(SYS_read, m.args, &g->mem, &req), SYSC_FORWARD);
	buf_head(&req)[2] = 0;
	assert_int_equal(sysc_covered(SYS_read, m.args, buf_head(&req), req.len), -EPERM);
	buf_release(&req);
}

/* Pointers within a struct msghdr: each of them, and each length, must fit its segment. */
static void members_beyond_the_segments(void **state)
{
	struct guest *g = *state;
	struct made m;
	struct buf req;
	uint8_t *p, *h;

	buf_init(&req, 0);
	assert_true(make_call(g, sysc_row(SYS_sendmsg), NULL, &m));
	assert_int_equal(sysc_request(SYS_sendmsg, m.args, &g->mem, &req), SYSC_FORWARD);
	p = buf_head(&req);
	assert_int_equal(seg_get16(p + 20), 3); /* the fix-ups: name, iov, control */
	h = p + SEG_HEAD + 3 * SEG_FIX;
	for (unsigned k = 0; k < 3; k++) {
		p[SEG_HEAD + k * SEG_FIX] += 4; /* the pointer itself is then the guest's */
		assert_int_equal(sysc_covered(SYS_sendmsg, m.args, p, req.len), -EPERM);
		p[SEG_HEAD + k * SEG_FIX] -= 4;
	}
	for (unsigned off = 8; off <= 40; off += 16) { /* namelen, iovlen, controllen */
		h[off]++;
		assert_int_equal(sysc_covered(SYS_sendmsg, m.args, p, req.len), -EPERM);
		h[off]--;
	}
	assert_int_equal(sysc_covered(SYS_sendmsg, m.args, p, req.len), 0);
	buf_release(&req);

	buf_init(&req, 0);
	assert_true(make_call(g, sysc_row(SYS_pselect6), NULL, &m));
	assert_int_equal(sysc_request(SYS_pselect6, m.args, &g->mem, &req), SYSC_FORWARD);
	for (p = buf_head(&req); p[2] != 5;)
		p += SEG_HEAD + seg_get16(p + 20) * SEG_FIX + (p[0] & SEG_IN ? seg_get32(p + 4) : 0);
	assert_int_equal(sysc_covered(SYS_pselect6, m.args, buf_head(&req), req.len), 0);
	p[SEG_HEAD] = 4;
	assert_int_equal(sysc_covered(SYS_pselect6, m.args, buf_head(&req), req.len), -EPERM);
	buf_release(&req);
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void damage(uint8_t *p, size_t *n, uint64_t *seed)
{
	unsigned flips = (unsigned)(next_random(seed) % 4);

	if (*n && next_random(seed) % 3 == 0)
		*n = next_random(seed) % *n;
	for (unsigned i = 0; i < flips && *n; i++) {
		/* The headers are at the beginning: most hits belong there. */
		size_t reach = next_random(seed) % 2 && *n > 64 ? 64 : *n;

		p[next_random(seed) % reach] ^= (uint8_t)(1u << next_random(seed) % 8);
	}
}

/* All that may be done with segments from the other end, in buffers of the exact size. Returns 1 when accepted. */
static unsigned digest(struct guest *g, const struct made *m, const uint8_t *p, size_t n, uint64_t *seed)
{
	ssize_t size = sysc_scratch_size(p, n);
	struct buf scratch, ans;
	uint64_t args[6];
	uint8_t *copy;
	char line[100];
	size_t len;

	(void)sysc_covered(m->row->nr, m->args, p, n);
	sysc_decode(m->row->nr, m->args, p, n, UNITS, p, n, line, sizeof(line));
	if (size < 0) {
		assert_int_equal(size, -EPROTO);
		assert_int_equal(sysc_place(p, n, SCRATCH, NULL, 0, args), -EPROTO);
		return 0;
	}
	buf_init(&scratch, 0);
	buf_init(&ans, 0);
	scratch.data = malloc((size_t)size + (size == 0));
	scratch.len = (size_t)size;
	assert_non_null(scratch.data);
	memcpy(args, m->args, sizeof(args));
	assert_int_equal(sysc_place(p, n, SCRATCH, scratch.data, scratch.len, args), 0);
	assert_int_equal(sysc_collect(p, n, (int64_t)(next_random(seed) % 64) - 8, read_scratch, &scratch, &ans), 0);
	copy = malloc(ans.len + 1);
	assert_non_null(copy);
	len = ans.len;
	if (len)
		memcpy(copy, buf_head(&ans), len);
	damage(copy, &len, seed);
	(void)sysc_apply(copy, len, &g->mem);
	free(copy);
	buf_release(&ans);
	free(scratch.data);
	return 1;
}

static void damaged_segments(void **state)
{
	struct guest *g = *state;
	uint64_t seed = 0x9e3779b97f4a7c15;
	unsigned accepted = 0, tried = 0;
	struct made m;
	struct buf req;

	for (unsigned nr = 0; nr <= sysc_max(); nr++) {
		const struct sysc_row *row = sysc_row(nr);

		if (!row || !make_call(g, row, NULL, &m))
			continue;
		buf_init(&req, 0);
		assert_int_equal(sysc_request(nr, m.args, &g->mem, &req), SYSC_FORWARD);
		for (unsigned round = 0; req.len && round < 200; round++) {
			size_t n = req.len;
			uint8_t *p = malloc(n);

			assert_non_null(p);
			memcpy(p, buf_head(&req), n);
			damage(p, &n, &seed);
			p = realloc(p, n + (n == 0));
			assert_non_null(p);
			accepted += digest(g, &m, p, n, &seed);
			tried++;
			free(p);
		}
		buf_release(&req);
	}
	/* Both ways were taken often. */
	assert_true(tried > 10000 && accepted > tried / 10 && accepted < tried - tried / 10);
}

/* The limits of the form, one by one. */
static void wrong_fields(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} wrong[] = {{0, 0}, {0, 4}, {1, RULE__MAX}, {2, 6}, {3, 2}, {7, 2}, {22, 1}, {20, 1}};
	uint8_t good[2 * SEG_HEAD] = {SEG_OUT, RULE_ALWAYS, 1}, p[2 * SEG_HEAD];

	(void)state;
	good[4] = 16;
	assert_int_equal(sysc_scratch_size(good, SEG_HEAD), 16);
	assert_int_equal(sysc_scratch_size(NULL, 0), 0);
	assert_int_equal(sysc_image_size(good, SEG_HEAD), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		memcpy(p, good, sizeof(p));
		p[wrong[i].at] = wrong[i].value;
		if (sysc_scratch_size(p, SEG_HEAD) != -EPROTO)
			fail_msg("byte %u = %u", wrong[i].at, wrong[i].value);
	}
	for (size_t n = 1; n < SEG_HEAD; n++)
		assert_int_equal(sysc_scratch_size(good, n), -EPROTO);
	memcpy(good + SEG_HEAD, good, SEG_HEAD); /* two segments for one argument */
	assert_int_equal(sysc_scratch_size(good, sizeof(good)), -EPROTO);
	good[SEG_HEAD + 2] = 2;
	assert_int_equal(sysc_scratch_size(good, sizeof(good)), 32);
	good[SEG_HEAD + 1] = RULE_LEN; /* its length lies in itself */
	good[SEG_HEAD + 16] = 1;
	assert_int_equal(sysc_scratch_size(good, sizeof(good)), -EPROTO);
	good[SEG_HEAD + 16] = 0;
	assert_int_equal(sysc_scratch_size(good, sizeof(good)), 32);
	good[7] = good[SEG_HEAD + 7] = 0;
	good[6] = 0xff; /* together more than 16 MiB */
	good[SEG_HEAD + 6] = 0xff;
	assert_int_equal(sysc_scratch_size(good, sizeof(good)), -EPROTO);
	good[6] = good[SEG_HEAD + 6] = 0;
	good[SEG_HEAD + 18] = 13; /* and here not wholly within the other */
	assert_int_equal(sysc_scratch_size(good, sizeof(good)), -EPROTO);
}

/* Fix-ups ascend, do not overlap, lie within, and lead to another segment. */
static void wrong_fixups(void **state)
{
	static const struct {
		uint8_t off1, target1, off2, target2;
		int good;
	} tries[] = {{0, 1, 8, 1, 1}, {0, 1, 24, 1, 1}, {0, 1, 7, 1, 0}, {8, 1, 0, 1, 0},
		     {0, 1, 0, 1, 0}, {0, 1, 25, 1, 0}, {0, 0, 8, 1, 0}, {0, 1, 8, 2, 0}};
	uint8_t p[SEG_HEAD + 2 * SEG_FIX + 32 + SEG_HEAD] = {SEG_IN};
	uint8_t *second = p + SEG_HEAD + 2 * SEG_FIX + 32;

	(void)state;
	p[4] = 32;
	p[20] = 2;
	second[0] = SEG_OUT;
	second[2] = SEG_NESTED;
	second[4] = 8;
	for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
		p[SEG_HEAD] = tries[i].off1;
		p[SEG_HEAD + 4] = tries[i].target1;
		p[SEG_HEAD + 8] = tries[i].off2;
		p[SEG_HEAD + 12] = tries[i].target2;
		if ((sysc_scratch_size(p, sizeof(p)) == 48) != tries[i].good)
			fail_msg("fix-ups %u", i);
	}
}

/* Lists of strings: only for an argument that is one, each ended, in nobody else's memory. */
static void wrong_strings(void **state)
{
	uint8_t p[3 * SEG_HEAD + SEG_FIX + 16] = {SEG_IN, RULE_ALWAYS, 1, SEG_STRINGS, 3};
	uint64_t list_args[6] = {0, 1, 1}, write_args[6] = {1, 1, 2};
	uint8_t *text = p + SEG_HEAD, *second = text + 3;

	(void)state;
	memcpy(text, "a\0", 3); /* two strings: three pointers */
	assert_int_equal(sysc_scratch_size(p, SEG_HEAD + 3), 32);
	p[4] = 0; /* none: NULL alone */
	assert_int_equal(sysc_scratch_size(p, SEG_HEAD), 16);
	p[4] = 3;
	text[2] = 'b';
	assert_int_equal(sysc_scratch_size(p, SEG_HEAD + 3), -EPROTO);
	text[2] = 0;
	p[0] = SEG_IN | SEG_OUT;
	assert_int_equal(sysc_scratch_size(p, SEG_HEAD + 3), -EPROTO);
	p[0] = SEG_IN;
	p[2] = SEG_NESTED;
	assert_int_equal(sysc_scratch_size(p, SEG_HEAD + 3), -EPROTO);
	p[2] = 1;
	/* Another segment with a fix-up to it. */
	second[0] = SEG_IN;
	second[2] = 2;
	second[4] = 8;
	assert_int_equal(sysc_scratch_size(p, SEG_HEAD + 3 + SEG_HEAD + 8), 48);
	second[20] = 1;
	assert_int_equal(sysc_scratch_size(p, SEG_HEAD + 3 + SEG_HEAD + SEG_FIX + 8), -EPROTO);
	/* Neither kind stands in for the other. */
	assert_int_equal(sysc_covered(SYS_write, write_args, p, SEG_HEAD + 3), -EPERM);
	p[3] = 0;
	assert_int_equal(sysc_covered(SYS_write, write_args, p, SEG_HEAD + 3), 0);
	second[20] = 0;
	assert_int_equal(sysc_covered(SYS_execve, list_args, p, SEG_HEAD + 3 + SEG_HEAD + 8), -EPERM);
	p[3] = second[3] = SEG_STRINGS;
	assert_int_equal(sysc_covered(SYS_execve, list_args, p, SEG_HEAD + 3 + SEG_HEAD + 8), 0);
	/* Pointers count: two million strings are too many, although their bytes are not. */
	p[4] = p[5] = 0;
	p[6] = 0x20;
	{
		uint8_t *many = calloc(1, SEG_HEAD + (2u << 20));

		assert_non_null(many);
		memcpy(many, p, SEG_HEAD);
		assert_int_equal(sysc_scratch_size(many, SEG_HEAD + (2u << 20)), -EPROTO);
		many[6] = 0x10;
		assert_int_equal(sysc_scratch_size(many, SEG_HEAD + (1u << 20)), (9u << 20) + 16);
		free(many);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_forwarded_row, guest_setup, guest_teardown),
	    cmocka_unit_test_setup_teardown(arguments_beyond_the_segments, guest_setup, guest_teardown),
	    cmocka_unit_test_setup_teardown(damaged_segments, guest_setup, guest_teardown),
	    cmocka_unit_test_setup_teardown(members_beyond_the_segments, guest_setup, guest_teardown),
	    cmocka_unit_test(wrong_fields),
	    cmocka_unit_test(wrong_fixups),
	    cmocka_unit_test(wrong_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
