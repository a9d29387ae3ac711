# SPDX-License-Identifier: GPL-2.0-or-later
"""Python: four threads take work from a bounded queue; each round must have the same result, until the file "stop" is there."""
import hashlib
import os
import queue
import sys
import threading


def work(todo, done, lock):
    while (n := todo.get()) is not None:
        h = b'%d' % n
        for _ in range(400):
            h = hashlib.sha256(h * 30).digest()
        with lock:
            done[n] = h


def one_round():
    todo, done, lock = queue.Queue(8), {}, threading.Lock()
    threads = [threading.Thread(target=work, args=(todo, done, lock)) for _ in range(4)]
    for t in threads:
        t.start()
    for n in range(120):
        todo.put(n)
    for _ in threads:
        todo.put(None)
    for t in threads:
        t.join()
    return len(done), hashlib.sha256(b''.join(done[n] for n in sorted(done))).hexdigest()


first, rounds = one_round(), 1
while rounds < 3 or not os.path.exists('stop'):
    again = one_round()
    if again != first:
        print(f'round {rounds}: {again} instead of {first}')
        sys.exit(1)
    rounds += 1
print('4 threads', *first)
sys.exit(7)
