#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""calls.c makes every call that the table forwards; here it is moved at each of its boundaries.

(a) for each boundary a fresh run that goes to a host there and comes home at the next one;
(b) one run that is moved at every boundary, to h1, h2 and home in turn.
Output and exit code equal those of a run that is not moved, and no row of the table is missing.

  boundaries.py [FIRST [LAST]]      only these boundaries, and not (b)
"""
import errno
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../src/syscalls/syscalls.tbl')


def forwarded():
    with open(TABLE) as f:
        rows = [line.split() for line in f if line[:1].isdigit()]
    return {w[1] for w in rows if w[2].startswith('forward')}


class Walk:
    """A run of calls that stops at each boundary."""

    def __init__(self, y):
        self.y = y
        self.p = promises.Program(['calls'], boundaries=True)
        self.n = 0

    def reach(self):
        """Waits until it stands at the next boundary; False at its end."""
        end = time.monotonic() + 60
        poll = promises.select.poll()
        poll.register(self.p.at, promises.select.POLLIN)
        while time.monotonic() < end:
            if poll.poll(20):
                if not os.read(self.p.at, 1):
                    return False
                self.n += 1
                return True
            if self.p.ended():
                return False
            self.y.pump(0)
        raise AssertionError(f'boundary {self.n + 1} was not reached: {self.y.ended.get(self.p.pid)}')

    def pass_(self):
        try:
            os.write(self.p.go, b'.')
        except BrokenPipeError:
            pass

    def move(self, host):
        # It writes the byte, and only then waits for the answer: a move in between is as good.
        for _ in range(3):
            r, _, _, _, text = self.y.move(self.p.pid, host)
            if -r != errno.EAGAIN:  # it was just coming home by itself: from there it can go
                break
        # The call may have brought it home by itself; then it has nowhere to go.
        assert r == 0 or (host == 'home' and -r in promises.HARMLESS), \
            f'boundary {self.n}: not moved to {host}: {r} {text}'

    def finish(self):
        result = self.p.finish(self.y.pump)
        bad = promises.lost(self.y, [self.p.pid])
        assert not bad, f'after boundary {self.n}: {bad}'
        return result


def compare(want, got, how):
    if want == got:
        return
    a, b = want[1].decode().splitlines(), got[1].decode().splitlines()
    for i in range(max(len(a), len(b))):
        x, z = (s[i] if i < len(s) else '(nothing)' for s in (a, b))
        assert x == z, f'{how}: line {i + 1} after "{a[i - 1] if i else ""}": "{z}" instead of "{x}"'
    raise AssertionError(f'{how}: code {got[0]} instead of {want[0]}')


def walk(y, places):
    """One run; places(n) says where it goes at boundary n, or None."""
    w = Walk(y)
    try:
        while w.reach():
            host = places(w.n)
            if host:
                w.move(host)
            w.pass_()
        return w.n, w.finish()
    finally:
        w.p.close()


def one_boundary(y, want, k):
    w = Walk(y)
    try:
        while w.reach():
            if w.n == k:
                w.move('h1')
            elif w.n == k + 1:
                w.move('home')
            w.pass_()
        got = w.finish()
    finally:
        w.p.close()
    compare(want, got, f'moved at boundary {k}')


def run(argv):
    numbers = [int(a) for a in argv[1:] if a.isdigit()]
    y = promises.start_yard()
    count, want = walk(y, lambda n: None)
    assert want[0] == 0, f'calls fails without being moved: {want}'
    made = set(re.findall(r'^(\w+): ', want[1].decode(), re.M))
    missing = forwarded() - made
    assert not missing, f'calls.c does not make: {sorted(missing)}'
    print(f'{count} boundaries, {len(made)} calls', flush=True)
    bad = []
    if not numbers:
        try:
            compare(want, walk(y, lambda n: ('h1', 'h2', 'home')[n % 3])[1], 'moved at every boundary')
        except (AssertionError, promises.yard.Lost) as e:
            bad.append(str(e))
            print(f'   {e}', flush=True)
    first = numbers[0] if numbers else 1
    last = numbers[-1] if len(numbers) > 1 else first if numbers else count
    for k in range(first, last + 1):
        try:
            one_boundary(y, want, k)
        except (AssertionError, promises.yard.Lost) as e:
            bad.append(str(e))
            print(f'   {e}', flush=True)
            assert len(bad) < 20, 'and so on'
    promises.check_nothing_left(y)
    assert not bad, f'{len(bad)} boundaries are not crossed in order'


promises.main(run)
