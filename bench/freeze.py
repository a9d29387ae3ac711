#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a process stands still when it moves, as it sees it itself, by its size; in turn with CRIU.

bench-memory rewrites MIB of incompressible memory and reports the longest time between two of its samples of the
clock. A freeze is the longest one around a move; the total is from the order until the move is reported. Each round is
a fresh process that goes home -> host -> other host -> home through the yard, and another that is dumped and restored
by CRIU through a tmpfs, without a network. CRIU's freeze includes the start of `criu restore`; ours starts nothing, for
shepherd and agent are there before it. The totals include everything on both sides.
Promise: a page that has changed on the way fails the bench.
"""
import os
import shutil
import subprocess
import tempfile
import time

import measure
from yard import Yard

WAYS = ('home -> host', 'host -> host', 'host -> home')


class Subject:
    """A running bench-memory."""

    def __init__(self, mib, directory):
        self.path = os.path.join(directory, 'log')
        with open(self.path, 'w') as log:
            os.set_inheritable(log.fileno(), True)
        with open(self.path, 'a') as log:
            self.p = subprocess.Popen([measure.program('bench-memory'), str(mib)], stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, start_new_session=True)
        self.pid = self.p.pid
        measure.wait_until('start of bench-memory', lambda: len(self.samples()) >= 2)

    def samples(self):
        with open(self.path) as f:
            lines = f.read().split('\n')[:-1]
        if any('changed' in line for line in lines):
            raise measure.Failed(f'memory is damaged: {lines[-1]}')
        return [tuple(map(int, line.split())) for line in lines[1:]]

    def gap_ms(self, begin_ns):
        """The longest standstill since then; waits for the first line of the time after."""
        end_ns = time.monotonic_ns()

        def seen():
            lines = [s for s in self.samples() if s[0] > begin_ns]
            return lines if lines and lines[-1][0] > end_ns else None
        return max(gap for _, gap, _ in measure.wait_until('the process runs again', seen)) / 1e6

    def end(self):
        measure.kill(self.pid)


def godwit(yard, mib, directory):
    """[(freeze ms, total ms) of each way]"""
    subject = Subject(mib, directory)
    result = []
    try:
        for host in ('n2', 'n3', 'home'):
            begin = time.monotonic_ns()
            error, _, _, _, text = yard.move(subject.pid, host)
            total = (time.monotonic_ns() - begin) / 1e6
            if error:
                raise measure.Failed(f'{mib} MiB to {host}: {text}')
            result.append((subject.gap_ms(begin), total))
    finally:
        subject.end()
    return result


def criu_problem(tool):
    """Why CRIU cannot be measured here, or ''. Tried with a small process, not only asked."""
    if not shutil.which(tool):
        return f'there is no {tool} (Debian: apt-get install criu)'
    p = subprocess.run([tool, 'check'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if p.returncode:
        return f'{tool} check: ' + p.stdout.strip().split('\n')[0]
    with tempfile.TemporaryDirectory(dir='/dev/shm') as directory:
        try:
            criu(tool, 1, directory)
        except measure.Failed as e:
            return str(e)
    return ''


def criu_run(tool, verb, images, *more):
    log = os.path.join(images, verb + '.log')
    p = subprocess.run([tool, verb, '-D', images, '-j', '-o', log, *more], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
    if p.returncode:
        with open(log, errors='replace') as f:
            errors = [line.strip() for line in f if 'Error' in line] or ['no reason given']
        raise measure.Failed(f'criu {verb}: {errors[0]}')


def criu(tool, mib, directory):
    """(freeze ms, total ms) of a dump and a restore."""
    subject = Subject(mib, directory)
    images = os.path.join(directory, 'images')
    os.mkdir(images)
    try:
        begin = time.monotonic_ns()
        criu_run(tool, 'dump', images, '-t', str(subject.pid))
        subject.p.wait(30)  # its pid must be free
        criu_run(tool, 'restore', images, '-d')
        total = (time.monotonic_ns() - begin) / 1e6
        return subject.gap_ms(begin), total
    finally:
        subject.end()
        shutil.rmtree(images)


def report(results, mib, ours, theirs):
    for k, way in enumerate(WAYS):
        freezes = [r[k][0] for r in ours]
        results.row(f'freeze, {mib} MiB, {way}', freezes, 'ms')
        results.row(f'total, {mib} MiB, {way}', [r[k][1] for r in ours], 'ms')
        if theirs:
            results.row(f'freeze / CRIU\'s, {mib} MiB, {way}', measure.ratios(freezes, [r[0] for r in theirs]), target=1)
    if theirs:
        results.row(f'freeze, {mib} MiB, CRIU dump and restore', [r[0] for r in theirs], 'ms')
        results.row(f'total, {mib} MiB, CRIU dump and restore', [r[1] for r in theirs], 'ms')


def bench():
    a = measure.arguments(__doc__.split('\n', maxsplit=1)[0], sizes=('16,256,1024', 'MiB, separated by commas'),
                          criu=('criu', 'program to compare with'))
    results = measure.Results(a.out)
    problem = criu_problem(a.criu)
    if problem:
        results.note(f'CRIU is left out: {problem}')
    yard = Yard()
    try:
        for mib in map(int, a.sizes.split(',')):
            ours, theirs = [], []
            for _, what in measure.turns(a.rounds, ['godwit'] if problem else ['godwit', 'criu']):
                with tempfile.TemporaryDirectory(dir='/dev/shm') as directory:
                    if what == 'godwit':
                        ours.append(godwit(yard, mib, directory))
                    else:
                        theirs.append(criu(a.criu, mib, directory))
            report(results, mib, ours, theirs)
    finally:
        yard.close()


if __name__ == '__main__':
    measure.main(bench)
