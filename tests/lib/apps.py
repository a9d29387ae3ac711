# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of unmodified programs (tests/apps) share: a herd of processes that is moved at random.

Promise: every wait has a deadline; the luck of a herd comes from its generator alone; what it tells names every process that
was lost and every refusal. Must not: judge what the programs say; the tests do that.
"""
import collections
import contextlib
import difflib
import errno
import os
import shutil
import subprocess
import sys
import time

import promises

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../apps/src')
FULL = os.environ.get('GODWIT_FULL') == '1'
MOVE_DEADLINE = 120
LOOK_EVERY = 0.1  # seconds between two looks for new processes
PATH = '/usr/bin:/bin:/usr/sbin:/sbin'  # as promises.env() has it: the same programs for the test and what it starts


def which(command):
    return shutil.which(command, path=PATH)


def skip(why):
    print(f'SKIP: {why}')
    sys.exit(77)


def present(needed, names):
    """Those of names whose commands are there; the others are told. needed: name -> [(command or path, package)]."""
    there = []
    for name in names:
        missing = [package for command, package in needed[name] if not (os.path.exists(command) if '/' in command else which(command))]
        if missing:
            print(f'{name}: SKIPPED, not installed: {" ".join(missing)}', flush=True)
        else:
            there.append(name)
    if not there:
        skip('nothing that it tests is installed: ' + ' '.join(sorted({p for n in names for _, p in needed[n]})))
    return there


@contextlib.contextmanager
def a_yard():
    """A yard, after which nothing may be left; what went wrong before is told rather than what it left behind."""
    y = promises.start_yard()
    try:
        yield y
    except BaseException:
        with contextlib.suppress(AssertionError, promises.yard.Lost, OSError, subprocess.TimeoutExpired):
            promises.check_nothing_left(y)
        raise
    promises.check_nothing_left(y)


# Computations in threads, in tests/apps/src: what has to be there.
RUNTIMES = {
    'python': [('python3', 'python3')],
    'java': [('java', 'openjdk-17-jdk-headless'), ('javac', 'openjdk-17-jdk-headless')],
    'node': [('node', 'nodejs')],
    'go': [('go', 'golang-go')],
    'openmp': [('gcc', 'gcc')],
}


def built(name, d):
    """The command of one of RUNTIMES; what has to be compiled goes into the directory d."""
    def make(*command, **env):
        p = subprocess.run(command, env=dict(os.environ, PATH=PATH, **env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=300)
        assert p.returncode == 0, f'{command[0]}: {p.stdout.decode()}'
    if name == 'python':
        return [which('python3'), f'{SOURCES}/threads.py']
    if name == 'java':
        make('javac', '-d', d, f'{SOURCES}/Threads.java')
        # The file by which jps and the like look into a JVM is shared memory, which keeps a process at home.
        return [which('java'), '-XX:+PerfDisableSharedMem', '-Xmx256m', '-cp', d, 'Threads']
    if name == 'node':
        return [which('node'), f'{SOURCES}/workers.js']
    if name == 'go':
        make('go', 'build', '-o', f'{d}/goroutines', f'{SOURCES}/goroutines.go', CGO_ENABLED='0', GO111MODULE='off', GOCACHE=f'{d}/cache',
             GOPATH=f'{d}/path', GOFLAGS='-p=1')
        return [f'{d}/goroutines']
    make('gcc', '-O2', '-Wall', '-Wextra', '-Werror', '-fopenmp', '-o', f'{d}/openmp', f'{SOURCES}/openmp.c')
    return [f'{d}/openmp']


class Herd:
    """Moves processes and all that descend from them, each after a random pause.

    roots() gives the pids at the top. pause: seconds between the answer to a move and the next move of the same process, in
    the middle. where: hosts to choose from. at_once: moves under way at the same time.
    """

    def __init__(self, y, rng, roots, pause=0.2, where=None, at_once=3):
        self.y, self.rng, self.roots, self.pause, self.at_once = y, rng, roots, pause, at_once
        self.where = where or promises.HOSTS + ['home']
        self.due = {}      # pid -> when it is moved next
        self.asked = {}    # pid -> (when, where, name)
        self.held = False  # no new move
        self.pauses = {}   # pid -> its own pause
        self.moves = collections.Counter()  # name of the program -> moves made
        self.by_pid = collections.Counter()
        self.refused = collections.Counter()
        self.lost = []
        self.keep = {}     # pid -> where it is moved again whenever it has come home, also while held
        self.look_at = 0
        y.ended.clear()
        y.lines.clear()
        y.made.clear()

    def total(self):
        return sum(self.moves.values())

    def pump(self, timeout=0.02):
        self.y.pump(timeout)
        self._hear()
        now = time.monotonic()
        for pid, (since, where, name) in list(self.asked.items()):
            if now - since > 5 and not os.path.exists(f'/proc/{pid}'):
                del self.asked[pid]  # the yard does not answer twice for a process that has ended
            assert now - since < MOVE_DEADLINE, f'the move of {name} ({pid}) to {where} takes more than {MOVE_DEADLINE} s'
        if not self.held:
            if now >= self.look_at:
                self._look(now)
            self._order(now)

    def _hear(self):
        for line in self.y.lines:
            w = line.split(' ', 7)
            if w[0] != 'moved' or int(w[1]) not in self.asked:
                continue
            pid, error, text = int(w[1]), -int(w[3]), w[7] if len(w) > 7 else ''
            name = self.asked.pop(pid)[2]
            if pid in self.due:
                self.due[pid] = time.monotonic() + self.rng.random() * 2 * self.pauses.get(pid, self.pause)
            if not error:
                self.moves[name] += 1
                self.by_pid[pid] += 1
            elif error not in promises.HARMLESS:
                self.refused[f'{name}: {text}'.replace(str(pid), 'PID')] += 1
        self.y.lines.clear()
        for pid, ends in self.y.ended.items():
            self.lost += [f'{pid}: {how} {text}' for how, text in ends if how in ('lost', 'killed')]
            if pid in self.keep and pid not in self.asked:
                self._ask(pid, self.keep[pid])
        self.y.ended.clear()

    def _look(self, now):
        self.look_at = now + LOOK_EVERY
        there = promises.descendants(self.roots())
        # A process that has just begun is moved soon: many live for a moment only.
        self.due = {pid: self.due.get(pid, now + self.rng.random() ** 2 * self.pause) for pid in there}

    def _order(self, now):
        for pid in sorted((p for p, at in self.due.items() if at <= now and p not in self.asked), key=self.due.get):
            if len(self.asked) >= self.at_once:
                return
            self._ask(pid, self.rng.choice(self.where))

    def _ask(self, pid, where):
        with contextlib.suppress(OSError), open(f'/proc/{pid}/comm') as f:
            self.asked[pid] = (time.monotonic(), where, f.read().strip())
            self.y.send(f'move {pid} {where}')

    def until(self, what, condition, deadline):
        return promises.wait_until(what, condition, deadline, self.pump)

    def settle(self):
        """No new moves, and waits for those that are under way."""
        self.held = True
        self.until('the moves under way are over', lambda: not self.asked, MOVE_DEADLINE + 10)

    def move(self, pid, where):
        """One move by order, while the herd is held; it must succeed unless it is there already."""
        error, _, _, _, text = self.y.move(pid, where)
        self._hear()
        assert -error in (0, errno.EALREADY), f'the move to {where} was refused: {text}'
        self.by_pid[pid] += error == 0

    def told(self):
        """What happened, for the log."""
        names = ', '.join(f'{n} {c}' for n, c in self.moves.most_common(8))
        trips = sorted(((b, n) for n, (_, b) in self.y.made.items() if b), reverse=True)
        trips = ', '.join(f'{n} {b}' for b, n in trips[:6])
        refused = ''.join(f'\n   refused {n} times: {text}' for text, n in self.refused.most_common(8))
        return f'{self.total()} moves ({names}); came home for {trips or "nothing"}{refused}'


def end_of(data, limit=1500):
    text = data.decode('utf-8', 'replace')
    return text if len(text) <= limit else f'... {text[-limit:]}'


def difference(name, want, got):
    """A complaint, or nothing; want and got: (exit code, output)."""
    if want == got:
        return []
    lines = [text.decode('utf-8', 'replace').splitlines() for text in (want[1], got[1])]
    diff = list(difflib.unified_diff(*lines, 'not moved', 'moved', lineterm='', n=2))
    return [f'{name}: code {got[0]} instead of {want[0]}\n' + '\n'.join(diff[:40])]
