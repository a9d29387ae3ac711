/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The C library's buffers, position and pushed-back characters go along with the process.
 * Proves: read write lseek openat
 */
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	FILE *f = fopen("f", "w+"), *all;
	char line[40];
	long at;
	int sum = 0;

	must(f);
	for (int i = 0; i < 700; i++)
		must(fprintf(f, "%d apples\n", i) > 0);
	at = ftell(f);
	must(fseek(f, 0, SEEK_SET) == 0);
	for (int i = 0; i < 5; i++)
		must(fgets(line, sizeof(line), f));
	say("%s", line);
	must(ungetc('#', f) == '#' && fgetc(f) == '#' && fgetc(f) == '5');
	all = fopen("f", "r");
	must(all && setvbuf(all, NULL, _IONBF, 0) == 0);
	for (int n = 0; n < 20; sum += n)
		must(fscanf(all, "%d apples\n", &n) == 1);
	must(fseek(f, 0, SEEK_END) == 0);
	say("%ld %d %d", ftell(f), at == ftell(f), sum);
	must(fflush(f) == 0 && fclose(f) == 0 && fclose(all) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
