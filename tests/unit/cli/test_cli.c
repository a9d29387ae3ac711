/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of verbs and all that is made from it, the parser, the client against bad daemons, text output.
 * usage: test_cli COMPLETION MANUAL, the two generated files.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/out.h"
#include "cli/reason.h"
#include "cli/sandbox.h"

static char *completion_text, *manual_text;

/* Calls fn for every verb of both levels that a user may see; returns how many there are. */
static unsigned each_verb(void (*fn)(const struct cli_verb *parent, const struct cli_verb *v))
{
	unsigned n = 0;

	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		if (v->hidden)
			continue;
		fn(NULL, v);
		n++;
		for (const struct cli_verb *w = v->sub; w && w->name; w++) {
			fn(v, w);
			n++;
		}
	}
	return n;
}

/* Splits at spaces into argv, in place. */
static int split(char *line, char **argv, int cap)
{
	int n = 0;

	for (char *word = strtok(line, " "); word && n < cap - 1; word = strtok(NULL, " "))
		argv[n++] = word;
	argv[n] = NULL;
	return n;
}

/* Parses a line as a shell would give it; returns cli_parse()'s result. The words stay valid until the next call. */
static int parse(struct cli *cx, const char *line, struct err *e)
{
	static char copy[512];
	static char *argv[64];

	(void)snprintf(copy, sizeof(copy), "%s", line);
	*e = (struct err){0};
	return cli_parse(cx, split(copy, argv, 64), argv, e);
}

static void check_complete(const struct cli_verb *parent, const struct cli_verb *v)
{
	unsigned options = 0;

	assert_true(*v->summary && v->summary[strlen(v->summary) - 1] != '.');
	assert_true(strlen(v->summary) < 66);
	assert_true(*v->text && v->text[strlen(v->text) - 1] == '.');
	assert_true(v->examples && v->examples[0].command);
	assert_true(v->run || v->sub);
	assert_true(v->max_args < 0 || v->max_args >= v->min_args);
	assert_true(v->max_args == 0 || *v->args);
	for (const struct cli_option *o = v->options; o && o->name; o++, options++) {
		assert_true(strlen(o->help) > 8);
		for (const struct cli_option *p = v->options; p < o; p++)
			assert_true(strcmp(o->name, p->name) != 0 && (!o->letter || o->letter != p->letter));
		for (const struct cli_option *p = cli_common_options; p->name; p++)
			assert_true(strcmp(o->name, p->name) != 0 && (!o->letter || o->letter != p->letter));
	}
	assert_true(options < CLI_OPTIONS_MAX);
	assert_ptr_equal(cli_find(parent ? parent->sub : cli_verbs, v->name), v); /* no second one of that name */
}

static void test_table(void **state)
{
	assert_true(each_verb(check_complete) >= 27);
}

/* Each example is a command line that the parser takes, up to a pipe or the like; those of other programs are skipped.
 */
static void check_examples(const struct cli_verb *parent, const struct cli_verb *v)
{
	for (const struct cli_example *x = v->examples; x->command; x++) {
		const char *p = strstr(x->command, "godwit");
		struct err e;
		struct cli cx;
		char line[256];

		assert_non_null(p);
		(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "|&<"), p);
		if (parse(&cx, line, &e) < 0)
			fail_msg("%s: %s", line, e.text);
		if (!v->sub && strcmp(v->name, "start") != 0)
			assert_ptr_equal(cx.verb, v);
	}
	(void)parent;
}

static void test_examples(void **state)
{
	(void)each_verb(check_examples);
}

static void check_help(const struct cli_verb *parent, const struct cli_verb *v)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	cli_help_verb(f, parent, v);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(text, v->summary));
	for (const struct cli_option *o = v->options; o && o->name; o++)
		assert_non_null(strstr(text, o->name));
	for (const struct cli_example *x = v->examples; x->command; x++)
		assert_non_null(strstr(text, x->command));
	free(text);
}

static void test_help(void **state)
{
	(void)each_verb(check_help);
}

static void check_manual(const struct cli_verb *parent, const struct cli_verb *v)
{
	char heading[96], words[96];

	(void)snprintf(heading, sizeof(heading), "## godwit %s%s%s", parent ? parent->name : "", parent ? " " : "",
		       v->name);
	assert_non_null(strstr(manual_text, heading));
	(void)snprintf(words, sizeof(words), "\"%s%s%s\") words=", parent ? parent->name : "", parent ? " " : "",
		       v->name);
	if (!strstr(completion_text, words))
		fail_msg("no completion of %s", words);
	for (const struct cli_option *o = v->options; o && o->name; o++) {
		const char *line = strstr(completion_text, words);
		char option[64];

		(void)snprintf(option, sizeof(option), "--%s ", o->name);
		assert_true(strstr(line, option) && strstr(line, option) < strchr(line, '\n'));
		(void)snprintf(option, sizeof(option), "*--%s*", o->name);
		assert_non_null(strstr(manual_text, option));
	}
}

