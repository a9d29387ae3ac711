/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: POSIX queues give the most urgent message first, wait or not as told, and keep their bounds.
 * Proves: mq_open mq_timedsend mq_timedreceive mq_getsetattr mq_unlink
 */
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 8}, now;
	struct timespec past = {.tv_sec = 1};
	char name[32], text[9] = "";
	unsigned priority = 0;
	int status;
	mqd_t q;

	(void)snprintf(name, sizeof(name), "/godwit-queue-%d", getpid());
	q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	must(q >= 0 && mq_send(q, "later", 5, 1) == 0 && mq_send(q, "urgent", 6, 9) == 0);
	say_result("full", mq_timedsend(q, "x", 1, 0, &past));
	say_result("too long", mq_send(q, "123456789", 9, 0));
	must(mq_getattr(q, &now) == 0);
	say("%ld of %ld", now.mq_curmsgs, now.mq_maxmsg);
	for (int i = 0; i < 2; i++) {
		memset(text, 0, sizeof(text));
		must(mq_receive(q, text, 8, &priority) > 0);
		say("%s %u", text, priority);
	}
	say_result("empty", mq_timedreceive(q, text, 8, NULL, &past));
	say_result("no room", mq_receive(q, text, 4, NULL));
	if (promise_fork() == 0) {
		burn_ms(5);
		must(mq_send(q, "child", 5, 3) == 0);
		_exit(0);
	}
	must(mq_receive(q, text, 8, &priority) == 5 && wait(&status) > 0 && status == 0);
	now.mq_flags = O_NONBLOCK;
	must(mq_setattr(q, &now, NULL) == 0);
	say_result("not waiting", mq_receive(q, text, 8, NULL));
	must(mq_close(q) == 0 && mq_unlink(name) == 0);
	say_result("gone", mq_open(name, O_RDWR) < 0 ? -1 : 0);
}

int main(void)
{
	return promise_run(round_);
}
