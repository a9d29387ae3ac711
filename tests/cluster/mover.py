#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 600
"""The random mover: several self-checking programs at once, moved at random among three hosts and home.

Asserts that none is lost, doubled or wrong: the watcher finds each cookie in exactly one process whenever the mover pauses,
and each program's output is that of a run that was not moved.

  mover.py [--seed N]      GODWIT_MOVES=N (1000), GODWIT_MOVE_SECONDS=N (400): whichever comes first must be the moves,
which takes about 40 s on a machine that does nothing else. GODWIT_MOVE_PROGRAMS="NAME...": only these; GODWIT_MOVE_AT_ONCE=N (6) of them
"""
import collections
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

MOVES = int(os.environ.get('GODWIT_MOVES', '1000'))
SECONDS = int(os.environ.get('GODWIT_MOVE_SECONDS', '400'))
AT_ONCE = int(os.environ.get('GODWIT_MOVE_AT_ONCE', '6'))
# Without children: a cookie is in one process then. Not execs: it throws its memory away all the time.
PROGRAMS = ['cpu', 'memory', 'files', 'timers', 'events', 'tls', 'clock', 'simd', 'x87', 'masks', 'jumps', 'segments',
            'interrupted', 'static', 'stack', 'ticks', 'steady', 'identity', 'altstack', 'sleeper',
            'places', 'reader', 'threads', 'mutexes', 'barriers', 'robust', 'cancel', 'thread-pipes', 'thread-ids',
            'thread-timeouts', 'thread-signals']
PROGRAMS = os.environ.get('GODWIT_MOVE_PROGRAMS', ' '.join(PROGRAMS)).split()
PAUSE_EVERY = 50
MOVE_DEADLINE = 120


class Mover:
    def __init__(self, rng):
        self.rng = rng
        self.y = promises.start_yard()
        self.watcher = promises.Watcher()
        self.want = {}           # name -> (code, output) of a run that was not moved
        self.running = {}        # pid -> Program
        self.next_at = {}        # pid -> when it is moved next; absent: its move is under way
        self.asked = {}          # pid -> (when, where)
        self.lives = {}          # pid -> moves that are left to it
        self.ending = {}         # pid -> by when it must have ended
        self.freezes = []
        self.moves = 0
        self.refused = collections.Counter()
        self.finished = 0

    def start_one(self):
        p = promises.Program([self.rng.choice(PROGRAMS)], keep_running=True)
        self.running[p.pid] = p
        self.y.ended.pop(p.pid, None)
        self.lives[p.pid] = self.rng.randrange(5, 60)
        self.next_at[p.pid] = time.monotonic() + self.rng.random() * 0.05

    def learn(self):
        """What each program says when it is not moved."""
        for name in PROGRAMS:
            self.want[name] = promises.unmoved([name])
            assert self.want[name][0] == 0, f'{name} fails without being moved: {self.want[name]}'

    def stop_one(self, pid):
        """It is moved on until it has ended."""
        if pid not in self.ending:
            self.running[pid].stop()
            self.ending[pid] = time.monotonic() + 60

    def end_one(self, pid):
        """It has ended: how?"""
        p = self.running[pid]
        try:
            got = p.finish(self.pump, 0)
            lost = promises.lost(self.y, [pid])
            assert not lost, f'{p.name}: {lost}'
            assert got == self.want[p.name], \
                f'{p.name} ({pid}) after {self.moves} moves: {got} instead of {self.want[p.name]}; {self.y.ended.get(pid)}'
            self.finished += 1
        finally:
            del self.running[pid]
            self.next_at.pop(pid, None)
            self.asked.pop(pid, None)
            self.ending.pop(pid, None)
            p.close()

    def pump(self, timeout):
        self.y.pump(timeout)
        now = time.monotonic()
        for line in self.y.lines:
            w = line.split(' ', 7)
            if w[0] == 'moved':
                self.moved(int(w[1]), -int(w[3]), int(w[4]), w[7] if len(w) > 7 else '')
        self.y.lines.clear()
        for pid, (since, host) in self.asked.items():
            assert now - since < MOVE_DEADLINE, \
                f'the move of {self.running[pid].name} ({pid}) to {host} takes more than {MOVE_DEADLINE} s'

    def moved(self, pid, error, freeze_us, text):
        if pid not in self.asked:
            return
        del self.asked[pid]
        self.next_at[pid] = time.monotonic() + self.rng.random() * 0.06
        if not error:
            self.moves += 1
            self.lives[pid] -= 1
            self.freezes.append(freeze_us)
        elif error not in promises.HARMLESS:
            self.refused[text.replace(str(pid), 'PID')] += 1

    def order(self):
        now = time.monotonic()
        for pid, at in list(self.next_at.items()):
            if at <= now:
                host = self.rng.choice(promises.HOSTS + ['home'])
                del self.next_at[pid]
                self.asked[pid] = (now, host)
                self.y.send(f'move {pid} {host}')

    def settle(self):
        """Waits for the moves that are under way."""
        held = dict(self.next_at)
        promises.wait_until('all moves are over', lambda: not self.asked, MOVE_DEADLINE, self.pump)
        self.next_at.update(held)

    def look(self):
        self.settle()
        for p in self.running.values():
            if not p.ended():
                self.watcher.exactly_one(p, pump=self.pump)

    def reap(self):
        for pid, p in list(self.running.items()):
            if self.lives[pid] <= 0:
                self.stop_one(pid)
            assert time.monotonic() < self.ending.get(pid, float('inf')), f'{p.name} ({pid}) does not end'
            if p.ended() and pid not in self.asked:
                self.end_one(pid)

    def run(self):
        self.learn()
        end = time.monotonic() + SECONDS
        looked = 0
        while self.moves < MOVES and time.monotonic() < end:
            while len(self.running) < AT_ONCE:
                self.start_one()
            self.order()
            self.pump(0.01)
            if self.moves - looked >= PAUSE_EVERY:
                self.look()
                looked = self.moves
            self.reap()
        self.look()
        for pid in self.running:
            self.stop_one(pid)
        while self.running:
            self.pump(0.02)
            self.reap()

    def close(self):
        for p in self.running.values():
            p.close()
        self.watcher.close()
        promises.check_nothing_left(self.y)


def run(argv):
    m = Mover(promises.seed_of(argv))
    begun = time.monotonic()
    failed = True
    try:
        m.run()
        failed = False
    finally:
        try:
            m.close()
        except AssertionError as e:
            if not failed:
                raise
            print(e)
        f = sorted(m.freezes) or [0]
        print(f'{m.moves} moves in {time.monotonic() - begun:.1f} s, {m.finished} programs ended well; '
              f'freeze median {f[len(f) // 2] / 1000:.1f} ms, p99 {f[len(f) * 99 // 100] / 1000:.1f} ms')
        for text, n in m.refused.most_common():
            print(f'refused {n} times: {text}')
    assert m.moves >= MOVES, f'only {m.moves} of {MOVES} moves within {SECONDS} s'


promises.main(run)
