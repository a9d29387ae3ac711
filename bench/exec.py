#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What godwit exec costs: the latency of an empty command against ssh over a connection that is open already (ControlMaster), and
the throughput of cat against a TLS stream, all on the same path of a sandbox, one after the other in turn.

usage: bench/exec.py [BUILD] [ROUNDS]      as root; ssh is left out where there is no sshd (or $SSHD)

Promise: each figure is a median of rounds that alternate, so that another load on the machine meets all alike.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else 'build')
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
BIN = os.path.join(BUILD, 'src', 'godwit')
NAME = f'b{os.getpid() % 1000000}'
EACH = 40
MEGA = 256


def on(node, *command, **more):
    return subprocess.run([BIN, 'sandbox', 'on', '--name', NAME, node, *command], check=True, **more)


# Within one `sandbox on`, so that its own cost is not measured: prints seconds.
LOOP = '''import subprocess, sys, time
command = sys.argv[2:]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
t = time.monotonic()
for i in range(int(sys.argv[1])):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
print((time.monotonic() - t) / int(sys.argv[1]))
'''

# One TLS 1.3 connection with the cipher suite that links have: a file from n2 to n1.
SERVE = '''import socket, ssl, sys
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain(sys.argv[1] + '/c', sys.argv[1] + '/k')
s = socket.create_server(('10.77.0.2', 4433))
print('ready', flush=True)
k = c.wrap_socket(s.accept()[0], server_side=True)
with open(sys.argv[1] + '/big', 'rb') as f:
    while data := f.read(65536):
        k.sendall(data)
k.close()
'''
READ = '''import socket, ssl, time
c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
t = time.monotonic()
k = c.wrap_socket(socket.create_connection(('10.77.0.2', 4433)))
buf = bytearray(65536)
while k.recv_into(buf):
    pass
print(time.monotonic() - t)
'''


def loop(command, times=EACH):
    return float(on('n1', sys.executable, '-c', LOOP, str(times), *command, stdout=subprocess.PIPE).stdout)


def start_sshd(work):
    """An sshd on n2 and a master connection of n1; the command that uses it, or None."""
    sshd = os.environ.get('SSHD') or shutil.which('sshd') or '/usr/sbin/sshd'
    if not os.path.exists(sshd) or not shutil.which('ssh'):
        return None
    for key in ('host', 'user'):
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', f'{work}/{key}'], check=True)
    shutil.copy(f'{work}/user.pub', f'{work}/authorized')
    on('n2', 'sh', '-c', f'mkdir -p /run/sshd; grep -q ^sshd: /etc/passwd || {{ {{ cat /etc/passwd; echo sshd:x:64999:65534::/run/sshd:/bin/false; }} >{work}/passwd; '
       f'mount --bind {work}/passwd /etc/passwd; }}; exec {sshd} -f /dev/null -p 2222 -h {work}/host -o AuthorizedKeysFile={work}/authorized '
       '-o StrictModes=no -o UsePAM=no -o PermitRootLogin=yes -o PidFile=none')
    ssh = ['ssh', '-F', '/dev/null', '-p', '2222', '-i', f'{work}/user', '-o', 'StrictHostKeyChecking=no', '-o', f'UserKnownHostsFile={work}/known',
           '-o', f'ControlPath={work}/master', '-o', 'LogLevel=ERROR']
    on('n1', *ssh, '-o', 'ControlMaster=yes', '-o', 'ControlPersist=600', '-fN', '10.77.0.2')
    return [*ssh, '10.77.0.2']


def seconds(*command):
    t = time.monotonic()
    on('n1', *command, stdout=subprocess.DEVNULL)
    return time.monotonic() - t


def main():
    work = tempfile.mkdtemp()
    os.chmod(work, 0o755)
    figures = {}

    def note(name, value):
        figures.setdefault(name, []).append(value)
        print(f'# {name}: {value * 1000:.2f} ms', file=sys.stderr, flush=True)

    try:
        subprocess.run([BIN, 'sandbox', 'up', '--name', NAME, '2'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ssh = start_sshd(work)
        exec_ = [BIN, 'exec', '--node', 'n2']
        with open(f'{work}/big', 'wb') as f:
            for _ in range(MEGA):
                f.write(os.urandom(1 << 20))
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=x', '-keyout', f'{work}/k', '-out', f'{work}/c'],
                       check=True, stderr=subprocess.DEVNULL)
        for _ in range(ROUNDS):
            note('nothing', loop(['true']))
            note('godwit version', loop([BIN, 'version'], EACH))
            note('godwit exec true', loop([*exec_, 'true']))
            if ssh:
                note('ssh true', loop([*ssh, 'true']))
            server = subprocess.Popen([BIN, 'sandbox', 'on', '--name', NAME, 'n2', sys.executable, '-c', SERVE, work], stdout=subprocess.PIPE)
            server.stdout.readline()
            note('TLS stream', float(on('n1', sys.executable, '-c', READ, stdout=subprocess.PIPE).stdout))
            server.wait()
            note('godwit exec cat FILE', seconds(*exec_, 'cat', f'{work}/big'))
            note('godwit exec cat <FILE', seconds('sh', '-c', f'{BIN} exec --node n2 cat <{work}/big'))
            if ssh:
                note('ssh cat FILE', seconds(*ssh, 'cat', f'{work}/big'))
        for name, values in figures.items():
            m = statistics.median(values)
            what = f'{MEGA / m:8.0f} MB/s' if 'cat' in name or 'stream' in name else f'{m * 1000:8.2f} ms'
            print(f'{name:24} {what}')
        if ssh:
            print(f'latency, of ssh: {statistics.median(a / b for a, b in zip(figures["godwit exec true"], figures["ssh true"])):.2f}')
        print(f'throughput, of TLS: {statistics.median(b / a for a, b in zip(figures["godwit exec cat FILE"], figures["TLS stream"])):.2f}')
    finally:
        subprocess.run([BIN, 'sandbox', 'down', '--name', NAME], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(work)


if __name__ == '__main__':
    sys.exit(main())
