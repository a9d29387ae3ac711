/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths whose content depends on the process that opens them: for src/syscalls, and for src/image, which looks at what
 * is open already.
 * Promise: pure functions of the text. Must not: follow links or know the working directory; a relative path into
 * /proc/self after a chdir there is not recognized.
 */
#ifndef GODWIT_SYSCALLS_PATH_H
#define GODWIT_SYSCALLS_PATH_H

#include <stdbool.h>
#include <stdint.h>

#define PATH_CAP 4096 /* the kernel's PATH_MAX, with the NUL */

/* Would a process with this pid see its own memory or registers in the file, or the machine's memory? The deputy's
 * memory is not the guest's, so such a file is opened at home after the process has come home. */
bool path_shows_process(const char *path, int64_t pid);

#endif
