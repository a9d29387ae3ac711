#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A coming home that fails is tried again: for a signal, for a call that is done at home, for a node that leaves.

Afterwards each signal has run its handler once and in order, and the guest that waited goes on; or, when it is given up, the
process has ended by SIGKILL with a word about it, or stays where it is because nothing forces it home.
"""
import errno
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises



def waits(pid, sig):
    """Is the signal waiting to be taken?"""
    with open(f'/proc/{pid}/status') as f:
        fields = dict(line.split(':', 1) for line in f)
    return (int(fields['ShdPnd'], 16) | int(fields['SigPnd'], 16)) >> (sig - 1) & 1


def times(point, n):
    return ','.join(f'{point}:{i + 1}' for i in range(n))


def out(y, argv, fault):
    """The program, away on h1, with a shepherd that has these faults."""
    p = promises.Program(argv, keep_running=True)
    y.ended.pop(p.pid, None)
    try:
        promises.wait_until('it is ready', lambda: os.path.getsize(f'{p.dir}.out') or argv[0] != 'heard', 60, y.pump)
        y.send(f'fault shepherd {fault}')
        r, _, _, _, text = y.move(p.pid, 'h1', 30)
        assert r == 0, f'it is not moved: {text}'
    except BaseException:
        p.close()
        raise
    finally:
        y.send('fault shepherd -')
    return p


def home(y, p):
    promises.wait_until('it comes home', lambda: any(e[0] == 'home' for e in y.ended.get(p.pid, [])), 60, y.pump)


def signals(y, argv, fault, send=True):
    """Signals while it is away, one of each kind at least twice; home is difficult."""
    p = out(y, argv, fault)
    try:
        os.kill(p.pid, signal.SIGUSR1)
        for i in range(3):
            promises.queue(p.pid, i)
        os.kill(p.pid, signal.SIGUSR2)
        home(y, p)
        # Beyond a move that has nothing in its way.
        r, _, _, _, text = y.move(p.pid, 'h2', 30)
        assert r == 0, f'it does not move afterwards: {text}'
        code, got = p.finish(y.pump, 30)
        assert code == 0 and got == b'ready\n2 plain, 3 queued, 0 wrong\n', f'code {code}, it says {got}'
        assert not promises.lost(y, [p.pid]), promises.lost(y, [p.pid])
    finally:
        p.close()


def calls(y, fault):
    """A guest that makes calls for home all the time."""
    want = promises.unmoved(['pipe-vmsplice'])
    p = out(y, ['pipe-vmsplice'], fault)
    try:
        home(y, p)
        got = p.finish(y.pump, 30)
        assert got == want, f'{got} instead of {want}'
    finally:
        p.close()


def given_up(y):
    p = out(y, ['heard', 'home'], 'shep-rebuilt:1,shep-again:1')
    try:
        os.kill(p.pid, signal.SIGUSR1)
        promises.wait_until('its end', p.ended, 60, y.pump)
        assert p.code == -signal.SIGKILL, f'ended with {p.code}'
        promises.wait_until('a word about it', lambda: promises.lost(y, [p.pid]), 60, y.pump)
        text = promises.lost(y, [p.pid])[0]
        assert 'cannot be taken home' in text, text
    finally:
        p.close()


def leaving(y, fault, stays):
    """SIGTERM tells a shepherd to bring its process home. Nothing is wrong when that is not possible."""
    p = out(y, ['heard', 'home'], fault)
    try:
        shepherd = y.helpers(p.pid)[0]
        os.kill(shepherd, signal.SIGTERM)
        if stays:
            promises.wait_until('the shepherd has seen the signal', lambda: not waits(shepherd, signal.SIGTERM), 60, y.pump)
            # What it is asked now, it answers when it has given up.
            r, _, _, _, text = y.move(p.pid, 'h1', 30)
            assert r == -errno.EALREADY, f'it does not stay: {r} {text}'
            os.kill(p.pid, signal.SIGUSR1)
        home(y, p)
        code, got = p.finish(y.pump, 30)
        assert code == 0 and got == b'ready\n%d plain, 0 queued, 0 wrong\n' % stays, f'code {code}, it says {got}'
    finally:
        p.close()


def run(argv):
    y = promises.start_yard()
    cases = [
        ('signals while it computes, not rebuilt', lambda: signals(y, ['heard', 'home'], times('shep-rebuilt', 3))),
        ('signals while it waits, not rebuilt', lambda: signals(y, ['heard', 'wait', 'home'], times('shep-rebuilt', 3))),
        ('signals while it computes, not stopped', lambda: signals(y, ['heard', 'home'], times('shep-settle', 2))),
        ('signals while it waits, not stopped', lambda: signals(y, ['heard', 'wait', 'home'], times('shep-settle', 2))),
        ('a call, not rebuilt', lambda: calls(y, times('shep-rebuilt', 2))),
        ('a call, not stopped', lambda: calls(y, times('shep-settle', 2))),
        ('a signal, given up', lambda: given_up(y)),
        ('its node leaves, not rebuilt', lambda: leaving(y, times('shep-rebuilt', 2), 0)),
        ('its node leaves, given up', lambda: leaving(y, 'shep-rebuilt:1,shep-again:1', 1)),
    ]
    promises.each_case(y, cases)


promises.main(run)
