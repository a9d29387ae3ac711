/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: exec keeps the pid, the parent, the directory, the mask, the timers and the open descriptors, and drops
 * the rest.
 * Proves: execve execveat alarm
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

int main(int argc, char **argv)
{
	int fd, closed, n = argc > 1 ? atoi(argv[1]) : 0;
	char text[8] = "", number[12], name[4096] = "";

	promise_start();
	if (n == 0) {
		must(mkdir("there", 0700) == 0 && chdir("there") == 0);
		fd = open("f", O_CREAT | O_RDWR, 0600);
		must(fd >= 0 && write(fd, "kept", 4) == 4 && dup2(fd, 50) == 50 && close(fd) == 0);
		(void)umask(0123);
		(void)alarm(1000);
		must(readlink("/proc/self/exe", name, sizeof(name) - 1) > 0 && symlink(name, "program") == 0);
	} else {
		must(lseek(50, 0, SEEK_CUR) == 4 && pread(50, text, 4, 0) == 4 && strcmp(text, "kept") == 0);
		must(fcntl(51, F_GETFD) == -1 && access("f", F_OK) == 0);
		must(umask(0123) == 0123 && alarm(1000) > 900 && getpid() == atoi(argv[2]));
	}
	if (n >= 6 && promise_done()) {
		must(unlink("f") == 0 && unlink("program") == 0 && chdir("..") == 0 && rmdir("there") == 0);
		(void)printf("kept\n");
		return 0;
	}
	closed = fcntl(50, F_DUPFD_CLOEXEC, 51);
	must(closed == 51);
	burn_ms(2);
	(void)snprintf(number, sizeof(number), "%d", n + 1);
	(void)snprintf(text, sizeof(text), "%d", getpid());
	if (n % 4 == 1)
		(void)execl("/proc/self/exe", "me", number, text, (char *)NULL);
	if (n % 4 == 2)
		(void)execl("./program", "me", number, text, (char *)NULL);
	if (n % 4 == 3) {
		fd = open("..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		(void)syscall(SYS_execveat, fd, "there/program", (char *[]){"me", number, text, NULL}, environ, 0);
	}
	fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	(void)fexecve(fd, (char *[]){"me", number, text, NULL}, environ);
	must(!"exec");
}