static void test_manual_and_completion(void **state)
{
	(void)each_verb(check_manual);
	assert_null(strstr(manual_text, "@VERBS@"));
	assert_null(strstr(manual_text, "sandbox-init"));
	assert_null(strstr(completion_text, "sandbox-init"));
}

static void test_suggestions(void **state)
{
	static const char *const pairs[][2] = {
	    {"migrat", "migrate"}, {"mirgate", "migrate"}, {"node", "node"}, {"nodse", "nodes"}, {"rnu", "run"},
	    {"sandbx", "sandbox"}, {"doc", "doctor"},      {"xyzzy", NULL},  {"", NULL},         {"sandbox-ini", NULL}};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *got = cli_nearest(cli_verbs, pairs[i][0]);

		assert_string_equal(got ? got : "(none)", pairs[i][1] ? pairs[i][1] : "(none)");
	}
	assert_int_equal(cli_distance("abcd", "abdc"), 1);
	assert_int_equal(cli_distance("", "abc"), 3);
	assert_int_equal(cli_distance("a-word-that-is-longer-than-thirty-two-bytes", "a"), 99);
}

static void test_parse(void **state)
{
	struct err e;
	struct cli cx;

	assert_int_equal(parse(&cx, "godwit run --node n2 --pin ls --all -l", &e), 0);
	assert_string_equal(cx.verb->name, "run");
	assert_string_equal(cli_value(&cx, "node"), "n2");
	assert_true(cli_given(&cx, "pin") && !cli_given(&cx, "home"));
	assert_int_equal(cx.argc, 3);
	assert_string_equal(cx.argv[1], "--all");
	assert_int_equal(parse(&cx, "godwit --at /x/y ps -a --json", &e), 0);
	assert_string_equal(cx.at, "/x/y");
	assert_true(cli_given(&cx, "all") && cli_given(&cx, "json"));
	assert_int_equal(parse(&cx, "godwit migrate 12 n2 --dry-run --at=n3", &e), 0);
	assert_true(cli_given(&cx, "dry-run"));
	assert_string_equal(cx.at, "n3");
	assert_int_equal(parse(&cx, "godwit sandbox on -u nobody n1 id -u", &e), 0);
	assert_string_equal(cx.parent->name, "sandbox");
	assert_string_equal(cli_value(&cx, "user"), "nobody");
	assert_int_equal(cx.argc, 3);
	assert_int_equal(parse(&cx, "godwit sandbox net --help", &e), 0);
	assert_true(cx.help);
	assert_int_equal(parse(&cx, "godwit migrate --help", &e), 0); /* help needs no other argument */
	assert_true(cx.help);
}

static void test_parse_refuses(void **state)
{
	static const char *const bad[][2] = {{"godwit", "which verb"},
					     {"godwit migrat 1 2", "did you mean \"migrate\""},
					     {"godwit migrate 1", "needs PID"},
					     {"godwit ps extra", "too much"},
					     {"godwit ps --jsno", "did you mean --json"},
					     {"godwit ps -q", "no option \"-q\""},
					     {"godwit run --node", "needs an argument"},
					     {"godwit sandbox", "which verb"},
					     {"godwit sandbox dwon", "did you mean \"down\""},
					     {"godwit --frob ps", "before the verb"},
					     {"godwit ps --json=x", "--json"},
					     {"godwit migrate -5 n1", "no option \"-5\""}};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e;
		struct cli cx;

		assert_int_equal(parse(&cx, bad[i][0], &e), -EINVAL);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], e.text);
	}
}

