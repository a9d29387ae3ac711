#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A call that any handler ends with EINTR (epoll_wait, signal(7)) is ended by a signal also while the process just moves.

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
EPOLL_WAIT = '232'
PROGRAM = f'''
import os, select, signal
class Came(Exception): pass
def handler(*a): raise Came
signal.signal(signal.SIGUSR1, handler)
e = select.epoll()
while True:
    try:
        e.poll({WAIT})
    except Came:
        os.write(1, b"x")
'''


def waits(pid):
    """The process, or its deputy, is in the call."""
    with contextlib.suppress(OSError), open(f'/proc/{pid}/syscall') as f:
        return f.read().split()[0] == EPOLL_WAIT
    return False


def run(argv):
    rng = promises.seed_of(argv)
    y = promises.start_yard()
    p = promises.Program([os.path.realpath(sys.executable), '-c', PROGRAM])
    moves = 0
    try:
        for i in range(TRIES):
            promises.wait_until('it waits', lambda: waits(p.pid), 60, y.pump)
            y.send(f'move {p.pid} {rng.choice(promises.HOSTS + ["home"])}')
            y.pump(rng.random() * 0.08)
            os.kill(p.pid, signal.SIGUSR1)
            promises.wait_until(f'the end of call {i}', lambda i=i: os.path.getsize(f'{p.dir}.out') > i, SOON, y.pump)
            moves += y.wait_line(f'moved {p.pid}').split()[3] == '0'
            assert not p.ended() and not promises.lost(y, [p.pid]), f'it was lost: {y.ended}'
        assert os.path.getsize(f'{p.dir}.out') == TRIES, 'a signal came twice'
        assert moves > TRIES // 3, f'only {moves} moves'
        print(f'{moves} moves')
    finally:
        p.close()
        promises.check_nothing_left(y)


promises.main(run)
