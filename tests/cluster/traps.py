#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of a process's own instructions run their handlers on the host: it does not come home for them.

A program that finds its writes by faults stays away for thousands of them, and so does one with several threads and a timer.
"""
import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

FAULTS = 1000


def switches(pid):
    """How often its threads have slept: a deputy does so for each fault, and for each call."""
    n = 0
    for tid in os.listdir(f'/proc/{pid}/task'):
        with contextlib.suppress(OSError), open(f'/proc/{pid}/task/{tid}/status') as f:
            n += int(dict(line.split(':', 1) for line in f)['voluntary_ctxt_switches'])
    return n


def progress(pid):
    """Something that is true after a while. Threads that end take their count with them: then only steps up count."""
    seen = [switches(pid), 0]

    def enough():
        now = switches(pid)
        seen[1] += max(now - seen[0], 0)
        seen[0] = now
        return seen[1] > 4 * FAULTS
    return enough


def stays_away(y, argv, hosts):
    """Thousands of faults on each of the hosts."""
    want = promises.unmoved(argv)
    assert want[0] == 0, f'{argv} fails without being moved: {want}'
    y.made.clear()
    p = promises.Program(argv, keep_running=True)
    y.ended.pop(p.pid, None)
    try:
        for host in hosts:
            assert not y.ended.get(p.pid), f'it came home by itself: {y.ended[p.pid]}'
            r, _, _, _, text = y.move(p.pid, host, 60)
            assert r == 0, f'it is not moved to {host}: {text}'
            promises.wait_until('faults', progress(p.pid), 60, y.pump)
        assert not y.ended.get(p.pid), f'it came home by itself: {y.ended[p.pid]}'
        r, _, _, _, text = y.move(p.pid, 'home', 60)
        assert r == 0, f'it is not moved home: {text}'
        got = p.finish(y.pump, 60)
        assert got == want, f'{got} instead of {want}'
        assert not promises.lost(y, [p.pid]), promises.lost(y, [p.pid])
        n = y.made.get('rt_sigreturn', [0])[0]
        assert n > FAULTS, f'only {n} handlers have returned on the hosts: {y.made}'
    finally:
        p.close()


def run(argv):
    y = promises.start_yard()
    promises.each_case(y, [
        ('one thread', lambda: stays_away(y, ['trap-barrier', '200'], ['h1', 'h2'])),
        # A tick of its timer that came in the midst of a move would take it home.
        ('several threads', lambda: stays_away(y, ['trap-threads', '500'], ['h1'])),
    ])


promises.main(run)
