#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 600
"""The random mover: several self-checking programs at once, moved at random among three hosts and home; and families, each
member of which is moved independently of the others.

Asserts that none is lost, doubled or wrong: the watcher finds each cookie in exactly one process whenever the mover pauses, no
process has two guests, and each program's output is that of a run that was not moved. A family leaves no process.

  mover.py [--seed N]      GODWIT_MOVES=N (1000; GODWIT_FULL=1: 10000), GODWIT_MOVE_SECONDS=N (400; 2400): whichever comes first
must be the moves. GODWIT_MOVE_PROGRAMS="NAME...": only these; GODWIT_MOVE_AT_ONCE=N (6) of them
"""
import collections
import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import families
import promises

FULL = os.environ.get('GODWIT_FULL') == '1'
MOVES = int(os.environ.get('GODWIT_MOVES', '10000' if FULL else '1000'))
SECONDS = int(os.environ.get('GODWIT_MOVE_SECONDS', '2400' if FULL else '400'))
AT_ONCE = int(os.environ.get('GODWIT_MOVE_AT_ONCE', '6'))
# Without children: a cookie is in one process then. Not execs: it throws its memory away all the time.
ALONE = ['cpu', 'memory', 'files', 'timers', 'events', 'tls', 'clock', 'simd', 'x87', 'masks', 'jumps', 'segments',
         'interrupted', 'static', 'stack', 'ticks', 'steady', 'identity', 'altstack', 'sleeper',
         'places', 'reader', 'threads', 'mutexes', 'barriers', 'robust', 'cancel', 'thread-pipes', 'thread-ids',
         'thread-timeouts', 'thread-signals']
# With children, which have no cookie.
MAKERS = ['forks', 'jobs', 'pipes', 'queue', 'pipe-chain', 'process-clone', 'process-death-signal', 'process-exit-codes', 'process-fork',
          'process-groups', 'process-killed', 'process-no-hang', 'process-orphans', 'process-sessions', 'process-shell',
          'process-tree', 'process-wait', 'process-waitid', 'process-zombies', 'process-spawn', 'process-vfork', 'signal-child',
          'signal-fork-in-handler', 'signal-group', 'signal-stopped-by-child', 'thread-forks', 'wait-process']
# Those of more processes than the first, and scripts: the cookie would be in several, or is in none.
FAMILIES = dict(families.commands(), **{name: [name] for name in ['execs', 'process-exec-kept', 'process-exec-signals', 'process-exec-script']})
KINDS = [ALONE, MAKERS, list(FAMILIES)]
ONLY = os.environ.get('GODWIT_MOVE_PROGRAMS', '').split()
PAUSE_EVERY = 50
LOOK_EVERY = 0.04  # seconds between two looks for new members
MOVE_DEADLINE = 120
END_DEADLINE = 120
MEMBERS = 200     # members of a family that are looked after; it is a script's mistake to have more


