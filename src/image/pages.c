/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page scanning by PAGEMAP_SCAN or /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst of the kernel. */
#include "pages.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

/* The headers of Debian 12 are older than the call; the names carry an underscore for the day they are not. */
struct pm_scan_arg_ {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct page_region_ {
	uint64_t start, end, categories;
};
#define PAGEMAP_SCAN_ _IOWR('f', 16, struct pm_scan_arg_)
#define PAGE_IS_WRITTEN_ (1 << 1)
#define PAGE_IS_FILE_ (1 << 2)
#define PAGE_IS_PRESENT_ (1 << 3)
#define PAGE_IS_SWAPPED_ (1 << 4)
#define PAGE_IS_PFNZERO_ (1 << 5)

#define PM_PRESENT (1ULL << 63)
#define PM_SWAPPED (1ULL << 62)
#define PM_FILE (1ULL << 61)

#define REGIONS 512

static int scan_ioctl(int fd, uint64_t start, uint64_t end, bool written_only, pages_fn fn, void *ctx)
{
	struct page_region_ regions[REGIONS];
	struct pm_scan_arg_ arg = {
	    .size = sizeof(arg),
	    .end = end,
	    .vec = (uintptr_t)regions,
	    .vec_len = REGIONS,
	    .category_inverted = PAGE_IS_FILE_ | PAGE_IS_PFNZERO_,
	    .category_mask = PAGE_IS_FILE_ | PAGE_IS_PFNZERO_,
	    .category_anyof_mask = PAGE_IS_PRESENT_ | PAGE_IS_SWAPPED_,
	    .return_mask = PAGE_IS_PRESENT_,
	};

	if (written_only)
		arg.category_mask |= PAGE_IS_WRITTEN_;
	while (start < end) {
		int n;

		arg.start = start;
		n = ioctl(fd, PAGEMAP_SCAN_, &arg);
		if (n < 0)
			return -errno;
		for (int i = 0; i < n; i++) {
			int r = fn(ctx, regions[i].start, (regions[i].end - regions[i].start) / IMAGE_PAGE);

			if (r < 0)
				return r;
		}
		if (arg.walk_end <= start)
			return -EIO;
		start = arg.walk_end;
	}
	return 0;
}

static int scan_file(int fd, uint64_t start, uint64_t end, pages_fn fn, void *ctx)
{
	uint64_t entries[512], run = 0, a = start;

	while (a < end) {
		size_t want = (end - a) / IMAGE_PAGE;
		ssize_t n = pread(fd, entries, (want < 512 ? want : 512) * 8, (off_t)(a / IMAGE_PAGE * 8));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		for (ssize_t i = 0; i < n / 8; i++, a += IMAGE_PAGE) {
			if ((entries[i] & (PM_PRESENT | PM_SWAPPED)) && !(entries[i] & PM_FILE)) {
				run++;
				continue;
			}
			if (run) {
				int r = fn(ctx, a - run * IMAGE_PAGE, run);

				if (r < 0)
					return r;
			}
			run = 0;
		}
	}
	return run ? fn(ctx, end - run * IMAGE_PAGE, run) : 0;
}

int pages_scan(int pagemap_fd, uint64_t start, uint64_t end, bool written_only, pages_fn fn, void *ctx)
{
	int r = scan_ioctl(pagemap_fd, start, end, written_only, fn, ctx);

	if (r == -ENOTTY || r == -EINVAL)
		return written_only ? r : scan_file(pagemap_fd, start, end, fn, ctx);
	return r;
}

int pages_present(int pagemap_fd, uint64_t addr)
{
	uint64_t entry;

	if (pread(pagemap_fd, &entry, sizeof(entry), (off_t)(addr / IMAGE_PAGE * 8)) != sizeof(entry))
		return errno ? -errno : -EIO;
	return (entry & (PM_PRESENT | PM_SWAPPED)) != 0;
}
