#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A call that any handler ends with EINTR (epoll_wait, a futex, signal(7)) is ended by a signal also while the process just moves.

  cut-short.py [--seed N]

The kernel ends such a call at each stop, also at that of a move, after which it is made again. A signal that comes in between
has come during the call: were the call made again after the handler, nothing would end it any more.
"""
import contextlib
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

TRIES = 60
WAIT = 30  # seconds that the call would last
SOON = 10
CALLS = {'epoll_wait': ('232', f'select.epoll().poll({WAIT})'), 'futex': ('202', f'lock.acquire(timeout={WAIT})')}
# Python runs the handler when the call has been cut off, and makes the call again.
PROGRAM = '''
import os, select, signal, threading
signal.signal(signal.SIGUSR1, lambda *a: os.write(1, b"x"))
lock = threading.Lock()
lock.acquire()
while True: CALL
'''


def in_call(pid, nr):
    with contextlib.suppress(OSError), open(f'/proc/{pid}/syscall') as f:
        return f.read().split()[0] == nr
    return False


def waits(y, pid, nr):
    """The process, its deputy, or the guest is in the call."""
    if in_call(pid, nr):
        return True
    agent = y.helpers(pid)[1]
    with contextlib.suppress(OSError), open(f'/proc/{agent}/task/{agent}/children') as f:
        return any(in_call(child, nr) for child in f.read().split())
    return False


def one(y, rng, name):
    nr, call = CALLS[name]
    p = promises.Program([os.path.realpath(sys.executable), '-IS', '-c', PROGRAM.replace('CALL', call)])
    moves = 0
    try:
        for i in range(TRIES):
            promises.wait_until('it waits', lambda: waits(y, p.pid, nr), 60, y.pump)
            y.send(f'move {p.pid} {rng.choice(promises.HOSTS + ["home"])}')
            y.pump(rng.random() * 0.08)
            os.kill(p.pid, signal.SIGUSR1)
            promises.wait_until(f'the end of {name} {i}', lambda i=i: os.path.getsize(f'{p.dir}.out') > i, SOON, y.pump)
            moves += y.wait_line(f'moved {p.pid}').split()[3] == '0'
            assert not p.ended() and not promises.lost(y, [p.pid]), f'it was lost: {y.ended}'
        assert os.path.getsize(f'{p.dir}.out') == TRIES, 'a signal came twice'
        assert moves > TRIES // 3, f'only {moves} moves'
        print(f'{name}: {moves} moves', flush=True)
    finally:
        p.close()


def run(argv):
    rng = promises.seed_of(argv)
    y = promises.start_yard()
    try:
        for name in CALLS:
            one(y, rng, name)
    finally:
        promises.check_nothing_left(y)


promises.main(run)
