/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The child of a vfork goes on in the memory of its maker when that is killed, and has files' pages that
 * nobody had touched.
 * Proves: vfork kill
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define PAGES 64
#define PAGE 4096

static void maker(int fd, int tell)
{
	const volatile unsigned char *m = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	pid_t me = getpid();
	long sum = 0;

	must(m != MAP_FAILED);
	if (vfork() == 0) {
		must(kill(me, SIGKILL) == 0);
		while (getppid() == me)
			continue;
		for (long i = 0; i < PAGES; i++)
			sum += m[i * PAGE];
		must(write(tell, &sum, sizeof(sum)) == sizeof(sum));
		_exit(3);
	}
	_exit(4);
}

static void round_(void)
{
	int fd = open("pages", O_RDWR | O_CREAT | O_TRUNC, 0600), p[2], status;
	pid_t pid, child;
	long sum = 0;

	must(fd >= 0 && ftruncate(fd, (off_t)PAGES * PAGE) == 0 && pipe(p) == 0);
	for (unsigned char i = 0; i < PAGES; i++)
		must(pwrite(fd, &i, 1, (off_t)i * PAGE) == 1);
	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid = promise_fork();
	if (pid == 0)
		maker(fd, p[1]);
	must(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	say("the maker ended by signal %d", WTERMSIG(status));
	must(read(p[0], &sum, sizeof(sum)) == sizeof(sum));
	child = wait(&status);
	must(child > 0 && child != pid && WIFEXITED(status));
	say("its child read %ld and ended with %d", sum, WEXITSTATUS(status));
	must(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0 && close(fd) == 0 && close(p[0]) == 0 && close(p[1]) == 0);
	must(unlink("pages") == 0);
}

int main(void)
{
	return promise_run(round_);
}
