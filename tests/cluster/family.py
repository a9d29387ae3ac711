#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that are made away from home: by whom, what they share, and what is left of those that could not be made.

Each case runs unmoved, and again so that it is on h1 from its first pause on; at later pauses, of any of its processes, the
case says what is moved where. It says the same, and the first process has come home by itself as often as the case says. With a fault, what
it says is compared with the case's own text.

  family.py [CASE...]
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

PRELUDE = '''
import signal, sys, threading
heard = []
signal.signal(signal.SIGCHLD, lambda *a: heard.append(1))
def child(f, *a):
    pid = os.fork()
    if pid == 0:
        try: os._exit(f(*a) or 0)
        except BaseException as e: print(repr(e)); os._exit(99)
    return pid
def end(pid): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def say(*a): print(*a, flush=True)
'''

# name: (trips home, fault of shepherd or agent, how it ends, what it says with the fault, moves at the pauses after the first, text)
CASES = {
    'generations': (0, None, 0, None, [], '''
pause()
def down(n): return end(child(down, n - 1)) + 1 if n else 0
say(down(6), len(heard), os.getpid() == os.getpgrp())
'''),
    'many': (0, None, 0, None, [], '''
pause()
r, w = os.pipe()
def work(n):
    s = n
    for i in range(20000): s = s * 1103515245 + 12345 & 0xffffffff
    os.write(w, b'%2d %10d,' % (n, s))
    return n
pids = [child(work, n) for n in range(20)]
say([end(p) for p in pids], sorted(os.read(r, 14) for p in pids))
'''),
    # The last ones are made at home: it has come there by itself, and what follows is made there.
    'too-many': (1, None, 0, None, [], '''
pause()
r, w = os.pipe()
def wait(n): os.close(w); return n + len(os.read(r, 1))
pids = [child(wait, n) for n in range(40)]
os.close(w)
say([end(p) for p in pids])
'''),
    # The child has a copy: of memory, of what was mapped from files and not looked at yet, of the place in a file.
    'copies': (0, None, 0, None, [], '''
import mmap
open('f', 'wb').write(bytes(range(256)) * 64)
fd = os.open('f', os.O_RDONLY)
m, a = mmap.mmap(fd, 0, mmap.MAP_PRIVATE, 3), bytearray(1 << 20)
pause()
n = mmap.mmap(fd, 0, mmap.MAP_PRIVATE, 3)
def look():
    a[5], m[6], n[7] = 50, 60, 70
    say(a[5], m[6], n[7], sum(m[:]), sum(n[:]), os.read(fd, 3))
    k = mmap.mmap(fd, 0, mmap.MAP_PRIVATE, 1)
    say(sum(k[:]), k[6])
say(end(child(look)), a[5], m[6], n[7], os.read(fd, 3), sum(m[:]), sum(n[:]))
'''),
    'clocks': (0, None, 0, None, [], '''
import time
pause()
r, w = os.pipe()
def tick(last):
    for i in range(2000):
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        if now < last: return 1
        last = now
    os.write(w, last.to_bytes(8, 'little'))
    return end(child(tick, last)) if depth.pop() else 0
depth = [0, 1, 1]
rc = end(child(tick, time.clock_gettime_ns(time.CLOCK_MONOTONIC)))
lasts = [int.from_bytes(os.read(r, 8), 'little') for i in range(3)]
say(rc, lasts == sorted(lasts), lasts[-1] < time.clock_gettime_ns(time.CLOCK_MONOTONIC))
'''),
    # Threads and processes get their numbers from one place.
    'threads': (0, None, 0, None, [], '''
pause()
def some(n):
    got = []
    def body(): got.append(threading.get_native_id()); got.append(end(child(lambda: 3)))
    ts = [threading.Thread(target=body) for i in range(4)]
    for t in ts: t.start()
    for t in ts: t.join()
    return sum(g == 3 for g in got) + (len(set(got)) == 5) * 10
say([end(p) for p in [child(some, n) for n in range(4)]], some(0))
'''),
    # vfork(): the child has its maker's memory until it executes a program, or cannot; the other threads go on.
    'spawned': (0, None, 0, None, [], '''
import subprocess
pause()
def body(n):
    for i in range(4):
        r = subprocess.run(['/bin/sh', '-c', f'read x; echo $x {n}; exit {i}'], input=b'a', capture_output=True)
        try: subprocess.run(['/nowhere'])
        except FileNotFoundError as e: lines.append((n, i, r.returncode, r.stdout, e.errno))
lines, ts = [], [threading.Thread(target=body, args=(n,)) for n in range(4)]
for t in ts: t.start()
for t in ts: t.join()
say(sorted(lines), os.spawnv(os.P_WAIT, '/bin/true', ['true']), os.system('exit 3') >> 8)
'''),
    # While a child has the memory of its maker, another thread maps one file after the other at the same place, and reads it.
    'maps-beside': (0, None, 0, None, [], '''
import mmap, subprocess
for n in range(8): open(f'f{n}', 'wb').write(bytes([n + 1]) * 4096 * 64)
fds = [os.open(f'f{n}', os.O_RDONLY) for n in range(8)]
pause()
def spawn():
    for i in range(12):
        subprocess.run(['/bin/true'])
        try: subprocess.run(['/nowhere'])
        except FileNotFoundError: pass
    done.append(1)
def read():
    n = 0
    while not done:
        n = (n + 1) % 8
        with mmap.mmap(fds[n], 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as m:
            got = {m[i] for i in range(0, 4096 * 64, 4096)}
        if got != {n + 1}: wrong.append((n + 1, got)); break
done, wrong = [], []
t = threading.Thread(target=spawn)
t.start(); read(); t.join()
say(len(done), wrong)
'''),
    # The child goes on elsewhere, and so does its maker; then the child's child, and they still are a family.
    'apart': (0, None, 0, None, [(1, 'h2'), (0, 'home'), (2, 'h3')], '''
pause()
r, w = os.pipe()
def low():
    pause()
    os.write(w, b'low'); return os.getppid() != 1
def mid():
    pause()
    pid = child(low)
    os.write(w, b'mid'); return 10 + end(pid)
pid = child(mid)
pause()
say(end(pid), sorted([os.read(r, 3), os.read(r, 3)]), len(heard))
'''),
    # A signal that came before the call's result is handled first: here it is EOF that the child sees.
    'signal-first': (0, None, 0, None, [], '''
pause()
def hear():
    got = []
    signal.signal(signal.SIGUSR1, lambda *a: got.append(1))
    os.close(w); os.write(v, b'r')
    while os.read(r, 1): pass
    return len(got)
for i in range(30):
    r, w = os.pipe(); u, v = os.pipe()
    pid = child(hear)
    os.read(u, 1); os.kill(pid, signal.SIGUSR1); os.close(w)
    e = end(pid)
    if e != 1: say(i, e)
    for fd in (r, u, v): os.close(fd)
say('done')
'''),
    # No child, nothing heard of one, and the next fork is one.
    'host-cannot': (0, 'agent guest-fork:1:error', 0, 'EAGAIN [] ECHILD\n7 1\n', [], None),
    'home-cannot': (0, 'shepherd shep-fork:1:error', 0, 'EAGAIN [] ECHILD\n7 1\n', [], None),
    'birth-fails': (0, 'shepherd shep-birth:1:error', 0, '-9 [1] ECHILD\n-9 2\n', [], None),
    'birth-killed': (0, 'shepherd shep-birth:1:kill', 0, '-9 [1] ECHILD\n-9 2\n', [], None),
    'host-killed': (0, 'agent guest-fork:1:kill', -9, '', [], None),
    'home-killed': (0, 'shepherd shep-fork:1:kill', -9, '', [], None),
}
FAILING = '''
pause()
try: first = end(child(lambda: 7))
except OSError as e: first = errno.errorcode[e.errno]
try: os.waitpid(-1, os.WNOHANG); none = ''
except OSError as e: none = errno.errorcode[e.errno]
say(first, heard, none)
say(end(child(lambda: 7)), len(heard))
'''


