/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The devices that everybody has give and take what they do at home.
 * Proves: read write lseek ioctl
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	unsigned char buf[100], other[100];
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
	int luck = open("/dev/urandom", O_RDONLY);

	must(null >= 0 && zero >= 0 && full >= 0 && luck >= 0);
	say_result("null takes", write(null, buf, 100));
	say_result("null gives", read(null, buf, 100));
	memset(buf, 1, sizeof(buf));
	say_result("zero gives", read(zero, buf, 100));
	say("%016llx", (unsigned long long)hash(0, buf, sizeof(buf)));
	say_result("full takes", write(full, buf, 1));
	must(read(luck, buf, sizeof(buf)) == 100 && read(luck, other, sizeof(other)) == 100);
	say("different %d", memcmp(buf, other, sizeof(buf)) != 0);
	say_result("the end of null", lseek(null, 100, SEEK_SET));
	say_result("the size of a terminal", ioctl(null, TIOCGWINSZ, buf));
	must(close(null) == 0 && close(zero) == 0 && close(full) == 0 && close(luck) == 0);
}

int main(void)
{
	return promise_run(round_);
}
