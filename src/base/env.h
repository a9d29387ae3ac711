/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The environment of a program that is to be told only what is meant for it.
 * Promise: what is not named does not get through. Must not: change the environment of this program.
 */
#ifndef GODWIT_BASE_ENV_H
#define GODWIT_BASE_ENV_H

#include <stddef.h>

/* Puts NAME=VALUE of each of those names that this program has been given into env[0...], the bytes into text. Returns
 * how many; env needs room for n_names. One that text (cap bytes) has no room for is left out. */
size_t env_pick(char *env[], char *text, size_t cap, const char *const names[], size_t n_names);

#endif
