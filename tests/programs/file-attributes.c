/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Extended attributes are set, replaced, listed and removed, by name, by descriptor and of a link's target.
 * Proves: setxattr getxattr listxattr removexattr fsetxattr fgetxattr flistxattr fremovexattr lsetxattr lgetxattr
 * llistxattr lremovexattr
 */
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "promise.h"

static void show(const char *name)
{
	char value[32];
	ssize_t n = getxattr("f", name, value, sizeof(value));

	if (n < 0)
		say_result(name, n);
	else
		say("%s = %.*s", name, (int)n, value);
}

static void round_(void)
{
	char list[200], value[32];
	int fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0600);

	must(fd >= 0);
	must(setxattr("f", "user.one", "first", 5, XATTR_CREATE) == 0);
	say_result("again", setxattr("f", "user.one", "x", 1, XATTR_CREATE));
	say_result("to replace nothing", setxattr("f", "user.two", "x", 1, XATTR_REPLACE));
	must(fsetxattr(fd, "user.two", "second", 6, 0) == 0 && lsetxattr("f", "user.three", "", 0, 0) == 0);
	show("user.one");
	show("user.two");
	show("user.three");
	say_result("its size", fgetxattr(fd, "user.two", NULL, 0));
	say_result("too small", lgetxattr("f", "user.two", value, 2));
	say("lists %zd %zd %zd", listxattr("f", list, sizeof(list)), flistxattr(fd, list, sizeof(list)),
	    llistxattr("f", list, sizeof(list)));
	must(removexattr("f", "user.one") == 0 && fremovexattr(fd, "user.two") == 0);
	must(lremovexattr("f", "user.three") == 0);
	show("user.one");
	say("left %zd", listxattr("f", list, sizeof(list)));
	say_result("no name space", setxattr("f", "strange.x", "x", 1, 0));
	must(close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
