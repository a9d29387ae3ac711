/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: /proc/self/maps shows the memory of the process itself, wherever that is.
 * Proves: openat
 */
#include <string.h>
#include <sys/mman.h>

#include "promise.h"

static void round_(void)
{
	char *p = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), line[400];
	char flags[8] = "", of_code[8] = "";
	bool code = false, heap = malloc(1) != NULL, stack = false;
	unsigned long from, to;
	FILE *f;
	int lines = 0, n = 0;

	must(p != MAP_FAILED && heap && mprotect(p + 4096, 4096, PROT_READ) == 0);
	p[0] = 'x';
	f = fopen("/proc/self/maps", "re");
	must(f);
	while (fgets(line, sizeof(line), f)) {
		must(sscanf(line, "%lx-%lx %7s", &from, &to, flags) == 3);
		if (from >= (unsigned long)p && to <= (unsigned long)p + 5 * 4096 && strcmp(flags, "r--p") == 0)
			n++;
		if (from <= (unsigned long)round_ && to > (unsigned long)round_) {
			code = strstr(line, "proc-maps") != NULL;
			memcpy(of_code, flags, sizeof(flags));
		}
		stack |= from <= (unsigned long)line && to > (unsigned long)line && strstr(line, "[stack]");
		lines++;
	}
	must(fclose(f) == 0 && munmap(p, 5 * 4096) == 0);
	say("mine %d, code %d %s, stack %d, lines %d", n, code, of_code, stack, lines > 10);
}

int main(void)
{
	return promise_run(round_);
}
