#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What godwit costs a process that stays at home: nothing.

A CPU-bound and a call-bound program, in turn: on the processor of a sandbox node without godwit, and by `godwit run` on
that node, which is alone, so that nothing moves. The times are the program's own; what `godwit run` needs to start it
is a row of its own.
"""
import os
import subprocess
import time

import measure

WAYS = ('without', 'node', 'run')


def once(sandbox, way, kind, amount):
    """(seconds of the program, seconds around it)"""
    command = [measure.program('bench-spin'), kind, str(amount)]
    if way == 'run':
        command = sandbox.on('n1', 'godwit', 'run', *command)
    elif way == 'node':
        command = sandbox.on('n1', *command)
    begin = time.monotonic()
    p = subprocess.run(command, env=sandbox.env, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    return float(p.stdout), time.monotonic() - begin - float(p.stdout)


def bench():
    a = measure.arguments(__doc__.split('\n', maxsplit=1)[0], seconds=(2.0, 'length of a program'))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # which is that of node n1
    results = measure.Results(a.out)
    with measure.Sandbox(1, 1) as sandbox:
        for kind in ('cpu', 'calls'):
            amount = round(1000 * a.seconds / once(sandbox, 'without', kind, 1000)[0])
            seconds, around = {w: [] for w in WAYS}, {w: [] for w in WAYS}
            for _, way in measure.turns(a.rounds, WAYS):
                s, o = once(sandbox, way, kind, amount)
                seconds[way].append(s)
                around[way].append(o * 1e3)
            label = 'CPU-bound' if kind == 'cpu' else 'call-bound'
            results.row(f'{label} at home: godwit run / without', measure.ratios(seconds['run'], seconds['without']), target=1.01)
            for way in WAYS:
                results.row(f'{label}, {"in the node without godwit run" if way == "node" else way}', seconds[way], 's')
            if kind == 'cpu':
                results.row('start by godwit run, more than without it in the node',
                            [r - n for r, n in zip(around['run'], around['node'])], 'ms')


if __name__ == '__main__':
    measure.main(bench)
