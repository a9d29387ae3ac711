/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of godwitd, and what goes with it.
 * Promise: every wrong option is refused with a sentence that names it. Must not: touch files or the system.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "node.h"

int config_parse_milli(const char *text, uint32_t *ret)
{
	char *end;
	double v;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	v = strtod(text, &end);
	if (*end || !(v >= 0.001) || v > 65536)
		return -EINVAL;
	*ret = (uint32_t)(v * 1000 + 0.5);
	return 0;
}

int config_parse_bytes(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t v;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1] || v > UINT64_MAX >> (10 * (unit - units + 1)))
			return -EINVAL;
		v <<= 10 * (unit - units + 1);
	}
	if (!v)
		return -EINVAL;
	*ret = v;
	return 0;
}

bool config_name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	/* The words that stand for a node elsewhere are no names. */
	return n > 0 && n < NODE_NAME_MAX && !name[n] && isalnum((unsigned char)*name) && strcmp(name, "home") != 0 &&
	       strcmp(name, "best") != 0;
}

/* "ADDR", "ADDR:PORT", "[V6]:PORT", "V6" or ":PORT". */
int config_parse_listen(struct node_config *c, const char *text)
{
	const char *colon = strrchr(text, ':'), *end;
	unsigned long port;
	size_t n;

	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		colon = end[1] ? end + 1 : NULL;
		n = (size_t)(end - ++text);
	} else {
		if (colon && strchr(text, ':') != colon) /* a bare IPv6 address */
			colon = NULL;
		n = colon ? (size_t)(colon - text) : strlen(text);
	}
	if (n >= sizeof(c->listen))
		return -EINVAL;
	if (colon) {
		port = isdigit((unsigned char)colon[1]) ? strtoul(colon + 1, (char **)&end, 10) : 0;
		if (!port || port > 65535 || *end)
			return -EINVAL;
		c->port = (uint16_t)port;
	}
	memcpy(c->listen, text, n);
	c->listen[n] = '\0';
	return 0;
}

static int copy(char *dst, size_t cap, const char *text)
{
	if (!*text || strlen(text) >= cap)
		return -EINVAL;
	memcpy(dst, text, strlen(text) + 1);
	return 0;
}

static const char help[] =
    "usage: godwitd [options]\n"
    "The daemon of one node of a Godwit cluster; runs in the foreground.\n"
    "  --state DIR           keys and settings (/var/lib/godwit)\n"
    "  --run DIR             sockets (/run/godwit, or GODWIT_RUN)\n"
    "  --name NAME           the node's name (the host's)\n"
    "  --listen ADDR[:PORT]  where other nodes connect (all addresses, port 7117)\n"
    "  --advertise ADDR      the address that other nodes are told\n"
    "  --cpus F              use at most this many processors, as 1.5\n"
    "  --memory BYTES        use at most this much memory, as 4G\n"
    "  --user USER           run as this user (godwit, else nobody)\n"
    "  --record FILE         write down what the policy sees and decides, for godwit sim --replay\n"
    "  --ready-fd N          write one byte to this descriptor when ready\n"
    "  --config FILE         what the administrator has decided (" SETTINGS_FILE ", or GODWIT_CONFIG),\n"
    "                        and FILE.d/NAME.conf\n"
    "  --check-config        read the configuration, say what is wrong, end\n"
    "  --show-config         write the configuration as it is in effect, with what each setting means\n"
    "  --version, --help\n";

static int set_option(struct node_config *c, int opt, const char *arg)
{
	char *end;

	switch (opt) {
	case 's':
		return copy(c->state_dir, sizeof(c->state_dir), arg);
	case 'r':
		return copy(c->run_dir, sizeof(c->run_dir) - 32, arg);
	case 'n':
		return config_name_ok(arg) ? copy(c->name, sizeof(c->name), arg) : -EINVAL;
	case 'l':
		return config_parse_listen(c, arg);
	case 'a':
		return copy(c->advertise, sizeof(c->advertise), arg);
	case 'c':
		return config_parse_milli(arg, &c->cpus_milli);
	case 'm':
		return config_parse_bytes(arg, &c->memory);
	case 'u':
		c->user_given = true;
		return copy(c->user, sizeof(c->user), arg);
	case 'R':
		return copy(c->record, sizeof(c->record), arg);
	case 'f':
		c->ready_fd = isdigit((unsigned char)*arg) ? (int)strtol(arg, &end, 10) : -1;
		return c->ready_fd >= 0 && !*end ? 0 : -EINVAL;
	case 'C':
		c->file_given = true;
		return copy(c->file, sizeof(c->file), arg);
	case 'k':
		c->check_only = true;
		return 0;
	case 'S':
		c->show_only = true;
		return 0;
	default:
		return -EINVAL;
	}
}

