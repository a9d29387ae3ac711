#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clocks on a host.

(a) a process that only reads clocks is moved again and again: wherever it is stopped, nothing is lost and no clock goes back;
(b) on a host it does not enter the kernel for them, and its output is the same;
(c) where home keeps the data of the clocks, a host has pages of its own: they are in nobody's way, and not in the image;
(d) a wait whose time only home knows ends in time, though the process moves all the while;
(e) the first two once more where the processor's counter cannot be used and each reading is a call.

  clocks.py [--seed N]      GODWIT_MOVES=N (150)
"""
import ctypes
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

MOVES = int(os.environ.get('GODWIT_MOVES', '150'))
CLOCKSOURCES = '/sys/devices/system/clocksource/clocksource0/available_clocksource'
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18


def moved(y, pid, host):
    r, _, _, _, text = y.move(pid, host)
    assert r == 0 or -r in promises.HARMLESS, f'not moved to {host}: {r} {text}'
    return r == 0


def reads(y, rng, moves):
    """(a)"""
    want = promises.unmoved(['reader'])
    assert want[0] == 0, f'reader fails without being moved: {want}'
    p = promises.Program(['reader'], keep_running=True)
    try:
        done, end = 0, time.monotonic() + 120
        while done < moves:
            assert time.monotonic() < end and not p.ended(), f'only {done} moves: {y.ended.get(p.pid)}'
            done += moved(y, p.pid, rng.choice(promises.HOSTS + ['home']))
            y.pump(rng.random() * 0.01)
        got = p.finish(y.pump)
        assert got == want, f'after {done} moves: {got} instead of {want}'
        assert not promises.lost(y, [p.pid])
    finally:
        p.close()


def switches(guest):
    with open(f'/proc/{guest}/status') as f:
        return sum(int(line.split()[1]) for line in f if line.startswith('voluntary_ctxt_switches'))


def used_ns(guest):
    with open(f'/proc/{guest}/schedstat') as f:
        return int(f.read().split()[0])


def kernel_entries(y):
    """(b) how often the reader waits for an answer in a second of its own time: few of its readings are calls by intent."""
    p = promises.Program(['reader'], keep_running=True)
    try:
        assert moved(y, p.pid, 'h1')
        guest = promises.guest_of(y, p.pid)
        n, ns = switches(guest), used_ns(guest)
        promises.wait_until('the reader has run for 50 ms', lambda: used_ns(guest) > ns + 50000000, 60, y.pump)
        n, ns = switches(guest) - n, used_ns(guest) - ns
        assert p.finish(y.pump)[0] == 0
        return n * 1e9 / ns
    finally:
        p.close()


def places(y, want, hosts):
    """(c) hosts[i]: where it goes at boundary i."""
    p = promises.Program(['places'], boundaries=True)
    try:
        for n, host in enumerate(hosts):
            poll = promises.select.poll()
            poll.register(p.at, promises.select.POLLIN)
            promises.wait_until(f'boundary {n}', lambda poll=poll: poll.poll(0), 30, y.pump)
            assert os.read(p.at, 4), f'it ended before boundary {n}: {y.ended.get(p.pid)}'
            if host:
                moved(y, p.pid, host)
            p.go(p.pid)
        got = p.finish(y.pump)
        assert got == want, f'{hosts}: {got} instead of {want}'
        assert not promises.lost(y, [p.pid])
    finally:
        p.close()


def waits(y, rng):
    """(d) until the wait has ended it is at no place for long."""
    want = promises.unmoved(['epoll-time'])
    p = promises.Program(['epoll-time'])
    try:
        moves = 0
        while not p.ended():
            moves += moved(y, p.pid, rng.choice(promises.HOSTS)) if not p.ended() else 0
            y.pump(0.05)
        got = p.finish(y.pump)
        assert got == want, f'after {moves} moves: {got} instead of {want}'
        assert moves > 2, f'only {moves} moves'
    finally:
        p.close()


# Boundaries 0 and 1: around the pages that the kernel chooses. 2: before a clock is read to where it cannot be stored, 3: before
# it maps over its clocks, then at each change.
WAYS = [('h1', 'home', 'h2', None, None, None, None), ('h1', 'h2', 'home', None, None, None, None),
        (None, None, None, 'h1', 'home', 'h2', 'home'), (None, None, 'h1', 'h2', 'h3', 'h1', 'home'),
        (None, None, 'h1', None, 'h1', 'h2', 'home'), ('h1', None, 'h2', 'h3', None, None, 'home')]


def without_counter():
    """From now on the programs that this process starts see a kernel that has another clock only."""
    libc = ctypes.CDLL(None, use_errno=True)
    with tempfile.NamedTemporaryFile('w') as f:
        f.write('hpet\n')
        f.flush()
        ok = libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b'none', b'/', None, MS_REC | MS_PRIVATE, None) == 0 and \
            libc.mount(f.name.encode(), CLOCKSOURCES.encode(), None, MS_BIND, None) == 0
        assert ok, f'mount: {os.strerror(ctypes.get_errno())}'


def run(argv):
    rng = promises.seed_of(argv)
    want = promises.unmoved(['places'])
    assert want[0] == 0, f'places fails without being moved: {want}'
    with open(CLOCKSOURCES) as f:
        sources = f.read().split()
    y = promises.start_yard()
    reads(y, rng, MOVES)
    rate = kernel_entries(y)
    print(f'{" ".join(sources)}: {rate:.0f} waits in a second of its time', flush=True)
    for way in WAYS:
        places(y, want, way)
    waits(y, rng)
    promises.check_nothing_left(y)
    without_counter()
    y = promises.start_yard()
    reads(y, rng, MOVES // 5)
    slow = kernel_entries(y)
    print(f'without the counter: {slow:.0f} waits', flush=True)
    promises.check_nothing_left(y)
    # The few calls that it makes by intent are hundreds of readings apart.
    assert 'tsc' not in sources or rate * 4 < slow, 'the counter is not used'


promises.main(run)
