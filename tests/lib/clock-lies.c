/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To be preloaded into one program: its CLOCK_REALTIME is wrong by as many ns as the file GODWIT_LIE says, at each
 * moment. No namespace has that clock, and a test must not set the machine's. Must not: change any other clock.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ts)
{
	const char *path = getenv("GODWIT_LIE");
	long r = syscall(SYS_clock_gettime, id, ts);
	int64_t by = 0, ns;
	int fd;

	if (r < 0 || id != CLOCK_REALTIME || !path)
		return (int)r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &by, sizeof(by)) != sizeof(by))
		by = 0;
	if (fd >= 0)
		(void)close(fd);
	ns = (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec + by;
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return 0;
}
