/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The names of the system and of the host are home's.
 * Proves: uname
 */
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct utsname a, b;
	char name[65];

	must(uname(&a) == 0 && gethostname(name, sizeof(name)) == 0);
	burn_ms(1);
	must(uname(&b) == 0 && memcmp(&a, &b, sizeof(a)) == 0 && strcmp(a.nodename, name) == 0);
	say("%s %s %s %s %s", a.sysname, a.nodename, a.release, a.version, a.machine);
	say_result("a bad address", syscall(SYS_uname, 8L));
}

int main(void)
{
	return promise_run(round_);
}
