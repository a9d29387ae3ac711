# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks a Redis server and holds every reply against what it must be: ask-redis.py PORT.

Promise: ends with 0 and the number of replies when the file "stop" is there and every reply was right; a reply that does not
come within a minute, or is another, ends it with 1.
"""
import os
import random
import socket
import sys

CONNECTIONS = 4


class Connection:
    def __init__(self, number, port):
        self.number, self.model, self.n = number, {}, 0
        self.sock = socket.create_connection(('127.0.0.1', port), 60)
        self.sock.settimeout(60)
        self.file = self.sock.makefile('rb')
        self.rng = random.Random(number)

    def send(self, *commands):
        out = b''
        for words in commands:
            words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            out += b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)
        self.sock.sendall(out)

    def reply(self):
        line = self.file.readline()
        assert line.endswith(b'\r\n'), f'the connection ended: {line}'
        kind, rest = line[:1], line[1:-2]
        if kind == b'$':
            n = int(rest)
            return None if n < 0 else self.file.read(n + 2)[:-2]
        if kind == b'*':
            return [self.reply() for _ in range(int(rest))]
        assert kind in b':+', f'an error: {line}'
        return int(rest) if kind == b':' else rest

    def batch(self):
        """(commands, their right replies): the keys are this connection's own."""
        commands, wanted = [], []
        for _ in range(self.rng.randrange(1, 20)):
            self.n += 1
            key = f'{self.number}-{self.rng.randrange(50)}'
            kind = self.rng.randrange(6)
            if kind == 0:
                value = b'%d' % self.n * self.rng.choice((1, 10, 3000))
                self.model[key] = value
                commands.append(('SET', key, value))
                wanted.append(b'OK')
            elif kind == 1:
                self.model[key] = self.model.get(key, b'') + b'+'
                commands.append(('APPEND', key, '+'))
                wanted.append(len(self.model[key]))
            elif kind == 2:
                commands.append(('DEL', key))
                wanted.append(int(self.model.pop(key, None) is not None))
            elif kind == 3:
                self.model['count'] = self.model.get('count', 0) + 1
                commands.append(('INCR', f'count-{self.number}'))
                wanted.append(self.model['count'])
            elif kind == 4:
                commands.append(('ECHO', str(self.n)))
                wanted.append(b'%d' % self.n)
            else:
                commands.append(('GET', key))
                wanted.append(self.model.get(key))
        return commands, wanted


def main(port):
    ask = [Connection(i, port) for i in range(CONNECTIONS)]
    listener, sleeper, poster = (Connection(CONNECTIONS + i, port) for i in range(3))
    listener.send(('SUBSCRIBE', 'news'))
    assert listener.reply() == [b'subscribe', b'news', 1]
    replies, turn = 0, 0
    while not os.path.exists('stop'):
        turn += 1
        asked = []
        for c in ask:
            commands, wanted = c.batch()
            c.send(*commands)
            asked.append((c, commands, wanted))
        # One waits in the server for what another sends only now, and a third hears of it.
        sleeper.send(('BLPOP', 'work', '60'))
        poster.send(('RPUSH', 'work', turn), ('PUBLISH', 'news', turn))
        for c, commands, wanted in asked:
            for command, want in zip(commands, wanted):
                got = c.reply()
                assert got == want, f'{command}: {got} instead of {want}'
                replies += 1
        got = [sleeper.reply(), poster.reply(), poster.reply(), listener.reply()]
        want = [[b'work', b'%d' % turn], 1, 1, [b'message', b'news', b'%d' % turn]]
        # The list's length is 0 when the one that waits has it already.
        assert got[0] == want[0] and got[1] in (0, 1) and got[2:] == want[2:], f'{got} instead of {want}'
        replies += 4
    print(replies)


try:
    main(int(sys.argv[1]))
except (AssertionError, OSError, ValueError) as e:
    print(f'{type(e).__name__}: {e}')
    sys.exit(1)
