#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Job control: a process that is away stops and goes on where it is.

Its parent (this test) hears of each stop and each continuation what it hears of a process at home; while it is stopped its guest uses no
CPU time, may be moved and stays stopped; signals wait, but SIGKILL does not; and it makes no trip home for any of it.
"""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

ROUNDS = 100
STOPS = [signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU]


class Job(promises.Program):
    def __init__(self, y, argv, host='h1'):
        super().__init__(argv, keep_running=True)
        self.y = y
        y.ended.pop(self.pid, None)
        self.move(host)

    def move(self, host):
        r, _, _, _, text = self.y.move(self.pid, host, 60)
        assert r == 0, f'it is not moved to {host}: {text}'

    def hear(self, pid, options, deadline=60):
        """The next change that waitpid() tells."""
        got = []

        def change():
            got[:] = os.waitpid(pid, options | os.WNOHANG)
            return got[0]
        promises.wait_until('a change of its state', change, deadline, self.y.pump)
        return got[1]

    def halt(self, sig=signal.SIGSTOP):
        os.kill(self.pid, sig)
        self.stopped(sig)

    def stopped(self, sig=signal.SIGSTOP):
        status = self.hear(self.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == sig, f'{status:#x} instead of a stop by {sig}'

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)
        status = self.hear(self.pid, os.WCONTINUED | os.WUNTRACED)
        assert os.WIFCONTINUED(status), f'{status:#x} instead of its continuation'

    def guest(self):
        """The task that computes for it: traced by its agent."""
        agent = self.y.helpers(self.pid)[1]
        for pid in promises.parts_of_test():
            try:
                with open(f'/proc/{pid}/status') as f:
                    if f'\nTracerPid:\t{agent}\n' in f.read():
                        return pid
            except OSError:
                pass
        raise AssertionError('it has no guest')

    def stands(self):
        """All threads of the guest stand, and go on standing: none uses CPU time."""
        guest = self.guest()
        seen = []

        def still():
            states, used = '', 0
            try:
                for tid in os.listdir(f'/proc/{guest}/task'):
                    with open(f'/proc/{guest}/task/{tid}/stat') as f:
                        states += f.read().rpartition(')')[2].split()[0]
                    with open(f'/proc/{guest}/task/{tid}/schedstat') as f:
                        used += int(f.read().split()[0])
            except (FileNotFoundError, ProcessLookupError): # a thread has just ended
                return False
            seen.append(used)
            # D: it waits for its call.
            return set(states) <= set('tD') and len(seen) > 9 and len(set(seen[-9:])) == 1
        promises.wait_until('its guest stands', still, 60, self.y.pump)
        return guest

    def runs(self):
        """Its guest uses CPU time."""
        with open(f'/proc/{self.guest()}/schedstat') as f:
            before = int(f.read().split()[0])

        def more():
            with open(f'/proc/{self.guest()}/schedstat') as f:
                return int(f.read().split()[0]) > before
        promises.wait_until('its guest runs', more, 60, self.y.pump)

    def at_end(self, want, homes=0):
        """It has gone on rightly, and come home as often as it was told to."""
        got = self.finish(self.y.pump, 60)
        assert got == want, f'{got} instead of {want}'
        came = [e for e in self.y.ended.get(self.pid, []) if e[0] == 'home']
        assert len(came) == homes, f'it came home {len(came)} times, of which {homes} were ordered: {came}'
        assert not promises.lost(self.y, [self.pid]), promises.lost(self.y, [self.pid])


def stops(y, name):
    want = promises.unmoved([name])
    j = Job(y, [name])
    try:
        for sig in STOPS:
            j.halt(sig)
            j.stands()
            os.kill(j.pid, sig) # once more: nothing happens
            assert os.waitpid(j.pid, os.WUNTRACED | os.WCONTINUED | os.WNOHANG) == (0, 0)
            j.go_on()
            j.runs()
        j.at_end(want)
    finally:
        j.close()


def quick(y, name):
    """In quick sequence, heard one by one; then without waiting for anything."""
    want = promises.unmoved([name])
    j = Job(y, [name])
    try:
        for i in range(ROUNDS):
            j.halt(STOPS[i % len(STOPS)])
            j.go_on()
        for _ in range(ROUNDS):
            os.kill(j.pid, signal.SIGSTOP)
            os.kill(j.pid, signal.SIGCONT)
        j.runs()
        for _ in range(ROUNDS):
            os.kill(j.pid, signal.SIGCONT)
            os.kill(j.pid, signal.SIGSTOP)
        j.stands()
        while os.waitpid(j.pid, os.WUNTRACED | os.WCONTINUED | os.WNOHANG)[0]:
            pass
        j.go_on()
        j.runs()
        j.at_end(want)
    finally:
        j.close()


def moved(y, name):
    """It is moved while it is stopped, and stays so."""
    want = promises.unmoved([name])
    j = Job(y, [name])
    try:
        j.halt()
        j.move('h2')
        j.stands()
        j.go_on()
        j.runs()
        j.halt(signal.SIGTSTP)
        j.move('home')

        def t():
            with open(f'/proc/{j.pid}/stat') as f:
                return f.read().rpartition(')')[2].split()[0] == 'T'
        promises.wait_until('it is stopped at home', t, 60, y.pump)
        j.move('h3')
        j.stands()
        j.move('h1')
        j.stands()
        assert os.waitpid(j.pid, os.WUNTRACED | os.WCONTINUED | os.WNOHANG) == (0, 0)
        j.go_on()
        j.runs()
        j.at_end(want, homes=1)
    finally:
        j.close()


def waiting(pid):
    """Signals of the process that wait to be taken."""
    with open(f'/proc/{pid}/status') as f:
        return int(dict(line.split(':', 1) for line in f)['ShdPnd'], 16)


def signals(y, argv):
    """What comes while it is stopped waits for SIGCONT."""
    j = Job(y, argv)
    try:
        promises.wait_until('it is ready', lambda: os.path.getsize(f'{j.dir}.out'), 60, y.pump)
        for i in range(10):
            j.halt()
            for k in range(3):
                promises.queue(j.pid, 3 * i + k)
            os.kill(j.pid, signal.SIGUSR1)
            j.stands()
            now = waiting(j.pid)
            assert now == 1 << (signal.SIGUSR1 - 1) | 1 << (signal.SIGRTMIN - 1), f'these wait: {now:#x}, round {i}'
            if i % 2:
                j.move(('h2', 'h1')[i // 2 % 2])
            j.go_on()
            promises.wait_until('they are taken', lambda: not waiting(j.pid), 60, y.pump)
        j.at_end((0, b'ready\n10 plain, 30 queued, 0 wrong\n'))
    finally:
        j.close()


def ended(y, name):
    """Nothing else than the end of its host or of its helpers ends it, and SIGKILL."""
    for how in ('user', 'shepherd', 'agent', 'after the stop'):
        j = Job(y, [name])
        try:
            j.halt()
            j.stands()
            shepherd, agent = y.helpers(j.pid)
            if how == 'after the stop': # a deadly signal waits
                os.kill(j.pid, signal.SIGTERM)
                j.stands()
                os.kill(j.pid, signal.SIGCONT)
            else:
                os.kill({'user': j.pid, 'shepherd': shepherd, 'agent': agent}[how], signal.SIGKILL)
            promises.wait_until(f'its end ({how})', j.ended, 60, y.pump)
            assert j.code == -(signal.SIGTERM if how == 'after the stop' else signal.SIGKILL), f'{how}: {j.code}'
            lost = promises.lost(y, [j.pid])
            assert how in ('shepherd', 'agent') or not lost, lost
        finally:
            j.close()


def orphan(y):
    """SIGTSTP does not stop a process whose group is orphaned; SIGSTOP does."""
    script = 'import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nprint(os.getpid(), flush=True)\nn = 0\nwhile True: n += 1\n'
    p = promises.Program([sys.executable, '-c', script])
    pid = 0
    try:
        assert p.finish(y.pump)[0] == 0
        promises.wait_until('its pid', lambda: os.path.getsize(f'{p.dir}.out'), 60, y.pump)
        p.out.seek(0)
        pid = int(p.out.read())
        r, _, _, _, text = y.move(pid, 'h1', 60)
        assert r == 0, text
        j = Job.__new__(Job)
        j.y, j.pid = y, pid
        for sig in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
            os.kill(pid, sig)
        j.runs()
        os.kill(pid, signal.SIGSTOP)
        j.stands()
        os.kill(pid, signal.SIGTSTP)
        os.kill(pid, signal.SIGCONT)
        j.runs()
        assert not y.ended.get(pid), y.ended[pid]
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
        p.close()


def run(argv):
    names = promises.names_of(argv)
    y = promises.start_yard()
    cases = [
        ('while it computes', lambda: stops(y, 'cpu')),
        ('while it makes calls', lambda: stops(y, 'steady')),
        ('with threads', lambda: stops(y, 'threads')),
        ('while its instructions fail', lambda: stops(y, 'trap-barrier')),
        ('in quick sequence', lambda: quick(y, 'steady')),
        ('in quick sequence, with threads', lambda: quick(y, 'threads')),
        ('in quick sequence, while instructions fail', lambda: quick(y, 'trap-barrier')),
        ('in quick sequence, while those of threads fail', lambda: quick(y, 'trap-threads')),
        ('moved while it is stopped', lambda: moved(y, 'cpu')),
        ('moved while it is stopped, with threads', lambda: moved(y, 'threads')),
        ('signals wait', lambda: signals(y, ['heard'])),
        ('signals wait, in a call', lambda: signals(y, ['heard', 'wait'])),
        ('its end', lambda: ended(y, 'cpu')),
        ('an orphan', lambda: orphan(y)),
    ]
    promises.each_case(y, [c for c in cases if not names or c[0] in names])


promises.main(run)
