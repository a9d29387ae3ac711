/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From main() to the verb, and from an error to an exit code. Promise: every way out gives a code of exits.def, and
 * a full disk or closed pipe behind stdout is noticed. Must not: know a verb by name.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli.h"
#include "out.h"
#include "reason.h"

/* Reasons that are not simply "refused". */
enum cli_exit cli_exit_of(const struct err *e)
{
	switch (e->reason) {
	case CLI_REASON_NONE:
		break;
	case CLI_REASON_NO_DAEMON:
	case CLI_REASON_NODE_DEAD:
	case CLI_REASON_NODE_UNREACHABLE:
		return CLI_UNREACHABLE;
	case CLI_REASON_TIMEOUT:
		return CLI_TIMEOUT;
	case CLI_REASON_LINK_LOST:
	case CLI_REASON_HOST_KILLED:
		return CLI_LOST;
	case CLI_REASON_INTERNAL:
	case CLI_REASON_PROTOCOL:
	case CLI_REASON_FAULT:
		return CLI_FAILED;
	default:
		return CLI_REFUSED;
	}
	switch (e->code) {
	case -EINVAL:
		return CLI_USAGE;
	case -EPERM:
	case -EACCES:
	case -EEXIST:
		return CLI_REFUSED;
	case -ETIMEDOUT:
		return CLI_TIMEOUT;
	case -ECONNREFUSED:
	case -ENOENT:
		return CLI_UNREACHABLE;
	default:
		return CLI_FAILED;
	}
}

int cli_fail(const struct err *e)
{
	_cleanup_free_ char *safe = out_safe(e->text);

	(void)fflush(stdout);
	(void)fprintf(stderr, "godwit: %s\n", safe ? safe : e->text);
	return cli_exit_of(e);
}

int cli_exec(char **argv)
{
	int code;

	(void)fflush(NULL);
	(void)execvp(argv[0], argv);
	code = errno == ENOENT || errno == ENOTDIR ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE;
	(void)fprintf(stderr, "godwit: cannot execute \"%.200s\": %s\n", argv[0], strerror(errno));
	return code;
}

int cli_end_as(int status)
{
	struct rlimit none = {0, 0};

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	/* end in the same way, so that a shell sees what has happened; without a second core file */
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)signal(WTERMSIG(status), SIG_DFL);
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, WTERMSIG(status));
	(void)raise(WTERMSIG(status));
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + WTERMSIG(status);
}

int cli_main(int argc, char **argv)
{
	struct err e = {0};
	struct cli cx;
	int code;

	if (cli_parse(&cx, argc, argv, &e) < 0) {
		(void)cli_fail(&e);
		return cx.verb && cx.verb->command ? CLI_SELF : CLI_USAGE;
	}
	if (cx.help) {
		if (cx.verb == cli_find(cli_verbs, "help") && cx.argc == 0)
			cli_help_overview(stdout);
		else
			cli_help_verb(stdout, cx.parent, cx.verb);
		code = CLI_OK;
	} else {
		code = cx.verb->run(&cx);
	}
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_OK) {
		(void)fprintf(stderr, "godwit: cannot write the output: %s\n", strerror(errno));
		code = CLI_FAILED;
	}
	return code;
}
