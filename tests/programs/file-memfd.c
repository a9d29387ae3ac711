/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A file without a name is written, sealed and read through /proc/self/fd; the seals hold.
 * Proves: memfd_create fcntl ftruncate
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[8] = "", path[40];
	int fd = memfd_create("nameless", MFD_ALLOW_SEALING | MFD_CLOEXEC), again;

	must(fd >= 0 && write(fd, "sealed", 6) == 6);
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE) == 0);
	say("seals %x", fcntl(fd, F_GET_SEALS));
	say_result("shorter", ftruncate(fd, 1));
	say_result("longer", ftruncate(fd, 100));
	say_result("written", pwrite(fd, "x", 1, 0));
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	say_result("one more seal", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	must(again >= 0 && read(again, text, 6) == 6);
	say("%s", text);
	must(close(fd) == 0 && close(again) == 0);
	say_result("unknown flags", memfd_create("x", 0x8000));
}

int main(void)
{
	return promise_run(round_);
}
