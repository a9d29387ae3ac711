/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between POSIX systems and Windows: sockets, standard streams, terminal, signals. One file for each.
 * Promise: nothing here blocks but sys_wait() and sys_connect(), which have deadlines. Must not: know TLS or messages.
 */
#ifndef GODWIT_CLIENT_SYS_H
#define GODWIT_CLIENT_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../base/err.h"

/* Signals have the numbers of Linux here, as on the wire. */
#define SYS_HUP 1
#define SYS_INT 2
#define SYS_QUIT 3
#define SYS_USR1 10
#define SYS_USR2 12
#define SYS_PIPE 13
#define SYS_ALRM 14
#define SYS_TERM 15
#define SYS_CONT 18
#define SYS_TSTP 20
#define SYS_WINCH 28

struct sys_wait {
	intptr_t socket;
	bool send; /* also when something can be sent */
	bool in, out[3]; /* standard input can be read, an output written; out[0] is not used */
	unsigned ms;
};

int sys_begin(struct err *e) _must_check_;
uint64_t sys_ms(void); /* monotonic */
/* The content of a file of at most cap - 1 bytes, which nobody else may read. -errno with e */
int sys_read_secret(const char *path, char *buf, size_t cap, struct err *e) _must_check_;
/* Where the key is when nobody says it. */
int sys_key_path(char *buf, size_t cap) _must_check_;

/* A connected socket that does not block. -errno with e */
intptr_t sys_connect(const char *address, const char *port, unsigned ms, struct err *e) _must_check_;
void sys_close(intptr_t socket);
/* Sends a few bytes on a fresh socket. */
int sys_send(intptr_t socket, const void *p, size_t n) _must_check_;

/* Waits until one of those it names is ready, a signal has come, or time is up; in w stays what is ready. */
void sys_wait(struct sys_wait *w);
long sys_read(void *p, size_t n); /* standard input: bytes, 0 at its end, -1: nothing there now */
long sys_write(int fd, const void *p, size_t n); /* bytes, -1: not now, -2: nobody reads it */

void sys_look(uint8_t *ret_open, uint8_t *ret_tty, bool *ret_merged); /* of the descriptors 0, 1, 2: bits 1, 2, 4 */
bool sys_size(uint16_t *ret_rows, uint16_t *ret_cols); /* of the terminal */
void sys_raw(bool raw); /* keys go to the command as they are */
void sys_catch(void); /* from now on signals come from sys_signal() */
bool sys_signal(int *ret_signo, bool *ret_group); /* the next one; group: the terminal sent it to all */
void sys_stop(void); /* this program stands still until it is told to go on */
int sys_end(int status); /* as a process that has ended with this status of wait(2) does: its exit code, or no return */

#endif
