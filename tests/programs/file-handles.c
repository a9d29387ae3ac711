/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A handle of a file opens it again, also under another name.
 * Proves: name_to_handle_at open_by_handle_at
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h = {.handle_bytes = MAX_HANDLE_SZ}};
	char text[8] = "";
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600), dir = open(".", O_RDONLY), mount, again;

	must(fd >= 0 && dir >= 0 && write(fd, "handle", 6) == 6 && close(fd) == 0);
	if (name_to_handle_at(AT_FDCWD, "f", &u.h, &mount, 0) < 0) {
		must(errno == EOPNOTSUPP || errno == EPERM);
		say("opened again handle");
	} else {
		must(rename("f", "g") == 0);
		again = open_by_handle_at(dir, &u.h, O_RDONLY);
		if (again < 0) /* without the capability, or where the file system cannot */
			must(errno == EPERM || errno == EOPNOTSUPP || errno == ESTALE);
		else
			must(read(again, text, 6) == 6 && strcmp(text, "handle") == 0 && close(again) == 0);
		say("opened again handle");
		must(rename("g", "f") == 0);
	}
	must(close(dir) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
