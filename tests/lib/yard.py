# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives real shepherds and agents through the yard (yard.c).

Promise: every wait has a deadline; close() leaves no process of ours behind. Must not: sleep.
"""
import os
import select
import subprocess
import time

BUILD = os.environ.get('GODWIT_BUILD', os.path.join(os.path.dirname(__file__), '../../build'))


class Lost(Exception):
    pass


class Yard:
    def __init__(self, quiet=True, env=None):
        self.log = open(os.environ.get('YARD_LOG', os.devnull), 'a') if quiet else None
        self.p = subprocess.Popen([f'{BUILD}/tests/lib/yard', '--bin', f'{BUILD}/src'], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=self.log, env=env)
        self.buf = b''
        self.lines = []
        self.ended = {}      # pid -> [(how, text)]
        self.refused = {}    # pid -> words of all the reasons why its last move was refused
        self.status = {}     # pid -> last status
        self.traces = []
        self.made = {}       # name of a call -> [how often it was made by a deputy, how often it brought a guest home]

    def send(self, text):
        self.p.stdin.write((text + '\n').encode())
        self.p.stdin.flush()

    def _take(self, line):
        w = line.split(' ', 2)
        if w[0] == 'ended':
            how, _, text = w[2].partition(' ')
            self.ended.setdefault(int(w[1]), []).append((how, text))
        elif w[0] == 'status':
            self.status[int(w[1])] = w[2]
            for count in w[2].split()[3:]:
                name, numbers = count.split('=')
                for i, n in enumerate(numbers.split('/')):
                    self.made.setdefault(name, [0, 0])[i] += int(n)
        elif w[0] == 'refused':
            self.refused[int(w[1])] = w[2].split()
        elif w[0] == 'trace':
            self.traces.append(w[2])
        else:
            self.lines.append(line)

    def pump(self, timeout):
        r, _, _ = select.select([self.p.stdout], [], [], timeout)
        if r:
            data = os.read(self.p.stdout.fileno(), 65536)
            if not data:
                raise Lost('the yard ended')
            self.buf += data
            *done, self.buf = self.buf.split(b'\n')
            for line in done:
                self._take(line.decode('utf-8', 'replace'))
        return bool(r)

    def wait_line(self, prefix, deadline=60):
        end = time.monotonic() + deadline
        while True:
            for i, line in enumerate(self.lines):
                if line.startswith(prefix + ' '):
                    return self.lines.pop(i)
            if time.monotonic() > end:
                raise Lost(f'no "{prefix}" within {deadline} s; have {self.lines[-5:]} {self.ended}')
            self.pump(0.2)

    def move(self, pid, host, deadline=120):
        """Moves and waits. Returns (errno, freeze_us, total_us, bytes, text)."""
        before = len(self.ended.get(pid, []))
        self.refused[pid] = []
        self.lines = [line for line in self.lines if not line.startswith(f'moved {pid} ')]
        self.send(f'move {pid} {host}')
        end, gone = time.monotonic() + deadline, None
        while time.monotonic() < end:
            for i, line in enumerate(self.lines):
                if line.startswith(f'moved {pid} '):
                    self.lines.pop(i)
                    w = line.split(' ', 7)
                    return int(w[3]), int(w[4]), int(w[5]), int(w[6]), w[7]
            # The yard answers each order, also that of a process which has ended; only not twice.
            news = [e for e in self.ended.get(pid, [])[before:] if e[0] in ('done', 'lost', 'killed')]
            if news or not os.path.exists(f'/proc/{pid}'):
                end = min(end, time.monotonic() + 1) if not gone else end
                gone = f'ended: {news}'
            self.pump(0.1)
        if gone:
            return -3, 0, 0, 0, gone
        raise Lost(f'move of {pid} to {host} took more than {deadline} s')

    def helpers(self, pid):
        self.send(f'helpers {pid}')
        return tuple(map(int, self.wait_line(f'helpers {pid}').split()[2:]))

    def close(self):
        self.p.stdin.close()
        self.p.wait(60)
        if self.log:
            self.log.close()
