#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A small client of the control socket for tests, and a source of garbage.

control.py SOCKET METHOD [PARAMETERS [CONDITION]]    call; CONDITION is Python about r (reply), e (error), p (its parameters)
control.py SOCKET METHOD PARAMETERS --print FIELD    prints a field of the reply
control.py SOCKET METHOD PARAMETERS --until CONDITION is found in the next argument; calls until it holds
control.py SOCKET --wait-socket                      waits until the daemon answers
control.py --forge TOKEN FIELD                       the token with one field changed and its check made good
control.py --garbage ADDRESS PORT                    bad bytes; PORT 0: ADDRESS is a stream socket, -1: a seqpacket one
control.py --version ADDRESS PORT                    preambles of an older and a newer version are answered with the node's own
Promise: every wait ends after 60 s with exit status 1. Must not: be used outside of tests.
"""
import base64
import json
import random
import socket
import ssl
import struct
import sys
import time

LIMIT = 60


def call(path, method, parameters):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(LIMIT)
        s.connect(path)
        s.sendall(json.dumps({'method': 'org.godwit.' + method, 'parameters': json.loads(parameters)}).encode() + b'\0')
        data = b''
        while not data.endswith(b'\0'):
            more = s.recv(65536)
            if not more:
                raise ConnectionError('the daemon closed the connection')
            data += more
    msg = json.loads(data[:-1])
    return msg.get('parameters', {}), msg.get('error')


def fails(condition, parameters, error):
    """Why it does not hold; '' when it does. What it names and the answer has not is a mistake, or has yet to come."""
    scope = {'r': parameters, 'p': parameters, 'e': error, 'all': all, 'any': any, 'len': len}
    try:
        return '' if eval(' '.join(condition.split()), scope) else f'not {condition}'
    except KeyError as e:
        return f'no {e} in the answer for {condition}'


def until(path, method, parameters, condition):
    deadline, last, why = time.monotonic() + LIMIT, None, 'no answer'
    while time.monotonic() < deadline:
        try:
            last = call(path, method, parameters)
            why = fails(condition, *last)
            if not why:
                return
        except (OSError, ValueError) as e:
            last = e
        time.sleep(0.05)  # between two looks at a state
    raise SystemExit(f'{method}: {why} within {LIMIT} s\nlast: {last}')


def forge(token, field):
    raw = bytearray(base64.urlsafe_b64decode(token[4:] + '=' * (-len(token[4:]) % 4)))[:-4]
    tail = len(raw)  # address(es), u16 port, u64 id, secret[32], fingerprint[32], i64 expires
    at = {'expires': tail - 1, 'fingerprint': tail - 8 - 5, 'secret': tail - 8 - 32 - 5, 'port': tail - 8 - 64 - 8 - 2}[field]
    if field == 'expires':
        raw[tail - 8:] = struct.pack('<q', int(time.time()) - 10)
    elif field == 'port':
        raw[at:at + 2] = struct.pack('<H', 9)
    else:
        raw[at] ^= 0x55
    check = 2166136261
    for b in raw:
        check = ((check ^ b) * 16777619) & 0xffffffff
    print('gw1.' + base64.urlsafe_b64encode(raw + struct.pack('<I', check)).decode().rstrip('='))


def client_hello():
    """The first bytes of an honest TLS client."""
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def shapes():
    rng = random.Random(7)
    hello = client_hello()
    for kind in b'PJL':  # whole, cut anywhere, and with what does not belong there
        begin = b'GODWIT\1' + bytes([kind]) + bytes(8)
        for data in (hello, hello[:3], hello[:len(hello) // 2], hello[:-1], hello + hello, hello[:9] + rng.randbytes(len(hello))):
            yield begin + data
    for n in range(1, 16):
        yield (b'GODWIT\1P' + bytes(8))[:n]
    yield b''
    yield b'\0' * 16
    yield b'GET / HTTP/1.1\r\n\r\n'
    for kind in b'PLJX':
        for version in (0, 1, 2, 255):
            yield b'GODWIT' + bytes([version, kind]) + rng.randbytes(8)
            yield b'GODWIT' + bytes([version, kind]) + rng.randbytes(8) + rng.randbytes(200)
            yield b'GODWIT' + bytes([version, kind])
    yield b'{"method":"org.godwit.Nodes","parameters":[]}\0'
    yield b'{' * 70000
    yield b'[' * 3000 + b'\0'
    for n in (1, 7, 8, 9, 63, 500, 5000):
        yield rng.randbytes(n) + b'\0'


def garbage(address, port):
    for data in shapes():
        kind = socket.SOCK_SEQPACKET if port < 0 else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET if port > 0 else socket.AF_UNIX, kind) as s:
            s.settimeout(LIMIT)
            s.connect((address, port) if port > 0 else address)
            try:
                if data or port >= 0:
                    s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):  # the end must come, by the daemon's deadline at the latest
                    pass
            except OSError as e:
                if isinstance(e, TimeoutError):
                    raise
                pass


def version(address, port):
    """A client of another version is told which one the node speaks, and is then left alone, whatever kind it is."""
    for kind in b'PLJ':
        for number in (0, 2, 255):
            with socket.create_connection((address, port), LIMIT) as s:
                s.sendall(b'GODWIT' + bytes([number, kind]) + bytes(8) + b'more')
                answer = b''
                while more := s.recv(64):
                    answer += more
            if answer != b'GODWIT\1P' + bytes(8):
                raise SystemExit(f'version {number}, kind {chr(kind)}: answered with {answer!r}')


def main(args):
    if args[0] == '--forge':
        forge(args[1], args[2])
    elif args[0] == '--garbage':
        garbage(args[1], int(args[2]))
    elif args[0] == '--version':
        version(args[1], int(args[2]))
    elif args[1] == '--wait-socket':
        until(args[0], "Status", "{}", "e is None")
    elif len(args) > 3 and args[3].startswith('--'):
        if args[3] == '--print':
            answer, error = call(args[0], args[1], args[2])
            if args[4] not in answer:
                raise SystemExit(f'{args[1]}: no {args[4]} in the answer: {error} {json.dumps(answer)}')
            print(answer[args[4]])
        else:
            until(args[0], args[1], args[2], args[4])
    else:
        parameters, error = call(args[0], args[1], args[2] if len(args) > 2 else '{}')
        condition = args[3] if len(args) > 3 and args[3] else 'e is None'
        why = fails(condition, parameters, error)
        if why:
            raise SystemExit(f'{args[1]}: {why}\ngot: {error} {json.dumps(parameters)}')


main(sys.argv[1:])
