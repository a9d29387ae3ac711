#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 900
"""Redis and nginx moved back and forth under load: no error, no reply lost or wrong; and what it costs them to be away.

  servers.py [--seed N] [redis] [nginx]      GODWIT_SERVER_SECONDS=N (20; 60 in ./check full): how long the load lasts

First each is moved at random while its benchmark and a client that checks every reply ask it. Then the benchmark alone, at
home and away in turn: requests in a second, and how many calls were made at home for each request, which explains them.
"""
import itertools
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import apps
import promises

SECONDS = int(os.environ.get('GODWIT_SERVER_SECONDS', '60' if apps.FULL else '20'))
MOVES = SECONDS  # at least
ROUNDS = 3
BENCH_DEADLINE = 180
NEEDED = {
    # redis-server is a link to a program of redis-tools; the package with the link would start one.
    'redis': [('redis-check-rdb', 'redis-tools'), ('redis-benchmark', 'redis-tools')],
    'nginx': [('nginx', 'nginx-light'), ('ab', 'apache2-utils'), ('wrk', 'wrk')],
}
# One process: the workers of a master share memory, and so stay at home.
NGINX = '''
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events { worker_connections 512; }
http {
    access_log access.log; default_type text/plain; sendfile on; keepalive_requests 1000000;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
    server { listen 127.0.0.1:%d backlog=500; root %s; }
}
'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False


def wrk_requests(text):
    """wrk counts what it got until its time is over, and says so when a reply was wrong, late or cut off."""
    m = re.search(r'^ *(\d+) requests in', text, re.M)
    assert m and 'Socket errors' not in text and 'Non-2xx' not in text, f'wrk: {text[-900:]}'
    return int(m.group(1))


class Redis:
    def __init__(self, d):
        self.port = free_port()
        link = f'{d}/redis-server'  # it looks at the name by which it is called
        os.symlink(apps.which('redis-check-rdb'), link)
        self.command = [link, '--port', str(self.port), '--bind', '127.0.0.1', '--save', '', '--dir', d, '--loglevel', 'warning']
        self.client = [sys.executable, f'{apps.SOURCES}/ask-redis.py', str(self.port)]

    def bench(self, n):
        return [apps.which('redis-benchmark'), '-p', str(self.port), '-c', '20', '-n', str(n), '-t', 'set', '-d', '64', '-q', '--csv']

    def loads(self, n):
        """Command lines, in turn, each with what looks at the text that it prints and gives the number of its requests."""
        return itertools.repeat((self.bench(n), lambda text: self.requests(n, text) and n))

    def requests(self, n, text):
        """Requests in a second."""
        m = re.search(r'^"SET[^"]*","([\d.]+)"', text, re.M)
        assert m and 'rror' not in text, f'redis-benchmark: {text[-500:]}'
        return float(m.group(1))


class Nginx:
    def __init__(self, d):
        self.port = free_port()
        os.mkdir(f'{d}/root')
        for i, size in enumerate((0, 1, 1000, 40000, 300000, 3000000)):
            with open(f'{d}/root/file{i}', 'wb') as f:
                f.write(bytes((k * k + i) & 255 for k in range(1009)) * (size // 1009) + b'x' * (size % 1009))
        os.chmod(d, 0o755)
        with open(f'{d}/conf', 'w') as f:
            f.write(NGINX % (self.port, f'{d}/root'))
        self.command = [apps.which('nginx'), '-p', d, '-c', f'{d}/conf', '-e', 'stderr']
        self.client = [sys.executable, f'{apps.SOURCES}/ask-http.py', str(self.port), f'{d}/root']

    def bench(self, n):
        return [apps.which('ab'), '-q', '-k', '-s', '60', '-c', '20', '-n', str(n), f'http://127.0.0.1:{self.port}/file2']

    def loads(self, n):
        wrk = [apps.which('wrk'), '-t', '1', '-c', '20', '-d', '2s', '--timeout', '60s', f'http://127.0.0.1:{self.port}/file2']
        return itertools.cycle([(self.bench(n), lambda text: self.requests(n, text) and n), (wrk, wrk_requests)])

    def requests(self, n, text):
        told = dict(re.findall(r'^([A-Z][\w -]+): +([\d.]+)', text, re.M))
        assert told.get('Complete requests') == str(n) and told.get('Failed requests') == '0' and 'Non-2xx' not in text, f'ab: {text[-900:]}'
        return float(told['Requests per second'])


class Load:
    """A program that asks the server; it is not moved."""

    def __init__(self, command, d):
        self.out = tempfile.TemporaryFile(dir=d)
        self.p = subprocess.Popen(command, cwd=d, env=promises.env(), stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out)

    def ended(self):
        return self.p.poll() is not None

    def text(self):
        assert self.ended()
        self.out.seek(0)
        text = self.out.read().decode('utf-8', 'replace')
        assert self.p.returncode == 0, f'{self.p.args[0]} ends with {self.p.returncode}: {text[-900:]}'
        return text

    def close(self):
        if not self.ended():
            self.p.kill()
            self.p.wait(10)
        self.out.close()


def under_load(y, rng, name, server, p, d):
    """Moved at random, with the benchmark again and again and the client that checks all the time."""
    herd = apps.Herd(y, rng, lambda: [p.pid], pause=0.25)
    client, bench, look, asked, loads = Load(server.client, d), None, None, 0, server.loads(2000)
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end or (herd.total() < MOVES and time.monotonic() < end + 2 * SECONDS):
            if not bench:
                command, look = next(loads)
                bench = Load(command, d)
            herd.pump()
            assert not p.ended(), f'{name} has ended: {apps.end_of(p.finish(None)[1])}'
            if client.ended():
                break
            if bench.ended():
                asked += look(bench.text())
                bench.close()
                bench = None
        open(f'{d}/stop', 'w').close()
        herd.until('the replies that are asked for have come', lambda: client.ended() and (not bench or bench.ended()), BENCH_DEADLINE)
        replies = int(client.text())
        asked += look(bench.text()) if bench else 0
        herd.settle()
        assert not herd.lost, f'{name}: {herd.lost}'
        assert herd.total() >= MOVES, f'{name}: only {herd.total()} of {MOVES} moves were possible; {herd.told()}'
        print(f'{name}: {replies} replies checked, {asked} requests of the benchmarks, no error; {herd.told()}', flush=True)
    finally:
        for load in filter(None, (client, bench)):
            load.close()


def speed(herd, name, server, d, n):
    load = Load(server.bench(n), d)
    try:
        herd.until(f'{n} requests to {name}', load.ended, BENCH_DEADLINE)
        return server.requests(n, load.text())
    finally:
        load.close()


def away(herd, pid):
    """Away; and again, whenever it comes home by itself."""
    herd.move(pid, 'h1')
    herd.keep[pid] = 'h1'


def home_again(herd, pid):
    """Home, so that the shepherd tells its counts."""
    herd.keep.clear()
    herd.settle()
    herd.y.send(f'move {pid} home')
    herd.until('it is home', lambda: herd.y.helpers(pid)[0] == 0, 60)
    herd.pump(0.2)


def cost(y, rng, name, server, p, d):
    herd = apps.Herd(y, rng, lambda: [p.pid])
    herd.held = True
    n = {'home': 2000, 'away': 2000}
    home_again(herd, p.pid)
    for where in ('home', 'away'):  # so many requests that a round takes seconds
        if where == 'away':
            away(herd, p.pid)
        n[where] = max(500, int(speed(herd, name, server, d, 2000) * 2))
    ratios, rates, calls = [], {'home': [], 'away': []}, []
    for i in range(ROUNDS):
        for where in ('home', 'away') if i % 2 == 0 else ('away', 'home'):
            home_again(herd, p.pid)
            y.made.clear()
            if where == 'away':
                away(herd, p.pid)
            rates[where].append(speed(herd, name, server, d, n[where]))
            home_again(herd, p.pid)
            if where == 'away':
                made = {call: f for call, (f, _) in y.made.items() if f}
                trips = sum(b for _, b in y.made.values())
                calls.append(sum(made.values()) / n['away'])
        ratios.append(rates['away'][-1] / rates['home'][-1])
    names = ', '.join(f'{c} {f / n["away"]:.2f}' for c, f in sorted(made.items(), key=lambda x: -x[1])[:6])
    print(f'{name}: away / at home {statistics.median(ratios):.4f} ({" ".join(f"{r:.4f}" for r in ratios)}); requests in a second at home '
          f'{statistics.median(rates["home"]):.0f}, away {statistics.median(rates["away"]):.0f}; calls made at home for a request '
          f'{statistics.median(calls):.2f} ({names}); {trips} trips home by itself in the last round', flush=True)
    assert calls[-1] > 0.1, f'{name} was not away'


def one(y, name, rng):
    d = tempfile.mkdtemp(prefix='godwit-apps-')
    p = None
    try:
        server = {'redis': Redis, 'nginx': Nginx}[name](d)
        p = promises.Program(server.command, cwd=d)
        promises.wait_until(f'{name} answers', lambda: answers(server.port) or p.ended(), 30)
        assert not p.ended(), f'{name} does not start: {p.finish(None)}'
        under_load(y, rng, name, server, p, d)
        cost(y, rng, name, server, p, d)
        os.kill(p.pid, signal.SIGTERM)
        code, said = p.finish(y.pump, 30)
        assert code == 0, f'{name} ends with {code}: {apps.end_of(said)}'
    finally:
        if p:
            p.close()
        shutil.rmtree(d, ignore_errors=True)


def run(argv):
    rng = promises.seed_of(argv)
    names = apps.present(NEEDED, promises.names_of(argv) or list(NEEDED))
    with apps.a_yard() as y:
        for name in names:
            one(y, name, promises.luck_of(rng, name))


promises.main(run)
