/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Semaphores are raised and lowered together or not at all, wait for each other, and undo what a dead
 * process did.
 * Proves: semget semtimedop semctl semop
 */
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct sembuf both[2] = {{0, -1, 0}, {1, -2, 0}}, up[2] = {{0, 1, 0}, {1, 2, SEM_UNDO}},
		      soon = {0, -1, IPC_NOWAIT};
	struct timespec moment = {.tv_nsec = 3000000};
	int id = semget(IPC_PRIVATE, 2, 0600), p[2], status;
	char c;

	must(id >= 0 && pipe(p) == 0);
	say_result("at once", syscall(SYS_semop, id, &soon, 1));
	say_result("in time", semtimedop(id, both, 2, &moment));
	if (promise_fork() == 0) {
		burn_ms(5);
		must(semop(id, up, 1) == 0 && semop(id, &up[1], 1) == 0);
		must(close(p[1]) == 0 && read(p[0], &c, 1) == 0);
		_exit(0);
	}
	say_result("waited", semop(id, both, 2));
	say("left %d %d", semctl(id, 0, GETVAL), semctl(id, 1, GETVAL));
	/* At its end 2 are taken back. */
	must(close(p[0]) == 0 && close(p[1]) == 0 && wait(&status) > 0 && status == 0);
	say("%d %d", semctl(id, 0, GETVAL), semctl(id, 1, GETVAL));
	must(semctl(id, 1, SETVAL, 7) == 0 && semctl(id, 1, GETVAL) == 7 && semctl(id, 0, IPC_RMID) == 0);
	say_result("removed", semop(id, &soon, 1));
}

int main(void)
{
	return promise_run(round_);
}
