#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""godwit make on two nodes of one CPU, against make -j2 on one node with both CPUs.

The same C files are compiled and linked, with the same compiler. In turn, in fresh sandboxes.
"""
import os
import shutil
import subprocess
import tempfile
import time

import measure

MAKEFILE = '''objects = $(patsubst %.c,%.o,$(wildcard *.c))
all: $(objects)
\t$(CC) -r -o $@.o $(objects)
'''


def project(files, functions):
    """A directory with so many C files of so many functions each."""
    path = tempfile.mkdtemp()
    with open(os.path.join(path, 'Makefile'), 'w') as f:
        f.write(MAKEFILE)
    for i in range(files):
        with open(os.path.join(path, f'f{i}.c'), 'w') as f:
            f.write('#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n')
            for k in range(functions):
                f.write(f'int f{i}_{k}(int *p, int n);\nint f{i}_{k}(int *p, int n) {{ int s = {k}; '
                        f'for (int i = 0; i < n; i++) {{ s += p[i] * (s ^ {i}); if (s & 1) p[i] = s / 3; }} return s; }}\n')
    return path


def build(nodes, cpus, path, limit):
    """Seconds from the start of make to its end."""
    for name in os.listdir(path):
        if name.endswith('.o'):
            os.unlink(os.path.join(path, name))
    command = ['godwit', 'make', '--quiet'] if nodes > 1 else ['make', '-j2']
    with measure.Sandbox(nodes, cpus) as sandbox:
        begin = time.monotonic()
        job = sandbox.start('n1', *command, '-s', 'CFLAGS=-O2', '-C', path)
        try:
            if job.wait(limit):
                raise measure.Failed(f'the build failed: exit code {job.returncode}')
        except subprocess.TimeoutExpired as e:
            raise measure.Failed(f'no end after {limit} s') from e
        finally:
            job.kill()
        return time.monotonic() - begin


def bench():
    a = measure.arguments(__doc__.split('\n', maxsplit=1)[0], files=(60, 'C files'), functions=(60, 'functions in each'))
    if len(os.sched_getaffinity(0)) < 2:
        raise measure.Failed('needs two processors')
    results = measure.Results(a.out)
    path = project(a.files, a.functions)
    spans = {1: [], 2: []}
    try:
        for _, nodes in measure.turns(a.rounds, [2, 1]):
            spans[nodes].append(build(nodes, 2 // nodes, path, 600))
            results.note(f'{nodes} node(s): {spans[nodes][-1]:.2f} s')
    finally:
        shutil.rmtree(path)
    results.row('a build: two nodes of one CPU / one node of two', measure.ratios(spans[2], spans[1]), target=1.3)
    results.row('a build on two nodes of one CPU', spans[2], 's')
    results.row('a build on one node of two CPUs', spans[1], 's')


if __name__ == '__main__':
    measure.main(bench)
