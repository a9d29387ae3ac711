/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: files, offsets, locks, directories and links are home's; every byte lands where it was sent.
 * Proves: write openat pread64 read close lseek pwrite64 flock ftruncate chdir mkdir unlink newfstatat getdents64
 * rename link symlink readlink rmdir
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void bytes(void)
{
	static unsigned char buf[70000], back[70000];
	uint64_t s = 11, h = 0;
	int fd = open("data.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), append;
	struct stat st;

	must(fd >= 0);
	for (int i = 0; i < 30; i++) {
		size_t n = xorshift(&s) % sizeof(buf) + 1;
		off_t at = (off_t)(xorshift(&s) % 500000);

		for (size_t k = 0; k < n; k++)
			buf[k] = (unsigned char)(xorshift(&s) >> 5);
		must(pwrite(fd, buf, n, at) == (ssize_t)n);
		must(pread(fd, back, n, at) == (ssize_t)n && memcmp(buf, back, n) == 0);
		h = hash(h, back, n);
	}
	append = open("data.tmp", O_WRONLY | O_APPEND);
	must(append >= 0 && fstat(fd, &st) == 0 && write(append, "the end", 7) == 7);
	must(lseek(fd, -7, SEEK_END) == st.st_size && read(fd, back, 20) == 7 && memcmp(back, "the end", 7) == 0);
	must(read(fd, back, 20) == 0 && lseek(fd, 0, SEEK_CUR) == st.st_size + 7);
	must(ftruncate(fd, 1000) == 0 && pread(fd, back, sizeof(back), 0) == 1000);
	say("bytes %016llx size %lld", (unsigned long long)h, (long long)st.st_size);
	must(flock(fd, LOCK_EX) == 0 && flock(append, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	must(close(append) == 0 && close(fd) == 0 && unlink("data.tmp") == 0);
	must(open("data.tmp", O_RDONLY) == -1 && errno == ENOENT);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void names(void)
{
	char name[40], all[64][20], link_text[40];
	struct dirent *d;
	size_t n = 0;
	uint64_t h = 0;
	ssize_t len;
	DIR *dir;

	must(mkdir("dir.tmp", 0755) == 0 && chdir("dir.tmp") == 0);
	for (int i = 0; i < 30; i++) {
		(void)snprintf(name, sizeof(name), "file%02d", i);
		must(close(open(name, O_CREAT | O_EXCL | O_WRONLY, 0600)) == 0);
	}
	must(rename("file03", "renamed") == 0 && link("file04", "linked") == 0 && symlink("file05", "symbolic") == 0);
	len = readlink("symbolic", link_text, sizeof(link_text));
	dir = opendir(".");
	must(dir && len == 6);
	while ((d = readdir(dir)))
		(void)snprintf(all[n++], 20, "%s", d->d_name);
	must(closedir(dir) == 0);
	qsort(all, n, sizeof(all[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		h = hash(h, all[i], strlen(all[i]));
		must(all[i][0] == '.' || unlink(all[i]) == 0);
	}
	must(chdir("..") == 0 && rmdir("dir.tmp") == 0);
	say("names %zu %016llx -> %.6s", n, (unsigned long long)h, link_text);
}

static void stdio(void)
{
	FILE *f = fopen("lines.tmp", "w+e");
	char line[80];
	unsigned sum = 0;

	must(f);
	for (int i = 0; i < 3000; i++)
		(void)fprintf(f, "line %d of a file\n", i);
	rewind(f);
	while (fgets(line, sizeof(line), f))
		sum += (unsigned)atoi(line + 5);
	must(fclose(f) == 0 && unlink("lines.tmp") == 0);
	say("lines %u", sum);
}

static void round_(void)
{
	bytes();
	names();
	stdio();
}

int main(void)
{
	return promise_run(round_);
}