static void test_numbers(void **state)
{
	static const char *const no_pid[] = {"", "0", "-1", "1x", "x", " 1", "99999999999999999999", "4194305", "+3"};
	static const char *const no_size[] = {"", "x", "-1", "1X", "inf", "nan", "1e99", "5MM", "1024PB"};
	uint64_t size;
	int64_t pid;
	double v;

	assert_int_equal(cli_pid("4711", &pid, NULL), 0);
	assert_int_equal(pid, 4711);
	for (size_t i = 0; i < ARRAY_SIZE(no_pid); i++)
		assert_int_equal(cli_pid(no_pid[i], &pid, NULL), -EINVAL);
	assert_int_equal(cli_size("1.5G", &size, NULL), 0);
	assert_int_equal(size, 3ULL << 29);
	assert_int_equal(cli_size("512MiB", &size, NULL), 0);
	assert_int_equal(size, 512ULL << 20);
	assert_int_equal(cli_size("4096", &size, NULL), 0);
	assert_int_equal(size, 4096);
	for (size_t i = 0; i < ARRAY_SIZE(no_size); i++)
		assert_int_equal(cli_size(no_size[i], &size, NULL), -EINVAL);
	assert_int_equal(cli_number("0.5", "x", 0, 1, &v, NULL), 0);
	assert_int_equal(cli_number("1.5", "x", 0, 1, &v, NULL), -EINVAL);
	assert_int_equal(cli_number("nan", "x", 0, 1, &v, NULL), -EINVAL);
}

static void test_exit_codes(void **state)
{
	static const struct {
		unsigned reason;
		int code;
		enum cli_exit exit;
	} rows[] = {{CLI_REASON_THREADS, -1, CLI_REFUSED},
		    {CLI_REASON_NODE_BLOCKED, -1, CLI_REFUSED},
		    {CLI_REASON_NODE_UNREACHABLE, -1, CLI_UNREACHABLE},
		    {CLI_REASON_NO_DAEMON, -ENOENT, CLI_UNREACHABLE},
		    {CLI_REASON_TIMEOUT, -1, CLI_TIMEOUT},
		    {CLI_REASON_LINK_LOST, -1, CLI_LOST},
		    {CLI_REASON_HOST_KILLED, -1, CLI_LOST},
		    {CLI_REASON_INTERNAL, -1, CLI_FAILED},
		    {0, -EINVAL, CLI_USAGE},
		    {0, -EPERM, CLI_REFUSED},
		    {0, -EEXIST, CLI_REFUSED},
		    {0, -EIO, CLI_FAILED}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = {.reason = rows[i].reason, .code = rows[i].code};

		assert_int_equal(cli_exit_of(&e), rows[i].exit);
	}
}

static void test_out(void **state)
{
	static const struct out_column columns[] = {{"PID", true}, {"NAME"}, {"LAST"}};
	struct out_table t = {.columns = columns, .n = 3};
	char buf[32], *text = NULL, *safe;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	out_row(&t, (const char *const[]){"7", "a\033[31mb", "x"});
	out_row(&t, (const char *const[]){"1234", "\xc3\xa4", NULL});
	out_table_print(&t, f);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(text, " PID  NAME     LAST\n   7  a?[31mb  x\n1234  \xc3\xa4        -\n");
	free(text);
	out_table_release(&t);
	safe = out_safe("a\xc2\x9b"
			"b\x7f\n");
	assert_string_equal(safe, "a??b??");
	free(safe);
	assert_string_equal(out_size(buf, sizeof(buf), 17000000), "16.2 MB");
	assert_string_equal(out_size(buf, sizeof(buf), 1023), "1023 B");
	assert_string_equal(out_size(buf, sizeof(buf), 1e30), "888178419700125 PB");
	assert_string_equal(out_duration(buf, sizeof(buf), 3100), "3.1 ms");
	assert_string_equal(out_duration(buf, sizeof(buf), 7.2e9), "120 min");
}

static void test_sandbox_names(void **state)
{
	static const char *const bad[] = {"a-b", "A", "../x", "thirteenchars", "a/b", "n\n"};
	struct sandbox s;

	(void)unsetenv("GODWIT_SANDBOX");
	assert_int_equal(sandbox_named(&s, NULL, NULL), 0);
	assert_string_equal(s.dir, "/run/godwit-sandbox/default");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(sandbox_named(&s, bad[i], NULL), -EINVAL);
	assert_int_equal(sandbox_set_nodes(&s, 250, NULL), 0);
	assert_string_equal(s.nodes[249].name, "n250");
	assert_string_equal(s.nodes[249].address, "10.77.0.250");
	sandbox_release(&s);
}

static void test_tool(void **state)
{
	char *const ok[] = {(char *)"sh", (char *)"-c", (char *)"read x; test \"$x\" = hello", NULL};
	char *const bad[] = {(char *)"sh", (char *)"-c", (char *)"echo first; echo second; exit 3", NULL};
	char *const slow[] = {(char *)"tail", (char *)"-f", (char *)"/dev/null", NULL};
	char *const none[] = {(char *)"/nonexistent/ip", NULL};
	struct err e = {0};

	assert_int_equal(tool_run(ok, "hello\n", NULL, 10, &e), 0);
	assert_int_equal(tool_run(bad, NULL, NULL, 10, &e), -EIO);
	assert_string_equal(e.text, "sh failed: first");
	assert_int_equal(tool_run(none, NULL, NULL, 10, &e), -ENOTSUP);
	assert_int_equal(tool_run(slow, NULL, NULL, 0, &e), -ETIMEDOUT);
}

