#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that is away, seen at home by the tools that everybody uses: ps, top, lsof, renice, kill, /proc/PID.

Promise: they show of it what they show of it at home, but for memory and CPU time; and what they do to it takes effect.

  seen.py [CASE...]
"""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

TEXT = '''
import os, signal, socket, threading
signal.signal(signal.SIGUSR1, lambda *a: print('got it', flush=True))
os.mkdir('there')
os.chdir('there')
f = open('a file', 'w')
r, w = os.pipe()
s = socket.socket()
s.bind(('127.0.0.1', 0))
s.listen()
threading.Thread(target=lambda: os.read(r, 1), daemon=True).start()
pause()
print(os.nice(2))
pause()
'''


def tool(*argv):
    p = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=promises.env(COLUMNS='300'))
    assert p.returncode == 0, f'{argv}: {p.stderr}'
    return p.stdout


def listed(pid):
    fields = 'pid,ppid,pgid,sid,tty,ruser,euser,rgroup,egroup,comm,nlwp,ni,cls,lstart,blocked,caught,ignored,args'
    return tool('ps', '-ww', '-o', fields, '-p', str(pid)), tool('ps', 'eww', '-o', 'args', '-p', str(pid)), \
        tool('ps', '-L', '-o', 'lwp,comm', '-p', str(pid))


def topmost(pid):
    """Its line but for PR, memory, state and CPU time: PID USER NI COMMAND."""
    w = tool('top', '-b', '-n1', '-p', str(pid)).strip().splitlines()[-1].split(None, 11)
    return w[0], w[1], w[3], w[11]


def opened(pid):
    return [line for line in tool('lsof', '-nP', '-p', str(pid)).splitlines() if line.split()[3] != 'mem'] if shutil.which('lsof') else []


def entries(pid):
    d = f'/proc/{pid}'
    links = [os.readlink(f'{d}/{n}') for n in ('exe', 'cwd', 'root')] + [os.readlink(f'{d}/fd/{n}') for n in sorted(os.listdir(f'{d}/fd'))]
    files = []
    for n in ('cmdline', 'environ', 'comm', 'limits', 'cgroup', 'loginuid', 'oom_score_adj', 'auxv'):
        with open(f'{d}/{n}', 'rb') as f:
            files.append(f.read())
    with open(f'{d}/status') as f:
        status = [line for line in f if re.match('(Name|Umask|Tgid|Pid|PPid|Uid|Gid|Groups|Threads|Sig...|Cap...|Cpus_allowed_list):', line)]
    return links, files, [line for line in status if not line.startswith('SigQ')], sorted(os.listdir(f'{d}/task'))


def away(y):
    p = promises.Program([sys.executable, '-IS', '-c', promises.PAUSE + TEXT], boundaries=True)
    assert promises.at_pause(y, p), f'it does not begin: {p.finish(y.pump)}'
    return p


def move(y, p, host):
    r, _, _, _, why = y.move(p.pid, host)
    assert r == 0, f'no move to {host}: {why}'


def looks(y, look):
    p = away(y)
    try:
        before = look(p.pid)
        assert before, 'nothing is seen'
        for host in ('h1', 'h2'):
            move(y, p, host)
            now = []

            def same(now=now):  # not in the moment in which the shepherd has the deputy do something
                now[:] = [look(p.pid)]
                return now[0] == before
            try:
                promises.wait_until('it looks as before', same, 10, y.pump)
            except AssertionError:
                raise AssertionError(f'on {host}: {now[0]} instead of {before}') from None
        assert not [e for e in y.ended.get(p.pid, []) if e[0] == 'home'], 'it has come home meanwhile'
    finally:
        p.close()


def nice_of(pid):
    return {os.getpriority(os.PRIO_PROCESS, int(t)) for t in os.listdir(f'/proc/{pid}/task')}


def reniced(y):
    p = away(y)
    try:
        os.setpriority(os.PRIO_PROCESS, p.pid, 3)
        move(y, p, 'h1')
        promises.wait_until('the value from home', lambda: os.getpriority(os.PRIO_PROCESS, promises.guest_of(y, p.pid)) == 3, 20, y.pump)
        for t in os.listdir(f'/proc/{p.pid}/task'):
            tool('renice', '-n', '7', '-p', t)
        assert topmost(p.pid)[2] == '7' and nice_of(p.pid) == {7}
        promises.wait_until('the new one', lambda: nice_of(promises.guest_of(y, p.pid)) == {7}, 20, y.pump)
        p.go(p.pid)
        assert promises.at_pause(y, p), 'it has ended'
        promises.wait_until('its own', lambda: os.getpriority(os.PRIO_PROCESS, promises.guest_of(y, p.pid)) == 9, 20, y.pump)
        move(y, p, 'h2')
        promises.wait_until('the same on another host', lambda: nice_of(promises.guest_of(y, p.pid)) == {7, 9}, 20, y.pump)
        os.setpriority(os.PRIO_PROCESS, p.pid, -4)
        promises.wait_until('none that is negative', lambda: nice_of(promises.guest_of(y, p.pid)) == {7, 0}, 20, y.pump)
        move(y, p, 'home')
        assert nice_of(p.pid) == {7, -4}, f'at home: {nice_of(p.pid)}'
        p.go(p.pid)
        assert p.finish(y.pump) == (0, b'9\n')
    finally:
        p.close()


def killed(y):
    p = away(y)
    try:
        move(y, p, 'h1')
        tool('kill', '-USR1', str(p.pid))
        promises.wait_until('its handler', lambda: b'got it' in open(f'{p.dir}.out', 'rb').read(), 20, y.pump)
        tool('kill', str(p.pid))
        assert p.finish(y.pump)[0] == -15, f'ended with {p.code}'
        assert not promises.lost(y, [p.pid]), promises.lost(y, [p.pid])
    finally:
        p.close()


CASES = {
    'ps': lambda y: looks(y, listed),
    'top': lambda y: looks(y, topmost),
    'lsof': lambda y: looks(y, lambda pid: opened(pid) or ['no lsof here']),
    'proc': lambda y: looks(y, entries),
    'renice': reniced,
    'kill': killed,
}


def run(argv):
    y = promises.start_yard()
    names = promises.names_of(argv) or list(CASES)
    promises.each_case(y, [(name, lambda name=name: CASES[name](y)) for name in names])


promises.main(run)
