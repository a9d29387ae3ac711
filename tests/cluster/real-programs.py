#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 900
"""Programs that everybody uses, moved at random while they work on a few MB: byte-equal output, the same exit code.

  real-programs.py [--seed N] [NAME...]      GODWIT_FULL=1: 50 moves instead of 20

A call that is done at home (fork, exec, a signal) brings a program home by itself; the next move sends it away again.
"""
import collections
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

MOVES = 50 if os.environ.get('GODWIT_FULL') == '1' else 20
ENOUGH = MOVES // 4  # when it has been tried thrice, on a machine that is busy with other things
AT_ONCE = 2
SECONDS = 2.5  # unmoved, on a machine that does nothing else
NOBODY = 65534

PYTHON = '''
import hashlib, json, re, zlib
words = {}
for turn in range(%d):
    for line in open("text"):
        for w in line.split():
            words[w] = words.get(w, 0) + turn + 1
    blob = json.dumps(sorted(words.items())).encode()
    print(turn, len(blob), hashlib.sha256(blob).hexdigest(), zlib.crc32(zlib.compress(blob[:200000])))
    print(len(re.findall(rb"[aeiou]{2}", blob)), sum(i * i %% 7 for i in range(200000)))
'''
THREADS = '''
import hashlib, queue, threading
todo, done = queue.Queue(), {}
def work():
    while (n := todo.get()) is not None:
        h = b"%%d" %% n
        for i in range(2000): h = hashlib.sha256(h * 40).digest()
        done[n] = h
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for n in range(%d): todo.put(n)
for t in threads: todo.put(None)
for t in threads: t.join()
print(len(done), hashlib.sha256(b"".join(done[n] for n in sorted(done))).hexdigest())
'''
MODULES = '''
import _ctypes, hashlib, mmap, os, sysconfig
d = sysconfig.get_config_var("DESTSHARED")
names = sorted(n for n in os.listdir(d) if n.endswith(".so"))
for turn in range(%d):
    seen = hashlib.sha256()
    for n in names[turn %% 5::5]:
        lib = _ctypes.dlopen(os.path.join(d, n), 2)
        seen.update(b"%%d" %% (_ctypes.dlsym(lib, "PyInit_" + n.split(".")[0]) != 0))
        _ctypes.dlclose(lib)
    with open("text", "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as m:
        m[turn * 5000:turn * 5000 + 5] = b"+++++"
        seen.update(m)
        seen.update(bytes(reversed(m[:])))
    if turn %% 10 == 0: print(turn, len(names), seen.hexdigest())
import bz2, decimal, lzma, sqlite3, ssl
print(decimal.Decimal(3).sqrt(), len(lzma.compress(bz2.compress(b"x" * 1000))), ssl.OPENSSL_VERSION, sqlite3.sqlite_version)
'''
PERL = 'my (%%c, $n); for my $t (1..%d) { open F, "<", "text"; while (<F>) { $c{lc $_}++ for /\\w+/g; $n += length } close F } ' \
       'print "$_ $c{$_}\\n" for sort keys %%c; print "$n\\n"'
GAWK = 'BEGIN { for (t = 0; t < %d; t++) { while ((getline line < "text") > 0) { n = split(line, w); for (i = 1; i <= n; i++) ' \
       'c[w[i]] += length(w[i]) * t }; close("text") } m = asorti(c, k); for (i = 1; i <= m; i++) print k[i], c[k[i]] }'
SQL = 'PRAGMA journal_mode=OFF; CREATE TABLE t(a INTEGER, b TEXT); ' \
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d) ' \
      'INSERT INTO t SELECT (i * 7919) %% 100003, hex(i * i) FROM n; CREATE INDEX x ON t(b); ' \
      'SELECT count(*), sum(a), max(b) FROM t WHERE b > "5"; SELECT b FROM t ORDER BY a, b LIMIT 500; ' \
      'SELECT substr(b,1,2) p, count(*) FROM t GROUP BY p;'
BC = 'scale=%d; 4*a(1); e(1); l(2); sqrt(2)'


