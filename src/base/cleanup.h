/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Automatic release of local variables on every way out of a scope.
 * Promise: a variable marked here is released exactly once, unless it was taken out with take_fd()
 * or take_ptr(). Must not: be used in signal handlers, or for objects that another scope owns.
 */
#ifndef GODWIT_BASE_CLEANUP_H
#define GODWIT_BASE_CLEANUP_H

#include <stdio.h>
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _must_check_ __attribute__((warn_unused_result))
#define _printf_(f, a) __attribute__((format(printf, f, a)))
#define _unused_ __attribute__((unused))

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

static inline void cleanup_closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)
#define _cleanup_closedir_ _cleanup_(cleanup_closedirp)

/* Hands the fd to the caller and leaves -1 behind, so that the cleanup does nothing. */
static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/* Hands the pointer to the caller and leaves NULL behind; keeps the type. */
#define take_ptr(p)                               \
	({                                        \
		__typeof__(p) *take_p_ = &(p);    \
		__typeof__(p) take_v_ = *take_p_; \
		*take_p_ = NULL;                  \
		take_v_;                          \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
