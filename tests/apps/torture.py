#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 3000
"""Torture: a shell that is itself moved every few seconds starts all kinds of programs, all of which are moved at random.

  torture.py [--seed N] [NAME...]      GODWIT_TORTURE_SECONDS=N (60; 1800 in ./check full); NAME: start only these

Nothing may be lost: each program says what it says when a shell that is not moved starts it, and leaves the same files.
Nothing may be left behind: no process and no file. (tools/check.py looks for mounts, namespaces and control groups after each test.)
"""
import collections
import contextlib
import os
import random
import shlex
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import apps
import promises

SECONDS = int(os.environ.get('GODWIT_TORTURE_SECONDS', '1800' if apps.FULL else '60'))
AT_ONCE = 4
PAUSE = 0.4
DRIVER_PAUSE = 2.5
MOVES = SECONDS           # of all processes, at least
DRIVER_MOVES = SECONDS // 12
JOB_DEADLINE = 400
# Jobs of tests/apps/src/small-jobs.sh: what has to be there.
SMALL = {'sort': 'sort', 'xz': 'xz', 'gzip': 'gzip', 'bzip2': 'bzip2', 'gawk': 'gawk', 'perl': 'perl', 'sqlite3': 'sqlite3', 'gcc': 'gcc',
         'make': 'make', 'tar': 'tar', 'find': 'find', 'python-tests': '/usr/lib/python3.11/test/test_struct.py',
         'redis': 'redis-check-rdb', 'timeout': 'timeout', 'dd': 'dd', 'ends': 'sh'}
SCRIPTS = ['pipes', 'traps', 'jobs', 'subshells', 'heredocs', 'coprocs']
# Programs of tests/programs whose output depends on who started them or on how busy the machine is.
NOT = {
}


class Place:
    """A directory with a driver in it; it is not moved unless somebody does."""

    def __init__(self, top, name):
        self.dir = f'{top}/{name}'
        os.mkdir(self.dir)
        os.symlink(f'{top}/bin', f'{self.dir}/bin')
        os.mkfifo(f'{self.dir}/orders')
        self.orders = os.open(f'{self.dir}/orders', os.O_RDWR | os.O_CLOEXEC)
        self.p = promises.Program(['/bin/bash', f'{apps.SOURCES}/driver.sh'], cwd=self.dir)
        self.n = 0

    def order(self, name):
        self.n += 1
        os.write(self.orders, f'{self.n} {name}\n'.encode())
        return self.n

    def result(self, n):
        """(exit code, output, files left) of an order that has ended, or None."""
        try:
            with open(f'{self.dir}/{n}.code') as f:
                code = int(f.read())
        except FileNotFoundError:
            return None
        with open(f'{self.dir}/{n}.out', 'rb') as f:
            out = f.read()
        left = sorted(os.listdir(f'{self.dir}/{n}'))
        shutil.rmtree(f'{self.dir}/{n}')
        return code, out, left

    def close(self):
        os.close(self.orders)
        self.p.close()


def commands(top):
    """Makes top/bin; returns the names in it."""
    os.mkdir(f'{top}/bin')
    os.mkdir(f'{top}/built')
    rng = random.Random(20)
    words = [''.join(rng.choice('abcdefghijklmnopqrstuvwxyz') for _ in range(rng.randrange(2, 11))) for _ in range(3000)]
    with open(f'{top}/text', 'w') as f:
        f.writelines(' '.join(rng.choice(words) for _ in range(9)) + '\n' for _ in range(40000))
    with open(f'{top}/binary', 'wb') as f:
        f.writelines(rng.randbytes(300) + b'%d' % i * 200 for i in range(2500))
    there = [name for name, needed in SMALL.items() if (os.path.exists(needed) if '/' in needed else apps.which(needed))]
    made = {f'small-{name}': f'exec sh "$SRC/small-jobs.sh" {name}' for name in there}
    for name, needed in apps.RUNTIMES.items():
        if all(apps.which(command) for command, _ in needed):
            made[f'runtime-{name}'] = f'touch stop; {shlex.join(apps.built(name, f"{top}/built"))}; code=$?; rm stop; exit $code'
    for name in SCRIPTS:
        made[f'script-{name}'] = f'exec bash "$SRC/{name}.sh" 3'
    for name in promises.all_programs():
        if name not in NOT:
            made[name] = f'exec {shlex.quote(os.path.abspath(f"{promises.yard.BUILD}/tests/programs/{name}"))}'
    for name, text in made.items():
        with open(f'{top}/bin/{name}', 'w') as f:
            f.write(f'#!/bin/sh\nexport SRC={shlex.quote(os.path.abspath(apps.SOURCES))} TEXT={top}/text BINARY={top}/binary\n{text}\n')
        os.chmod(f'{top}/bin/{name}', 0o755)
    return sorted(made)


