/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network of a sandbox: one network namespace with a bridge, and one for each node, joined by veth pairs.
 * Promise: the machine's own network namespace is never changed, not even for a moment: cables are made in the
 * bridge's namespace with their other end already in the node's. Must not: leave names behind (net_remove).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sandbox.h"

#define TOOL_SECONDS 10

void sandbox_netns_path(const struct sandbox *s, const char *node, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, SANDBOX_NETNS "/godwit-%s-%s", s->name, node);
}

/* In a child: a new network namespace, kept alive by a bind mount, where ip(8) looks for names. */
static int make_netns(const struct sandbox *s, const char *node)
{
	char path[SANDBOX_PATH_MAX];
	int fd;

	sandbox_netns_path(s, node, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	if (unshare(CLONE_NEWNET) < 0 || mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0)
		return -errno;
	return 0;
}

/* Makes all of them in one child, whose own namespace does not matter. */
static int make_all_netns(const struct sandbox *s, struct err *e)
{
	int status;
	pid_t pid;

	if (mkdir(SANDBOX_NETNS, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make %s: %s", SANDBOX_NETNS, strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_set(e, -errno, "fork: %s", strerror(errno));
	if (pid == 0) {
		int r = make_netns(s, "wire");

		for (unsigned i = 0; r == 0 && i < s->n; i++)
			r = make_netns(s, s->nodes[i].name);
		_exit(-r & 0xff);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(e, -EIO, "cannot make network namespaces: %s",
			       WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "the helper was killed");
	return 0;
}

static int ip_batch(const struct sandbox *s, const char *node, const char *commands, struct err *e)
{
	char *const argv[] = {(char *)"ip", (char *)"-batch", (char *)"-", NULL};
	char netns[SANDBOX_PATH_MAX];

	sandbox_netns_path(s, node, netns, sizeof(netns));
	return tool_run(argv, commands, netns, TOOL_SECONDS, e);
}

static int make_bridge(const struct sandbox *s, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	(void)fprintf(f, "link set lo up\nlink add br0 type bridge\nlink set br0 up\n");
	for (unsigned i = 0; i < s->n; i++) {
		const char *node = s->nodes[i].name;

		(void)fprintf(f, "link add %s type veth peer name eth0 netns godwit-%s-%s\n", node, s->name, node);
		(void)fprintf(f, "link set %s master br0 up\n", node);
	}
	if (fclose(f) != 0)
		return err_set(e, -ENOMEM, "out of memory");
	return ip_batch(s, "wire", text, e);
}

int net_make(const struct sandbox *s, struct err *e)
{
	int r = make_all_netns(s, e);

	if (r == 0)
		r = make_bridge(s, e);
	for (unsigned i = 0; r == 0 && i < s->n; i++) {
		char text[160];

		(void)snprintf(text, sizeof(text), "link set lo up\naddr add %s/16 dev eth0\nlink set eth0 up\n",
			       s->nodes[i].address);
		r = ip_batch(s, s->nodes[i].name, text, e);
	}
	return r;
}

int net_remove(const struct sandbox *s, struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir(SANDBOX_NETNS);
	const struct dirent *entry;
	char prefix[32];
	int r = 0;

	(void)snprintf(prefix, sizeof(prefix), "godwit-%s-", s->name);
	while (d && (entry = readdir(d))) {
		char path[SANDBOX_PATH_MAX + 256];

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		(void)snprintf(path, sizeof(path), SANDBOX_NETNS "/%s", entry->d_name);
		while (umount2(path, MNT_DETACH) == 0)
			;
		if (unlink(path) < 0 && errno != ENOENT)
			r = err_set(e, -errno, "the network namespace %s is left: %s", path, strerror(errno));
	}
	(void)rmdir(SANDBOX_NETNS); /* only when empty and not the mount that ip(8) makes */
	return r;
}

int net_cable(const struct sandbox *s, const struct sandbox_node *node, bool up, struct err *e)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "link set %s %s\n", node->name, up ? "up" : "down");
	return ip_batch(s, "wire", text, e);
}

int net_loss(const struct sandbox *s, const struct sandbox_node *node, double percent, struct err *e)
{
	char *const argv[] = {(char *)"nft", (char *)"-f", (char *)"-", NULL};
	char netns[SANDBOX_PATH_MAX], which[64], text[640];
	int n;

	sandbox_netns_path(s, node->name, netns, sizeof(netns));
	/* the first line makes sure that there is a table for the second to remove; nft does it all at once or not at
	 * all */
	n = snprintf(text, sizeof(text), "table inet godwit_sandbox\ndelete table inet godwit_sandbox\n");
	(void)snprintf(which, sizeof(which), "numgen random mod 10000 < %u", (unsigned)(percent * 100));
	if (percent > 0)
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
			       "table inet godwit_sandbox {\n"
			       "chain in { type filter hook input priority 0; iif != \"lo\" %s drop; }\n"
			       "chain out { type filter hook output priority 0; oif != \"lo\" %s drop; }\n"
			       "}\n",
			       percent < 100 ? which : "", percent < 100 ? which : "");
	return tool_run(argv, text, netns, TOOL_SECONDS, e);
}

/* A socket belongs to the namespace in which it was made, so one made there can be asked from here. */
static int socket_in(const char *netns)
{
	_cleanup_close_ int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int there = open(netns, O_RDONLY | O_CLOEXEC);
	int fd;

	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (setns(here, CLONE_NEWNET) <
	    0) /* cannot fail: we were there; going on elsewhere would be worse than ending */
		abort();
	return fd;
}

bool net_is_cut(const struct sandbox *s, const struct sandbox_node *node)
{
	struct ifreq request = {0};
	char netns[SANDBOX_PATH_MAX];
	_cleanup_close_ int fd = -1;

	sandbox_netns_path(s, "wire", netns, sizeof(netns));
	fd = socket_in(netns);
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", node->name);
	return fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0 || !(request.ifr_flags & IFF_UP);
}
