#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays godwit-shepherd or godwit-agent, by the name under which it is called, and moves nothing.

It speaks the HELPER_* messages of messages.def, so that the daemon's side of a move can be tested alone. The file `faults` beside it may
say what to do wrong: shepherd-fail, shepherd-silent, shepherd-die, agent-refuse, agent-silent, agent-die.
Promise: ends when the daemon's socket or its link ends. Must not: touch the process that it is given.
"""
import contextlib
import os
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
AGENT = os.path.basename(sys.argv[0]) == 'godwit-agent'
OPTIONS = dict(zip(sys.argv[1::2], sys.argv[2::2]))


def fault(name):
    try:
        return name in open(HERE + '/faults').read().split()
    except FileNotFoundError:
        return False


def text(s):
    return struct.pack('<H', len(s)) + s.encode()


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, n):
        v, self.data = self.data[:n], self.data[n:]
        return v

    def int(self, form):
        return struct.unpack('<' + form, self.take(struct.calcsize('<' + form)))[0]

    def str(self):
        return self.take(self.int('H')).decode()

    def bytes(self):
        return self.take(self.int('I'))


def connect():
    """The daemon may be away for a while; who finds no new one within 20 s ends."""
    global sock
    for _ in range(400):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.connect(OPTIONS['--run'] + '/helper.sock')
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(0)


connect()


def receive():
    try:
        return sock.recv(65536)
    except OSError:
        return b''


def send(number, body):
    # A daemon that is killed at that moment: receive() sees it, too, and who reads says hello to the next one.
    with contextlib.suppress(OSError):
        sock.send(struct.pack('<IHH', len(body), number, 0) + body)


def hello(kind, state, pid, start, mig, host=''):
    send(200, struct.pack('<BBqQ', kind, state, pid, start) + text('') + text(host) + struct.pack('<QQ', mig, 0))


def shepherd():
    pid = int(OPTIONS['--pid'])
    start = int(open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[19])
    hello(1, 1, pid, start, 0)
    link, at, used = None, '', 0
    while True:
        data = receive()
        if not data:
            if not os.path.exists(f'/proc/{pid}'):
                return
            connect()
            hello(1, 2 if at else 1, pid, start, 0, at)
            continue
        r = Reader(data[8:])
        if struct.unpack('<H', data[4:6])[0] != 204:
            continue
        mig, _, host, address, port, link_id = r.int('Q'), r.str(), r.str(), r.str(), r.int('H'), r.int('Q')
        r.bytes(), r.int('I')
        dry_run = r.int('B')
        r.bytes()
        if not at:
            used = r.int('Q')
        if fault('shepherd-die'):
            os._exit(1)
        if fault('shepherd-silent'):
            continue
        error, reason, sentence, refusals = 0, 0, '', b''
        if fault('shepherd-fail'):
            error, reason, sentence, host = -95, 1, 'it has more than one thread', ''
            refusals = struct.pack('<I', 1) + text(sentence)
        elif host and not dry_run:
            link = socket.create_connection((address, port))
            link.sendall(b'GODWIT' + bytes([1, ord('L')]) + struct.pack('<Q', link_id))
            assert link.recv(2) == b'ok'
            at = host
        elif not dry_run and link:
            link.close()
            link, at = None, ''
            used += 1000000
            counts = b''.join(struct.pack('<HQQ', nr, 1000 - nr, 0) for nr in range(3))
            send(206, struct.pack('<q', pid) + text('') + struct.pack('<BBQQQQQQQIBI', 1, 0, used, used // 4, 0, 2997, 0, 10**6, 2 * 10**6, 0, 0, 3)
                 + counts)
        send(205, struct.pack('<QqI', mig, error, reason) + text(sentence) + text(host) + struct.pack('<QQQ', 3100, 20000, 16200000)
             + struct.pack('<I', 1 if refusals else 0) + refusals)


def agent():
    mig = int(OPTIONS['--mig'])
    if fault('agent-die'):
        os._exit(1)
    hello(2, 4, 0, 0, mig)
    while True:
        data, fds, _, _ = socket.recv_fds(sock, 65536, 4)
        if not data:
            return
        kind, r = struct.unpack('<H', data[4:6])[0], Reader(data[8:])
        if kind == 201:
            r.int('Q'), r.int('Q'), r.bytes()
            home, host, pid = r.str(), r.str(), r.int('q')
            if fault('agent-silent'):
                continue
            refuse = fault('agent-refuse')
            send(202, struct.pack('<QqI', mig, -12 if refuse else 0, 45 if refuse else 0) + text('no room is left' if refuse else ''))
        elif kind == 203:
            link = socket.socket(fileno=fds[0])
            link.setblocking(True)
            link.sendall(b'ok')
            send(206, struct.pack('<q', pid) + text(host) + struct.pack('<BBQQQQQQQIBI', 2, 0, 1000, 0, 1 << 20, 5, 0, 0, 0, 0, 0, 0))
            link.recv(1)  # the end of the link is the end of the guest
            return


agent() if AGENT else shepherd()
