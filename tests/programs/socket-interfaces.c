/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What the loopback interface is called and has is told by each socket ioctl as at home.
 * Proves: ioctl
 */
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct ifreq r;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	must(fd >= 0);
	memset(&r, 0, sizeof(r));
	memcpy(r.ifr_name, "lo", 3);
	must(ioctl(fd, SIOCGIFINDEX, &r) == 0);
	say("index %d", r.ifr_ifindex);
	must(ioctl(fd, SIOCGIFNAME, &r) == 0);
	say("name %s", r.ifr_name);
	must(ioctl(fd, SIOCGIFMTU, &r) == 0);
	say("mtu %d", r.ifr_mtu);
	must(ioctl(fd, SIOCGIFFLAGS, &r) == 0);
	say("loopback %d", (r.ifr_flags & IFF_LOOPBACK) != 0);
	must(ioctl(fd, SIOCGIFADDR, &r) == 0);
	say("%x", ntohl(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr));
	memcpy(r.ifr_name, "none0", 6);
	say_result("no such", ioctl(fd, SIOCGIFMTU, &r));
	must(close(fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
