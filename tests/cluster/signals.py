#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Handlers run on the host: the process does not come home for them, and has each signal once.

Signals from outside while it computes and while it waits in a call; a timer that interrupts all it does, with moves in between;
handlers that begin on one node and return on another.
"""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

ROUNDS = 30


def move(y, p, host):
    r, _, _, _, text = y.move(p.pid, host, 60)
    assert r == 0, f'it is not moved to {host}: {text}'


def waiting(pid):
    """The signals that wait to be taken."""
    with open(f'/proc/{pid}/status') as f:
        fields = dict(line.split(':', 1) for line in f)
    return int(fields['ShdPnd'], 16) | int(fields['SigPnd'], 16)


def from_outside(y, argv, places):
    """One of each kind at a time; places says where it is moved before each round."""
    p = promises.Program(argv, keep_running=True)
    y.ended.pop(p.pid, None)
    try:
        promises.wait_until('it is ready', lambda: os.path.getsize(f'{p.dir}.out'), 60, y.pump)
        move(y, p, 'h1')
        homes = 0
        for i in range(ROUNDS):
            if places and i % 3 == 0:
                move(y, p, places[i // 3 % len(places)])
                homes += places[i // 3 % len(places)] == 'home'
            os.kill(p.pid, signal.SIGUSR1)
            promises.queue(p.pid, i)
            promises.wait_until('the deputy has taken them', lambda: not waiting(p.pid), 60, y.pump)
        came = sum(e[0] == 'home' for e in y.ended.get(p.pid, []))
        assert came == homes, f'it came home {came} times, of which {homes} were ordered: {y.ended.get(p.pid)}'
        code, got = p.finish(y.pump, 30)
        assert code == 0 and got == b'ready\n%d plain, %d queued, 0 wrong\n' % (ROUNDS, ROUNDS), f'code {code}, it says {got}'
        assert not promises.lost(y, [p.pid]), promises.lost(y, [p.pid])
    finally:
        p.close()


def bursts(y, argv):
    """Queued ones come while it is on its way: none is lost, and none overtakes another."""
    p = promises.Program(argv, keep_running=True)
    y.ended.pop(p.pid, None)
    try:
        promises.wait_until('it is ready', lambda: os.path.getsize(f'{p.dir}.out'), 60, y.pump)
        move(y, p, 'h1')
        sent = 0
        for i in range(ROUNDS):
            y.lines.clear()
            y.send(f'move {p.pid} {("h2", "home", "h1", "h3")[i % 4]}')
            for _ in range(8):
                promises.queue(p.pid, sent)
                sent += 1
                y.pump(0.002)
            promises.wait_until('the answer to the move', lambda: any(x.startswith(f'moved {p.pid} ') for x in y.lines), 60, y.pump)
        promises.wait_until('all are taken', lambda: not waiting(p.pid), 60, y.pump)
        code, got = p.finish(y.pump, 30)
        assert code == 0 and got == b'ready\n0 plain, %d queued, 0 wrong\n' % sent, f'{sent} sent, code {code}, it says {got}'
        assert not promises.lost(y, [p.pid]), promises.lost(y, [p.pid])
    finally:
        p.close()


def state(pid):
    with open(f'/proc/{pid}/stat') as f:
        return f.read().rsplit(')', 1)[1].split()[0]


def stops(y, rng, name):
    """SIGSTOP comes at any moment of a move; the process is stopped then, until SIGCONT."""
    want = promises.unmoved([name])
    p = promises.Program([name], keep_running=True)
    y.ended.pop(p.pid, None)
    try:
        for i in range(ROUNDS):
            y.lines.clear()
            y.send(f'move {p.pid} {("h1", "h2", "home")[i % 3]}')
            y.pump(rng.random() * 0.02)
            os.kill(p.pid, signal.SIGSTOP)
            promises.wait_until('the answer to the move', lambda: any(x.startswith(f'moved {p.pid} ') for x in y.lines), 60, y.pump)
            seen = []

            # Away it is stopped as well, but traced; a deputy stands only for moments otherwise.
            def stopped(seen=seen):
                seen.append(state(p.pid) in 'Tt')
                return len(seen) > 9 and all(seen[-9:])
            promises.wait_until(f'it is stopped (round {i})', stopped, 60, y.pump)
            os.kill(p.pid, signal.SIGCONT)
            promises.wait_until(f'it goes on (round {i})', lambda: state(p.pid) not in 'Tt', 60, y.pump)
        got = p.finish(y.pump, 60)
        assert got == want, f'{got} instead of {want}'
        assert not promises.lost(y, [p.pid]), promises.lost(y, [p.pid])
    finally:
        p.close()


def killed(y, rng, name):
    """Its user ends it at any moment of a move: it has ended then, and was not lost."""
    for i in range(ROUNDS):
        p = promises.Program([name], keep_running=True)
        y.ended.pop(p.pid, None)
        try:
            if i % 2:
                move(y, p, 'h1')
            y.lines.clear()
            y.send(f'move {p.pid} {("h2", "home")[i % 2 and i % 3 == 0]}')
            y.pump(rng.random() * 0.04)
            os.kill(p.pid, signal.SIGKILL)
            promises.wait_until('its end', p.ended, 60, y.pump)
            promises.wait_until('the answer to the move', lambda: any(x.startswith(f'moved {p.pid} ') for x in y.lines), 60, y.pump)
            assert p.code == -signal.SIGKILL and not promises.lost(y, [p.pid]), f'round {i}: {p.code} {y.ended.get(p.pid)}'
        finally:
            p.close()


def timer(y, name):
    """It gets a signal each few ms, and stays away until it is called home."""
    want = promises.unmoved([name])
    p = promises.Program([name], keep_running=True)
    y.ended.pop(p.pid, None)
    try:
        for host in ('h1', 'h2', 'h3'):
            move(y, p, host)
            y.pump(0.2)
            assert not y.ended.get(p.pid), f'it left {host} by itself: {y.ended[p.pid]}'
        move(y, p, 'home')
        got = p.finish(y.pump, 60)
        assert got == want, f'{got} instead of {want}'
    finally:
        p.close()


IN_FLIGHT = '''
import signal, socket, time
class Came(Exception):
    pass
def come(*_):
    raise Came
signal.signal(signal.SIGUSR1, come)
near, far = socket.socketpair()
def receive(seconds):
    pause()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    near.recv(1)
far.send(b"x")
receive(0.1)  # so that it has its memory there
try:
    receive(2)
except Came:
    print("cut off")
'''


def in_flight(y):
    """A call is on its way home when a signal comes: it is cut off, as one that began in time. The shepherd stands meanwhile."""
    p = promises.Program([sys.executable, '-IS', '-c', promises.PAUSE + IN_FLIGHT], boundaries=True)
    y.ended.pop(p.pid, None)
    try:
        assert promises.at_pause(y, p), f'it does not begin: {p.finish(y.pump)}'
        move(y, p, 'h1')
        guest, shepherd, seen = promises.guest_of(y, p.pid), y.helpers(p.pid)[0], []

        def steadily(what):
            seen.append(state(guest))
            return len(seen) > 9 and all(x == what for x in seen[-9:])
        p.go(p.pid)
        assert promises.at_pause(y, p), f'it does not go on: {p.finish(y.pump)}'
        p.go(p.pid)
        promises.wait_until('it computes', lambda: steadily('R'), 60, y.pump)
        os.kill(shepherd, signal.SIGSTOP)
        try:
            promises.wait_until('it waits for its call', lambda: steadily('S'), 60)
            os.kill(p.pid, signal.SIGUSR1)
        finally:
            os.kill(shepherd, signal.SIGCONT)
        got = p.finish(y.pump, 30)
        assert got == (0, b'cut off\n'), got
        assert not y.ended.get(p.pid) or y.ended[p.pid][0][0] == 'done', f'it came home: {y.ended}'
    finally:
        p.close()


def run(argv):
    rng = promises.seed_of(argv)
    y = promises.start_yard()
    cases = [
        ('while it computes', lambda: from_outside(y, ['heard'], [])),
        ('while it waits', lambda: from_outside(y, ['heard', 'wait'], [])),
        ('while it computes and is moved', lambda: from_outside(y, ['heard'], ['h2', 'h3', 'home', 'h1'])),
        ('while it waits and is moved', lambda: from_outside(y, ['heard', 'wait'], ['h2', 'h3', 'home', 'h1'])),
        ('while it computes, and is on its way', lambda: bursts(y, ['heard'])),
        ('while it waits, and is on its way', lambda: bursts(y, ['heard', 'wait'])),
        ('SIGSTOP at any moment', lambda: stops(y, rng, 'cpu')),
        ('SIGKILL at any moment', lambda: killed(y, rng, 'steady')),
        ('while its call is on its way', lambda: in_flight(y)),
        ('a timer', lambda: timer(y, 'ticks')),
    ]
    promises.each_case(y, cases)


promises.main(run)
