#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 900
"""Runtimes with threads of their own making, moved at random: the result and exit code of a run that was not moved.

  runtimes.py [--seed N] [NAME...]      python java node go openmp; GODWIT_AT_ONCE=N (3) at once

The sources are in tests/apps/src: each repeats a computation with one right result until it is told to stop.
"""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import apps
import promises

MOVES = 40 if apps.FULL else 20
BUDGET = 300
CODE = 7    # what each ends with when all its rounds were right


def one(y, name, rng):
    top = tempfile.mkdtemp(prefix='godwit-apps-')
    p = None
    try:
        command = apps.built(name, top)
        os.mkdir(f'{top}/at')
        open(f'{top}/at/stop', 'w').close()
        want = promises.unmoved(command, cwd=f'{top}/at')
        assert want[0] == CODE, f'{name} fails without being moved: {want}'
        os.unlink(f'{top}/at/stop')
        p = promises.Program(command, cwd=f'{top}/at')
        herd = apps.Herd(y, rng, lambda: [p.pid], pause=0.15)
        herd.until(f'{MOVES} moves of {name}', lambda: herd.total() >= MOVES or p.ended(), BUDGET)
        open(f'{top}/at/stop', 'w').close()
        got = p.finish(herd.pump, BUDGET)
        bad = apps.difference(name, want, got) + [f'{name}: {x}' for x in herd.lost]
        if herd.total() < MOVES and not bad:
            bad.append(f'{name}: only {herd.total()} of {MOVES} moves were possible')
        herd.settle()
        return bad, herd.told()
    finally:
        if p:
            p.close()
        shutil.rmtree(top, ignore_errors=True)


def run(argv):
    rng = promises.seed_of(argv)
    names = apps.present(apps.RUNTIMES, promises.names_of(argv) or list(apps.RUNTIMES))
    bad = promises.in_parallel(names, lambda y, name: one(y, name, promises.luck_of(rng, name)))
    assert not bad, f'{len(bad)} runtimes went wrong'


promises.main(run)
