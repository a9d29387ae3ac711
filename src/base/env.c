/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Some of the variables of this program's environment; see env.h. */
#include "env.h"

#include <stdio.h>
#include <stdlib.h>

size_t env_pick(char *env[], char *text, size_t cap, const char *const names[], size_t n_names)
{
	size_t n = 0;

	for (size_t i = 0; i < n_names; i++) {
		const char *v = getenv(names[i]);
		int len = v ? snprintf(text, cap, "%s=%s", names[i], v) : -1;

		if (len < 0 || (size_t)len >= cap)
			continue;
		env[n++] = text;
		text += len + 1;
		cap -= (size_t)len + 1;
	}
	return n;
}