def one(y, name):
    times, fault, ends, says, moves, text = CASES[name]
    argv = [sys.executable, '-IS', '-c', promises.PAUSE + PRELUDE + (text or FAILING)]
    want = promises.unmoved(argv)
    assert want[0] == 0, f'fails without being moved: {want}'
    if fault:
        want = ends, says.encode()
    p = promises.Program(argv, boundaries=True)
    y.ended.clear()
    try:
        assert promises.at_pause(y, p) == p.pid, f'it does not begin: {p.finish(y.pump)}'
        if fault:
            y.send(f'fault {fault}')
        r, _, _, _, why = y.move(p.pid, 'h1')
        y.send('fault agent -')
        y.send('fault shepherd -')
        assert r == 0, f'it is not moved: {why}'
        p.go(p.pid)
        pids = [p.pid]
        while pid := promises.at_pause(y, p):
            if pid not in pids:
                pids.append(pid)
            for host in [h for i, h in moves if pids[i:i + 1] == [pid]]:
                r, _, _, _, why = y.move(pid, host)
                assert r == 0, f'{pid} does not go to {host}: {why}'
            p.go(pid)
        got = p.finish(y.pump)
        assert got == want, f'code {got[0]}: {got[1].decode()}--- instead of {want[0]}: {want[1].decode()}'
        times += moves.count((0, 'home'))
        # The shepherd says so only after it has let the process go.
        promises.wait_until('a word about each trip', lambda: promises.trips(y, p) >= times, 60, y.pump)
        assert promises.trips(y, p) == times, f'{promises.trips(y, p)} trips home instead of {times}'
        assert fault or not promises.lost(y, list(y.ended)), promises.lost(y, list(y.ended))
        promises.wait_until('its helpers are gone',
                            lambda: set(promises.parts_of_test().values()) <= {'yard'}, 60, y.pump)
    finally:
        p.close()


def run(argv):
    y = promises.start_yard()
    names = promises.names_of(argv) or list(CASES)
    promises.each_case(y, [(name, lambda name=name: one(y, name)) for name in names])


promises.main(run)
