# SPDX-License-Identifier: GPL-2.0-or-later
"""Configures, builds, and runs every test; see ./check, which installs what is needed first.

Promise: one line for each test, everything that a test printed in <build>/check/NAME.log, a deadline for each test, the
line of totals last, exit status 0 only when nothing failed. Nothing stays behind: what a test leaves is reported as a
failure, and its processes are ended. What a sanitizer reports, in whatever process below a test, fails that test. Must not:
know what a test is about.

A test is
  - what `meson introspect --tests` lists (named unit/NAME; its own timeout),
  - every executable file in tests/lint (lint/NAME),
  - every executable *.sh or *.py in tests/cluster (cluster/NAME), one after the other, because they measure and use
    namespaces. A line `# check: timeout SECONDS` among its first 40 replaces the usual one,
  - likewise in tests/apps (apps/NAME), for `./check apps` and `./check full` only.
It gets GODWIT_BUILD (absolute build directory), an own TMPDIR and no standard input; a *.sh of tests/cluster gets the
directory of the programs as its argument besides. It ends with 0, or 77 when it cannot run here: its last line then says why.
"""
import argparse
import concurrent.futures
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINT_TIMEOUT = 300
CLUSTER_TIMEOUT = 400
BUILD_TIMEOUT = 900
TOTAL = {'quick': 15 * 60, 'ci': 24 * 60, 'apps': 3 * 3600, 'full': 7 * 3600}
GRACE = 5            # seconds between SIGTERM and SIGKILL, and for processes that are just ending
LEFT_GRACE = 15      # for namespaces and cgroups, which the kernel takes down later
PROGRESS = {'apps': 120, 'full': 120}  # seconds between two words about what runs; the other kinds are soon over
HEAD_LINES, TAIL_LINES = 15, 30  # of a failed test's log: the first complaint stands early, the logs of daemons at the end
REPORT_LINES = 60
SKIP = 77
# Programs in tests/cluster that tests use. New ones belong into tests/lib.
HELPERS = {'control.py', 'fake-helper.py'}
PR_SET_CHILD_SUBREAPER = 36


class Test:
    def __init__(self, name, command, timeout, directory=TOP, environment=None, stage='parallel'):
        self.name, self.command, self.timeout = name, command, timeout
        self.directory, self.environment, self.stage = directory, environment or {}, stage


# ---- processes -------------------------------------------------------------------------------------------------------

class Processes:
    """Starts programs in a process group of their own, and sees to it that none outlives its test."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ours = set()
        # Orphans of tests become our children, so that we see them, whatever their name is.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(self, command, log, timeout, directory, environment):
        """Returns (exit status, complaint or None); -N: ended by signal N."""
        with self.lock:  # reap() must not see the child before it is known
            try:
                p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=directory,
                                     env=environment, start_new_session=True)
            except OSError as e:
                return 127, f'cannot be started: {e.strerror}'
            self.ours.add(p.pid)
        complaint = None
        try:
            p.wait(timeout)
        except subprocess.TimeoutExpired:
            complaint = f'no end after {timeout:.0f} s'
            self.end(p.pid)
            p.wait()
        if not complaint and self.alive(p.pid, GRACE):
            complaint = 'left processes behind: ' + ', '.join(self.alive(p.pid, 0))
        self.end(p.pid)
        with self.lock:
            self.ours.discard(p.pid)
        return p.returncode, complaint

    def alive(self, group, seconds):
        """Names of the members of a process group that still run after so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            self.reap()
            names = [f'{f["comm"]}[{pid}]' for pid, f in processes() if f['group'] == group and f['state'] not in 'ZX']
            if not names or time.monotonic() >= deadline:
                return names
            time.sleep(0.05)

    def end(self, group):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                return
            if not self.alive(group, GRACE):
                return

    def collect(self, done):
        """Collects orphans as soon as they end, until `done` is set: a test that looks at processes sees no zombie of ours."""
        while not done.is_set():
            try:
                # WNOWAIT: the ends of tests are for those who wait for them.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                ended = None
            if ended:
                with self.lock:
                    if ended.si_pid not in self.ours:
                        with contextlib.suppress(ChildProcessError):
                            os.waitpid(ended.si_pid, os.WNOHANG)
                            continue
            done.wait(0.02)

    def reap(self):
        """Collects orphans that have ended; returns those that run, by pid."""
        running = {}
        with self.lock:
            for pid, f in processes():
                if f['parent'] != os.getpid() or pid in self.ours:
                    continue
                try:
                    if os.waitpid(pid, os.WNOHANG)[0] == 0:
                        running[pid] = f['comm']
                except ChildProcessError:
                    pass
        return running


