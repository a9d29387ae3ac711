# SPDX-License-Identifier: GPL-2.0-or-later
"""Six real jobs, once confined to one node of a sandbox and once spread over it; see ./demo, which installs what is needed.

Promise: the figures come from this very run; the exit status is 0 only if every output was equal byte for byte and
something really moved; the sandbox and all files are removed, also after an interruption. Must not: touch another
sandbox, or use a program that is not in the set "demo" of tools/install-dependencies.
"""
import argparse
import filecmp
import json
import os
import queue
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = ('godwit', 'godwitd', 'godwit-launcher', 'godwit-shepherd', 'godwit-agent')
NODES = 3
STEP_SECONDS = 300  # deadline of a step
LINE_SECONDS = 2    # between two lines of the view; while nothing can move, longer
QUIET_SECONDS = 10

# Name: command, its output on standard output and in the files named OUT*. Each takes 5 to 7 s of a processor at scale 1.
# Sizes are whole numbers that {} takes from sizes(). A python3 found by PATH may be a script that starts another one.
JOBS = {
    'xz': 'xz -9 -T1 -c text',
    'python3': '''/usr/bin/python3 -c '
steps = best = 0
for start in range(2, {python}):
    n, length = start, 0
    while n != 1:
        n = 3 * n + 1 if n & 1 else n >> 1
        length += 1
    steps += length
    best = max(best, (length, start)) if best else (length, start)
print(steps, *best)' ''',
    'gawk': r'''gawk '{
        for (i = 2; i < NF; i++) { pair[last " " $i]++; last = $i }
        sum += $NF * log($NF + 1)
    }
    END {
        for (p in pair)
            print pair[p], p | "sort -k1,1nr -k2 | head -n 1000"
        close("sort -k1,1nr -k2 | head -n 1000")
        printf "%.6f\n", sum
    }' {texts}''',
    'sqlite3': 'sqlite3 OUT.db < questions.sql',
    'openssl': 'openssl enc -aes-256-cbc -pbkdf2 -iter {iterations} -S 676f64776974 -k limosa -in text',
    'perl': '''perl -e '
        my ($x, %h, $s) = (1);
        for (1 .. {perl}) { $x = ($x * 1103515245 + 12345) % 2147483648; $h{$x % 50021} += $x % 17 }
        $s = ($s * 31 + $h{$_}) % 1000003 for sort { $a <=> $b } keys %h;
        print "$s\\n"' ''',
}
QUESTIONS = '''PRAGMA cache_size = -65536;
CREATE TABLE birds(ring INTEGER PRIMARY KEY, place INTEGER, name TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
  INSERT INTO birds SELECT i, i * 7919 % {places}, printf('%08x', i * 2654435761 % 4294967296) FROM n;
CREATE INDEX by_place ON birds(place);
SELECT count(*), sum(length(a.name)) FROM birds a JOIN birds b ON a.place = b.place WHERE a.name < b.name;
SELECT substr(name, 1, 2) AS head, count(*), sum(place) FROM birds GROUP BY head ORDER BY head;
'''
TEXT = '''BEGIN {
    srand(7)
    for (i = 0; i < 4000; i++) {
        word[i] = ""
        for (k = 2 + int(rand() * 8); k > 0; k--)
            word[i] = word[i] sprintf("%c", 97 + int(rand() * 26))
    }
    for (line = 0; line < lines; line++) {
        s = line
        for (k = 0; k < 6; k++)
            s = s " " word[int(4000 * rand() * rand() * rand())]
        printf "%s %.3f\\n", s, rand() * 1000
    }
}'''


class Trouble(Exception):
    """A sentence for the user."""


def say(text=''):
    print(text, flush=True)


def step(text, work):
    """Does the work and prints one line about it."""
    begin = time.monotonic()
    result = work()
    say(f'  {text:<58} {time.monotonic() - begin:6.1f} s')
    return result


