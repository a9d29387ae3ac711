# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks a web server for files of a directory and holds every reply against the file: ask-http.py PORT DIRECTORY.

Promise: ends with 0 and the number of replies when the file "stop" is there and every reply was right; a reply that does not
come within a minute, or is another, ends it with 1.
"""
import http.client
import os
import random
import sys


def main(port, directory):
    rng = random.Random(1)
    files = {}
    for name in os.listdir(directory):
        with open(f'{directory}/{name}', 'rb') as f:
            files[name] = f.read()
    asks = [http.client.HTTPConnection('127.0.0.1', port, timeout=60) for _ in range(4)]
    replies = 0
    while not os.path.exists('stop'):
        for c in asks:
            name = rng.choice(sorted(files) + ['none'])
            data, kind = files.get(name, b''), rng.randrange(4)
            if kind == 0 and data:
                a = rng.randrange(len(data))
                b = rng.randrange(a, len(data))
                c.request('GET', f'/{name}', headers={'Range': f'bytes={a}-{b}'})
                status, data = 206, data[a:b + 1]
            elif kind == 1:
                c.request('HEAD', f'/{name}')
                status, data = 200, b''
            else:
                c.request('GET', f'/{name}')
                status = 200
            r = c.getresponse()
            body = r.read()
            status = status if name in files else 404
            assert r.status == status, f'{name}: status {r.status} instead of {status}'
            assert status == 404 or body == data, f'{name}: {len(body)} other bytes instead of {len(data)}'
            replies += 1
            if rng.randrange(20) == 0:
                c.close()  # connects again with the next request
    print(replies)


try:
    main(int(sys.argv[1]), sys.argv[2])
except (AssertionError, OSError, http.client.HTTPException, ValueError) as e:
    print(f'{type(e).__name__}: {e}')
    sys.exit(1)
