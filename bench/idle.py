#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What an idle godwitd costs: CPU and memory, in a sandbox of three nodes in which nothing runs."""
import os
import time

import measure


def child(pid, name):
    with open(f'/proc/{pid}/task/{pid}/children') as f:
        for c in f.read().split():
            with open(f'/proc/{c}/comm') as g:
                if g.read().strip() == name:
                    return int(c)
    raise measure.Failed(f'{pid} has no child {name}')


def cpu_ns(pid):
    """schedstat is exact, where utime and stime count ticks; it is of one thread, and the daemon has one."""
    if len(os.listdir(f'/proc/{pid}/task')) != 1:
        raise measure.Failed('godwitd has threads, which are not counted here')
    with open(f'/proc/{pid}/schedstat') as f:
        return int(f.read().split()[0])


def rss_kib(pid):
    with open(f'/proc/{pid}/status') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS:'))


def bench():
    a = measure.arguments(__doc__, seconds=(60, 'how long one round looks'), rounds=1)
    results = measure.Results(a.out)
    cpu, rss = [], []
    with measure.Sandbox(3) as sandbox:
        daemons = [child(n['pid'], 'godwitd') for n in sandbox.nodes()]
        for _ in range(a.rounds):
            before, begin = [cpu_ns(p) for p in daemons], time.monotonic_ns()
            time.sleep(a.seconds)
            passed = time.monotonic_ns() - begin
            cpu += [(cpu_ns(p) - b) / passed * 100 for p, b in zip(daemons, before)]
            rss += [rss_kib(p) / 1024 for p in daemons]
    results.row('CPU of an idle godwitd, each node', cpu, '%', target=0.5)
    results.row('memory of an idle godwitd (RSS), each node', rss, 'MiB', target=10)


if __name__ == '__main__':
    measure.main(bench)
