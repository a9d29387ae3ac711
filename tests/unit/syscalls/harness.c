/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake guest; the promise is in harness.h. */
#include <stdlib.h>

#include "harness.h"

static int in_guest(uint64_t addr, size_t n)
{
	return addr >= GUEST_BASE && addr - GUEST_BASE <= GUEST_SIZE && n <= GUEST_SIZE - (addr - GUEST_BASE);
}

static int guest_read(void *ctx, uint64_t addr, void *p, size_t n)
{
	struct guest *g = ctx;

	if (!in_guest(addr, n))
		return -EFAULT;
	memcpy(p, g->bytes + (addr - GUEST_BASE), n);
	return 0;
}

static int guest_write(void *ctx, uint64_t addr, const void *p, size_t n)
{
	struct guest *g = ctx;

	if (!in_guest(addr, n) || addr - GUEST_BASE < g->read_only_below)
		return -EFAULT;
	memcpy(g->bytes + (addr - GUEST_BASE), p, n);
	return 0;
}

int guest_setup(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		return -1;
	g->bytes = calloc(1, GUEST_SIZE);
	g->mem = (struct sysc_memory){guest_read, guest_write, g};
	*state = g;
	return g->bytes ? 0 : -1;
}

int guest_teardown(void **state)
{
	struct guest *g = *state;

	free(g->bytes);
	free(g);
	return 0;
}

uint64_t guest_alloc(struct guest *g, size_t n)
{
	uint64_t addr = GUEST_BASE + g->used;

	assert_true(n <= GUEST_SIZE - g->used);
	memset(g->bytes + g->used, 0, n);
	g->used += (n + 15) & ~(size_t)15;
	return addr;
}

uint64_t guest_put(struct guest *g, const void *p, size_t n)
{
	uint64_t addr = guest_alloc(g, n);

	memcpy(guest_at(g, addr), p, n);
	return addr;
}

uint64_t guest_str(struct guest *g, const char *s)
{
	return guest_put(g, s, strlen(s) + 1);
}

void *guest_at(struct guest *g, uint64_t addr)
{
	assert_true(in_guest(addr, 1));
	return g->bytes + (addr - GUEST_BASE);
}

static int read_local(void *ctx, size_t off, void *p, size_t n)
{
	memcpy(p, (const uint8_t *)ctx + off, n);
	return 0;
}

enum sysc_class class_of(struct guest *g, unsigned nr, const uint64_t args[6])
{
	struct buf out;
	enum sysc_class cls;

	buf_init(&out, 0);
	cls = sysc_request(nr, args, &g->mem, &out);
	if (cls != SYSC_FORWARD)
		assert_int_equal(out.len, 0);
	buf_release(&out);
	return cls;
}

long forward(struct guest *g, unsigned nr, const uint64_t args[6])
{
	uint64_t a[6];
	struct buf req, ans;
	ssize_t size, image;
	uint8_t *local;
	char line[1000];
	long ret;

	memcpy(a, args, sizeof(a));
	buf_init(&req, 17u << 20);
	buf_init(&ans, 17u << 20);
	assert_int_equal(sysc_request(nr, a, &g->mem, &req), SYSC_FORWARD);
	assert_int_equal(sysc_permitted(nr, a), 0);
	assert_int_equal(sysc_covered(nr, a, buf_head(&req), req.len), 0);
	size = sysc_scratch_size(buf_head(&req), req.len);
	image = sysc_image_size(buf_head(&req), req.len);
	assert_true(size >= 0 && image >= 0 && image <= size);
	local = aligned_alloc(16, (size_t)size + 16);
	assert_non_null(local);
	/* What the kernel only writes needs no image; junk must not come through. */
	memset(local, 0xa5, (size_t)size + 16);
	assert_int_equal(sysc_place(buf_head(&req), req.len, (uintptr_t)local, local, (size_t)image, a), 0);
	ret = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (ret == -1)
		ret = -errno;
	assert_int_equal(sysc_collect(buf_head(&req), req.len, ret, read_local, local, &ans), 0);
	assert_int_equal(sysc_apply(buf_head(&ans), ans.len, &g->mem), 0);
	sysc_decode(nr, args, buf_head(&req), req.len, ret, buf_head(&ans), ans.len, line, sizeof(line));
	assert_non_null(strstr(line, sysc_name(nr)));
	free(local);
	buf_release(&req);
	buf_release(&ans);
	return ret;
}
