#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 600
"""Each program of tests/programs: not moved, moved once, and moved at random moments: the same bytes, the same code.

  programs.py [--seed N] [NAME...]      GODWIT_FULL=1: 50 moves instead of 20
"""
import collections
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

MOVES = 50 if os.environ.get('GODWIT_FULL') == '1' else 20
BUDGET = 120 # seconds for them; a program lasts until it has had its moves
# Programs whose children are as interesting as they are.
FAMILIES = {'main-leaves', 'thread-forks', 'forks', 'ends', 'jobs', 'pipes', 'queue', 'sockets', 'calls'}


def all_programs():
    d = f'{promises.yard.BUILD}/tests/programs'
    return sorted(n for n in os.listdir(d) if os.path.isfile(f'{d}/{n}') and os.access(f'{d}/{n}', os.X_OK))


def move_some(y, p, rng, wanted, refusals, budget):
    """Moves until `wanted` have succeeded. Returns how many did, and whom they concerned."""
    done, pids = 0, {p.pid}
    end = time.monotonic() + budget
    while done < wanted and time.monotonic() < end and not p.ended():
        pid = rng.choice(p.descendants()) if p.name in FAMILIES and rng.random() < 0.6 else p.pid
        pids.add(pid)
        r, _, _, _, text = y.move(pid, rng.choice(promises.HOSTS + ['home']))
        done += r == 0
        if r and -r not in promises.HARMLESS:
            refusals[f'{p.name}: {text}'.replace(str(pid), 'PID')] += 1
        y.pump(rng.random() * 0.03)
    return done, pids


def compare(name, how, want, got):
    if want == got:
        return None
    return f'{name}, {how}: code {got[0]} instead of {want[0]}\n--- not moved\n{want[1].decode()[-1500:]}' \
           f'--- {how}\n{got[1].decode()[-1500:]}'


def one(y, name, rng, refusals):
    """Returns a list of complaints."""
    bad = []
    want = promises.unmoved([name])
    if want[0] != 0:
        return [f'{name} fails without being moved: {want}']
    for how, wanted in (('moved once', 1), (f'moved {MOVES} times', MOVES)):
        p = promises.Program([name], keep_running=True)
        try:
            done, pids = move_some(y, p, rng, wanted, refusals, BUDGET)
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
    return bad


def run(argv):
    rng = promises.seed_of(argv)
    names = promises.names_of(argv) or all_programs()
    refusals = collections.Counter()
    y = promises.start_yard()
    bad = []
    for name in names:
        begun = time.monotonic()
        complaints = one(y, name, rng, refusals)
        bad += complaints
        print(f'{name}: {"FAILED" if complaints else "ok"} {time.monotonic() - begun:.1f} s', flush=True)
        for c in complaints:
            print('   ' + c, flush=True)
    promises.check_nothing_left(y)
    for text, n in refusals.most_common():
        print(f'refused {n} times: {text}')
    assert not bad, f'{len(bad)} promises broken'
    assert len(names) > 20 or len(argv) > 1, 'programs are missing'


promises.main(run)
