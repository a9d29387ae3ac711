#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU time that a process uses on hosts counts, for itself: it goes from host to host, and no reading ever goes back.

  cpu-time.py [--seed N]      GODWIT_MOVES=N (40)
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

MOVES = int(os.environ.get('GODWIT_MOVES', '40'))


def run(argv):
    rng = promises.seed_of(argv)
    want = promises.unmoved(['cputime'])
    assert want[0] == 0, f'cputime fails without being moved: {want}'
    y = promises.start_yard()
    p = promises.Program(['cputime', 'hosts'], keep_running=True)
    try:
        done, end = 0, time.monotonic() + 120
        while done < MOVES:
            assert time.monotonic() < end and not p.ended(), f'only {done} moves: {y.ended.get(p.pid)}'
            r, _, _, _, text = y.move(p.pid, rng.choice(promises.HOSTS))
            assert r == 0 or -r in promises.HARMLESS, text
            done += r == 0
            y.pump(rng.random() * 0.05)
        got = p.finish(y.pump)
        assert got == want, f'after {done} moves: {got} instead of {want}'
        assert not promises.lost(y, [p.pid])
        homes = [text for how, text in y.ended.get(p.pid, []) if how == 'home']
        assert not homes, f'it was to stay on hosts: {homes}'
    finally:
        p.close()
    promises.check_nothing_left(y)


promises.main(run)