def call(command, **more):
    """Runs a command whose output is of interest only if it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=STEP_SECONDS, start_new_session=True, check=False, **more)
    except OSError as e:
        raise Trouble(f'{command[0]} cannot be started: {e.strerror}') from e
    except subprocess.TimeoutExpired as e:
        raise Trouble(f'no end of "{" ".join(command)}" after {STEP_SECONDS} s') from e
    if done.returncode:
        raise Trouble(f'"{" ".join(command)}" failed:\n{done.stdout}')
    return done.stdout


def build():
    """Returns the directory with the programs."""
    directory = os.path.join(TOP, 'build')
    if not os.path.exists(os.path.join(directory, 'build.ninja')):
        # Without the tests, which ./check adds to the same directory when it is run.
        call(['meson', 'setup', '-Dtests=false', directory, TOP])
    call(['ninja', '-C', directory] + ['src/' + p for p in PROGRAMS])
    return os.path.join(directory, 'src')


def sizes(scale):
    """What stands in braces in JOBS and QUESTIONS."""
    return {'python': int(430000 * scale), 'perl': int(20000000 * scale), 'iterations': int(12000000 * scale),
            'rows': int(1600000 * scale), 'places': int(560000 * scale), 'texts': ' '.join(['text'] * 6)}


def fill(text, values):
    return re.sub(r'\{(\w+)\}', lambda m: str(values[m[1]]) if m[1] in values else m[0], text)


class Sandbox:
    def __init__(self, programs):
        self.godwit = os.path.join(programs, 'godwit')
        self.name = f'demo{os.getpid()}'
        self.log = f'/run/godwit-sandbox/{self.name}/n1/log'

    def up(self):
        call([self.godwit, 'sandbox', 'up', str(NODES), '--name', self.name])

    def down(self):
        call([self.godwit, 'sandbox', 'down', '--name', self.name])

    def on_n1(self, *command):
        return [self.godwit, 'sandbox', 'on', '--name', self.name, 'n1', *command]

    def stay(self, on):
        """Whether n1 keeps its processes. Pinning the jobs would leave their children free to go."""
        call(self.on_n1(self.godwit, 'node', 'stay' if on else 'nostay'))

    def processes(self):
        try:
            return json.loads(call(self.on_n1(self.godwit, 'ps', '--json')))['processes']
        except ValueError as e:
            raise Trouble('godwit ps --json gave no JSON') from e

    def foreign_seconds(self):
        """CPU seconds that this machine has spent on anything but the sandbox, as far as can be told; else None."""
        ours = None
        for path in (f'/sys/fs/cgroup/godwit-{self.name}/cpu.stat', f'/sys/fs/cgroup/unified/godwit-{self.name}/cpu.stat'):
            try:
                with open(path, encoding='ascii') as f:
                    ours = int(re.search(r'^usage_usec (\d+)', f.read(), re.M)[1]) / 1e6
            except (OSError, TypeError):
                continue
        with open('/proc/stat', encoding='ascii') as f:
            user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')
        return None if ours is None else busy - ours

    def moves(self):
        """List of (pid, milliseconds that it stood still), from what the daemon and the shepherds of n1, the home, wrote
        down. A process that came home by itself has None: only asked moves are written down with their time."""
        with open(self.log, encoding='utf-8', errors='replace') as f:
            text = f.read()
        moved = re.findall(r'\bmoved (\d+) \(.*\) \S+ -> (\S+): freeze ([0-9.]+) ms', text)
        home = [int(pid) for pid in re.findall(r'\bprocess (\d+) \(.*\) is home: ', text)]
        found = []
        for pid, to, ms in moved:
            found.append((int(pid), float(ms)))
            if to == 'n1' and int(pid) in home:
                home.remove(int(pid))  # two lines about one move
        return found + [(pid, None) for pid in home]


class Job:
    def __init__(self, name, script, directory, files):
        self.name, self.script, self.directory = name, script, directory
        self.pid = self.seconds = self.status = None
        os.mkdir(directory)
        for f in files:
            os.symlink(f, os.path.join(directory, os.path.basename(f)))

    def start(self, sandbox, options, ended):
        # The shell writes down its pid, which the job then has: a pid of n1, as godwit ps shows it.
        script = f'echo $$ > pid; exec {sandbox.godwit} run {options} {self.script}'
        begin = time.monotonic()
        with open(os.path.join(self.directory, 'OUT'), 'wb') as out, open(os.path.join(self.directory, 'errors'), 'wb') as errors:
            child = subprocess.Popen(sandbox.on_n1('sh', '-c', script), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=errors, start_new_session=True)

        def wait():
            self.status = child.wait()
            self.seconds = time.monotonic() - begin
            ended.put(self)
        threading.Thread(target=wait, daemon=True).start()

    def read_pid(self):
        with open(os.path.join(self.directory, 'pid'), encoding='ascii') as f:
            return int(f.read())

    def complaint(self):
        with open(os.path.join(self.directory, 'errors'), encoding='utf-8', errors='replace') as f:
            return f'{self.name} ended with status {self.status}: {f.read(2000).strip()}'

    def outputs(self):
        return sorted(f for f in os.listdir(self.directory) if f.startswith('OUT'))


def view(sandbox, jobs, seconds):
    """One line: who is where."""
    where = {f'n{i + 1}': [] for i in range(NODES)}
    names = {}
    for job in jobs:
        if job.status is None:
            try:
                names[job.read_pid()] = job.name
            except (OSError, ValueError):  # not that far yet
                pass
    for p in sandbox.processes():
        if p['pid'] in names:
            where.setdefault(p['node'], []).append(names[p['pid']])
    nodes = ' | '.join(f'{n}: {" ".join(sorted(where[n])) or "-":<20}' for n in sorted(where))
    say(f'{seconds:7.1f} s  {nodes} moves {len(sandbox.moves())}')


def run_all(sandbox, directory, options, values, files, every):
    """Runs all jobs at the same time, shows where they are each `every` seconds. Returns them, the seconds it took, and how
    many processors other programs of the machine used meanwhile (0 if that cannot be told)."""
    ended = queue.Queue()
    os.mkdir(directory)
    jobs = [Job(name, fill(text, values), os.path.join(directory, name), files) for name, text in JOBS.items()]
    begin, foreign = time.monotonic(), sandbox.foreign_seconds()
    for job in jobs:
        job.start(sandbox, options, ended)
    left, line = len(jobs), begin + 1
    while left:
        now = time.monotonic()
        if now - begin > STEP_SECONDS:
            raise Trouble(f'{left} jobs have not ended after {STEP_SECONDS} s; the last words of n1:\n' + tail(sandbox.log))
        if now >= line:
            view(sandbox, jobs, now - begin)
            line = max(line + every, time.monotonic())
        try:
            job = ended.get(timeout=max(0.01, line - time.monotonic()))
        except queue.Empty:
            continue
        left -= 1
        if job.status:
            raise Trouble(job.complaint() + '\nThe last words of n1:\n' + tail(sandbox.log))
    for job in jobs:
        job.pid = job.read_pid()
    others = sandbox.foreign_seconds() - foreign if foreign is not None else 0
    return jobs, max(job.seconds for job in jobs), others / (time.monotonic() - begin)


def tail(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return ''.join(f.readlines()[-15:])
    except OSError as e:
        return f'({e.strerror})'


def equal(a, b):
    """Whether two runs of a job made the same, and something at all."""
    if a.outputs() != b.outputs():
        return False
    paths = [(os.path.join(a.directory, f), os.path.join(b.directory, f)) for f in a.outputs()]
    return any(os.path.getsize(x) for x, _ in paths) and all(filecmp.cmp(x, y, shallow=False) for x, y in paths)


def table(confined, spread, moves):
    """Prints it; returns how many outputs were equal."""
    say(f'  {"job":<8}  {"output":<9}  {"moves":>5}  {"stood still (ms)":>17}  {"confined":>9}  {"spread":>9}')
    say(f'  {"":<8}  {"":<9}  {"":>5}  {"median /  longest":>17}')
    good = 0
    for a, b in zip(confined, spread):
        same = equal(a, b)
        good += same
        freezes = [ms for pid, ms in moves if pid == b.pid and ms is not None]
        count = sum(pid == b.pid for pid, _ in moves)
        still = f'{statistics.median(freezes):.1f} / {max(freezes):8.1f}' if freezes else '-'
        say(f'  {a.name:<8}  {"equal" if same else "DIFFERENT":<9}  {count:>5}  {still:>17}  {a.seconds:>7.1f} s  {b.seconds:>7.1f} s')
    return good


def show(sandbox, directory, scale):
    values = sizes(scale)
    files = [os.path.join(directory, f) for f in ('text', 'questions.sql')]

    def generate():
        with open(files[0], 'wb') as f:
            subprocess.run(['gawk', '-v', f'lines={int(110000 * scale)}', TEXT], stdin=subprocess.DEVNULL, stdout=f, check=True,
                           timeout=STEP_SECONDS)
        with open(files[1], 'w', encoding='ascii') as f:
            f.write(fill(QUESTIONS, values))
    step('a text for the jobs', generate)
    step(f'a cluster of {NODES} nodes on this machine: n1 to n{NODES}', sandbox.up)
    say('\nSix jobs, confined to n1:')
    sandbox.stay(True)
    confined, before, others_before = run_all(sandbox, os.path.join(directory, 'confined'), '--home', values, files, QUIET_SECONDS)
    if sandbox.moves():
        raise Trouble(f'{len(sandbox.moves())} moves were made while the jobs were to stay on n1')
    sandbox.stay(False)
    say('\nThe same six jobs, started on n1 and left to the cluster:')
    spread, after, others_after = run_all(sandbox, os.path.join(directory, 'spread'), '', values, files, LINE_SECONDS)
    moves = sandbox.moves()
    say()
    good = table(confined, spread, moves)
    n = len(moves)
    say(f'\n  all six: {before:.1f} s confined to n1, {after:.1f} s spread: {before / after:.2f} times as fast on {NODES} nodes, {n} moves')
    if max(others_before, others_after) > 0.2:
        say(f'  (Meanwhile other programs used {others_before:.1f} and then {others_after:.1f} of the {os.cpu_count()} processors of this machine,'
            '\n   so these times say little about Godwit.)')
    return good, n


def main():
    p = argparse.ArgumentParser(prog='./demo', description=__doc__.splitlines()[0])
    p.add_argument('--scale', type=float, default=1.0, metavar='F', help='size of the jobs (default 1, from 0.1 to 10)')
    p.add_argument('--programs', metavar='DIR', help='show the programs in DIR, and build nothing')
    a = p.parse_args()
    if not 0.1 <= a.scale <= 10:
        p.error('F is from 0.1 to 10')

    def interrupted(number, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    say('Godwit: running programs move to the node that has room for them.\n')
    sandbox = directory = None
    good = moves = status = 0
    try:
        programs = os.path.abspath(a.programs) if a.programs else step('built, in ./build', build)
        sandbox = Sandbox(programs)
        directory = tempfile.mkdtemp(prefix='godwit-demo-')
        good, moves = show(sandbox, directory, a.scale)
    except Trouble as e:
        print(f'demo: {e}', file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print('demo: interrupted; removing what was made', file=sys.stderr)
        status = 130
    finally:
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)  # what follows is short, and must be done
        try:
            if sandbox:
                step('the sandbox is removed', sandbox.down)
        except Trouble as e:
            print(f'demo: {e}', file=sys.stderr)
            status = status or 1
        if directory:
            shutil.rmtree(directory, ignore_errors=True)
    if status:
        return status
    shown = good == len(JOBS) and moves > 0
    if shown:
        say(f'\nShown: {good} unchanged programs moved {moves} times while they ran, and every output was equal byte for byte.')
    else:
        say(f'\nNOT shown: {good} of {len(JOBS)} outputs were equal, and there were {moves} moves.')
    return 0 if shown else 1


if __name__ == '__main__':
    sys.exit(main())
