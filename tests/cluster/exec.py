#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that is away executes a program: that begins at home, and no image is needed for it.

A program whose opening the kernel lets wait for our word (fanotify) makes the call last as long as it takes: for moves, the loss
of the host, and the end of the process in its midst.
"""
import ctypes
import errno
import os
import select
import shutil
import signal
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

libc = ctypes.CDLL(None, use_errno=True)
FAN_CLASS_CONTENT, FAN_CLOEXEC, FAN_MARK_ADD, FAN_OPEN_EXEC_PERM = 4, 1, 1, 0x40000
FAN_ALLOW, FAN_DENY = 1, 2
AT_FDCWD = -100
# It is away when it is told to go; the program that it executes tells what it finds.
AWAY = 'echo ready; until [ -e go ]; do :; done; '
THEN = 'echo "then $0"; until [ -e end ]; do :; done; echo end'


class Gate:
    """Who executes this file waits until we say so."""

    def __init__(self, path):
        self.fd = libc.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, os.O_RDONLY | os.O_CLOEXEC)
        if self.fd < 0 or libc.fanotify_mark(self.fd, FAN_MARK_ADD, ctypes.c_uint64(FAN_OPEN_EXEC_PERM), AT_FDCWD, path.encode()) < 0:
            print(f'SKIP: no fanotify permission events: {os.strerror(ctypes.get_errno())}')
            sys.exit(77)
        self.waiting = -1

    def someone(self):
        """Is there one who waits?"""
        if self.waiting < 0 and select.select([self.fd], [], [], 0)[0]:
            _, _, _, _, _, self.waiting, _ = struct.unpack_from('IBBHQii', os.read(self.fd, 24))
        return self.waiting >= 0

    def answer(self, what):
        os.write(self.fd, struct.pack('iI', self.waiting, what))
        os.close(self.waiting)
        self.waiting = -1

    def close(self):
        if self.waiting >= 0:
            os.close(self.waiting)
        os.close(self.fd) # who still waits is let through


class Case:
    """The shell, on h1; told to go, it executes the program behind the gate, if there is one."""

    def __init__(self, y, script, gate=False, fault=None, shell='/bin/sh'):
        self.y = y
        self.p = promises.Program([shell, '-c', AWAY + script])
        self.gate = None
        y.ended.pop(self.p.pid, None)
        y.status.pop(self.p.pid, None)
        y.traces.clear()
        try:
            shutil.copy('/bin/sh', f'{self.p.dir}/program')
            if gate:
                self.gate = Gate(f'{self.p.dir}/program')
            self.said('ready')
            if fault:
                y.send(f'fault shepherd {fault}')
            r, _, _, _, text = y.move(self.p.pid, 'h1', 60)
            assert r == 0, f'it is not moved: {text}'
        except BaseException:
            self.close()
            raise
        finally:
            y.send('fault shepherd -')

    def said(self, line):
        def there():
            with open(f'{self.p.dir}.out') as f:
                return line in f.read().splitlines()
        promises.wait_until(f'"{line}"', there, 60, self.y.pump)

    def touch(self, name):
        with open(f'{self.p.dir}/{name}', 'w'):
            pass

    def go(self):
        self.touch('go')
        if self.gate:
            self.await_gate()

    def watch(self):
        self.y.send(f'trace {self.p.pid} on')
        promises.wait_until('the first line of the trace', lambda: self.y.traces, 60, self.y.pump)

    def await_gate(self):
        promises.wait_until('the call waits', self.gate.someone, 60, self.y.pump)

    def came_home(self):
        return [text for how, text in self.y.ended.get(self.p.pid, []) if how == 'home']

    def home(self):
        promises.wait_until('it is home', self.came_home, 60, self.y.pump)

    def counted(self, what):
        """Among the last figures is this: how often a call was answered, and how often it brought the process home."""
        figures = promises.wait_until('the figures', lambda: self.y.status.get(self.p.pid), 60, self.y.pump)
        assert what in figures.split(), figures

    def lives(self):
        """The program has begun, is nobody's deputy, can be moved, and ends in order."""
        self.said('then x')
        with open(f'/proc/{self.p.pid}/status') as f:
            fields = dict(line.rstrip().split(':', 1) for line in f)
        assert int(fields['TracerPid']) == 0 and int(fields['SigBlk'], 16) == 0, fields
        assert os.getpriority(os.PRIO_PROCESS, self.p.pid) == os.getpriority(os.PRIO_PROCESS, 0), 'it has kept our priority'
        for host in ('h2', 'home'):
            r, _, _, _, text = self.y.move(self.p.pid, host, 60)
            assert r == 0, f'it is not moved to {host} afterwards: {text}'
        self.touch('end')
        got = self.p.finish(self.y.pump, 60)
        assert got == (0, b'ready\nthen x\nend\n'), got
        assert not promises.lost(self.y, [self.p.pid]), promises.lost(self.y, [self.p.pid])

    def is_lost(self):
        promises.wait_until('its end', self.p.ended, 60, self.y.pump)
        assert self.p.code == -signal.SIGKILL, f'ended with {self.p.code}'
        promises.wait_until('a word about it', lambda: promises.lost(self.y, [self.p.pid]), 60, self.y.pump)

    def kill_helper(self, which):
        os.kill(self.y.helpers(self.p.pid)[which], signal.SIGKILL)

    def order(self, host):
        self.y.lines.clear()
        self.y.send(f'move {self.p.pid} {host}')

    def ordered(self):
        """(errno, text) of the order's answer."""
        w = self.y.wait_line(f'moved {self.p.pid}').split(' ', 7)
        return -int(w[3]), w[7]

    def close(self):
        if self.gate:
            self.gate.close()
        self.p.close()


