/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See place.h. */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "../base/file.h"
#include "../wire/reasons.h"

/* File systems that several machines can have in common: statfs(2). FUSE may be one (sshfs, GlusterFS, virtiofs), so
 * the other signs decide there. */
static bool is_shared_type(uint64_t type)
{
	static const uint32_t types[] = {
	    0x6969, /* NFS */
	    0xff534d42, 0xfe534d42, 0x517b, /* CIFS, SMB2, SMB */
	    0x65735546, /* FUSE */
	    0x00c36400, /* Ceph */
	    0x0bd00bd0, 0x0bd00bd1, /* Lustre */
	    0x01021997, /* 9p */
	    0x5346414f, 0x6b414653, /* AFS */
	    0x73757245, /* Coda */
	    0x01161970, /* GFS2 */
	    0x7461636f, /* OCFS2 */
	    0x47504653, /* GPFS */
	    0x19830326, /* BeeGFS */
	    0xa501fcf5, /* VxFS */
	    0x786f4256, /* shared folders of VirtualBox */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if ((uint32_t)type == types[i])
			return true;
	return false;
}

static uint64_t ns_of(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* A few entries by which the other end may know the directory; none if it cannot be read. */
static void read_entries(struct place *p, int fd)
{
	_cleanup_closedir_ DIR *d = fdopendir(fd);
	const struct dirent *de;

	if (!d) {
		(void)close(fd);
		return;
	}
	while (p->n_entries < PLACE_ENTRIES && (de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		/* d_ino of a mount point is that of what lies below it */
		if (de->d_type == DT_DIR || de->d_type == DT_UNKNOWN)
			continue;
		(void)snprintf(p->entries[p->n_entries].name, sizeof(p->entries[0].name), "%s", de->d_name);
		p->entries[p->n_entries++].ino = de->d_ino;
	}
}

/* All but the name. */
static int read_numbers(struct place *p, bool entries, struct err *e)
{
	/* Opening a directory makes an NFS client ask its server for its attributes anew. */
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char boot[80] = "";
	struct statfs fs;
	struct stat st;

	if ((fd >= 0 ? fstat(fd, &st) : stat(".", &st)) < 0 || (fd >= 0 ? fstatfs(fd, &fs) : statfs(".", &fs)) < 0) {
		int r = -errno;

		if (fd >= 0)
			(void)close(fd);
		return err_reason(e, REASON_DIRECTORY, r, "the working directory cannot be looked at: %s",
				  strerror(-r));
	}
	p->dev = st.st_dev;
	p->ino = st.st_ino;
	p->mtime_ns = ns_of(st.st_mtim);
	p->ctime_ns = ns_of(st.st_ctim);
	p->fs_type = (uint64_t)fs.f_type & UINT32_MAX;
	if (file_read_small("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) > 0)
		(void)snprintf(p->boot, sizeof(p->boot), "%.*s", (int)strcspn(boot, "\n"), boot);
	if (entries && fd >= 0)
		read_entries(p, fd);
	else if (fd >= 0)
		(void)close(fd);
	return 0;
}

int place_read(struct place *ret, struct err *e)
{
	*ret = (struct place){.n_entries = 0};
	if (!getcwd(ret->dir, sizeof(ret->dir)) || ret->dir[0] != '/')
		return err_reason(e, REASON_DIRECTORY, -ENOENT,
				  "the working directory has no name any more, so it cannot be found on another node");
	return read_numbers(ret, true, e);
}

int place_same(const struct place *want, const struct place *here, const uint64_t entry[PLACE_ENTRIES], struct err *e)
{
	unsigned same = 0, other = 0, i;

	if (*want->boot && !strcmp(want->boot, here->boot)) {
		if (want->dev == here->dev && want->ino == here->ino)
			return 0;
		return err_reason(e, REASON_DIRECTORY, -EXDEV, "%.200s is another directory there", want->dir);
	}
	if (!is_shared_type(want->fs_type) && !is_shared_type(here->fs_type))
		return err_reason(e, REASON_DIRECTORY, -EXDEV,
				  "%.200s is another directory there: on both nodes it is on a disk of their own",
				  want->dir);
	for (i = 0; i < want->n_entries && i < PLACE_ENTRIES; i++) {
		same += entry[i] && entry[i] == want->entries[i].ino;
		other += entry[i] && entry[i] != want->entries[i].ino;
	}
	if (want->ino == here->ino &&
	    (want->mtime_ns == here->mtime_ns || want->ctime_ns == here->ctime_ns || (same && !other)))
		return 0;
	return err_reason(e, REASON_DIRECTORY, -EXDEV, "%.200s is another directory there", want->dir);
}

int place_enter(const struct place *want, struct err *e)
{
	uint64_t entry[PLACE_ENTRIES] = {0};
	struct place here = {.n_entries = 0};
	struct stat st;
	unsigned i;
	int r;

	if (chdir(want->dir) < 0) {
		r = -errno;
		return err_reason(e, REASON_DIRECTORY, r, "the directory %.200s cannot be entered there: %s", want->dir,
				  strerror(-r));
	}
	r = read_numbers(&here, false, e);
	if (r < 0)
		return r;
	if (strcmp(want->boot, here.boot) != 0)
		for (i = 0; i < want->n_entries; i++)
			entry[i] = lstat(want->entries[i].name, &st) == 0 ? st.st_ino : 0;
	return place_same(want, &here, entry, e);
}

void place_to_wire(const struct place *p, struct wire_exec_start *m, struct wire_place_entry entries[PLACE_ENTRIES])
{
	unsigned i;

	m->dir = wire_str(p->dir);
	m->boot = wire_str(p->boot);
	m->dev = p->dev;
	m->ino = p->ino;
	m->mtime_ns = p->mtime_ns;
	m->ctime_ns = p->ctime_ns;
	m->fs_type = p->fs_type;
	for (i = 0; i < p->n_entries; i++)
		entries[i] = (struct wire_place_entry){.name = wire_str(p->entries[i].name), .ino = p->entries[i].ino};
	m->entries = (struct wire_list){.items = entries, .count = p->n_entries};
}

int place_from_wire(struct place *ret, const struct wire_exec_start *m)
{
	struct wire_list list = m->entries;
	struct wire_place_entry one;

	*ret = (struct place){
	    .dev = m->dev, .ino = m->ino, .mtime_ns = m->mtime_ns, .ctime_ns = m->ctime_ns, .fs_type = m->fs_type};
	if (wire_str_copy(ret->dir, sizeof(ret->dir), m->dir) < 0 ||
	    wire_str_copy(ret->boot, sizeof(ret->boot), m->boot) < 0 || ret->dir[0] != '/')
		return -EPROTO;
	while (ret->n_entries < PLACE_ENTRIES && wire_place_entry_next(&list, &one)) {
		/* A name with a slash would be looked for elsewhere. */
		if (!one.name.len || memchr(one.name.data, '/', one.name.len))
			return -EPROTO;
		(void)!wire_str_copy(ret->entries[ret->n_entries].name, sizeof(ret->entries[0].name), one.name);
		ret->entries[ret->n_entries++].ino = one.ino;
	}
	return 0;
}
