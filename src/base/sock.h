/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix and TCP sockets with the options that the project always wants (CLOEXEC, NODELAY, deadlines).
 * Promise: every fd returned is CLOEXEC; every wait has a deadline. Must not: know what is sent.
 */
#ifndef GODWIT_BASE_SOCK_H
#define GODWIT_BASE_SOCK_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/socket.h>
#include "err.h"

/* type: SOCK_STREAM or SOCK_SEQPACKET, may be or-ed with SOCK_NONBLOCK. A stale socket file is replaced, one at
 * which a program listens is not (-EADDRINUSE); mode is the file's. Returns the listening fd (non-blocking) or -errno.
 */
int sock_listen_unix(const char *path, int type, unsigned mode, struct err *e) _must_check_;
int sock_connect_unix(const char *path, int type, struct err *e) _must_check_;

/* host: numeric IPv4/IPv6 address or name; "" or "*" to listen on all. Non-blocking, NODELAY, KEEPALIVE. */
int sock_listen_tcp(const char *host, uint16_t port, struct err *e) _must_check_;
/* Waits for the connection until the deadline (CLOCK_MONOTONIC ns); returns a non-blocking fd or -errno. */
int sock_connect_tcp(const char *host, uint16_t port, uint64_t deadline_ns, struct err *e) _must_check_;
/* Starts a connection and returns at once a non-blocking fd; writable means decided (SO_ERROR). */
int sock_start_tcp(const char *host, uint16_t port, struct err *e) _must_check_;

/* One message (SEQPACKET) or bytes (STREAM), with at most one fd (-1: none). Bytes sent or -errno. */
ssize_t sock_send_fd(int sock, const void *p, size_t n, int fd) _must_check_;
/* Receives; *ret_fd is an owned CLOEXEC fd or -1. 0 = end. A cut (MSG_TRUNC) message is -EMSGSIZE. */
ssize_t sock_recv_fd(int sock, void *p, size_t n, int *ret_fd) _must_check_;

int sock_peer_cred(int sock, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid) _must_check_;
/* poll() one fd for events until the deadline; revents > 0, -ETIMEDOUT, -errno. */
int sock_wait(int fd, short events, uint64_t deadline_ns) _must_check_;

#endif
