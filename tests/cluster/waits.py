#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits until a point in time, on a host.

(a) threads that wait until points in time of CLOCK_MONOTONIC stay on the host, and none wakes early;
(b) so does python3 whose threads wait for queues, or for points of CLOCK_REALTIME;
(c) in a time namespace (a container may have one) it is the same;
(d) and where the host's namespace is ahead of home's clock, or far behind it;
(e) a process whose waits were interrupted at home, by a stop or on the way, does not lose the wakes of its own threads;
(f) a wait until a point of CLOCK_REALTIME ends by home's clock, also when that is set in the midst of it;
(g) so it does when the process is moved, or stopped and continued, while it waits.
"""
import errno
import os
import signal
import subprocess
import sys
import tempfile

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


# sem_timedwait(), pthread_mutex_timedlock() of two kinds and pthread_cond_timedwait() in a thread each.
DATES = '''
import ctypes, errno, os, struct, threading, time
c = ctypes.CDLL(None, use_errno=True)
def room(): return ctypes.create_string_buffer(128)
sem, plain, inherits, lock, cond, kind = room(), room(), room(), room(), room(), room()
for r in (c.sem_init(sem, 0, 0), c.pthread_mutexattr_init(kind), c.pthread_mutexattr_setprotocol(kind, 1),
          c.pthread_mutex_init(inherits, kind), c.pthread_mutex_lock(inherits), c.pthread_mutex_lock(plain)):
    assert r == 0
def by_sem(at): return c.sem_timedwait(sem, at) and ctypes.get_errno()
def by_plain(at): return c.pthread_mutex_timedlock(plain, at)
def by_inherits(at): return c.pthread_mutex_timedlock(inherits, at)
def by_cond(at):
    c.pthread_mutex_lock(lock)
    r = c.pthread_cond_timedwait(cond, lock, at)
    c.pthread_mutex_unlock(lock)
    return r
early, late, right = [], [], []
def wait(how, seconds):
    until, begun = time.time_ns() + int(seconds * 1e9), time.monotonic()
    r = how(struct.pack('qq', until // 10 ** 9, until % 10 ** 9))
    while r == errno.EINTR: r = how(struct.pack('qq', until // 10 ** 9, until % 10 ** 9))
    right.append(r == errno.ETIMEDOUT)
    by = (time.time_ns() - until) / 1e9
    early.append(by < 0)
    late.append(by > 2)
    return time.monotonic() - begun
'''
MANY = DATES + '''
def some(how):
    for i in range(40): wait(how, 0.01)
t = [threading.Thread(target=some, args=(how,)) for how in (by_sem, by_plain, by_inherits, by_cond)]
pause()
for x in t: x.start()
for x in t: x.join()
print(len(right), all(right), any(early), any(late), flush=True)
os.read(102, 1)
'''
ONE = DATES + '''
took = []
t = threading.Thread(target=lambda: took.append(wait(by_cond, SECONDS)))
pause()
t.start()
pause()
t.join()
assert right == [True], right
print(any(early), *[TOOK for s in took], flush=True)
pause()
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


def python(y, text, want):
    """(b) Why it came home."""
    p = promises.Program([sys.executable, '-c', promises.PAUSE + text], boundaries=True, keep_running=True)
    try:
        assert len(os.read(p.at, 4)) == 4
        moved(y, p.pid, 'h1')
        p.go(p.pid)
        promises.wait_until('its end', lambda: os.fstat(p.out.fileno()).st_size > 0, 60, y.pump)
        got = p.finish(y.pump)
        assert got == (0, want), f'python3: {got}'
        return trips(y, p.pid)
    finally:
        p.close()


def other_clock(y, want, ahead):
    """(d)"""
    y.send(f'ahead {ahead}')
    y.wait_line('ahead')
    one_stays(f'deadlines, {ahead} ns ahead', lambda: stays(y, want))
    y.send('ahead 0')
    y.wait_line('ahead')


def one_wait(y, seconds, took, meanwhile):
    """A thread waits that long by home's clock; took says in Python what is told of s, the seconds that it took by CLOCK_MONOTONIC.
    Returns why it came home, with what it told."""
    p = promises.Program([sys.executable, '-c', promises.PAUSE + ONE.replace('SECONDS', str(seconds)).replace('TOOK', took)], boundaries=True)
    try:
        assert promises.at_pause(y, p)
        moved(y, p.pid, 'h1')
        p.go(p.pid)
        assert promises.at_pause(y, p)
        meanwhile(p.pid)
        p.go(p.pid)
        assert promises.at_pause(y, p), f'it has ended: {p.finish(y.pump)}'
        home = trips(y, p.pid)
        p.go(p.pid)
        return home, p.finish(y.pump)
    finally:
        p.close()


def set_clock(y, lie):
    """(f)"""
    def say(seconds):
        with open(lie, 'r+b') as f:
            f.write(int(seconds * 10 ** 9).to_bytes(8, 'little', signed=True))
    y.send(f'preload {promises.yard.BUILD}/tests/lib/clock-lies.so')
    # (by how much it is set, how long the wait was to be, how long it is)
    for by, seconds, took in ((3600, 3500, 's < 20'), (-4, 3, '6.9 < s < 20'), (0.5, 3, '2.4 < s < 20')):
        say(4000)
        home, got = one_wait(y, seconds, took, lambda _, by=by: say(4000 + by))
        assert got == (0, b'False True\n'), f'{seconds} s, and the clock is set by {by}: {got}'
        assert not home, f'set by {by}, it has come home: {home}'
    y.send('preload -')


def moved_meanwhile(y):
    """(g)"""
    def there_and_back(pid):
        for host in ('h2', 'home', 'h3', 'h1'):
            os.kill(pid, signal.SIGSTOP)
            promises.wait_until('it is stopped', lambda: state(pid) in 'Tt', 60, y.pump)
            os.kill(pid, signal.SIGCONT)
            moved(y, pid, host)
    _, got = one_wait(y, 3, '2.9 < s < 30', there_and_back)
    assert got == (0, b'False True\n'), f'moved while it waits: {got}'


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
    one_stays('python3', lambda: python(y, QUEUES, b'160 0\n'))
    one_stays('dates', lambda: python(y, MANY, b'160 True False False\n'))
    inside = subprocess.run(['unshare', '--time', '--monotonic', '100000', '--fork', sys.executable, __file__, '--inside'],
                            stdout=subprocess.PIPE, timeout=120, check=False)
    assert inside.returncode == 0, f'in a time namespace: {inside.stdout.decode()}'
    for ahead in (10 * MS, 3600000 * MS, -100 * MS):
        other_clock(y, want, ahead)
    for _ in range(5):
        interrupted(y, want)
    moved_meanwhile(y)
    promises.check_nothing_left(y)
    with tempfile.NamedTemporaryFile(dir='/tmp') as lie:
        lie.write(bytes(8))
        lie.flush()
        os.environ['GODWIT_LIE'] = lie.name
        y = promises.start_yard()
        set_clock(y, lie.name)
        promises.check_nothing_left(y)


promises.main(run)
