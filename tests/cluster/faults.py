#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every fault point of shepherd and agent in turn, by error and by kill; then kills of both at random moments.

Afterwards the process is alive in exactly one place, can be moved again and ends with the right output; or, only at the
points that CASES names, it has ended by SIGKILL and the yard was told why. Nothing is left behind.

  faults.py [--seed N] [POINT...]      GODWIT_KILLS=N: random kills (24)
"""
import errno
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

DEF = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../src/base/fault.def')
KILLS = int(os.environ.get('GODWIT_KILLS', '24'))

# What is done with a process at home, and the passing of the point that fails: "out" to h1; "call" out, and it makes calls
# there; "signal" out, and handlers begin there; "trap" out, and its own instructions fail there; "stop" out, and it is stopped;
# "view" out, and it reads files of /proc/self there;
# "exec" out, and it executes itself; "back" out and home; "on" out and to h2, where a second agent is started.
# Then what becomes of the process by error and by kill. It may be lost only when its memory is in one place and the
# helper that dies has it: home's dies while the process is away, or the host's while it is there.
STAYS, LOST = 'stays', 'lost'
CASES = {
    'shep-ordered': [('out', 1, STAYS, STAYS), ('on', 2, STAYS, LOST)],
    'shep-connected': [('out', 1, STAYS, STAYS)],
    'shep-ahead': [('out', 1, STAYS, STAYS)],
    # The kernel must not let the process go on with registers of ours.
    'shep-asked': [('out', 1, STAYS, LOST)],
    'shep-frozen': [('out', 1, STAYS, STAYS)],
    'shep-image-sent': [('out', 1, STAYS, STAYS)],
    'shep-ready': [('out', 1, STAYS, STAYS), ('on', 2, STAYS, LOST)],
    'shep-go-sent': [('out', 1, STAYS, STAYS), ('on', 2, STAYS, LOST)],
    'shep-started': [('out', 1, STAYS, STAYS)],
    'shep-deputy': [('out', 1, LOST, LOST)],
    'shep-call': [('call', 1, LOST, LOST)],
    'shep-reply': [('call', 1, LOST, LOST)],
    'shep-view': [('view', 1, STAYS, LOST)],
    'guest-view': [('view', 1, STAYS, LOST)],
    'shep-halt': [('stop', 1, LOST, LOST)],
    'guest-halt': [('stop', 1, LOST, LOST)],
    'shep-signal': [('signal', 1, LOST, LOST)],
    'shep-trap': [('trap', 1, LOST, LOST)],
    'guest-trap': [('trap', 1, LOST, LOST)],
    'guest-signal': [('signal', 1, LOST, LOST)],
    'shep-freeze-sent': [('back', 1, LOST, LOST), ('on', 1, LOST, LOST)],
    'shep-rebuilt': [('back', 1, STAYS, LOST)],
    'shep-kill-sent': [('back', 1, LOST, LOST)],
    'shep-relayed': [('on', 1, STAYS, LOST)],
    'shep-exec': [('exec', 1, LOST, LOST)],
    'shep-settle': [('back', 1, STAYS, LOST), ('on', 1, STAYS, LOST)],
    # A call or a signal brings it home and that fails: come-home.py has what follows.
    'shep-again': [],
    'guest-ordered': [('out', 1, STAYS, STAYS), ('on', 1, STAYS, STAYS)],
    'guest-prepared': [('out', 1, STAYS, STAYS), ('on', 1, STAYS, STAYS)],
    'guest-hello': [('out', 1, STAYS, STAYS), ('on', 1, STAYS, STAYS)],
    'guest-ahead': [('out', 1, STAYS, STAYS)],
    'guest-image': [('out', 1, STAYS, STAYS), ('on', 1, STAYS, STAYS)],
    'guest-built': [('out', 1, STAYS, STAYS), ('on', 1, STAYS, STAYS)],
    'guest-go': [('out', 1, STAYS, STAYS), ('on', 1, STAYS, STAYS)],
    'guest-started': [('out', 1, STAYS, STAYS), ('on', 1, STAYS, STAYS)],
    'guest-call': [('call', 1, LOST, LOST)],
    # Needs a program that maps files: mapped.py has it.
    'guest-map': [],
    # Or one that forks: family.py has them.
    'shep-fork': [], 'shep-birth': [], 'guest-fork': [],
    'guest-freeze': [('back', 1, LOST, LOST)],
    # Home has the whole image by then.
    'guest-image-sent': [('back', 1, STAYS, STAYS)],
}


def points():
    with open(DEF) as f:
        names = re.findall(r'^FAULT\(\d+, ((?:SHEP|GUEST)_\w+),', f.read(), re.M)
    return [n.lower().replace('_', '-') for n in names]


class Field:
    def __init__(self):
        self.y = promises.start_yard()
        self.watcher = promises.Watcher()
        self.want = promises.unmoved(['steady'])
        assert self.want[0] == 0, f'steady fails without being moved: {self.want}'

    def fault(self, kind, text):
        self.y.send(f'fault {kind} {text}')

    def start(self, name='steady'):
        p = promises.Program([name], keep_running=True)
        self.y.ended.pop(p.pid, None)
        return p

    def move(self, p, host):
        """One that is just reading a file of /proc/self is asked again."""
        end = time.monotonic() + 60
        while True:
            got = self.y.move(p.pid, host, 60)
            if got[0] != -errno.EBUSY or time.monotonic() > end:
                return got

    def must_move(self, p, host):
        r, _, _, _, text = self.move(p, host)
        assert r == 0, f'cannot be moved to {host}: {r} {text}'

    def alive_and_right(self, p):
        """In one place; goes on as if nothing had been."""
        assert not p.ended(), f'ended ({p.code}), although it must stay: {self.y.ended.get(p.pid)}'
        self.watcher.exactly_one(p, pump=self.y.pump)
        # Home first if it is away, so that the moves after that are from a known place.
        self.y.move(p.pid, 'home')
        for host in ('h3', 'h1', 'home'):
            self.must_move(p, host)
        got = p.finish(self.y.pump)
        want = self.want if p.name == 'steady' else promises.unmoved([p.name])
        assert got == want, f'{got} instead of {want}'

    def lost_in_order(self, p):
        promises.wait_until('its end', p.ended, 60, self.y.pump)
        assert p.code == -signal.SIGKILL, f'ended with {p.code}, not by SIGKILL'
        promises.wait_until('a word about its end', lambda: promises.lost(self.y, [p.pid]), 60, self.y.pump)
        how, text = [e for e in self.y.ended[p.pid] if e[0] in ('lost', 'killed')][0]
        assert how == 'killed' or 'ended by SIGKILL' in text, f'the message is "{text}"'
        places, where = self.watcher.places(p.cookie)
        promises.wait_until(f'no place ({places}: {where})', lambda: self.watcher.places(p.cookie)[0] == 0, 60, self.y.pump)

    def helpers_gone(self):
        """Of all that carries the mark only the yard remains."""
        def gone():
            return all(name == 'yard' for name in promises.parts_of_test().values())
        try:
            promises.wait_until('helpers are gone', gone, 60, self.y.pump)
        except AssertionError:
            raise AssertionError(f'left behind: {promises.parts_of_test()}') from None

    def close(self):
        self.watcher.close()
        promises.check_nothing_left(self.y)


def one(f, name, leg, nth, mode, outcome):
    kind = 'agent' if name.startswith('guest') else 'shepherd'
    p = f.start({'signal': 'ticks', 'exec': 'execs', 'trap': 'trap-barrier', 'view': 'proc-status'}.get(leg, 'steady'))
    try:
        second = leg == 'on' and kind == 'agent'
        if not second:
            f.fault(kind, f'{name}:{nth}:{mode}')
        if leg == 'out':
            f.y.move(p.pid, 'h1', 60)
        else:
            # A fault at a call may come before the move is reported.
            r = f.move(p, 'h1')[0]
            assert r == 0 or leg in ('call', 'signal', 'trap', 'view', 'exec'), f'the first move fails: {r}'
        if second:
            f.fault(kind, f'{name}:{nth}:{mode}')
        if leg in ('back', 'on'):
            r, _, _, _, text = f.y.move(p.pid, 'home' if leg == 'back' else 'h2', 60)
            # The fault point must have been reached.
            assert r or name == 'guest-image-sent', 'the move succeeds in spite of the fault'
        if leg == 'stop':
            os.kill(p.pid, signal.SIGSTOP)
        if leg in ('call', 'signal', 'trap', 'view', 'stop') and outcome == LOST:
            promises.wait_until('the fault', p.ended, 60, f.y.pump)
        if leg == 'view' and outcome == STAYS:
            promises.wait_until('it has come home', lambda: f.y.ended.get(p.pid), 60, f.y.pump)
        if leg == 'exec': # it may have come home for something else
            promises.wait_until('the fault', lambda: p.ended() or not f.y.move(p.pid, 'h1', 60), 60, f.y.pump)
        f.fault(kind, '-')
        if outcome == STAYS:
            f.alive_and_right(p)
        else:
            f.lost_in_order(p)
        f.helpers_gone()
    finally:
        f.fault(kind, '-')
        p.close()


def random_kill(f, rng):
    """Moves are under way; at some moment one helper is gone. Returns what became of the process."""
    p = f.start()
    try:
        f.y.send(f'move {p.pid} h1')
        f.y.pump(rng.random() * 0.05)
        if rng.random() < 0.7:
            promises.wait_until('the first move', lambda: any(x.startswith(f'moved {p.pid} ') for x in f.y.lines), 60, f.y.pump)
            f.y.lines.clear()
            f.y.send(f'move {p.pid} {rng.choice(["h2", "home", "h1"])}')
        end = time.monotonic() + rng.random() * 0.05
        while time.monotonic() < end:
            f.y.pump(max(0, end - time.monotonic()))
        victims = [pid for pid, name in promises.parts_of_test().items() if name in ('godwit-agent', 'godwit-shepherd')]
        if victims:
            try:
                os.kill(rng.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                pass
        # Either it ends, or the helpers come to rest; a program at home is not moved by itself.
        end = time.monotonic() + 0.5
        while time.monotonic() < end and not p.ended():
            f.y.pump(0.05)
        f.y.lines.clear()
        if p.ended():
            assert p.code == -signal.SIGKILL, f'ended with {p.code}'
            f.lost_in_order(p)
            result = LOST
        else:
            f.alive_and_right(p)
            result = STAYS
        f.helpers_gone()
        return result
    finally:
        p.close()


def run(argv):
    rng = promises.seed_of(argv)
    names = promises.names_of(argv)
    missing = [n for n in points() if n not in CASES]
    assert not missing, f'fault points without a case: {missing}'
    gone = [n for n in CASES if n not in points()]
    assert not gone, f'cases without a fault point: {gone}'
    f = Field()
    bad = count = 0
    try:
        for name in names or points():
            for leg, nth, error, kill in CASES[name]:
                for mode, outcome in (('error', error), ('kill', kill)):
                    count += 1
                    try:
                        one(f, name, leg, nth, mode, outcome)
                    except (AssertionError, promises.yard.Lost) as e:
                        bad += 1
                        print(f'   {name} {leg} by {mode}: {e}', flush=True)
        print(f'{count} cases of {len(names or points())} points, {bad} wrong', flush=True)
        results = []
        for i in range(0 if names else KILLS):
            try:
                results.append(random_kill(f, rng))
            except (AssertionError, promises.yard.Lost) as e:
                bad += 1
                print(f'   random kill {i}: {e}', flush=True)
        print(f'random kills: {results.count(STAYS)} went on, {results.count(LOST)} were ended by SIGKILL')
    finally:
        f.close()
    assert not bad, f'{bad} faults end badly'


promises.main(run)