EXEC = f"exec ./program -c '{THEN}' x"


def no_image(y):
    """A FREEZE would end it."""
    c = Case(y, EXEC, fault='shep-freeze-sent:1')
    try:
        c.go()
        c.home()
        assert 'it executes another program: execve' in c.came_home()[0], c.came_home()
        c.counted('execve=0/1')
        c.lives()
    finally:
        c.close()


def fails(y):
    """It stays away."""
    c = Case(y, 'shopt -s execfail; exec ./none; exec ./go; echo stays; until [ -e end ]; do :; done', shell='/bin/bash')
    try:
        c.watch()
        c.go()
        c.said('stays')
        assert not c.came_home(), c.came_home()
        promises.wait_until('the trace', lambda: any('execve(' in t and '["./go"], [' in t for t in y.traces), 60, y.pump)
        r, _, _, _, text = y.move(c.p.pid, 'home', 60)
        assert r == 0, text
        c.counted('execve=2/0')
        c.touch('end')
        code, got = c.p.finish(y.pump, 60)
        assert code == 0 and got.endswith(b'stays\n'), got
    finally:
        c.close()


def traced(y):
    c = Case(y, EXEC)
    try:
        c.watch()
        c.go()
        c.home()
        assert any('execve("./program", ["./program", "-c", ' in t and t.endswith('= 0') for t in y.traces), y.traces[-3:]
        c.lives()
    finally:
        c.close()


def move_refused(y, host):
    """It takes longer than a move may wait."""
    c = Case(y, EXEC, gate=True)
    try:
        c.go()
        c.order(host)
        r, text = c.ordered()
        assert r == errno.ETIMEDOUT and 'execve' in text, f'{r} {text}'
        c.gate.answer(FAN_ALLOW)
        c.home()
        c.lives()
    finally:
        c.close()


def move_overtaken(y, host):
    """It succeeds while a move waits for it."""
    c = Case(y, EXEC, gate=True)
    try:
        c.go()
        c.order(host)
        c.y.pump(0.5)
        c.gate.answer(FAN_ALLOW)
        r, text = c.ordered()
        assert r == errno.EAGAIN and 'another program' in text, f'{r} {text}'
        c.home()
        c.lives()
    finally:
        c.close()


def host_lost(y, answer):
    """Nobody is left to hear of it."""
    c = Case(y, EXEC, gate=True)
    try:
        c.go()
        c.kill_helper(1)
        c.y.pump(0.5)
        assert not c.p.ended(), 'it was ended before its program could begin'
        c.gate.answer(answer)
        if answer == FAN_ALLOW:
            c.home()
            c.lives()
        else:
            c.is_lost()
    finally:
        c.close()


def forbidden(y):
    """EPERM may be meant for a traced process only: it is asked again at home."""
    c = Case(y, EXEC, gate=True)
    try:
        c.go()
        c.gate.answer(FAN_DENY)
        c.home()
        c.await_gate()
        c.gate.answer(FAN_ALLOW)
        c.lives()
    finally:
        c.close()


def ended(y):
    c = Case(y, EXEC, gate=True)
    try:
        c.go()
        os.kill(c.p.pid, signal.SIGKILL)
        promises.wait_until('its end', c.p.ended, 60, y.pump)
        promises.wait_until('a word about it', lambda: y.ended.get(c.p.pid), 60, y.pump)
        assert c.p.code == -signal.SIGKILL and not promises.lost(y, [c.p.pid]), y.ended
    finally:
        c.close()


def shepherd_killed(y):
    c = Case(y, EXEC, gate=True)
    try:
        c.go()
        c.kill_helper(0)
        c.is_lost()
    finally:
        c.close()


def leaving(y):
    """Its node sends it home meanwhile."""
    c = Case(y, EXEC, gate=True)
    try:
        c.go()
        os.kill(y.helpers(c.p.pid)[0], signal.SIGTERM)
        c.y.pump(0.5)
        c.gate.answer(FAN_ALLOW)
        c.home()
        c.lives()
    finally:
        c.close()


def signalled(y):
    """A signal with a handler comes in the midst: to the new program, which has none."""
    c = Case(y, f"trap : USR1; {EXEC}", gate=True)
    try:
        c.go()
        os.kill(c.p.pid, signal.SIGUSR1)
        c.y.pump(0.1)
        c.gate.answer(FAN_ALLOW)
        promises.wait_until('its end', c.p.ended, 60, y.pump)
        assert c.p.code == -signal.SIGUSR1 and not promises.lost(y, [c.p.pid]), f'{c.p.code} {y.ended}'
    finally:
        c.close()


def run(argv):
    y = promises.start_yard()
    cases = [
        ('without an image', lambda: no_image(y)),
        ('a failure is an answer', lambda: fails(y)),
        ('it can be watched', lambda: traced(y)),
        ('a move to another host is refused', lambda: move_refused(y, 'h2')),
        ('a move home is refused', lambda: move_refused(y, 'home')),
        ('it overtakes a move to another host', lambda: move_overtaken(y, 'h2')),
        ('it overtakes a move home', lambda: move_overtaken(y, 'home')),
        ('the host is lost', lambda: host_lost(y, FAN_ALLOW)),
        ('the host is lost, and it fails', lambda: host_lost(y, FAN_DENY)),
        ('forbidden to a traced process', lambda: forbidden(y)),
        ('the process is killed', lambda: ended(y)),
        ('the shepherd is killed', lambda: shepherd_killed(y)),
        ('its node leaves', lambda: leaving(y)),
        ('a signal meanwhile', lambda: signalled(y)),
    ]
    promises.each_case(y, cases)


promises.main(run)