def members():
    """cookie -> {pid: its guests}: who has which cookie in his first environment. A guest's own pid is in a namespace."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for d in os.listdir('/proc'):
        if d.isdigit():
            with contextlib.suppress(OSError):
                with open(f'/proc/{d}/environ', 'rb') as f:
                    _, there, cookie = (b'\0' + f.read()).partition(b'\0COOKIE=')
                if not there:
                    continue
                with open(f'/proc/{d}/status') as f:
                    fields = dict(line.split(':', 1) for line in f.read().splitlines())
                pids = list(map(int, fields['NSpid'].split()))
                if fields['State'].split()[0] not in 'ZX' and fields['Name'].strip() not in ('godwit-agent', 'godwit-shepherd'):
                    of = found[cookie[:32].decode()][pids[-1]]
                    of += pids[:1] if len(pids) > 1 else []
    return found


class Mover:
    def __init__(self, rng):
        self.rng = rng
        self.y = promises.start_yard()
        self.watcher = promises.Watcher()
        self.want = {}           # name -> (code, output) of a run that was not moved
        self.running = {}        # pid of the first -> Program
        self.pids = {}           # pid of the first -> all members that were seen
        self.first = {}          # pid -> pid of the first; only those that are there
        self.next_at = {}        # pid -> when it is moved next; absent: its move is under way
        self.asked = {}          # pid -> (when, where)
        self.lives = {}          # pid of the first -> moves that are left to its family
        self.ending = {}         # pid of the first -> by when it must have ended
        self.look_at = 0
        self.freezes = []
        self.moves = self.of_children = 0
        self.refused = collections.Counter()
        self.finished = collections.Counter()

    def start_one(self):
        names = ONLY or self.rng.choice(KINDS)
        name = self.rng.choice(names)
        p = promises.Program(FAMILIES.get(name, [name]), keep_running=True)
        p.name = name
        self.running[p.pid] = p
        self.pids[p.pid] = set()
        self.y.ended.pop(p.pid, None)
        self.lives[p.pid] = self.rng.randrange(5, 60)
        self.join(p.pid, p.pid)

    def join(self, pid, first):
        self.first[pid] = first
        self.pids[first].add(pid)
        self.next_at[pid] = time.monotonic() + self.rng.random() * (0.05 if pid == first else 0.02)

    def learn(self):
        """What each program says when it is not moved."""
        names = ONLY or sum(KINDS, [])
        for at in range(0, len(names), AT_ONCE):
            some = [promises.Program(FAMILIES.get(name, [name]), keep_running=True) for name in names[at:at + AT_ONCE]]
            for p in some:
                p.stop()
            for name, p in zip(names[at:], some):
                self.want[name] = p.finish(None)
                p.close()
                assert self.want[name][0] == 0, f'{name} fails without being moved: {self.want[name]}'

    def stop_one(self, pid):
        """It is moved on until it has ended."""
        if pid not in self.ending:
            self.running[pid].stop()
            self.ending[pid] = time.monotonic() + END_DEADLINE

    def end_one(self, pid):
        """It has ended: how?"""
        p = self.running[pid]
        try:
            got = p.finish(self.pump, 0)
            promises.wait_until(f'nobody is left of {p.name} ({pid})', lambda: p.cookie not in members(), 60, self.pump)
            lost = promises.lost(self.y, sorted(self.pids[pid]))
            assert not lost, f'{p.name}: {lost}'
            assert got == self.want[p.name], \
                f'{p.name} ({pid}) after {self.moves} moves: {got} instead of {self.want[p.name]}; {self.y.ended.get(pid)}'
            self.finished[p.name] += 1
        finally:
            del self.running[pid]
            self.ending.pop(pid, None)
            for member in self.pids.pop(pid):
                self.y.ended.pop(member, None)
                if self.first.get(member) == pid:
                    self.forget(member)
            p.close()

    def forget(self, pid):
        del self.first[pid]
        self.next_at.pop(pid, None)
        self.asked.pop(pid, None)

    def find_members(self):
        there = members()
        of = {p.cookie: pid for pid, p in self.running.items()}
        for cookie in sorted(of.keys() & there.keys()):
            family = self.pids[of[cookie]]
            for pid in sorted(there[cookie].keys() - self.first.keys()):
                if len(family) < MEMBERS or pid == of[cookie]:
                    self.join(pid, of[cookie])
        for pid, first in list(self.first.items()):
            if pid != first and pid not in self.asked and pid not in there[self.running[first].cookie]:
                self.forget(pid)

    def pump(self, timeout):
        self.y.pump(timeout)
        now = time.monotonic()
        for line in self.y.lines:
            w = line.split(' ', 7)
            if w[0] == 'moved':
                self.moved(int(w[1]), -int(w[3]), int(w[4]), w[7] if len(w) > 7 else '')
        self.y.lines.clear()
        for pid, (since, host) in list(self.asked.items()):
            if now - since > 5 and not os.path.exists(f'/proc/{pid}'):
                del self.asked[pid]  # the yard does not answer twice for a process that has ended
            assert now - since < MOVE_DEADLINE, \
                f'the move of {pid} of {self.running[self.first[pid]].name} to {host} takes more than {MOVE_DEADLINE} s'

    def moved(self, pid, error, freeze_us, text):
        if pid not in self.asked:
            return
        del self.asked[pid]
        self.next_at[pid] = time.monotonic() + self.rng.random() * 0.06
        if not error:
            self.moves += 1
            self.of_children += pid != self.first[pid]
            self.lives[self.first[pid]] -= 1
            self.freezes.append(freeze_us)
        elif error not in promises.HARMLESS:
            self.refused[text.replace(str(pid), 'PID')] += 1

    def order(self):
        now = time.monotonic()
        if now >= self.look_at:
            self.find_members()
            self.look_at = now + LOOK_EVERY
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

    def doubled(self):
        """Processes with two guests. One that was told to end may still be there for a moment."""
        return {pid: guests for family in members().values() for pid, guests in family.items() if len(guests) > 1}

    def look(self):
        self.settle()
        for p in self.running.values():
            if p.name not in FAMILIES and not p.ended():
                self.watcher.exactly_one(p, pump=self.pump)
        try:
            promises.wait_until('no process has two guests', lambda: not self.doubled(), 20, self.pump)
        except AssertionError as e:
            raise AssertionError(f'{e}: {self.doubled()}') from e

    def reap(self):
        for pid, p in list(self.running.items()):
            if self.lives[pid] <= 0:
                self.stop_one(pid)
            assert time.monotonic() < self.ending.get(pid, float('inf')), f'{p.name} ({pid}) does not end:\n{self.standing(pid)}'
            if p.ended() and pid not in self.asked:
                self.end_one(pid)

    def standing(self, pid):
        """What the members of a family do that does not end."""
        return '\n'.join(f'{promises.state(m)}; helpers {self.y.helpers(m)}; guests {guests}'
                         for m, guests in members()[self.running[pid].cookie].items())

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
            self.order()
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
        print(f'{m.moves} moves in {time.monotonic() - begun:.1f} s, {m.of_children} of them of children; {m.finished.total()} programs '
              f'of {len(m.finished)} kinds ended well; '
              f'freeze median {f[len(f) // 2] / 1000:.1f} ms, p99 {f[len(f) * 99 // 100] / 1000:.1f} ms')
        for text, n in m.refused.most_common():
            print(f'refused {n} times: {text}')
    assert m.moves >= MOVES, f'only {m.moves} of {MOVES} moves within {SECONDS} s'
    assert ONLY or m.of_children >= MOVES // 50, f'only {m.of_children} of {m.moves} moves were of children'


promises.main(run)
