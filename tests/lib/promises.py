# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs programs under the yard, moves them, and looks for what a test may have left behind.

Promise: every wait has a deadline; each program has a directory, a cookie and a process group of its own, and ends with the
test. A test runs below a process that does nothing but to wait for its end, or for SIGTERM or SIGINT, and to end and to remove
then whatever is left of it: no moment is a wrong one for that. Must not: judge; the tests do that.
"""
import contextlib
import ctypes
import errno
import glob
import json
import os
import random
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import yard

LIBC = ctypes.CDLL(None, use_errno=True)
HOSTS = ['h1', 'h2', 'h3']
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# Refusals that a test of promises may meet and that say nothing against them: it is there already, it has just ended or is
# about to, it is in the middle of a vfork() or an exec.
HARMLESS = {errno.EALREADY, errno.EAGAIN, errno.ESRCH}
MARK = f'GODWIT_TEST={secrets.token_hex(8)}'


def env(**more):
    e = {'PATH': '/usr/bin:/bin:/usr/sbin:/sbin', 'LC_ALL': 'C', 'HOME': '/tmp', 'TZ': 'UTC'}
    e.update([MARK.split('=')])
    e.update(more)
    return e


def start_yard():
    inherited = dict(os.environ)
    inherited.update([MARK.split('=')])
    return yard.Yard(env=inherited)


def parts_of_test():
    """Processes that carry the mark in their first environment: programs, guests, helpers, the yard. The parts of a test have
    marks that begin with that of the test."""
    found = {}
    for d in os.listdir('/proc'):
        if not d.isdigit():
            continue
        try:
            with open(f'/proc/{d}/environ', 'rb') as f:
                if MARK.encode() not in f.read():
                    continue
            with open(f'/proc/{d}/stat') as f:
                stat = f.read()
        except OSError:
            continue
        if stat.rpartition(')')[2].split()[0] not in 'ZX':
            found[int(d)] = stat[stat.index('(') + 1:stat.rindex(')')]
    return found


def wait_until(what, condition, deadline=60, step=None):
    """Until condition() is true. step(timeout) may do useful work meanwhile; else the state is looked at again soon."""
    end = time.monotonic() + deadline
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f'{what}: not within {deadline} s')
        if step:
            step(0.02)
        else:
            select.select([], [], [], 0.02)


def descendants(pids):
    """These processes and all below them that have not ended."""
    parents = {}
    for d in os.listdir('/proc'):
        if d.isdigit():
            with contextlib.suppress(OSError), open(f'/proc/{d}/stat') as f:
                fields = f.read().rpartition(')')[2].split()
                if fields[0] not in 'ZX' or int(d) in pids:
                    parents.setdefault(int(fields[1]), []).append(int(d))
    found, todo = [], list(pids)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += parents.get(pid, [])
    return found


def state(pid):
    """What the kernel says of a process that does not do what it should."""
    try:
        with open(f'/proc/{pid}/status') as f:
            lines = f.read().splitlines()
        with open(f'/proc/{pid}/wchan') as f:
            return '; '.join([x for x in lines if x.startswith(('Name', 'State', 'PPid', 'Tracer', 'Sig', 'Shd'))] + [f.read()])
    except OSError as e:
        return f'{pid}: {e.strerror}'


def standing(pids):
    """The same of these processes and all below them, a line each."""
    return ''.join(f'\n   {pid}: {state(pid)}' for pid in descendants(pids))


# For a program in Python: pause() is boundary() of tests/programs/promise.h.
PAUSE = '''
import ctypes, errno, os
def pause(libc=ctypes.CDLL(None, use_errno=True)):
    if 'GODWIT_GO' in os.environ:
        os.write(100, os.getpid().to_bytes(4, 'little'))
        queue, note, mine = int(os.environ['GODWIT_GO']), ctypes.c_long(), ctypes.c_long(os.getpid())
        while libc.msgrcv(queue, ctypes.byref(note), ctypes.c_size_t(0), mine, 0) < 0:
            assert ctypes.get_errno() == errno.EINTR
'''


def remove(path):
    """A program's directory and what is beside it: its output and its message queue; or all that is in a directory of such."""
    for x in glob.glob(glob.escape(path) + '*'):
        if x.endswith('.queue'):
            LIBC.msgctl(LIBC.msgget(int(x.split('.')[-2]), 0), 0, None)  # IPC_RMID
        if os.path.isdir(x) and not os.path.islink(x):
            shutil.rmtree(x, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(x)


class Program:
    """One running program. Descriptors 100 and 102: see tests/programs/promise.h."""

    def __init__(self, argv, boundaries=False, keep_running=False, user=None, more_env=None, cwd=None):
        self.cookie = secrets.token_hex(16)
        self.at = self.done = self.queue = -1
        self.code = self.out = self.p = None
        if os.path.sep not in argv[0]:
            argv = [f'{yard.BUILD}/tests/programs/{argv[0]}'] + argv[1:]
        self.name = os.path.basename(argv[0])
        fds = []
        assert os.access(argv[0], os.X_OK), f'{argv[0]} is not there'
        if user is not None:
            argv = ['setpriv', f'--reuid={user}', f'--regid={user}', '--clear-groups'] + argv
        self.dir = f'{tempfile.gettempdir()}/{self.cookie[:12]}'
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o777)
        with contextlib.ExitStack() as stack:
            def give(fd, number):
                os.dup2(fd, number)
                os.close(fd)
                stack.callback(os.close, number)
                fds.append(number)
            if boundaries:
                self.at, w = os.pipe()
                give(w, 100)
                key = secrets.randbits(30) + 1
                with open(f'{self.dir}.{key}.queue', 'wb'):  # who removes the directory finds the queue, too
                    self.queue = LIBC.msgget(key, 0o3666)  # IPC_CREAT, IPC_EXCL and for everybody
                assert self.queue >= 0, 'no message queue'
                more_env = dict(more_env or {}, GODWIT_GO=str(self.queue))
            if keep_running:
                r, self.done = os.pipe()
                give(r, 102)
            self.out = open(f'{self.dir}.out', 'w+b')
            self.p = subprocess.Popen(argv, cwd=cwd or self.dir, env=env(COOKIE=self.cookie, **(more_env or {})),
                                      stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out,
                                      pass_fds=fds, process_group=0)
        self.pid = self.p.pid

    def go(self, pid):
        """Lets the process that waits at a boundary pass it."""
        LIBC.msgsnd(self.queue, ctypes.byref(ctypes.c_long(pid)), 0, 0)

    def stop(self):
        """No further round."""
        if self.done >= 0:
            os.close(self.done)
            self.done = -1

    def ended(self):
        if self.code is None and self.p:
            self.code = self.p.poll()
        return self.code is not None

    def finish(self, pump, deadline=120):
        """Waits for the end; returns (exit code, output)."""
        self.stop()
        try:
            wait_until(f'the end of {self.name} ({self.pid})', self.ended, deadline, pump)
        except AssertionError as e:
            self.out.seek(0)
            raise AssertionError(f'{e}; it says {self.out.read()[-600:]}{standing([self.pid])}') from None
        self.out.seek(0)
        return self.code, self.out.read()

    def descendants(self):
        """The process and all below it."""
        return descendants([self.pid])

    def close(self):
        """Also more than once."""
        self.stop()
        if not self.ended():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.p.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.p.wait(5)
        if self.at >= 0:
            os.close(self.at)
            self.at = -1
        self.out.close()
        remove(self.dir)


