#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 1200
"""Each program of tests/programs is moved at the boundary before each of its calls (tests/programs/boundaries.h).

(a) one run in which it goes away at the first, home at the second, and so on, and one the other way round: each of its
    calls is made once on a host and once at home. Its children have their own turns.
(b) GODWIT_FULL=1: for each boundary a fresh run that goes to a host there and comes home at the next one.
Output and exit code equal those of a run that is not moved. Each call that the program says it proves was made while it
was away; calls.c makes all that the table forwards. A program that loops has its moves spread over its boundaries.

  boundaries.py [--seed N] [NAME...]      GODWIT_AT_ONCE=N (3) programs at once
"""
import errno
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises
import proofs

FULL = os.environ.get('GODWIT_FULL') == '1'
# Moves of one run at most, and fresh runs; calls has no bound, as it has no loops.
MOST = 1000 if FULL else 120
FRESH = 200
TRIES = 8
# Programs that wait for a driver of their own, or for ever.
WITHOUT = {'heard'}


class Walk:
    """A run that stops at each boundary."""

    def __init__(self, y, name):
        self.y = y
        self.p = promises.Program([name], boundaries=True)
        self.n = self.moves = 0
        self.pids = {self.p.pid}
        self.passed = {}         # pid -> boundaries of its own
        self.poll = promises.select.poll()
        self.poll.register(self.p.at, promises.select.POLLIN)

    def reach(self):
        """Waits until one of its processes stands at a boundary, and returns its pid; 0 at its end."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.poll.poll(20):
                pid = int.from_bytes(os.read(self.p.at, 4), 'little')
                if pid:
                    self.n += 1
                    self.passed[pid] = self.passed.get(pid, 0) + 1
                    self.pids.add(pid)
                return pid
            if self.p.ended():
                return 0
            self.y.pump(0)
        raise AssertionError(f'{self.p.name}: nothing after boundary {self.n} within 60 s: {self.y.ended.get(self.p.pid)}'
                             f'{promises.standing([self.p.pid])}')

    def move(self, pid, host):
        # It writes its pid, and only then waits for the answer: a move in between is as good.
        for _ in range(3):
            r, _, _, _, text = self.y.move(pid, host)
            if -r != errno.EAGAIN:  # it was just coming home by itself: from there it can go
                break
        self.moves += r == 0
        return '' if r == 0 or -r in promises.HARMLESS else text.replace(str(pid), 'PID')

    def finish(self):
        return self.p.finish(self.y.pump)


def walk(y, name, places):
    """One run; places(n, pid's own n) says where it goes at boundary n, or None. Returns the run, its result, refusals."""
    w, refused = Walk(y, name), set()
    try:
        while True:
            pid = w.reach()
            if not pid:
                break
            host = places(w.n, w.passed[pid])
            if host:
                refused.add(w.move(pid, host))
            w.p.go(pid)
        result = w.finish()
        bad = promises.lost(y, w.pids)
        assert not bad, f'{name}: {bad}'
        return w, result, refused - {''}
    finally:
        w.p.close()


def compare(want, got, how):
    if want == got:
        return []
    a, b = want[1].decode('utf-8', 'replace').splitlines(), got[1].decode('utf-8', 'replace').splitlines()
    for i in range(max(len(a), len(b))):
        x, z = (s[i] if i < len(s) else '(nothing)' for s in (a, b))
        if x != z:
            return [f'{how}: line {i + 1} after "{a[i - 1] if 0 < i <= len(a) else ""}": "{z}" instead of "{x}"']
    return [f'{how}: code {got[0]} instead of {want[0]}']


def turns(first, count, most):
    """Away and home by turns, for each process by itself; when there are too many boundaries, at the first ones and then
    now and again."""
    step = -(-count // (most // 2)) if count > most else 1

    def place(n, own):
        if n > most // 2 and n % step:
            return None
        turn = own if n <= most // 2 else own // step
        return promises.HOSTS[turn // 2 % 3] if (turn + first) % 2 else 'home'
    return place


def one(y, name, rng):
    """Returns a list of complaints, and what was refused."""
    w, want, _ = walk(y, name, lambda n, own: None)
    if want[0] != 0:
        return [f'{name} fails without being moved: {want}'], ''
    count, least, bad, refused, moves = w.n, w.n, [], set(), 0
    most = count if name == 'calls' else MOST
    y.made = {}
    for first in (0, 1):
        w, got, no = walk(y, name, turns(first, count, most))
        bad += compare(want, got, f'{name}, moved at every boundary, {("home", "away")[first]} first')
        moves += w.moves
        least = min(least, w.n)  # a loop that waits for somebody has more of them now and then
        refused |= no
    # Where signals and other processes decide what comes first, the turns differ from run to run.
    for k in range(TRIES):
        missing = [c for c in proofs.proved(name, want[1]) if not y.made.get(c)]
        if bad or not missing:
            break
        _, got, _ = walk(y, name, lambda n, own, k=k: ('h1', None, 'home', None)[(n + k) % 4] if k % 2 else rng.choice(['h2', 'home']))
        bad += compare(want, got, f'{name}, moved at some boundaries')
    bad += [] if bad else [f'{name} says that it proves {c}, which was not made while it was away' for c in missing]
    if moves < min(least, most) // 4 and not refused:
        bad.append(f'{name}: only {moves} moves at {count} boundaries')
    if FULL and not bad:
        for k in range(1, count + 1, -(-count // (count if name == 'calls' else FRESH))):
            _, got, no = walk(y, name, lambda n, own, k=k: {k: 'h1', k + 1: 'home'}.get(n))
            bad += compare(want, got, f'{name}, moved at boundary {k}')
            refused |= no
    return bad, f'{moves} moves at {count} boundaries' + ''.join(f'; refused: {text}' for text in sorted(refused))


def run(argv):
    rng = promises.seed_of(argv)
    names = promises.names_of(argv) or [n for n in promises.all_programs() if n not in WITHOUT]
    bad = promises.in_parallel(names, lambda y, name: one(y, name, promises.luck_of(rng, name)))
    assert not bad, f'{len(bad)} boundaries are not crossed in order'


promises.main(run)