/* A daemon that sends these bytes to the first client and closes, or keeps silent when there are none. */
static pid_t bad_daemon(const char *path, const char *bytes, size_t n, size_t times)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	(void)unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	if (pid == 0) {
		int client = accept(fd, NULL, NULL);
		char request[512];

		(void)alarm(20);
		if (recv(client, request, sizeof(request), 0) < 0)
			_exit(1);
		if (n == 0)
			(void)pause();
		for (size_t i = 0; i < times && send(client, bytes, n, MSG_NOSIGNAL) > 0; i++)
			;
		_exit(0);
	}
	(void)close(fd);
	return pid;
}

static int ask_bad(const char *bytes, size_t n, size_t times, struct err *e)
{
	char path[64];
	json_t *reply = NULL;
	pid_t pid;
	int r;

	(void)snprintf(path, sizeof(path), "/tmp/godwit-test-cli.%d", getpid());
	pid = bad_daemon(path, bytes, n, times);
	*e = (struct err){0};
	r = client_ask(path, "Nodes", NULL, n ? 10 : 0, &reply, e);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)unlink(path);
	assert_true((r == 0) == (reply != NULL));
	json_decref(reply);
	return r;
}

#define BYTES(s) s, sizeof(s), 1 /* with the NUL that ends a message */

static void test_client(void **state)
{
	static char big[65536];
	struct err e;

	assert_int_equal(ask_bad(BYTES("{\"parameters\":{\"a\":1}}"), &e), 0);
	assert_int_equal(ask_bad(BYTES("{}"), &e), 0);
	assert_int_equal(ask_bad(BYTES("{\"parameters\":7}"), &e), 0); /* taken as no parameters */
	assert_int_equal(ask_bad(BYTES("nonsense"), &e), -EPROTO);
	assert_int_equal(ask_bad(BYTES(""), &e), -EPROTO);
	assert_int_equal(ask_bad(BYTES("[1]"), &e), -EPROTO);
	assert_int_equal(ask_bad("{\"parameters\"", 13, 1, &e), -EPIPE);
	assert_int_equal(e.reason, CLI_REASON_NO_DAEMON);
	assert_int_equal(
	    ask_bad(BYTES("{\"error\":\"org.godwit.Refused\",\"parameters\":{\"reason\":\"full\",\"number\":45,"
			  "\"sentence\":\"it is full\"}}"),
		    &e),
	    -EREMOTEIO);
	assert_int_equal(e.reason, CLI_REASON_NODE_FULL);
	assert_string_equal(e.text, "it is full");
	assert_int_equal(
	    ask_bad(BYTES("{\"error\":\"org.godwit.Refused\",\"parameters\":{\"number\":-4,\"sentence\":\"x\"}}"), &e),
	    -EREMOTEIO);
	assert_int_equal(e.reason, CLI_REASON_INTERNAL);
	assert_int_equal(
	    ask_bad(
		BYTES("{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"pid\"}}"),
		&e),
	    -EINVAL);
	assert_int_equal(ask_bad(BYTES("{\"error\":\"who.knows\"}"), &e), -EREMOTEIO);
	memset(big, ' ', sizeof(big));
	assert_int_equal(ask_bad(big, sizeof(big), 1000, &e), -ENOBUFS); /* more than a reply may have */
	assert_int_equal(ask_bad(NULL, 0, 0, &e), -ETIMEDOUT);
	assert_int_equal(e.reason, CLI_REASON_TIMEOUT);
}

