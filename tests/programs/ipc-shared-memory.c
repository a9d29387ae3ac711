/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Shared memory is seen by all who attach it, and is gone with the last.
 * Proves: shmget shmat shmdt
 */
#include <string.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int id = shmget(IPC_PRIVATE, 8192, 0600), status;
	char *p, *q;

	burn_ms(8); /* for those that would move it: it stays once it has the mapping */
	p = shmat(id, NULL, 0);
	must(id >= 0 && p != (void *)-1 && shmctl(id, IPC_RMID, NULL) == 0);
	memcpy(p, "parent", 7);
	if (promise_fork() == 0) {
		must(memcmp(p, "parent", 7) == 0);
		memcpy(p + 4096, "child", 6);
		_exit(0);
	}
	must(wait(&status) > 0 && status == 0);
	say("%s", p + 4096);
	must(shmdt(p) == 0);
	q = shmat(id, NULL, SHM_RDONLY);
	say_result("gone", q == (void *)-1 ? -1 : 0);
	say_result("not attached", shmdt(p));
}

int main(void)
{
	return promise_run(round_);
}