enum config_result config_parse(struct node_config *c, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"state", required_argument, NULL, 's'},
						{"run", required_argument, NULL, 'r'},
						{"name", required_argument, NULL, 'n'},
						{"listen", required_argument, NULL, 'l'},
						{"advertise", required_argument, NULL, 'a'},
						{"cpus", required_argument, NULL, 'c'},
						{"memory", required_argument, NULL, 'm'},
						{"user", required_argument, NULL, 'u'},
						{"record", required_argument, NULL, 'R'},
						{"ready-fd", required_argument, NULL, 'f'},
						{"config", required_argument, NULL, 'C'},
						{"check-config", no_argument, NULL, 'k'},
						{"show-config", no_argument, NULL, 'S'},
						{"version", no_argument, NULL, 'V'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *run = getenv("GODWIT_RUN"), *file = getenv("GODWIT_CONFIG");
	int opt, index = 0;

	*c = (struct node_config){
	    .state_dir = "/var/lib/godwit", .run_dir = "/run/godwit", .file = SETTINGS_FILE, .ready_fd = -1};
	if (run && *run && copy(c->run_dir, sizeof(c->run_dir) - 32, run) < 0) {
		(void)err_set(e, -EINVAL, "GODWIT_RUN is too long");
		return CONFIG_WRONG;
	}
	c->file_given = file && *file;
	if (c->file_given && copy(c->file, sizeof(c->file), file) < 0) {
		(void)err_set(e, -EINVAL, "GODWIT_CONFIG is too long");
		return CONFIG_WRONG;
	}
	opterr = 0;
	optind = 1;
	while ((opt = getopt_long(argc, argv, ":", options, &index)) != -1) {
		if (opt == 'V' || opt == 'h') {
			(void)fputs(opt == 'V' ? "godwitd " GODWIT_VERSION "\n" : help, stdout);
			return CONFIG_DONE;
		}
		if (opt == '?' || opt == ':') {
			(void)err_set(e, -EINVAL, "the option %s is %s (see --help)", argv[optind - 1],
				      opt == '?' ? "not known" : "missing its value");
			return CONFIG_WRONG;
		}
		if (set_option(c, opt, optarg) < 0) {
			(void)err_set(e, -EINVAL, "%s is no good value for --%s", optarg ? optarg : "nothing",
				      options[index].name);
			return CONFIG_WRONG;
		}
	}
	if (optind < argc) {
		(void)err_set(e, -EINVAL, "the argument %s is not expected", argv[optind]);
		return CONFIG_WRONG;
	}
	return CONFIG_RUN;
}

static void log_mistake(void *arg, const char *file, unsigned line, const char *sentence)
{
	struct err *first = arg;

	if (line)
		log_error("%s:%u: %s", file, line, sentence);
	else
		log_error("%s: %s", file, sentence);
	if (first->code)
		return;
	if (line)
		(void)err_reason(first, REASON_CONFIG, -EINVAL, "%s:%u: %s", file, line, sentence);
	else
		(void)err_reason(first, REASON_CONFIG, -EINVAL, "%s: %s", file, sentence);
}

int config_read(const struct node_config *c, struct settings *ret, unsigned *ret_files, struct err *e)
{
	unsigned mistakes = settings_load(c->file, c->file_given, ret, ret_files, log_mistake, e);

	return mistakes ? -EINVAL : 0;
}

void config_merge(struct node_config *c, const struct settings *s)
{
	if (!*c->name)
		(void)snprintf(c->name, sizeof(c->name), "%s", s->node_name.text);
	if (!*c->advertise)
		(void)snprintf(c->advertise, sizeof(c->advertise), "%s", s->node_advertise.text);
	if (!*c->listen && !c->port && *s->node_listen.text)
		(void)!config_parse_listen(c, s->node_listen.text); /* it was tried when the file was read */
}
