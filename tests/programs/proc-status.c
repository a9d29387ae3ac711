/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: /proc/self/status and stat tell the name, the ids and the signals of the process.
 * Proves: openat
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char line[1000], *after;
	FILE *f;
	sigset_t set;
	int found = 0;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	f = fopen("/proc/self/status", "re");
	must(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long a = 0;

		if (sscanf(line, "Pid: %lu", &a) == 1 || sscanf(line, "Tgid: %lu", &a) == 1)
			found += a == (unsigned long)getpid();
		if (sscanf(line, "PPid: %lu", &a) == 1)
			found += 10 * (a == (unsigned long)getppid());
		if (strncmp(line, "Name:", 5) == 0 || strncmp(line, "Threads:", 8) == 0 ||
		    strncmp(line, "SigBlk:", 7) == 0)
			say("%.*s", (int)strlen(line) - 1, line);
	}
	must(fclose(f) == 0 && sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
	say("ids %d", found);
	f = fopen("/proc/self/stat", "re");
	must(f && fgets(line, sizeof(line), f) && fclose(f) == 0);
	after = strrchr(line, ')');
	must(after && atoi(line) == getpid() && after[2] == 'R' && atoi(after + 4) == getppid());
	say("%.*s", (int)(after - strchr(line, '(')) + 1, strchr(line, '('));
}

int main(void)
{
	return promise_run(round_);
}
