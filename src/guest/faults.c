/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page faults of the guest in ranges that come from files at home.
 * Promise: each fault is answered with the page of home's mapping, or the guest comes home to have the fault there.
 * Must not: write into pages that are there already (they may be newer).
 *
 * Of a memory that a child shares with its maker (vfork), the faults are the maker's agent's as long as there is one:
 * its other threads go on, and what they map only their home knows. The descriptor tells each fault to one reader.
 */
#include "agent.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../wire/reasons.h"

#define WINDOW_MIN 8
#define WINDOW_MAX 128 /* pages; PAGE_REPLY carries 256 */

int agent_request_pages(struct agent *a, uint64_t addr)
{
	const struct image_vma *v = maps_find(&a->b.target, addr);
	struct wire_page_request m = {.addr = addr};
	uint64_t pages;
	int r;

	if (!v || !v->file)
		return -EFAULT;
	/* Reading on where the last answer ended: look further ahead; a jump: start small again. */
	if (addr == a->next_fault && a->fault_window < WINDOW_MAX)
		a->fault_window *= 2;
	else if (addr != a->next_fault)
		a->fault_window = WINDOW_MIN;
	pages = (v->end - addr) / IMAGE_PAGE;
	m.pages = (uint32_t)(pages < a->fault_window ? pages : a->fault_window);
	r = wire_page_request_encode(&m, link_out(a->link));
	return r < 0 ? r : agent_send(a);
}

void agent_on_fault(void *arg, int fd, uint32_t events)
{
	struct agent *a = arg;
	struct uffd_msg msg;

	(void)events;
	while (read(fd, &msg, sizeof(msg)) == sizeof(msg)) {
		if (msg.event == UFFD_EVENT_FORK)
			a->family.forked_uffd = (int)msg.arg.fork.ufd;
		if (msg.event != UFFD_EVENT_PAGEFAULT || agent_map_pending(a, msg.arg.pagefault.address))
			continue;
		if (agent_request_pages(a, msg.arg.pagefault.address & ~(IMAGE_PAGE - 1)) < 0)
			(void)!agent_bring_home(a, NULL, REASON_GUEST_FAULT, 0,
						"a page of a file could not be fetched");
	}
}

static int watch_faults(struct agent *a)
{
	return a->uffd < 0 || loop_add_fd(a->loop, a->uffd, EPOLLIN, agent_on_fault, a) ? 0 : -ENOMEM;
}

/* The memory is its child's alone from now on; what was asked for last, nobody may have answered. */
static void on_maker_end(void *arg, int fd, uint32_t events)
{
	struct agent *a = arg;

	(void)fd;
	(void)events;
	loop_remove(a->family.maker_watch);
	a->family.maker_watch = NULL;
	if (watch_faults(a) < 0)
		agent_end(a, 1, "out of memory");
	agent_fault_again(a);
}

int agent_serve_faults(struct agent *a)
{
	if (!a->family.shares)
		return watch_faults(a);
	a->family.maker_watch = loop_add_fd(a->loop, a->family.lifeline, EPOLLERR, on_maker_end, a);
	return a->family.maker_watch ? 0 : -ENOMEM;
}

void agent_fault_again(struct agent *a)
{
	for (size_t i = 0; a->uffd >= 0 && i < a->b.target.n; i++) {
		const struct image_vma *v = &a->b.target.v[i];
		struct uffdio_range range = {v->start, v->end - v->start};

		if (v->file)
			(void)ioctl(a->uffd, UFFDIO_WAKE, &range);
	}
}

/* Copies one run; pages that are there or whose range is gone are left out. */
static int install(struct agent *a, uint64_t addr, const uint8_t *data, size_t n)
{
	while (n) {
		struct uffdio_copy c = {
		    .dst = addr, .src = (uintptr_t)data, .len = n, .mode = a->track ? UFFDIO_COPY_MODE_WP : 0};
		size_t done;

		if (ioctl(a->uffd, UFFDIO_COPY, &c) == 0)
			return 0;
		if (c.copy > 0) {
			done = (size_t)c.copy;
		} else if (errno == EEXIST || errno == ENOENT) {
			/* A run that leaves its mapping is refused whole with ENOENT: page by page then. */
			if (errno == ENOENT && n > IMAGE_PAGE) {
				int r = install(a, addr, data, IMAGE_PAGE);

				if (r < 0)
					return r;
			}
			done = IMAGE_PAGE;
		} else if (errno == EAGAIN) {
			continue;
		} else {
			return -errno;
		}
		addr += done;
		data += done;
		n -= done;
	}
	return 0;
}

int agent_page_reply(struct agent *a, const uint8_t *body, size_t n)
{
	struct wire_page_reply m;
	struct uffdio_range wake;
	uint64_t until = clock_mono_ns() + AGENT_SHORT_NS;
	int r = wire_page_reply_decode(&m, body, n);

	if (r < 0 || (m.addr & (IMAGE_PAGE - 1)) || (m.data.len & (IMAGE_PAGE - 1)))
		return -EPROTO;
	a->fetched = m.addr;
	if (m.error || !m.data.len) {
		/* Beyond the end of the file: at home the same instruction raises the same SIGBUS. */
		return agent_bring_home(a, NULL, REASON_GUEST_FAULT, 0,
					"it touched a page that its file does not have");
	}
	/* Where guests have all the memory that they may have, as in agent_mem_write(). */
	while ((r = install(a, m.addr, m.data.data, m.data.len)) == -ENOMEM && clock_mono_ns() < until)
		(void)poll(NULL, 0, AGENT_SHORT_LOOK_MS);
	a->next_fault = m.addr + m.data.len;
	wake = (struct uffdio_range){m.addr, m.data.len};
	(void)ioctl(a->uffd, UFFDIO_WAKE, &wake);
	return r;
}
