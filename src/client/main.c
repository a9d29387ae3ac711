/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit-client: executes a command in a cluster to which this machine does not belong.
 * Promise: what it prints of its own goes to standard error and begins with its name; its exit codes are those of
 * godwit exec (125: not begun or lost). Must not: need anything of the cluster but a key.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "session.h"
#include "sys.h"

#define SELF 125
#define PATH_BYTES 4096
#define KEY_TEXT 4096

static const char usage[] =
    "usage: godwit-client [OPTION...] [--] COMMAND [ARGUMENT...]\n"
    "Executes a command in a cluster of Godwit, of which this machine is no node.\n"
    "\n"
    "  --config FILE      the key, as godwit client add has printed it (default: $GODWIT_CLIENT, else\n"
    "                     .godwit-client in your home)\n"
    "  --node NODE        on that node (default: on the one that has least to do)\n"
    "  --dir DIR          in that directory of the cluster (default: the home of the user there)\n"
    "  --env NAME=VALUE   with that variable, besides those that a login sets; may be repeated\n"
    "  --no-stdin         its standard input is empty\n"
    "  --no-tty           no terminal there, also when there is one here\n"
    "  --help, --version\n";

struct options {
	struct session_orders orders;
	const char *config;
	int first; /* of the command, in argv */
};

static int append(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text) + 1);
}

/* The value of argv[*i] if that is the option `name`: --name VALUE or --name=VALUE; NULL: it is another. */
static const char *value(char **argv, int argc, int *i, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(argv[*i], name, n) != 0)
		return NULL;
	if (argv[*i][n] == '=')
		return argv[*i] + n + 1;
	return argv[*i][n] || *i + 1 >= argc ? NULL : argv[++*i];
}

static int option(struct options *p, char **argv, int argc, int *i, struct err *e)
{
	struct session_orders *o = &p->orders;
	const char *name = argv[*i], *v;

	if (!strcmp(name, "--no-stdin"))
		o->no_stdin = true;
	else if (!strcmp(name, "--no-tty"))
		o->no_tty = true;
	else if ((v = value(argv, argc, i, "--config")))
		p->config = v;
	else if ((v = value(argv, argc, i, "--node")))
		o->node = v;
	else if ((v = value(argv, argc, i, "--dir")))
		o->dir = v;
	else if ((v = value(argv, argc, i, "--env"))) {
		if (!strchr(v, '=') || *v == '=')
			return err_set(e, -EINVAL, "--env needs NAME=VALUE");
		if (append(&o->env, v) < 0)
			return err_set(e, -ENOMEM, "out of memory");
	} else
		return err_set(e, -EINVAL, "%.60s is no option, or lacks its value; --help shows them", name);
	return 0;
}

static int parse(struct options *p, int argc, char **argv, struct err *e)
{
	const char *term = getenv("TERM");
	char text[256];
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++)
		if (option(p, argv, argc, &i, e) < 0)
			return e->code;
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	if (i >= argc)
		return err_set(e, -EINVAL, "which command? --help shows how to say it");
	p->first = i;
	for (; i < argc; i++)
		if (append(&p->orders.argv, argv[i]) < 0)
			return err_set(e, -ENOMEM, "out of memory");
	if (term && (size_t)snprintf(text, sizeof(text), "TERM=%s", term) < sizeof(text))
		return append(&p->orders.env, text) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
	return 0;
}

static int read_key(struct options *p, struct err *e)
{
	const char *path = p->config ? p->config : getenv("GODWIT_CLIENT");
	char own[PATH_BYTES], text[KEY_TEXT];
	int r;

	if (!path && sys_key_path(own, sizeof(own)) == 0)
		path = own;
	if (!path)
		return err_set(e, -ENOENT, "where is the key? Say it by --config");
	r = sys_read_secret(path, text, sizeof(text), e);
	if (r == 0 && key_parse(text, &p->orders.key, e) < 0)
		r = err_prefix(e, "%.200s", path);
	memset(text, 0, sizeof(text));
	return r;
}

int main(int argc, char **argv)
{
	struct options p = {.orders = {.node = "", .dir = ""}};
	int status = 0, r;
	struct err e = {0};

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "--version")))
		return fputs(argv[1][2] == 'h' ? usage : "godwit-client " GODWIT_VERSION "\n", stdout) < 0;
	r = parse(&p, argc, argv, &e);
	if (r == 0)
		r = sys_begin(&e);
	if (r == 0)
		r = read_key(&p, &e);
	if (r == 0) {
		r = session_run(&p.orders, &status, &e);
		if (r < 0)
			(void)err_prefix(&e, "%s", p.orders.key.address);
	}
	memset(p.orders.key.secret, 0, sizeof(p.orders.key.secret));
	buf_release(&p.orders.argv);
	buf_release(&p.orders.env);
	if (r == 0)
		return sys_end(status);
	(void)fprintf(stderr, "godwit-client: %s\n", e.text);
	return SELF;
}
