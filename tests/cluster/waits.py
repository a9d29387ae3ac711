#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits until a point in time, on a host.

(a) threads that wait until points in time of CLOCK_MONOTONIC stay on the host, and none wakes early;
(b) so does python3 whose threads wait for queues;
(c) in a time namespace (a container may have one) it is the same;
(d) where the host's namespace is ahead of home's clock, or far behind it, the waits are made at home; none wakes early;
(e) a process whose waits were interrupted at home, by a stop or on the way, does not lose the wakes of its own threads.
"""
import errno
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

MS = 1000000
QUEUES = '''
import os, queue, threading, time
early = []
def get(q):
    for i in range(40):
        until = time.monotonic() + 0.01
        try:
            q.get(timeout=0.01)
        except queue.Empty:
            early.append(time.monotonic() < until)
t = [threading.Thread(target=get, args=(queue.Queue(),)) for i in range(4)]
pause()
for x in t: x.start()
for x in t: x.join()
print(len(early), sum(early), flush=True)
os.read(102, 1)
'''


def moved(y, pid, host):
    """A thread that is just ending, or that waits and was interrupted before, may be in the way for a moment."""
    said = []

    def there():
        r, _, _, _, text = y.move(pid, host)
        said[:] = [r, text]
        return r == 0
    try:
        promises.wait_until('it is moved', there, 60, y.pump)
    except AssertionError as e:
        raise AssertionError(f'not moved to {host}: {said}') from e


def calls(y, pid):
    """name of call -> (how often it was forwarded, how often it brought the process home), as the shepherd last said."""
    y.send(f'status {pid}')
    found = {}
    for w in y.status.get(pid, '').split()[3:]:
        name, _, figures = w.partition('=')
        found[name] = tuple(int(n) for n in figures.split('/'))
    return found


def state(pid):
    with open(f'/proc/{pid}/stat') as f:
        return f.read().rpartition(')')[2].split()[0]


def trips(y, pid):
    return [text for how, text in y.ended.get(pid, []) if how == 'home']


def one_stays(what, attempt):
    """On a machine that is too busy for home's messages to come in time, it may come home: not each time."""
    seen = []
    for _ in range(5):
        seen.append(attempt())
        if not seen[-1]:
            return
    raise AssertionError(f'{what} was to stay there: {seen}')


def stays(y, want):
    """(a) Why it came home."""
    p = promises.Program(['deadlines'], keep_running=True)
    try:
        moved(y, p.pid, 'h1')
        promises.wait_until('some rounds', lambda: trips(y, p.pid) or calls(y, p.pid).get('clone', (0, 0))[0] >= 20, 60, y.pump)
        got = p.finish(y.pump)
        assert got == want, f'on a host: {got} instead of {want}'
        return trips(y, p.pid)
    finally:
        p.close()


def queues(y):
    """(b) Why it came home."""
    p = promises.Program([sys.executable, '-c', promises.PAUSE + QUEUES], boundaries=True, keep_running=True)
    try:
        assert len(os.read(p.at, 4)) == 4
        moved(y, p.pid, 'h1')
        p.go(p.pid)
        promises.wait_until('its end', lambda: os.fstat(p.out.fileno()).st_size > 0, 60, y.pump)
        got = p.finish(y.pump)
        assert got == (0, b'160 0\n'), f'python3: {got}'
        return trips(y, p.pid)
    finally:
        p.close()


def comes_home(y, want, ahead):
    """(d)"""
    y.send(f'ahead {ahead}')
    y.wait_line('ahead')
    p = promises.Program(['deadlines'], keep_running=True)
    try:
        for host in ('h1', 'h2') * 5:
            n = len(trips(y, p.pid))
            moved(y, p.pid, host)
            promises.wait_until('it is home', lambda n=n: len(trips(y, p.pid)) > n, 60, y.pump)
        got = p.finish(y.pump)
        assert got == want, f'{ahead} ns ahead: {got} instead of {want}'
        assert all('futex' in t for t in trips(y, p.pid)), trips(y, p.pid)
    finally:
        p.close()


def interrupted(y, want):
    """(e) Its waits go on by restart_syscall(2) when it leaves."""
    p = promises.Program(['deadlines'], keep_running=True)
    try:
        for host in ('h1', 'home', 'h2', 'home', 'h3'):
            if host != 'home':
                os.kill(p.pid, signal.SIGSTOP)
                promises.wait_until('it is stopped', lambda: state(p.pid) == 'T', 60, y.pump)
                os.kill(p.pid, signal.SIGCONT)
            r, _, _, _, text = y.move(p.pid, host)
            assert r == 0 or -r in promises.HARMLESS or -r == errno.EBUSY, f'{host}: {r} {text}'
        got = p.finish(y.pump, 30)
        assert got == want, f'stopped and continued: {got} instead of {want}'
    finally:
        p.close()


def run(argv):
    if not os.path.exists('/proc/self/timens_offsets'):
        print('SKIP: this kernel has no time namespaces')
        sys.exit(77)
    want = promises.unmoved(['deadlines'])
    assert want[0] == 0, f'deadlines fails without being moved: {want}'
    y = promises.start_yard()
    one_stays('deadlines', lambda: stays(y, want))
    if '--inside' in argv:
        promises.check_nothing_left(y)
        return
    one_stays('python3', lambda: queues(y))
    inside = subprocess.run(['unshare', '--time', '--monotonic', '100000', '--fork', sys.executable, __file__, '--inside'],
                            stdout=subprocess.PIPE, timeout=120, check=False)
    assert inside.returncode == 0, f'in a time namespace: {inside.stdout.decode()}'
    for ahead in (10 * MS, 3600000 * MS, -100 * MS):
        comes_home(y, want, ahead)
    y.send('ahead 0')
    y.wait_line('ahead')
    for _ in range(5):
        interrupted(y, want)
    promises.check_nothing_left(y)


promises.main(run)
