/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The times of a file are set to the nanosecond, left out, and set to now, by each of the five calls.
 * Proves: utime utimes futimesat utimensat
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "promise.h"

static void show(const char *how)
{
	struct stat st;

	must(stat("f", &st) == 0);
	say("%s: %ld.%09ld %ld.%09ld", how, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec);
}

static void round_(void)
{
	struct timespec ts[2] = {{.tv_sec = 1000, .tv_nsec = 123456789}, {.tv_sec = 2000, .tv_nsec = UTIME_OMIT}};
	struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	struct timeval tv[2] = {{3000, 5}, {4000, 6}};
	struct utimbuf ut = {5000, 6000};
	struct stat st;
	int fd = open("f", O_CREAT | O_EXCL | O_WRONLY, 0600);

	must(fd >= 0);
	must(syscall(SYS_utime, "f", &ut) == 0);
	show("utime");
	must(syscall(SYS_utimes, "f", tv) == 0);
	show("utimes");
	must(utimensat(AT_FDCWD, "f", ts, 0) == 0);
	show("utimensat");
	must(syscall(SYS_futimesat, AT_FDCWD, "f", tv) == 0);
	show("futimesat");
	ts[1].tv_nsec = 1;
	must(futimens(fd, ts) == 0);
	show("futimens");
	must(futimens(fd, now) == 0 && fstat(fd, &st) == 0);
	say("now: %ld, and of today %d", (long)st.st_atim.tv_sec, st.st_mtim.tv_sec > 1600000000);
	must(close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