static void test_client_path(void **state)
{
	char path[256], long_path[300];
	struct err e = {0};

	(void)setenv("GODWIT_SOCKET", "/a/b", 1);
	(void)setenv("GODWIT_RUN", "/c", 1);
	assert_int_equal(client_path("/x", path, sizeof(path), &e), 0);
	assert_string_equal(path, "/x");
	assert_int_equal(client_path(NULL, path, sizeof(path), &e), 0);
	assert_string_equal(path, "/a/b");
	(void)unsetenv("GODWIT_SOCKET");
	assert_int_equal(client_path(NULL, path, sizeof(path), &e), 0);
	assert_string_equal(path, "/c/control.sock");
	(void)unsetenv("GODWIT_RUN");
	memset(long_path, '/', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(client_path(long_path, path, sizeof(path), &e), -ENOENT);
	(void)setenv("GODWIT_SANDBOX", "nosuch", 1);
	assert_int_equal(client_path("n1", path, sizeof(path), &e), -ENOENT);
	(void)unsetenv("GODWIT_SANDBOX");
}

/* A small generator of our own, so that a failing run can be repeated from its number. */
static uint32_t dice(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

static void fuzz_words(uint64_t seed, char **argv, int *argc)
{
	static const char *const words[] = {"run",
					    "migrate",
					    "ps",
					    "nodes",
					    "node",
					    "where",
					    "why",
					    "pin",
					    "unpin",
					    "trace",
					    "doctor",
					    "init",
					    "token",
					    "join",
					    "leave",
					    "sandbox",
					    "up",
					    "down",
					    "on",
					    "status",
					    "net",
					    "cpu",
					    "memory",
					    "stall",
					    "kill",
					    "start",
					    "help",
					    "version",
					    "sandbox-init",
					    "--json",
					    "--at",
					    "--at=/x",
					    "--node",
					    "--name",
					    "-u",
					    "-h",
					    "--help",
					    "--dry-run",
					    "--",
					    "-",
					    "",
					    "n1",
					    "0",
					    "-1",
					    "4711",
					    "99999999999999999999",
					    "--n",
					    "-nn2",
					    "home",
					    "loss",
					    "cut",
					    "heal",
					    "off",
					    "all",
					    "--\xff\xfe",
					    "\033[2J",
					    "a b",
					    "%s%n",
					    "--=",
					    "---",
					    "-\xff",
					    "--port",
					    "65536",
					    "--memory",
					    "1e400",
					    "--cpus-per-node",
					    "nan",
					    "--version",
					    "stay",
					    "/bin/true",
					    "--user",
					    "root"};
	static char huge[5000];
	int n = 1 + (int)(dice(&seed) % 7);

	memset(huge, 'x', sizeof(huge) - 1);
	argv[0] = (char *)"godwit";
	for (int i = 1; i <= n; i++)
		argv[i] = dice(&seed) % 50 == 0 ? huge : (char *)words[dice(&seed) % ARRAY_SIZE(words)];
	argv[n + 1] = NULL;
	*argc = n + 1;
}

static void fuzz_child(uint64_t seed)
{
	int null = open("/dev/null", O_RDWR), argc;
	char *argv[16];

	(void)dup2(null, 0);
	(void)dup2(null, 1);
	(void)dup2(null, 2);
	(void)alarm(20);
	(void)setenv("GODWIT_SOCKET", "/nonexistent/socket", 1);
	(void)setenv("PATH", "/nonexistent", 1);
	if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(99);
	fuzz_words(seed, argv, &argc);
	_exit(cli_main(argc, argv));
}

static bool documented(int code)
{
#define EXIT(number, name, text) \
	if (code == (number))    \
		return true;
#include "cli/exits.def"
#undef EXIT
	return false;
}

static void test_fuzz(void **state)
{
	unsigned succeeded = 0;

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			fuzz_child(seed);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || !documented(WEXITSTATUS(status))) {
			char *argv[16];
			int argc;

			fuzz_words(seed, argv, &argc);
			for (int i = 1; i < argc; i++)
				print_message("%.40s|", argv[i]);
			fail_msg("seed %llu: status %#x", (unsigned long long)seed, status);
		}
		succeeded += WEXITSTATUS(status) == 0;
	}
	assert_true(succeeded > 10); /* help and version at least: the lists are not all nonsense */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),         cmocka_unit_test(test_examples),
	    cmocka_unit_test(test_help),          cmocka_unit_test(test_manual_and_completion),
	    cmocka_unit_test(test_suggestions),   cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_exit_codes),    cmocka_unit_test(test_out),
	    cmocka_unit_test(test_sandbox_names), cmocka_unit_test(test_tool),
	    cmocka_unit_test(test_client),        cmocka_unit_test(test_client_path),
	    cmocka_unit_test(test_fuzz),
	};
	int failed;

	if (argc != 3 || file_read_all(argv[1], 1 << 20, &completion_text, NULL) < 0 ||
	    file_read_all(argv[2], 1 << 20, &manual_text, NULL) < 0) {
		(void)fprintf(stderr, "usage: test_cli COMPLETION MANUAL\n");
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(completion_text);
	free(manual_text);
	return failed;
}