def processes():
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open(f'/proc/{entry}/stat', errors='replace') as f:
                text = f.read()
        except OSError:
            continue
        head, _, rest = text.rpartition(')')
        fields = rest.split()
        yield int(entry), {'comm': head.partition('(')[2], 'state': fields[0], 'parent': int(fields[1]),
                           'group': int(fields[2]), 'start': fields[19]}


# ---- what is on the machine ------------------------------------------------------------------------------------------

def listing(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def snapshot():
    """Everything on this machine that carries our name, but processes: those of tests are found as our descendants."""
    found = set()
    found |= {f'network namespace {n}' for n in listing('/run/netns') if 'godwit' in n}
    found |= {f'network interface {n}' for n in listing('/sys/class/net') if 'godwit' in n}
    with open('/proc/self/mountinfo') as f:
        for fields in (line.split() for line in f):
            if 'godwit' in fields[4] or 'godwit' in ' '.join(fields[5:]):
                found.add(f'mount {fields[4]}')
    for folder, names, _ in os.walk('/sys/fs/cgroup'):
        found |= {f'cgroup {folder}/{n}' for n in names if 'godwit' in n}
    for folder in ('/tmp', '/var/tmp', '/dev/shm', '/run'):
        found |= {f'file {folder}/{n}' for n in listing(folder) if 'godwit' in n}
    found |= {f'file /run/godwit-sandbox/{n}' for n in listing('/run/godwit-sandbox')}
    return found


class Leftovers:
    """What was not there before; each is told once, after the test at which it was first seen."""

    def __init__(self):
        self.before = snapshot()
        self.told = []

    def look(self, seconds, after):
        deadline = time.monotonic() + seconds
        new = self.new()
        while new and time.monotonic() < deadline:
            time.sleep(0.2)
            new = self.new()
        self.told += [f'{thing} (first seen after {after})' for thing in sorted(new)]
        self.before |= new

    def new(self):
        # Other runs of the driver may begin and end meanwhile.
        return {t for t in snapshot() - self.before if not t.startswith('file /tmp/godwit-check.')}


# ---- finding tests ---------------------------------------------------------------------------------------------------

def meson_tests(build, prefix):
    listed = json.loads(subprocess.run(['meson', 'introspect', '--tests', build], check=True, stdout=subprocess.PIPE,
                                       stdin=subprocess.DEVNULL).stdout)
    for t in listed:
        scale = 1 if prefix == 'unit' else 10  # sanitizers and valgrind are slow
        yield Test(f'{prefix}/{t["name"]}', t['cmd'], (t['timeout'] or 600) * scale, t['workdir'] or build,
                   dict(t['env'], GODWIT_BUILD=build))


def lint_tests():
    folder = os.path.join(TOP, 'tests/lint')
    for name in sorted(listing(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield Test(f'lint/{name}', [path], LINT_TIMEOUT)


def cluster_tests(build, prefix='cluster', full=False, folder='cluster', slow=1):
    """slow: times the usual time limits."""
    folder = os.path.join(TOP, 'tests', folder)
    for name in sorted(listing(folder)):
        path = os.path.join(folder, name)
        if not name.endswith(('.sh', '.py')) or name in HELPERS or not os.access(path, os.X_OK):
            continue
        with open(path) as f:
            head = ''.join(f.readlines()[:40])
        said = re.search(r'^# check: timeout (\d+)$', head, re.M)
        timeout = int(said.group(1)) if said else CLUSTER_TIMEOUT
        command = [path, os.path.join(build, 'src')] if name.endswith('.sh') else [path]
        yield Test(f'{prefix}/{os.path.splitext(name)[0]}', command, timeout * slow,
                   environment=dict({'GODWIT_FULL': '1'} if full else {}, GODWIT_BUILD=build), stage='cluster')


def apps_tests(build):
    """Unmodified programs, for long; the time limits in these tests are meant for that."""
    return list(cluster_tests(build, 'apps', full=True, folder='apps'))


def tidy_tests(build):
    for folder in sorted(listing(os.path.join(TOP, 'src'))):
        files = [os.path.join(d, n) for d, _, names in os.walk(os.path.join(TOP, 'src', folder)) for n in names if n.endswith('.c')]
        if files:
            yield Test(f'tidy/{folder}', ['clang-tidy-14', '--quiet', '-p', build] + sorted(files), 1800)


NOT_UNDER_VALGRIND = {
    'base-file': '/proc/self tells of valgrind, which this test compares with itself',
    'image-inspect': '/proc/self/exe is valgrind',
    'image-maps': '/proc/self tells of valgrind',
    'image-vdso': 'valgrind hides the vdso',
    'image-tracee': 'valgrind does not let it trace',
    'node-fault': '/proc/self/exe is valgrind',
    'syscalls-calls': 'gives system calls addresses that are wrong on purpose',
    'syscalls-filter': 'valgrind does not know the clone() it makes',
}


def valgrind_tests(build):
    for t in meson_tests(build, 'valgrind'):
        if t.name.partition('/')[2] not in NOT_UNDER_VALGRIND and 'python3' not in t.command[0]:
            t.command = ['valgrind', '--quiet', '--error-exitcode=99', '--leak-check=full', '--errors-for-leak-kinds=definite',
                         '--trace-children=no'] + t.command
            yield t


# ---- running ---------------------------------------------------------------------------------------------------------

class Run:
    def __init__(self, kind, build):
        self.kind, self.build = kind, build
        self.logs = os.path.join(build, 'check')
        self.deadline = time.monotonic() + TOTAL[kind]
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.print_lock = threading.Lock()
        self.processes = Processes()
        self.tmp = tempfile.mkdtemp(prefix='godwit-check.', dir='/tmp')
        os.chmod(self.tmp, 0o755)
        self.leftovers = Leftovers()
        self.number = 0
        self.built = []
        self.under_way = {}  # name of a test that runs -> (when it began, its log)

    def environment(self, test):
        e = {k: v for k, v in os.environ.items() if not k.startswith('GODWIT_') or k == 'GODWIT_SEED'}
        e.update(GODWIT_BUILD=self.build, GODWIT_CONFIG='/dev/null', LC_ALL='C.UTF-8', PYTHONDONTWRITEBYTECODE='1', NO_COLOR='1')
        e['PATH'] = e.get('PATH', '/usr/bin:/bin') + ':/usr/sbin:/sbin'
        with self.print_lock:
            self.number += 1
            e['TMPDIR'] = os.path.join(self.tmp, str(self.number))
        # Helpers write their reports as the users they have become, and with their standard error who knows where.
        reports = e['TMPDIR'] + '.reports'
        for path in (e['TMPDIR'], reports):
            os.mkdir(path)
            os.chmod(path, 0o1777)
        e['ASAN_OPTIONS'] = f'abort_on_error=1:detect_leaks=1:log_path={reports}/report'
        e['UBSAN_OPTIONS'] = f'halt_on_error=1:print_stacktrace=1:log_path={reports}/report'
        e.update(test.environment)
        return e, reports

    def run(self, test):
        """True when it passed or was skipped."""
        began = time.monotonic()
        path = os.path.join(self.logs, test.name + '.log')
        os.makedirs(os.path.dirname(path), exist_ok=True)
        left = self.deadline - began
        if left <= 0:
            return self.tell('FAIL', test, 0, f'not run: the {TOTAL[self.kind] // 60} minutes for all tests are over')
        environment, reports = self.environment(test)
        with open(path, 'wb') as log:
            self.under_way[test.name] = began, path
            status, complaint = self.processes.run(test.command, log, min(test.timeout, left), test.directory, environment)
        del self.under_way[test.name]
        seconds = time.monotonic() - began
        stray = listing(environment['TMPDIR'])
        lines = self.excerpt(path)
        reported = self.reported(reports, path)
        if reported:
            lines += reported
            complaint = complaint or 'a sanitizer reports something'
        if status == SKIP and not complaint:
            return self.tell('skip', test, seconds, lines[-1] if lines else 'no reason given')
        if status < 0 and not complaint:
            complaint = f'ended by {signal.Signals(-status).name}'
        if status == 0 and not complaint and stray:
            complaint = 'left files behind in TMPDIR: ' + ', '.join(sorted(stray)[:5])
        if status == 0 and not complaint:
            return self.tell('ok', test, seconds)
        return self.tell('FAIL', test, seconds, complaint or f'exit status {status}', lines, path)

    def excerpt(self, path, head=HEAD_LINES, tail=TAIL_LINES):
        with open(path, errors='replace') as f:
            lines = [re.sub(r'[^\t -~\u00a0-\uffff]', '?', line.rstrip('\n')) for line in f]
        between = len(lines) - head - tail
        return lines if between <= 0 else lines[:head] + [f'... {between} lines ...'] + lines[len(lines) - tail:]

    def reported(self, folder, log):
        """The beginning of what sanitizers wrote while a test ran; all of it is added to the test's log."""
        lines = []
        for name in sorted(listing(folder)):
            lines += self.excerpt(os.path.join(folder, name), REPORT_LINES, 0)
            with open(os.path.join(folder, name), 'rb') as report, open(log, 'ab') as f:
                shutil.copyfileobj(report, f)
        return lines[:REPORT_LINES]

    def tell(self, verdict, test, seconds, reason='', lines=(), path=''):
        with self.print_lock:
            if verdict == 'ok':
                self.passed += 1
            elif verdict == 'skip':
                self.skipped += 1
            else:
                self.failed += 1
            print(f'{verdict:4} {test.name} {seconds:.1f} s' + (f' [{reason}]' if reason else ''))
            for line in lines:
                print('     | ' + line)
            if path:
                print(f'     all of it: {path}')
                print(f'     again:     ./check {f"{self.kind} " if self.kind in ("apps", "full") else ""}{test.name}')
            sys.stdout.flush()
        return verdict != 'FAIL'

    def compile(self, build, compiler, *options):
        """Configures and builds; a test itself, because warnings are errors."""
        known = os.path.exists(os.path.join(build, 'build.ninja'))
        setup = ['meson', 'setup', '--reconfigure'] if known else ['meson', 'setup']
        script = '"$@" > "$GODWIT_BUILD.log" 2>&1 || { cat "$GODWIT_BUILD.log"; exit 1; }; rm -f "$GODWIT_BUILD.log"; exec ninja -C "$GODWIT_BUILD"'
        command = ['sh', '-c', script, 'sh'] + setup + [build, TOP, '-Ddeveloper=true', '-Dtests=true', *options]
        self.built.append(f'build/{os.path.basename(build)}')
        return self.run(Test(self.built[-1], command, BUILD_TIMEOUT, environment={'CC': compiler, 'GODWIT_BUILD': build}))

    def tell_progress(self, tests, done):
        """What runs, for how long, and what it said last: a test that takes an hour is not taken for one that hangs."""
        before = self.passed + self.failed + self.skipped
        while not done.wait(PROGRESS[self.kind]):
            for name, (began, path) in list(self.under_way.items()):
                last = self.excerpt(path, 0, 1)[-1:]
                with self.print_lock:
                    over = self.passed + self.failed + self.skipped - before
                    print(f'...  {name} {time.monotonic() - began:.0f} s, {over} of {tests} tests are over: {"".join(last)[:100]}', flush=True)

    def all(self, tests):
        done = threading.Event()
        threads = [threading.Thread(target=self.processes.collect, args=[done])]
        if self.kind in PROGRESS:
            threads.append(threading.Thread(target=self.tell_progress, args=[len(tests), done]))
        for t in threads:
            t.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
                list(pool.map(self.run, [t for t in tests if t.stage == 'parallel']))
            for t in tests:
                if t.stage == 'cluster':
                    self.run(t)
                    self.look(t.name)
        finally:
            done.set()
            for t in threads:
                t.join()

    def look(self, after):
        """Notes what a test has left behind; its processes are ended, so that they do not disturb the next one."""
        strays, deadline = self.processes.reap(), time.monotonic() + GRACE
        while strays and time.monotonic() < deadline:
            time.sleep(0.05)
            strays = self.processes.reap()
        for _ in range(10):  # what has lost its parent only now comes to us in the next round
            self.leftovers.told += [f'process {comm}[{pid}], now ended (first seen after {after})' for pid, comm in strays.items()]
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + GRACE
            while self.processes.reap().keys() & strays.keys() and time.monotonic() < deadline:
                time.sleep(0.05)
            strays = self.processes.reap()
        self.leftovers.look(LEFT_GRACE, after)

    def finish(self):
        """Nothing may be left of what the tests started and made."""
        began = time.monotonic()
        test = Test('nothing-left-behind', [], 0)
        self.look('the tests')
        shutil.rmtree(self.tmp, ignore_errors=True)
        told = self.leftovers.told
        if os.path.exists(self.tmp):
            told.append(f'file {self.tmp}, which cannot be removed')
        self.tell('FAIL' if told else 'ok', test, time.monotonic() - began, f'{len(told)} things' if told else '', told)


def chosen(tests, words):
    """A word that is a test's whole name means that test only."""
    names = {t.name for t in tests}
    return [t for t in tests if not words or any(w == t.name or (w not in names and w in t.name) for w in words)]


def gather(run, kind):
    if kind == 'apps':
        return apps_tests(run.build)
    tests = list(meson_tests(run.build, 'unit')) + list(lint_tests())
    if kind != 'quick':
        tests += cluster_tests(run.build, full=kind == 'full', slow=10 if kind == 'full' else 1)
    if kind == 'full':
        tests += apps_tests(run.build)
        clang, asan = run.build + '-clang', run.build + '-asan'
        if run.compile(clang, 'clang-14'):
            tests += tidy_tests(clang)
        if run.compile(asan, 'gcc', '-Db_sanitize=address,undefined'):
            tests += list(meson_tests(asan, 'asan')) + list(cluster_tests(asan, 'asan-cluster', slow=10))
        tests += valgrind_tests(run.build)
    return tests


def parse():
    p = argparse.ArgumentParser(prog='./check', description='Builds Godwit and runs its tests.', epilog='quick: without the cluster '
                                'tests; apps: unmodified programs for long, and nothing else; full: also these, clang, clang-tidy, sanitizers, '
                                'valgrind, and longer cluster tests.')
    p.add_argument('words', nargs='*', metavar='quick|apps|full|NAME', help='NAME: only tests whose name contains it')
    p.add_argument('--build', default=os.path.join(TOP, 'build'), metavar='DIRECTORY', help='default: build')
    p.add_argument('--list', action='store_true', help='build, and print the names of the tests')
    a = p.parse_intermixed_args()
    kinds = [w for w in a.words if w in TOTAL]
    return os.path.abspath(a.build), kinds[-1] if kinds else 'ci', [w for w in a.words if w not in TOTAL], a.list


def main():
    build, kind, words, only_list = parse()
    # A shell that starts us in the background makes us ignore these, and tests would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup
    run = Run(kind, build)
    try:
        if run.compile(build, 'gcc'):
            tests = gather(run, kind)
            wanted = chosen(tests, words)
            if only_list:
                print('\n'.join(t.name for t in wanted))
            elif not wanted and not any(w in b for w in words for b in run.built):
                run.tell('FAIL', Test('selection', [], 0), 0, f'no test is called {" or ".join(words)}; see ./check --list')
            else:
                run.all(wanted)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as e:
        run.tell('FAIL', Test('check', [], 0), 0, f'{type(e).__name__}: {e}')
    except KeyboardInterrupt:
        run.tell('FAIL', Test('check', [], 0), 0, 'interrupted')
    finally:
        run.finish()
    print(f'{run.passed} passed, {run.failed} failed, {run.skipped} skipped')
    return 1 if run.failed else 0


if __name__ == '__main__':
    sys.exit(main())
