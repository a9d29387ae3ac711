/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A FIFO joins who opens it for reading with who opens it for writing; each waits for the other, unless
 * told not to.
 * Proves: mknodat openat read write
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[16] = "";
	int fd, other, status;
	pid_t pid;

	must(mkfifo("fifo", 0600) == 0);
	say_result("writing without a reader", open("fifo", O_WRONLY | O_NONBLOCK));
	fd = open("fifo", O_RDONLY | O_NONBLOCK);
	must(fd >= 0);
	say_result("reading without a writer", read(fd, text, 1));
	other = open("fifo", O_WRONLY);
	say_result("reading with a silent writer", read(fd, text, 1));
	must(close(fd) == 0 && close(other) == 0);
	pid = promise_fork();
	if (pid == 0) {
		fd = open("fifo", O_WRONLY); /* waits for the reader */
		must(fd >= 0 && write(fd, "by name", 7) == 7);
		_exit(0);
	}
	burn_ms(5);
	fd = open("fifo", O_RDONLY);
	must(fd >= 0 && read(fd, text, sizeof(text)) == 7);
	say("%s, then %zd", text, read(fd, text, sizeof(text)));
	must(waitpid(pid, &status, 0) == pid && status == 0 && close(fd) == 0 && unlink("fifo") == 0);
}

int main(void)
{
	return promise_run(round_);
}
