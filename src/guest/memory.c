/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's access to the guest's memory.
 * Promise: a page that still has to come from home is fetched first, so that the agent never waits for itself.
 * Must not: be used before the guest was built.
 */
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include "../base/clock.h"
#include "../image/pages.h"

bool agent_in_file_range(const struct agent *a, uint64_t addr, uint64_t len)
{
	/* What the guest has unmapped or covered since is found out below. */
	for (uint64_t p = addr & ~(IMAGE_PAGE - 1); p < addr + len; p += IMAGE_PAGE) {
		const struct image_vma *v = maps_find(&a->b.target, p);

		if (v && v->file)
			return true;
		/* Skip to the end of what was found; gaps are walked page by page, calls' buffers are short. */
		if (v)
			p = v->end - IMAGE_PAGE;
	}
	return false;
}

/* What came from files, and what of it is left. */
static int refresh(struct agent *a)
{
	struct image_maps now;
	int r;

	maps_init(&now);
	r = agent_read_maps(a, &now, false, NULL);
	if (r < 0) {
		maps_release(&now);
		return r;
	}
	maps_release(&a->b.target);
	a->b.target = now;
	return 0;
}

/* The first answer may be for a fault of another thread. */
static int fetch(struct agent *a, uint64_t addr)
{
	const struct image_vma *v;
	int r = agent_request_pages(a, addr);

	a->fetching = true;
	a->fetched = 0;
	while (r >= 0 && a->fetched != addr)
		r = agent_link_pump(a, true, 0);
	a->fetching = false;
	if (r >= 0)
		r = pages_present(a->pagemap, addr);
	if (r != 0)
		return r < 0 ? r : 0;
	/* Beyond the end of its file, where the kernel would say the same; or there is something else by now. */
	r = refresh(a);
	v = maps_find(&a->b.target, addr);
	return r < 0 ? r : v && v->file ? -EFAULT : 0;
}

static int make_present(struct agent *a, uint64_t addr, size_t n)
{
	if (!n || addr + n < addr || addr + n > IMAGE_TASK_END)
		return n ? -EFAULT : 0;
	if (!agent_in_file_range(a, addr, n))
		return 0;
	for (uint64_t p = addr & ~(IMAGE_PAGE - 1); p < addr + n; p += IMAGE_PAGE) {
		const struct image_vma *v = maps_find(&a->b.target, p);
		int r;

		if (!v || !v->file)
			continue;
		r = pages_present(a->pagemap, p);
		if (r == 0)
			r = fetch(a, p);
		if (r < 0)
			return r;
	}
	return 0;
}

int agent_mem_read(void *ctx, uint64_t addr, void *p, size_t n)
{
	struct agent *a = ctx;

	return make_present(a, addr, n) < 0 || tracee_read(main_tracee(a), addr, p, n) < 0 ? -EFAULT : 0;
}

/* Is it the host that has no page for what may well be written? */
static bool host_is_short(struct agent *a, uint64_t addr, size_t n)
{
	const struct image_vma *v = refresh(a) < 0 ? NULL : maps_find(&a->b.target, addr);

	return v && !v->file && v->prot & PROT_WRITE && n <= v->end - addr;
}

/* Where guests have all the memory that they may have, a page for this is refused; godwitd sends guests home then and
 * raises the limit by what that takes (src/node/room.c). */
int agent_mem_write(void *ctx, uint64_t addr, const void *p, size_t n)
{
	struct agent *a = ctx;
	uint64_t until = clock_mono_ns() + AGENT_SHORT_NS;

	if (make_present(a, addr, n) < 0)
		return -EFAULT;
	while (tracee_write(main_tracee(a), addr, p, n) < 0) {
		if (!host_is_short(a, addr, n) || clock_mono_ns() >= until)
			return -EFAULT;
		(void)poll(NULL, 0, AGENT_SHORT_LOOK_MS);
	}
	return 0;
}
