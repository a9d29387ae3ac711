#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mixed jobs begun on one of eight nodes of a quarter of a CPU, against one node of two CPUs and against a static assignment.

The same jobs three ways, in fresh sandboxes, in turn: `moved` by Godwit from the node where all begin; `static`, job i on node i mod 8
without Godwit's doing; `single`, all on one node with the CPU time of the eight. Their CPU times are heavy-tailed (the quantiles of a
bounded Pareto law with k = 1), in an order drawn by the round; each fourth makes calls instead of computing. The time is from the start
of the first until the end of the last. A move is wasted when the job moved again or ended within three seconds.
"""
import random
import time

import balance
import measure

NODES = 8
CPUS = 2
SOON = 3  # seconds
SPREAD = 20  # the longest job, in shortest ones


def jobs_of(count, seconds, rates, seed):
    """(mode, amount) of each job; their CPU times are `seconds` in the mean, whatever the seed."""
    times = [1 / (1 - (i + 0.5) / count * (1 - 1 / SPREAD)) for i in range(count)]
    scale = seconds * count / sum(times)
    modes = ['calls' if i % 4 == 3 else 'cpu' for i in range(count)]
    result = [(mode, max(1, round(t * scale * rates[mode]))) for t, mode in zip(times, modes)]
    random.Random(seed).shuffle(result)
    return result


class Watch:
    """Moves as `godwit ps` at their home shows them, looked at twice a second."""

    def __init__(self):
        self.seen = {}  # pid: times of its moves
        self.ends = {}

    def look(self, processes):
        now = time.monotonic()
        here = {p['pid']: p['moves'] for p in processes}
        for pid, moves in here.items():
            times = self.seen.setdefault(pid, [])
            times.extend([now] * (moves - len(times)))
            self.ends.pop(pid, None)
        for pid in self.seen:
            if pid not in here:
                self.ends.setdefault(pid, now)

    def moves(self):
        return sum(map(len, self.seen.values()))

    def wasted(self):
        last = time.monotonic()
        return sum(b - a < SOON for pid, times in self.seen.items()
                   for a, b in zip(times, times[1:] + [self.ends.get(pid, last)]))


def makespan(how, jobs, limit):
    """(seconds, moves, wasted moves)"""
    watch = Watch()
    with measure.Sandbox(1 if how == 'single' else NODES, CPUS if how == 'single' else CPUS / NODES) as sandbox:
        begin = time.monotonic()
        prefix = ['godwit', 'run'] if how == 'moved' else []
        running = [sandbox.start(f'n{i % NODES + 1 if how == "static" else 1}', *prefix, measure.program('bench-spin'), mode, str(amount))
                   for i, (mode, amount) in enumerate(jobs)]
        ends = [None] * len(running)
        try:
            while None in ends:
                if how == 'moved':
                    watch.look(sandbox.json('n1', 'ps')['processes'])
                if time.monotonic() - begin > limit:
                    raise measure.Failed(f'{how}: no end after {limit:.0f} s')
                balance.wait_for_end(running, ends, 0.5)
        finally:
            for p in running:
                p.kill()
        if any(p.returncode for p in running):
            raise measure.Failed(f'{how}: a job failed: exit codes {[p.returncode for p in running]}')
        return max(ends) - begin, watch.moves(), watch.wasted()


def bench():
    a = measure.arguments(__doc__.split('\n', maxsplit=1)[0], jobs=('16,64', 'how many jobs'), seconds=(4.0, 'mean CPU time of a job'))
    results = measure.Results(a.out)
    rates = {mode: balance.calibrate(1, mode) for mode in ('cpu', 'calls')}
    for count in map(int, a.jobs.split(',')):
        spans, moves, wasted = {'moved': [], 'static': [], 'single': []}, [], []
        for i, how in measure.turns(a.rounds, list(spans)):
            seconds, m, w = makespan(how, jobs_of(count, a.seconds, rates, i), 60 + 10 * count * a.seconds)
            spans[how].append(seconds)
            results.note(f'{count} jobs, {how}: {seconds:.2f} s, {m} moves, {w} wasted')
            if how == 'moved':
                moves.append(m / count)
                wasted.append(w / count)
        results.row(f'{count} mixed jobs: moved on eight nodes of 0.25 CPUs / one node of two', measure.ratios(spans['moved'], spans['single']), target=1.08)
        results.row(f'{count} mixed jobs: static assignment / moved', measure.ratios(spans['static'], spans['moved']))
        results.row(f'{count} mixed jobs on one node of two CPUs', spans['single'], 's')
        results.row(f'{count} mixed jobs: moves for each', moves)
        results.row(f'{count} mixed jobs: wasted moves for each', wasted)


if __name__ == '__main__':
    measure.main(bench)
