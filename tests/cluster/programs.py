#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 900
"""Each program of tests/programs: not moved, moved once, and moved at random moments: the same bytes, the same code.

  programs.py [--seed N] [NAME...]      GODWIT_FULL=1: 50 moves instead of 12; GODWIT_AT_ONCE=N (3) programs at once
"""
import difflib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

MOVES = 50 if os.environ.get('GODWIT_FULL') == '1' else 12
LATER = 'ANOTHER ROUND SAYS'
BUDGET = 120 # seconds for them; a program lasts until it has had its moves


def move_some(y, p, rng, wanted, refusals):
    """Moves until `wanted` have succeeded, the program and its children. Returns how many did, and whom they concerned."""
    done, pids = 0, {p.pid}
    end = time.monotonic() + BUDGET
    while done < wanted and time.monotonic() < end and not p.ended():
        # Its children are as interesting as it is, but the most of them live for a moment only.
        pid = rng.choice(p.descendants()) if rng.random() < 0.6 else p.pid
        pids.add(pid)
        r, _, _, _, text = y.move(pid, rng.choice(promises.HOSTS + ['home']))
        done += r == 0
        if r and -r not in promises.HARMLESS:
            refusals.add(text.replace(str(pid), 'PID'))
        y.pump(rng.random() * 0.03)
    return done, pids


def compare(name, how, want, got):
    """None, or where the two differ. A program that says something else in a later round has said both."""
    if want == got:
        return None
    lines, moved = want[1].decode().splitlines(), got[1].decode().splitlines()
    if LATER in moved:
        lines, moved = moved[:moved.index(LATER)], moved[moved.index(LATER) + 1:]
    text = '\n'.join(difflib.unified_diff(lines, moved, 'not moved', how, n=3, lineterm=''))
    return f'{name}, {how}: code {got[0]} instead of {want[0]}\n{text[:3000]}'


def one(y, name, rng):
    """Returns a list of complaints, and what was refused."""
    bad, refusals = [], set()
    want = promises.unmoved([name])
    if want[0] != 0:
        return [f'{name} fails without being moved: {want}'], ''
    for how, wanted in (('moved once', 1), (f'moved {MOVES} times', MOVES)):
        p = promises.Program([name], keep_running=True)
        try:
            done, pids = move_some(y, p, rng, wanted, refusals)
            got = p.finish(y.pump)
            bad += [c for c in [compare(name, how, want, got)] if c]
            if done < wanted and not bad:
                bad.append(f'{name}: only {done} of {wanted} moves were possible')
            bad += [f'{name}, {how}: {x}' for x in promises.lost(y, pids)]
        except (AssertionError, promises.yard.Lost) as e:
            bad.append(f'{name}, {how}: {e} {y.ended.get(p.pid)}')
        finally:
            p.close()
        if bad:
            break
    return bad, '; '.join(f'refused: {text}' for text in sorted(refusals))


def run(argv):
    rng = promises.seed_of(argv)
    names = promises.names_of(argv) or promises.all_programs()
    bad = promises.in_parallel(names, lambda y, name: one(y, name, promises.luck_of(rng, name)))
    assert not bad, f'{len(bad)} promises broken'
    assert len(names) > 150 or promises.names_of(argv), 'programs are missing'


promises.main(run)
