/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The kernel's answers about interfaces arrive whole over netlink.
 * Proves: socket bind sendto recvmsg
 */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char buf[32768] __attribute__((aligned(8)));
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} ask = {{.nlmsg_len = sizeof(ask),
		  .nlmsg_type = RTM_GETLINK,
		  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		  .nlmsg_seq = 42},
		 {.rtgen_family = AF_UNSPEC}};
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr m = {.msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = &iov, .msg_iovlen = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), loopbacks = 0;
	bool done = false;

	must(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	must(sendto(fd, &ask, sizeof(ask), 0, (struct sockaddr *)&sa, sizeof(sa)) == sizeof(ask));
	while (!done) {
		ssize_t n = recvmsg(fd, &m, 0);

		must(n > 0);
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			must(h->nlmsg_seq == 42);
			done |= h->nlmsg_type == NLMSG_DONE;
			if (h->nlmsg_type == RTM_NEWLINK)
				loopbacks += (((struct ifinfomsg *)NLMSG_DATA(h))->ifi_flags & IFF_LOOPBACK) != 0;
		}
	}
	say("loopbacks %d", loopbacks);
	must(close(fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
