/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The name of a process is set and told, also by /proc, and cut after 15 bytes.
 * Proves: prctl openat
 */
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "promise.h"

static void show(void)
{
	char name[16] = "", comm[32] = "";
	int fd = open("/proc/self/comm", O_RDONLY);

	must(prctl(PR_GET_NAME, name) == 0 && fd >= 0 && read(fd, comm, sizeof(comm) - 1) > 0 && close(fd) == 0);
	say("%s %s", name, strcmp(name, "x") == 0 ? comm : strtok(comm, "\n"));
}

static void round_(void)
{
	char old[16];

	must(prctl(PR_GET_NAME, old) == 0);
	must(prctl(PR_SET_NAME, "another name") == 0);
	show();
	must(prctl(PR_SET_NAME, "a name that is much too long") == 0);
	show();
	must(prctl(PR_SET_NAME, old) == 0);
	say("as it was: %s", old);
}

int main(void)
{
	return promise_run(round_);
}
