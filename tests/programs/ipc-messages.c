/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Messages are received in order, by their type, whole or cut as asked, and waited for.
 * Proves: msgget msgsnd msgrcv msgctl
 */
#include <string.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

struct message {
	long type;
	char text[16];
};

static void receive(int id, long type, size_t room, int flags)
{
	struct message m = {0};
	ssize_t n = msgrcv(id, &m, room, type, flags);

	if (n < 0)
		say_result("none", -1);
	else
		say("%zd of type %ld: %s", n, m.type, m.text);
}

static void round_(void)
{
	int id = msgget(IPC_PRIVATE, 0600), status;
	struct message m[3] = {{3, "three"}, {1, "one"}, {2, "two"}};

	must(id >= 0);
	for (int i = 0; i < 3; i++)
		must(msgsnd(id, &m[i], strlen(m[i].text), 0) == 0);
	receive(id, 2, 16, 0);
	receive(id, -2, 16, 0);
	receive(id, 0, 2, 0);
	receive(id, 0, 2, MSG_NOERROR);
	receive(id, 0, 16, IPC_NOWAIT);
	if (promise_fork() == 0) {
		burn_ms(5);
		must(msgsnd(id, &m[0], 5, 0) == 0);
		_exit(0);
	}
	receive(id, 3, 16, 0);
	must(wait(&status) > 0 && status == 0 && msgctl(id, IPC_RMID, NULL) == 0);
	receive(id, 0, 16, 0);
}

int main(void)
{
	return promise_run(round_);
}
