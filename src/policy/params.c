/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of parameters and the table of reasons, from their .def files.
 * Promise: a parameter is set within its bounds or not at all. Must not: keep state.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

static const struct policy_param_info params[] = {
#define POLICY_PARAM(name, def, min, max, unit, help) \
	{#name, unit, help, def, min, max, offsetof(struct policy_params, name)},
#include "policy_params.def"
#undef POLICY_PARAM
};

#define POLICY_PARAM(name, def, min, max, unit, help) _Static_assert((min) <= (def) && (def) <= (max), #name);
#include "policy_params.def"
#undef POLICY_PARAM

static const struct policy_why_info whys[] = {
#define POLICY_WHY(name, reason, unit, sentence) {#name, reason, unit, sentence},
#include "policy_why.def"
#undef POLICY_WHY
};

_Static_assert(ARRAY_SIZE(whys) == POLICY_WHY__MAX, "one row for each reason");
_Static_assert(POLICY_WHY__MAX <= 64, "proc_check() takes reasons as bits of 64");

void policy_params_init(struct policy_params *ret)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(params); i++)
		memcpy((char *)ret + params[i].offset, &params[i].def, sizeof(uint32_t));
}

const struct policy_param_info *policy_param_at(size_t i)
{
	return i < ARRAY_SIZE(params) ? &params[i] : NULL;
}

static int parse_decimal(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > UINT32_MAX)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int policy_param_set(struct policy_params *p, const char *name, const char *value)
{
	uint64_t v;
	uint32_t v32;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(params); i++)
		if (strcmp(params[i].name, name) == 0)
			break;
	if (i == ARRAY_SIZE(params))
		return -ENOENT;
	r = parse_decimal(value, &v);
	if (r < 0)
		return r;
	if (v < params[i].min || v > params[i].max)
		return -ERANGE;
	v32 = (uint32_t)v;
	memcpy((char *)p + params[i].offset, &v32, sizeof(v32));
	return 0;
}

const struct policy_why_info *policy_why_info(unsigned why)
{
	return why < ARRAY_SIZE(whys) ? &whys[why] : NULL;
}
