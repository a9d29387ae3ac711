# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benches share: options, rounds, rows of results, pinning, sandboxes.

Promise: each figure is a median of rounds, printed with all its rounds; what a bench has started ends with it, also when
it is interrupted. Must not: compare figures of different runs.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get('GODWIT_BUILD', os.path.join(HERE, '../build')))
os.environ['GODWIT_BUILD'] = BUILD
sys.path.insert(0, os.path.join(HERE, '../tests/lib'))

HEAD = ('| figure | median | target | holds | rounds |', '|---|---|---|---|---|')


class Failed(Exception):
    pass


def arguments(text, rounds=5, **more):
    """Options that all benches have; more: name=(default, help), the default's type is the option's."""
    p = argparse.ArgumentParser(description=text, epilog='GODWIT_BUILD names the build directory (default: build).')
    p.add_argument('--rounds', type=int, default=rounds, help=f'how often each thing is measured (default: {rounds})')
    p.add_argument('--out', help='append the rows of results to this file')
    for name, (default, hint) in more.items():
        p.add_argument('--' + name.replace('_', '-'), type=type(default), default=default, help=f'{hint} (default: {default})')
    a = p.parse_args()
    if a.rounds < 1:
        p.error('at least one round')
    if not os.path.exists(os.path.join(BUILD, 'bench')):
        p.error(f'there are no built benches in {BUILD}; set GODWIT_BUILD')
    return a


def number(x):
    return f'{x:.0f}' if abs(x) >= 100 else f'{x:.4g}'


class Results:
    def __init__(self, out):
        self.out = out
        self.said_head = False

    def note(self, text):
        print(text, file=sys.stderr, flush=True)

    def row(self, figure, values, unit='', target=None):
        """values: one of each round. target: not to be exceeded by their median; None: for information."""
        middle = statistics.median(values)
        holds = '-' if target is None else 'yes' if middle <= target else 'no'
        wanted = '-' if target is None else f'<= {number(target)}{" " + unit if unit else ""}'
        line = f'| {figure} | {number(middle)}{" " + unit if unit else ""} | {wanted} | {holds} | {" ".join(map(number, values))} |'
        for text in (HEAD if not self.said_head else ()) + (line,):
            print(text, flush=True)
        self.said_head = True
        if self.out:
            with open(self.out, 'a') as f:
                f.write(line + '\n')
        return middle


def ratios(above, below):
    return [a / b for a, b in zip(above, below)]


def turns(n, things):
    """The things in turn, n times; every second time in reverse, so that none is always the first."""
    for i in range(n):
        for thing in things if i % 2 == 0 else list(reversed(things)):
            yield i, thing


def wait_until(what, state, seconds=60, between=0.01):
    """Looks until state() is true and returns what it gave."""
    end = time.monotonic() + seconds
    while True:
        result = state()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f'{what}: not within {seconds} s')
        time.sleep(between)


def program(name):
    return os.path.join(BUILD, 'bench', name)


def pin(pid, cpu):
    """All threads of a process to one processor."""
    for tid in os.listdir(f'/proc/{pid}/task'):
        os.sched_setaffinity(int(tid), {cpu})


def guest_of(agent, pid):
    """The guest's pid as this machine sees it: the child of the agent that is called pid in its own namespace."""
    with open(f'/proc/{agent}/task/{agent}/children') as f:
        children = f.read().split()
    for child in children:
        with open(f'/proc/{child}/status') as f:
            names = [line.split()[1:] for line in f if line.startswith('NSpid:')][0]
        if int(names[-1]) == pid and len(names) > 1:
            return int(child)
    raise Failed(f'agent {agent} has no guest {pid}')


def kill(pid):
    """Ends a process, child or not, and waits for it."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
    finally:
        os.close(fd)
    wait_until(f'end of {pid}', lambda: state_of(pid) in ('', 'Z', 'X'), 10)


def state_of(pid):
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rpartition(')')[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ''


class Sandbox:
    """`godwit sandbox` under a name of its own; use with `with`."""

    def __init__(self, nodes, cpus=None):
        self.name = f'bench{os.getpid() % 100000}'
        self.env = dict(os.environ, PATH=f'{BUILD}/src:{os.environ["PATH"]}', GODWIT_SANDBOX=self.name)
        self.up = ['godwit', 'sandbox', 'up', str(nodes)] + (['--cpus-per-node', str(cpus)] if cpus else [])

    def call(self, *command, **more):
        return subprocess.run(command, env=self.env, check=True, stdout=subprocess.PIPE, text=True, **more).stdout

    def __enter__(self):
        try:
            self.call(*self.up, stderr=subprocess.PIPE, timeout=60)
        except BaseException as e:  # also when interrupted: the half that is there must go
            self.__exit__()
            if isinstance(e, subprocess.CalledProcessError):
                raise Failed(f'no sandbox: {e.stderr}') from e
            raise
        return self

    def __exit__(self, *why):
        subprocess.run(['godwit', 'sandbox', 'down'], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=60, check=False)

    def nodes(self):
        return json.loads(self.call('godwit', 'sandbox', 'status', '--json'))['nodes']

    def on(self, node, *command):
        return ['godwit', 'sandbox', 'on', node, *command]

    def start(self, node, *command):
        return subprocess.Popen(self.on(node, *command), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def json(self, node, *verb):
        return json.loads(self.call('godwit', '--at', node, *verb, '--json'))


def main(bench):
    """Runs a bench so that everything is cleaned up after an interrupt, too."""
    def interrupted(signo, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupted)
    try:
        bench()
    except (Failed, OSError, subprocess.SubprocessError) as e:
        sys.exit(f'{os.path.basename(sys.argv[0])}: {e}')
    except KeyboardInterrupt:
        sys.exit(130)
