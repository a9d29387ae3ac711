#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Four equal CPU-bound processes, started on one of two one-CPU nodes, against the same on one node with both CPUs.

No hand is involved: where they run is the cluster's business. The time is from the start of the first until the end of
the last. In turn, in fresh sandboxes.
"""
import os
import subprocess
import time

import measure

JOBS = 4


def calibrate(seconds, mode='cpu'):
    """What bench-spin does in so much CPU time: million steps, or thousand calls."""
    def rate():
        p = subprocess.run([measure.program('bench-spin'), mode, '500'], check=True, stdout=subprocess.PIPE, text=True)
        return 500 / float(p.stdout)
    return round(seconds * max(rate() for _ in range(3)))


def makespan(nodes, cpus, amount, limit):
    """(seconds, moves that were seen)"""
    moves = {}
    with measure.Sandbox(nodes, cpus) as sandbox:
        begin = time.monotonic()
        jobs = [sandbox.start('n1', 'godwit', 'run', measure.program('bench-spin'), 'cpu', str(amount)) for _ in range(JOBS)]
        ends = [None] * JOBS
        try:
            while None in ends:
                for p in sandbox.json('n1', 'ps')['processes']:
                    moves[p['pid']] = p['moves']
                if time.monotonic() - begin > limit:
                    raise measure.Failed(f'no end after {limit:.0f} s')
                wait_for_end(jobs, ends, 2)
        finally:
            for p in jobs:
                p.kill()
        if any(p.returncode for p in jobs):
            raise measure.Failed(f'a job failed: exit codes {[p.returncode for p in jobs]}')
        return max(ends) - begin, sum(moves.values())


def wait_for_end(jobs, ends, seconds):
    """Notes when jobs end; returns when all have or the time is over."""
    until = time.monotonic() + seconds
    while None in ends and time.monotonic() < until:
        first = ends.index(None)
        try:
            jobs[first].wait(min(0.05, seconds))
        except subprocess.TimeoutExpired:
            pass
        for i, p in enumerate(jobs):
            if ends[i] is None and p.poll() is not None:
                ends[i] = time.monotonic()


def bench():
    a = measure.arguments(__doc__.split('\n', maxsplit=1)[0], seconds=(12.0, 'CPU time of each job'))
    if len(os.sched_getaffinity(0)) < 2:
        raise measure.Failed('needs two processors')
    results = measure.Results(a.out)
    amount = calibrate(a.seconds)
    spans, moves = {1: [], 2: []}, []
    for _, nodes in measure.turns(a.rounds, [2, 1]):
        seconds, seen = makespan(nodes, 2 // nodes, amount, 20 * a.seconds)
        spans[nodes].append(seconds)
        results.note(f'{nodes} node(s): {seconds:.2f} s, {seen} moves')
        if nodes == 2:
            moves.append(seen)
    results.row('four jobs: two nodes of one CPU / one node of two', measure.ratios(spans[2], spans[1]), target=1.1)
    results.row('four jobs on two nodes of one CPU', spans[2], 's')
    results.row('four jobs on one node of two CPUs', spans[1], 's')
    results.row('moves made, seen each 2 s', moves)


if __name__ == '__main__':
    measure.main(bench)