class Torture:
    def __init__(self, y, rng, top, names):
        self.rng, self.names = rng, names
        self.bad, self.want, self.learning, self.running = [], {}, {}, {}
        self.ended = collections.Counter()
        self.calm, self.driver = Place(top, 'calm'), Place(top, 'moved')
        self.herd = apps.Herd(y, rng, lambda: [self.driver.p.pid], pause=PAUSE, at_once=4)
        self.herd.pauses[self.driver.p.pid] = DRIVER_PAUSE
        self.driver_moves = 0

    def choose(self):
        """A program that does not run now; half of them real ones, which are fewer."""
        real = [n for n in self.names if n.startswith(('small-', 'runtime-', 'script-'))]
        busy = {n for n, _ in self.running.values()} | {n for n, _ in self.learning.values()}
        free = [n for n in (real if real and self.rng.random() < 0.5 else self.names) if n not in busy]
        return self.rng.choice(free) if free else None

    def start(self, name):
        """What an unmoved shell makes of it is found out first."""
        where, place = (self.running, self.driver) if name in self.want else (self.learning, self.calm)
        where[place.order(name)] = (name, time.monotonic())

    def look(self):
        now = time.monotonic()
        for n, (name, since) in list(self.learning.items()):
            result = self.calm.result(n)
            assert result or now - since < JOB_DEADLINE, f'{name}, not moved: no end within {JOB_DEADLINE} s'
            if result:
                self.want[name] = result
                del self.learning[n]
                self.start(name)
        for n, (name, since) in list(self.running.items()):
            result = self.driver.result(n)
            assert result or now - since < JOB_DEADLINE, \
                f'{name}: no end within {JOB_DEADLINE} s; {apps.end_of(self.said(n))}\n{self.standing(n)}'
            if result:
                del self.running[n]
                self.ended[name] += 1
                want = self.want[name]
                self.bad += apps.difference(f'{name} (order {n})', want[:2], result[:2])
                if want[2] != result[2]:
                    self.bad.append(f'{name} (order {n}): leaves {result[2]} instead of {want[2]}')

    def said(self, n):
        try:
            with open(f'{self.driver.dir}/{n}.out', 'rb') as f:
                return f.read()
        except FileNotFoundError:
            return b''

    def standing(self, n):
        """What the processes of an order do that does not end."""
        lines = []
        for pid in promises.descendants([self.driver.p.pid]):
            with contextlib.suppress(OSError), open(f'/proc/{pid}/environ', 'rb') as f:
                if f'TMPDIR={self.driver.dir}/{n}'.encode() in f.read().split(b'\0'):
                    lines.append(f'{pid}: {promises.state(pid)}; {self.herd.by_pid[pid]} moves, helpers {self.herd.y.helpers(pid)}')
        return '\n'.join(lines)

    def run(self):
        end = time.monotonic() + SECONDS
        while (time.monotonic() < end and not self.bad) or self.running or self.learning:
            self.herd.pump()
            assert not self.driver.p.ended(), f'the driver has ended: {self.driver.p.finish(None)} {self.herd.lost}'
            self.look()
            if time.monotonic() < end and not self.bad and len(self.running) + len(self.learning) < AT_ONCE:
                name = self.choose()
                if name:
                    self.start(name)
        for place in (self.driver, self.calm):
            os.write(place.orders, b'end\n')
            code, said = place.p.finish(self.herd.pump, 60)
            wanted = f'{place.n} started, {place.n} ended, code 0'
            if code or said.decode().split('\n')[-2:-1] != [wanted]:
                self.bad.append(f'the driver ends with {code}, says {apps.end_of(said, 300)} instead of {wanted}')
        self.herd.settle()
        self.bad += self.herd.lost

    def tell(self):
        """What happened; returns the moves of the shell."""
        kinds = ', '.join(f'{n} {c}' for n, c in self.ended.most_common(12))
        driver = self.herd.by_pid[self.driver.p.pid]
        print(f'{sum(self.ended.values())} programs of {len(self.ended)} kinds ended ({kinds} ...); the shell was moved {driver} times; '
              f'{self.herd.told()}')
        for line in self.bad:
            print('   ' + line)
        sys.stdout.flush()
        return driver

    def close(self):
        self.driver.close()
        self.calm.close()


def run(argv):
    rng = promises.seed_of(argv)
    top = tempfile.mkdtemp(prefix='godwit-apps-')
    os.chmod(top, 0o755)
    tempfile.tempdir = f'{top}/tmp'  # for the directories of programs, which have to be gone in the end
    os.mkdir(tempfile.tempdir)
    try:
        made = commands(top)
        names = promises.names_of(argv) or made
        assert not set(names) - set(made), f'there are no programs {set(names) - set(made)}'
        with apps.a_yard() as y:
            t = Torture(y, rng, top, names)
            try:
                t.run()
            finally:
                t.close()
                driver = t.tell()
        files = os.listdir(tempfile.tempdir)
    finally:
        tempfile.tempdir = None
        shutil.rmtree(top, ignore_errors=True)
    assert not t.bad, f'{len(t.bad)} differences'
    assert not files, f'left behind: {files}'
    assert t.herd.total() >= MOVES and driver >= DRIVER_MOVES, f'only {t.herd.total()} of {MOVES} moves, {driver} of {DRIVER_MOVES} of the shell'


promises.main(run)
