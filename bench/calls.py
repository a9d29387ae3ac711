#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a system call costs a guest: native ones against the same at home, forwarded ones against an echo.

native     bench-calls measures at home, on the host, at home, ... on the same processor each time
forwarded  getppid on the host against bench-echo, which sends the frames of the same call and reply over the same kind
           of link between two processes on the processors of agent and shepherd; in turn. Once with guest and agent on
           one processor and deputy and shepherd on the other, once with all of them on one.
files      MiB/s of reading and writing through the deputy and at home; for information
waits      a futex wait until a point of CLOCK_REALTIME and of CLOCK_MONOTONIC that has passed; mprotect; for information
births     processes that are made and awaited, on the host and at home in turn; for information
events     signals and faults that have a handler, files of /proc/self, on the host and at home in turn; for information
"""
import os
import subprocess
import tempfile

import measure
from yard import Yard

NATIVE = ('getpid', 'sched_yield', 'mmap', 'futex', 'brk')
NAMES = {'mmap': 'mmap and munmap of 64 KiB', 'futex': 'futex wake', 'brk': 'brk up and down'}


class Caller:
    """A running bench-calls, and where it is."""

    def __init__(self, yard, directory, cpu, *options):
        self.yard, self.directory, self.cpu = yard, directory, cpu
        self.p = subprocess.Popen([measure.program('bench-calls'), os.path.join(directory, 'file'), *options],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        measure.pin(self.p.pid, cpu)
        if self.p.stdout.readline() != 'ready\n':
            raise measure.Failed('bench-calls does not start')

    def ask(self, name, ms, size=''):
        """ns of one call"""
        self.p.stdin.write(f'{name} {ms} {size}\n')
        self.p.stdin.flush()
        words = self.p.stdout.readline().split(maxsplit=1)
        if len(words) != 2 or words[1].startswith('failed'):
            raise measure.Failed(f'{name}: {" ".join(words) or "bench-calls has ended"}')
        return float(words[1])

    def move(self, host):
        """Afterwards the guest is on the same processor as before, with shepherd and agent on the other."""
        error, _, _, _, text = self.yard.move(self.p.pid, host)
        if error:
            raise measure.Failed(f'move to {host}: {text}')
        if host != 'home':
            self.pin(guest=self.cpu, agent=1 - self.cpu, home=1 - self.cpu)
        else:
            measure.pin(self.p.pid, self.cpu)

    def pin(self, guest, agent, home):
        shepherd, agent_pid = self.yard.helpers(self.p.pid)
        for pid, cpu in ((measure.guest_of(agent_pid, self.p.pid), guest), (agent_pid, agent), (shepherd, home),
                         (self.p.pid, home)):
            measure.pin(pid, cpu)

    def end(self):
        measure.kill(self.p.pid)


# What no filter can avoid: for a call that is always allowed, and for one of which it looks at an argument.
FLOORS = {'filtered': ('getpid', 'allows all'), 'tested': ('futex', 'looks at one argument')}


def native(caller, results, a):
    fenced = {}
    try:
        for how in FLOORS:
            fenced[how] = Caller(caller.yard, caller.directory, caller.cpu, how)
        native_rounds(caller, fenced, results, a)
    finally:
        for f in fenced.values():
            f.end()


def native_rounds(caller, fenced, results, a):
    floors = {how: [] for how in FLOORS}
    home, host, near = {n: [] for n in NATIVE + ('clock',)}, {n: [] for n in NATIVE + ('clock',)}, []
    for _ in range(a.rounds):
        for name, values in home.items():
            values.append(caller.ask(name, a.ms))
        for how, (name, _) in FLOORS.items():
            floors[how].append(fenced[how].ask(name, a.ms))
        caller.move('n2')
        for name, values in host.items():
            values.append(caller.ask(name, a.ms))
        caller.pin(guest=caller.cpu, agent=caller.cpu, home=1 - caller.cpu)
        near.append(caller.ask('clock', a.ms))
        caller.move('home')
    for name in NATIVE:
        label = NAMES.get(name, name)
        results.row(f'{label}: on the host / at home', measure.ratios(host[name], home[name]), target=1.2)
        results.row(f'{label} at home', home[name], 'ns')
        results.row(f'{label} on the host', host[name], 'ns')
    for how, (name, text) in FLOORS.items():
        results.row(f'{NAMES.get(name, name)} at home: under a filter that {text} / without', measure.ratios(floors[how], home[name]))
    results.row('clock_gettime: on the host / at home', measure.ratios(host['clock'], home['clock']), target=2)
    results.row('clock_gettime at home', home['clock'], 'ns')
    results.row('clock_gettime on the host, agent on the same CPU', near, 'ns')
    results.row('clock_gettime on the host, agent on another CPU', host['clock'], 'ns')


def echo_us(cpu_a, cpu_b, ms):
    p = subprocess.run([measure.program('bench-echo'), str(cpu_a), str(cpu_b), str(ms)], check=True, stdout=subprocess.PIPE,
                       text=True)
    return float(p.stdout)


def forwarded(caller, results, a):
    caller.move('n2')
    for label, guest, home in (('agent and shepherd on two CPUs', 1, 0), ('all on one CPU', 1, 1)):
        caller.pin(guest=guest, agent=guest, home=home)
        calls, echoes = [], []
        for _, what in measure.turns(a.rounds, ['call', 'echo']):
            if what == 'call':
                calls.append(caller.ask('getppid', a.ms * 4) / 1e3)
            else:
                echoes.append(echo_us(guest, home, a.ms * 4))
        results.row(f'forwarded getppid / TLS echo, {label}', measure.ratios(calls, echoes), target=2)
        results.row(f'forwarded getppid, {label}', calls, 'us')
        results.row(f'TLS echo of the same frames, {label}', echoes, 'us')
    caller.move('home')


def files(caller, results, a):
    kinds = [(n, s) for n in ('read', 'write') for s in (4096, 1 << 20)]
    home, host = {k: [] for k in kinds}, {k: [] for k in kinds}
    for _ in range(a.rounds):
        for where, values in (('n2', host), ('home', home)):
            caller.move(where)
            for (name, size), rates in values.items():
                rates.append(size / caller.ask(name, a.ms * 2, size) * 1e9 / (1 << 20))
    for kind in kinds:
        label = f'{kind[0]} of {"4 KiB" if kind[1] == 4096 else "1 MiB"}'
        results.row(f'{label}, forwarded', host[kind], 'MiB/s')
        results.row(f'{label}, at home', home[kind], 'MiB/s')


def compared(caller, results, a, kinds, per_unit, unit):
    """kinds: name of the measure -> label"""
    home, host = {k: [] for k in kinds}, {k: [] for k in kinds}
    for _ in range(a.rounds):
        for where, values in (('n2', host), ('home', home)):
            caller.move(where)
            for name, times in values.items():
                times.append(caller.ask(name, a.ms * 4) / per_unit)
    for name, label in kinds.items():
        results.row(f'{label}: on the host / at home', measure.ratios(host[name], home[name]))
        results.row(f'{label}, on the host', host[name], unit)
        results.row(f'{label}, at home', home[name], unit)


def births(caller, results, a):
    compared(caller, results, a, {'fork': 'fork, exit and wait', 'spawn': 'posix_spawn of true, and wait'}, 1e6, 'ms')


def events(caller, results, a):
    compared(caller, results, a,
             {'signal': 'a signal to oneself, with a handler', 'fault': 'a fault whose handler opens the page, closed again',
              'plain': '/proc/uptime opened, read, closed', 'stat': '/proc/self/stat opened, read, closed',
              'maps': '/proc/self/maps opened, read, closed'}, 1e3, 'us')


def waits(caller, results, a):
    compared(caller, results, a, {'until': 'wait until a time of day that has passed', 'until-monotonic': 'the same by CLOCK_MONOTONIC',
                                  'mprotect': 'mprotect of a page that is so already'}, 1e3, 'us')


def bench():
    a = measure.arguments(__doc__.split('\n', maxsplit=1)[0], ms=(50, 'least time of one measurement'),
                          parts=('native,forwarded,files,waits,births,events', 'which'))
    if not {0, 1} <= os.sched_getaffinity(0):
        raise measure.Failed('needs processors 0 and 1')
    os.sched_setaffinity(0, {0})  # and what the yard starts; pinned further as each part needs it
    results = measure.Results(a.out)
    with tempfile.TemporaryDirectory(dir='/dev/shm') as directory:
        yard = Yard()
        caller = None
        try:
            caller = Caller(yard, directory, 1)
            for part in a.parts.split(','):
                {'native': native, 'forwarded': forwarded, 'files': files, 'waits': waits, 'births': births, 'events': events}[part](caller, results, a)
        finally:
            if caller:
                caller.end()
            yard.close()


if __name__ == '__main__':
    measure.main(bench)
