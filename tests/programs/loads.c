/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: shared libraries are loaded, used and given back wherever the process is.
 * Proves: no-call
 */
#include <dlfcn.h>
#include <string.h>

#include "promise.h"

static void *load(const char *name)
{
	void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);

	must(lib);
	return lib;
}

static void *find(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	must(p);
	return p;
}

static void round_(void)
{
	void *math = load("libm.so.6"), *names = load("libresolv.so.2"), *vector = load("libmvec.so.1"), *p;
	const unsigned char packed[] = "\3www\2de";
	double (*cube_root)(double);
	int (*expand)(const unsigned char *, const unsigned char *, const unsigned char *, char *, int);
	char host[64];
	int n;

	p = find(math, "cbrt");
	memcpy(&cube_root, &p, sizeof(p));
	p = find(names, "dn_expand");
	memcpy(&expand, &p, sizeof(p));
	must(*(const unsigned char *)find(vector, "_ZGVbN2v_sin") != 0); /* code: its calling convention is its own */
	n = expand(packed, packed + sizeof(packed), packed, host, sizeof(host));
	say("%.12f %d %s", cube_root(12345.678), n, host);
	must(dlclose(names) == 0 && dlclose(math) == 0 && dlclose(vector) == 0);
	must(!dlopen("libm.so.6", RTLD_NOW | RTLD_NOLOAD)); /* so that each round loads it anew */
}

int main(void)
{
	return promise_run(round_);
}