def jobs():
    """name -> (command, how much work: scaled so that it lasts some seconds). {n}: the amount."""
    python = os.path.realpath(sys.executable)
    return {
        'python3': lambda n: [python, '-c', PYTHON % max(1, int(5 * n))],
        'perl': lambda n: ['perl', '-e', PERL % max(1, int(8 * n))],
        'gawk': lambda n: ['gawk', GAWK % max(1, int(12 * n))],
        'xz': lambda n: ['xz', '-T1', '-6', '-c', sized('binary', 4 * n)],
        'gzip': lambda n: ['gzip', '-9', '-n', '-c', sized('text', 36 * n)],
        'bzip2': lambda n: ['bzip2', '-9', '-c', sized('text', 12 * n)],
        'zstd': lambda n: ['zstd', '-q', '-17', '--single-thread', '--no-asyncio', '-c', sized('binary', 4 * n)],
        'openssl': lambda n: ['openssl', 'enc', '-aes-256-cbc', '-nosalt', '-pbkdf2', '-iter', str(int(3000000 * n)),
                              '-pass', 'pass:x', '-in', 'text'],
        'sqlite3': lambda n: ['sqlite3', 'db', SQL % int(500000 * n)],
        'bc': lambda n: ['bc', '-lq', f'bc{int(900 * n ** 0.5)}'],
        'sha256sum': lambda n: ['sha256sum'] + ['text', 'binary'] * int(150 * n),
        'sort': lambda n: ['sort', '--parallel=1', '-S', '60M', '-k', '3', sized('text', 60 * n)],
        'tar': lambda n: ['tar', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', '-cf', '-'] + ['tree'] * int(120 * n),
        'python3-threads': lambda n: [python, '-c', THREADS % max(1, int(500 * n))],
        'python3-modules': lambda n: [python, '-c', MODULES % max(1, int(30 * n))],
        'xz-threads': lambda n: ['xz', '-T4', '--block-size=512KiB', '-6', '-c', sized('binary', 6 * n)],
        'zstd-threads': lambda n: ['zstd', '-q', '-17', '-T3', '-c', sized('binary', 6 * n)],
        'sort-threads': lambda n: ['sort', '--parallel=4', '-S', '60M', '-k', '3', sized('text', 60 * n)],
        'static': lambda n: [f'{promises.yard.BUILD}/tests/programs/static'],
    }


def sized(kind, megabytes):
    return f'{kind}-{max(1, int(megabytes))}'


def make_input(d, command):
    """Deterministic files, made only when a command names them."""
    rng = random.Random(20)
    words = [''.join(rng.choice('abcdefghijklmnopqrstuvwxyz') for _ in range(rng.randrange(2, 11))) for _ in range(6000)]
    text = ''.join(' '.join(rng.choice(words) for _ in range(9)) + '\n' for _ in range(20000)).encode()
    binary = b''.join(rng.randbytes(300) + text[i * 100:i * 100 + 700] for i in range(1000))
    for name, data in (('text', text), ('binary', binary)):
        with open(f'{d}/{name}', 'wb') as f:
            f.write(data)
        for arg in command:
            if arg.startswith(f'{name}-'):
                with open(f'{d}/{arg}', 'wb') as f:
                    size, at = int(arg.split('-')[1]) << 20, 0
                    while at < size:
                        # No two pieces are alike, or a compressor has nothing to do.
                        piece = data[at % 997:] + str(at).encode()
                        f.write(piece)
                        at += len(piece)
    for arg in command:
        if arg.startswith('bc') and arg != 'bc':
            with open(f'{d}/{arg}', 'w') as f:
                f.write(BC % int(arg[2:]) + '\nquit\n')
    if 'tree' in command:
        for i in range(300):
            os.makedirs(f'{d}/tree/{i % 10}', exist_ok=True)
            with open(f'{d}/tree/{i % 10}/file{i}', 'wb') as f:
                f.write(binary[i * 1000:i * 1000 + 700])
            os.utime(f'{d}/tree/{i % 10}/file{i}', (0, 0))
    for top, dirs, files in os.walk(d):
        for f in dirs + files:
            os.chmod(f'{top}/{f}', 0o777)
    os.chmod(d, 0o777)


class Job:
    """A program with its reference; it runs in a directory of its own."""

    def __init__(self, name, make, user):
        self.name, self.make, self.user = name, make, user
        self.n = 1.0
        self.tries = self.again = 0
        self.p = self.dir = self.want = None
        self.moves = 0
        self.asked = False
        self.next_at = 0

    def start(self):
        command = self.make(self.n)
        self.dir = tempfile.mkdtemp(prefix='godwit-real-')
        make_input(self.dir, command)
        path = command[0] if '/' in command[0] else shutil.which(command[0], path='/usr/bin:/bin')
        p = promises.Program([path] + command[1:], user=self.user, keep_running=self.name == 'static', cwd=self.dir)
        p.name = self.name
        self.p = p
        return p

    def clean(self):
        if self.p:
            self.p.close()
            self.p = None
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

    def learn(self, got, seconds):
        """What a run that was not moved says, and how long it takes. True when it was long enough."""
        assert got[0] == 0, f'{self.name} fails without being moved: {got[1][-500:]}'
        assert self.name == 'static' or len(got[1]) > 30, f'{self.name} says nothing'
        self.seconds = seconds
        if seconds < SECONDS * 0.6 and self.name != 'static' and self.tries < 6:
            self.tries += 1
            self.n *= min(8, SECONDS / seconds)
            return False
        self.want = got
        return True


def digest(output):
    return f'{len(output)} bytes, ends with {output[-60:]!r}'


class Run:
    def __init__(self, rng, todo):
        self.rng, self.todo = rng, todo
        self.y = promises.start_yard()
        self.running = {}
        self.refused = collections.Counter()
        self.bad = []

    def moved(self, line):
        w = line.split(' ', 7)
        pid, error, text = int(w[1]), -int(w[3]), w[7] if len(w) > 7 else ''
        if pid not in self.running:
            return
        job = self.running[pid]
        job.asked = False
        # More than enough in the time that it runs.
        job.next_at = time.monotonic() + self.rng.random() * job.seconds / MOVES / 2
        if not error:
            job.moves += 1
        elif error not in promises.HARMLESS:
            self.refused[f'{job.name}: {text}'.replace(str(pid), 'PID')] += 1

    def pump(self, timeout):
        self.y.pump(timeout)
        for line in self.y.lines:
            if line.startswith('moved '):
                self.moved(line)
        self.y.lines.clear()

    def order(self):
        now = time.monotonic()
        for pid, job in self.running.items():
            if job.want is None:
                continue
            if not job.asked and job.next_at <= now:
                job.asked = True
                self.y.send(f'move {pid} {self.rng.choice(promises.HOSTS + ["home"])}')
            if job.name == 'static' and job.moves >= MOVES:
                job.p.stop()

    def judge(self, job):
        pid = job.p.pid
        del self.running[pid]
        lost = promises.lost(self.y, [pid])
        seconds = time.monotonic() - job.begun
        got = job.p.finish(self.pump, 1)
        job.clean()
        if job.want is None:
            job.learn(got, seconds)
            self.todo.insert(0, job)
            return
        who = f', as user {job.user}' if job.user else ''
        if lost or got != job.want:
            self.bad.append(f'{job.name}: {lost} code {got[0]} instead of {job.want[0]}, {digest(got[1])} '
                            f'instead of {digest(job.want[1])}')
        elif job.moves < MOVES and job.again < 2:
            # It was too quick for so many moves on this machine.
            job.again += 1
            job.n *= 2 if job.moves < MOVES / 2 else 1.5
            job.moves, job.want = 0, None
            self.todo.append(job)
            return
        elif job.moves < ENOUGH:
            self.bad.append(f'{job.name}: only {job.moves} moves')
        print(f'{job.name}{who}: {job.moves} moves, {len(got[1])} bytes, {job.seconds:.1f} s unmoved', flush=True)

    def run(self):
        while self.todo or self.running:
            while self.todo and len(self.running) < AT_ONCE:
                job = self.todo.pop(0)
                p = job.start()
                if job.want is None:
                    job.p.stop()
                self.y.ended.pop(p.pid, None)
                job.begun = time.monotonic()
                job.next_at = job.begun + 0.05
                job.asked = False
                self.running[p.pid] = job
            self.order()
            self.pump(0.01)
            for job in list(self.running.values()):
                assert time.monotonic() < job.begun + 240, f'{job.name} does not end: {self.y.ended.get(job.p.pid)}'
                if job.p.ended():
                    self.judge(job)

    def close(self):
        for job in self.running.values():
            job.clean()
        promises.check_nothing_left(self.y)


def run(argv):
    rng = promises.seed_of(argv)
    names = promises.names_of(argv)
    table = jobs()
    todo = []
    for name in names or table:
        command = table[name](1)
        if '/' not in command[0] and not shutil.which(command[0], path='/usr/bin:/bin'):
            print(f'{name}: SKIPPED, it is not installed')
            continue
        todo.append(Job(name, table[name], None))
    if not names or 'gzip' in names:
        todo.append(Job('gzip', table['gzip'], NOBODY))
    r = Run(rng, todo)
    try:
        r.run()
    finally:
        r.close()
        for text, n in r.refused.most_common():
            print(f'refused {n} times: {text}')
    for line in r.bad:
        print('   ' + line)
    assert not r.bad, f'{len(r.bad)} programs went wrong'


promises.main(run)