def unmoved(argv, **kw):
    """(exit code, output) of a run that nobody touches."""
    p = Program(argv, **kw)
    try:
        return p.finish(None, 120)
    finally:
        p.close()


class Watcher:
    def __init__(self):
        self.p = subprocess.Popen([f'{yard.BUILD}/tests/lib/watcher'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def places(self, cookie):
        """(in how many processes it is, which)"""
        self.p.stdin.write(cookie + '\n')
        self.p.stdin.flush()
        w = self.p.stdout.readline().split()
        assert w and w[0] == cookie, f'the watcher says {w}'
        return int(w[1]), w[2:]

    def exactly_one(self, program, deadline=60, pump=None):
        """A guest that has been told to end may still be there for a moment."""
        seen = []

        def one():
            n, where = self.places(program.cookie)
            seen[:] = where
            return n == 1 or program.ended() # an end is for the test to judge
        try:
            wait_until('one place', one, deadline, pump)
        except AssertionError as e:
            with contextlib.suppress(OSError), open(f'/proc/{program.pid}/stat') as f:
                seen.append(f.read().rpartition(')')[2].split()[0])
            raise AssertionError(f'{program.name} ({program.pid}) lives in {len(seen)} places: {seen} {program.cookie}') from e

    def close(self):
        self.p.stdin.close()
        self.p.wait(60)


def lost(y, pids):
    """What the yard heard of processes that did not end as programs end."""
    return [f'{pid}: {how} {text}' for pid in pids for how, text in y.ended.get(pid, []) if how in ('lost', 'killed')]


def check_nothing_left(y):
    """Closes the yard; after that nothing of this test may be alive."""
    y.close()
    try:
        wait_until('nothing of the test is left', lambda: not parts_of_test(), 60)
    except AssertionError:
        left = parts_of_test()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise AssertionError(f'left behind: {left}') from None


def seed_of(argv):
    """--seed N, or a new one; printed either way. Returns a generator; names of parts of a test make others of it."""
    seed = int(argv[argv.index('--seed') + 1]) if '--seed' in argv else secrets.randbelow(1 << 32)
    print(f'seed {seed}', flush=True)
    rng = random.Random(seed)
    rng.seed_told = seed
    return rng


def luck_of(rng, name):
    """A generator for one program: what happens to it does not depend on which others are run."""
    return random.Random(f'{rng.seed_told} {name}')


def names_of(argv):
    """Names given on the command line, to run only those."""
    return [a for i, a in enumerate(argv[1:], 1) if not a.startswith('--') and argv[i - 1] != '--seed']


def all_programs():
    """Those that are built of tests/programs."""
    d = f'{yard.BUILD}/tests/programs'
    return sorted(n for n in os.listdir(d) if os.path.isfile(f'{d}/{n}') and os.access(f'{d}/{n}', os.X_OK))


def _worker(names, take, work):
    """Takes names until none is left. Returns the complaints."""
    global MARK
    MARK = f'{MARK}-{secrets.token_hex(8)}'
    bad = []
    y = start_yard()
    while True:
        word = os.read(take, 4)
        if not word:
            break
        name, begun = names[int(word)], time.monotonic()
        try:
            complaints, told = work(y, name)
        except (AssertionError, yard.Lost) as e:
            complaints, told = [f'{name}: {e}'], ''
            with contextlib.suppress(AssertionError, yard.Lost, OSError, subprocess.TimeoutExpired):
                check_nothing_left(y)
            y = start_yard()
        bad += complaints
        lines = [f'{name}: {"FAILED" if complaints else "ok"} {time.monotonic() - begun:.1f} s {told}'.rstrip()]
        lines += ['   ' + c for c in complaints]
        os.write(1, ('\n'.join(lines) + '\n').encode())
    try:
        check_nothing_left(y)
    except (AssertionError, yard.Lost) as e:
        bad.append(str(e))
        os.write(1, f'{e}\n'.encode())
    return bad


def in_parallel(names, work):
    """work(yard, name) gives (complaints, a word for the log) for each name, in GODWIT_AT_ONCE (3) processes with a yard
    each. Returns all complaints."""
    at_once = min(int(os.environ.get('GODWIT_AT_ONCE', '3')), len(names))
    take, put = os.pipe()
    os.write(put, b''.join(b'%4d' % i for i in range(len(names))))
    os.close(put)
    results, bad = {}, []
    sys.stdout.flush()
    for _ in range(at_once):
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                os.close(r)
                os.write(w, json.dumps(_worker(names, take, work)).encode()[-60000:])
                os._exit(0)
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(w)
        results[pid] = r
    for pid, r in results.items():
        with open(r, 'rb') as f:
            told = f.read()
        _, status = os.waitpid(pid, 0)
        bad += json.loads(told) if status == 0 else [f'a part of the test ended with {status:#x}']
    os.close(take)
    return bad


def queue(pid, value):
    """Sends SIGRTMIN with a value."""
    r = LIBC.sigqueue(pid, signal.SIGRTMIN, ctypes.c_void_p(value))
    assert r == 0, f'sigqueue: {os.strerror(ctypes.get_errno())}'


def at_pause(y, p, deadline=60):
    """The pid of the process of p that has come to a pause; 0: p has ended."""
    poll = select.poll()
    poll.register(p.at, select.POLLIN)
    wait_until('it pauses or ends', lambda: poll.poll(0) or p.ended(), deadline, y.pump)
    return int.from_bytes(os.read(p.at, 4), 'little') if poll.poll(0) else 0


def trips(y, p):
    """How often the shepherd has said that p is home."""
    return sum(e[0] == 'home' for e in y.ended.get(p.pid, []))


def guest_of(y, pid):
    """The guest's pid as this machine sees it: the child of the agent that is called pid in its own namespace."""
    agent = y.helpers(pid)[1]
    with open(f'/proc/{agent}/task/{agent}/children') as f:
        for child in f.read().split():
            with open(f'/proc/{child}/status') as s:
                names = [line.split()[1:] for line in s if line.startswith('NSpid:')][0]
            if len(names) > 1 and int(names[-1]) == pid:
                return int(child)
    raise AssertionError(f'agent {agent} has no guest {pid}')


def there_and_back(y, argv, times, fault=None, kind='agent', stays=None):
    """Runs argv unmoved, and again so that it is on h1 from its first pause on and at home from its second (if it has one): both say
    the same, and it has come home by itself that many times. The fault is of the kind of helper; with `stays`, the first move is
    refused in these words."""
    want = unmoved(argv)
    assert want[0] == 0, f'fails without being moved: {want}'
    p = Program(argv, boundaries=True)
    y.ended.pop(p.pid, None)
    try:
        assert at_pause(y, p), f'it does not begin: {p.finish(y.pump)}'
        y.send(f'fault {kind} {fault or "-"}')
        r, _, _, _, why = y.move(p.pid, 'h1')
        y.send(f'fault {kind} -')
        if stays:
            assert r == -errno.EBUSY and stays in why, f'it does not stay: {r} {why}'
        else:
            assert r == 0, f'it is not moved: {why}'
        p.go(p.pid)
        if at_pause(y, p):
            assert trips(y, p) == times, f'{trips(y, p)} trips home until the second pause, instead of {times}: {y.made}'
            r, _, _, _, why = y.move(p.pid, 'home')
            assert r == 0, f'it does not come home: {why}'
            p.go(p.pid)
            times += 1
        got = p.finish(y.pump)
        assert got == want, f'code {got[0]}: {got[1].decode()}--- instead of {want[0]}: {want[1].decode()}'
        # The shepherd says so only after it has let the process go.
        wait_until('a word about each trip', lambda: trips(y, p) >= times or lost(y, [p.pid]), 60, y.pump)
        assert trips(y, p) == times, f'{trips(y, p)} trips home instead of {times}: {y.made}'
        assert not lost(y, [p.pid]), lost(y, [p.pid])
    finally:
        p.close()


def each_case(y, cases):
    """Runs each of [(name, function)]; says of all how they end, and then that they were right and nothing is left."""
    bad = 0
    try:
        for name, case in cases:
            try:
                case()
                print(f'ok   {name}', flush=True)
            except (AssertionError, yard.Lost) as e:
                bad += 1
                print(f'FAIL {name}: {e} {list(y.ended.values())[-1:]}', flush=True)
    finally:
        check_nothing_left(y)
    assert not bad, f'{bad} of {len(cases)} are wrong'


def _run(run):
    """Runs run(argv) and turns a failed assertion into one line and code 1."""
    begun = time.monotonic()
    try:
        run(sys.argv)
    except (AssertionError, yard.Lost) as e:
        print(f'FAIL: {e}')
        sys.exit(1)
    print(f'ok, {time.monotonic() - begun:.1f} s')


def _clear(top):
    """Ends what is left below this process, or carries the mark, and removes what is left in the directory."""
    def left():
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        parts = parts_of_test()
        for pid in descendants([os.getpid()])[1:]:
            with contextlib.suppress(OSError), open(f'/proc/{pid}/comm') as f:
                parts[pid] = f.read().strip()
        return parts

    def none_left():
        parts = left()
        for pid in parts:
            # A yard ends when nobody holds its input any more, and clears up.
            if parts[pid] != 'yard' or time.monotonic() > patience:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return not parts
    patience = time.monotonic() + 10
    wait_until('all of the test has ended', none_left, 20)
    remove(f'{top}/')


def main(run):
    """Runs run(argv) in a process of its own and ends as that does; see the top of this file."""
    if os.geteuid() != 0:
        print('SKIP: moving processes of others needs root')
        sys.exit(77)
    # A shell that starts us in the background has these ignored, and programs would inherit it.
    ours = {signal.SIGTERM, signal.SIGINT}
    for signo in ours | {signal.SIGQUIT, signal.SIGHUP}:
        signal.signal(signo, signal.SIG_DFL)
    assert LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ours | {signal.SIGCHLD})
    tempfile.tempdir = top = tempfile.mkdtemp(prefix='g-')
    os.chmod(top, 0o755)
    sys.stdout.flush()
    test = os.fork()
    if test == 0:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setpgid(0, 0)  # ^C is for us, and we end it
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _run(run)
        sys.exit(0)
    code = told = None
    while code is None and told is None:
        signo = signal.sigwait(ours | {signal.SIGCHLD})
        told = signo if signo in ours else None
        with contextlib.suppress(ChildProcessError):
            while code is None:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                code = os.waitstatus_to_exitcode(status) if pid == test else None
    try:
        _clear(top)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    sys.exit(128 + told if told else code if code >= 0 else 128 - code)
