#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What brings a guest home: each call that the table does there, and each thing of docs/limits.md that is no call of its own.

It says what it says unmoved; it has come home by itself, once, for what it did, and can be moved again afterwards.

  brought-home.py [CASE...]
"""
import errno
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

PRELUDE = '''
import ctypes, errno, os, resource, signal, socket, struct, sys, threading, time
c = ctypes.CDLL(None, use_errno=True)
c.syscall.restype = ctypes.c_long
c.mmap.restype = ctypes.c_void_p
c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
PAGE = 4096
def say(*a): print(*a, flush=True)
def call(nr, *args):
    v = c.syscall(ctypes.c_long(nr), *[ctypes.c_long(x) if isinstance(x, int) else x for x in args])
    return errno.errorcode[ctypes.get_errno()] if v == -1 else v
word = ctypes.c_uint(0)
def futex(op, val, limit=None, second=None, third=0):
    return call(202, ctypes.byref(word), op, val, limit, second, third)
def at(ns, clock=time.CLOCK_REALTIME):
    t = time.clock_gettime_ns(clock) + ns
    return struct.pack('qq', t // 10 ** 9, t % 10 ** 9)
'''
# Not for this test: vhangup() would take the terminal from whoever runs it, the other two are for code that the kernel has written.
NOT_TRIED = {'vhangup', 'uprobe', 'uretprobe'}
CALLS = '''
for nr, name in %r:
    pause()
    v = call(nr, *[-1] * 6)
    say(name, v if isinstance(v, str) or v <= 0 else 'more than 0')
pause()
'''

VDSO = '''
lo, hi = [int(x, 16) for line in open('/proc/self/maps') if '[vdso]' in line for x in line.split()[0].split('-')]
pause()
'''

# name: (the word of the reason, what it does between two pauses)
CASES = {
    'another-namespace': ('fork', '''
pid = call(56, 0x04000011, 0, 0, 0, 0) # clone(CLONE_NEWUTS | SIGCHLD)
if pid == 0: os._exit(5)
say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
'''),
    'exec-of-a-thread': ('exec', '''
say('before')
r, w = os.pipe()
threading.Thread(target=os.read, args=(r, 1), daemon=True).start()
os.execv('/bin/echo', ['echo', 'one of several threads'])
'''),
    'core': ('signal', '''
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
assert hard, 'no core can be dumped here'
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
pid = os.fork()
if pid: say(os.waitpid(pid, 0)[1] == 0x83); os._exit(0) # by SIGQUIT, with a core
pause()
signal.raise_signal(signal.SIGQUIT)
'''),
    'stack-that-disarms-itself': ('signal', '''
stack = c.mmap(None, 16 * PAGE, 3, 0x22, -1, 0)
assert c.sigaltstack(struct.pack('QiQ', stack, -2147483648, 16 * PAGE), None) == 0 # SS_AUTODISARM
@ctypes.CFUNCTYPE(None, ctypes.c_int)
def handler(n): heard.append(n)
class Action(ctypes.Structure): _fields_ = [('f', ctypes.c_void_p), ('mask', ctypes.c_ulong * 16), ('flags', ctypes.c_int), ('r', ctypes.c_void_p)]
heard = []
c.sigaction(10, ctypes.byref(Action(ctypes.cast(handler, ctypes.c_void_p), (ctypes.c_ulong * 16)(), 0x08000000, None)), None)
pause()
c.raise_(10) if hasattr(c, 'raise_') else c.kill(os.getpid(), 10)
say(heard)
'''),
    'the-tid-that-is-cleared': ('call', '''
say(call(218, 0) == threading.get_native_id())
'''),
    'wait-until-no-time': ('call', '''
say(futex(9 | 256, 0, struct.pack('qq', 1, 10 ** 9), None, 0xffffffff)) # FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME
'''),
    'too-many-waits': ('call', '''
threading.stack_size(65536)
waits = [threading.Thread(target=lambda: said.append(futex(9 | 256, 0, limit, None, 0xffffffff))) for i in range(400)]
limit, said = at(10 ** 12), []
for w in waits: w.start()
while len(said) < 400: # those that have not begun come to it afterwards
    call(202, ctypes.byref(word), 1, 1000)
    os.sched_yield()
for w in waits: w.join()
say(set(said))
'''),
    'part-of-the-vdso': ('call', VDSO + '''
say(call(11, lo, PAGE), call(10, hi - PAGE, PAGE, 1))
'''),
    'advice-for-the-vdso': ('call', VDSO + '''
say(call(28, lo, hi - lo, 4)) # MADV_DONTNEED
'''),
    'vdso-as-it-was': ('call', VDSO + '''
say(call(10, lo, hi - lo, 5))
'''),
    'vdso-shrunk': ('call', VDSO + '''
say(call(25, lo, hi - lo, PAGE, 0, 0))
'''),
    'what-lies-before-the-vdso': ('call', VDSO + '''
say(call(28, lo - PAGE, PAGE, 4))
'''),
    'cmp-requeue-pi': ('call', '''
say(call(202, ctypes.byref(word), 12, 1, 0, ctypes.byref(ctypes.c_uint(0)), 0))
'''),
    'requeue-pi': ('call', '''
say(futex(11, 0, at(10 ** 7, time.CLOCK_MONOTONIC), ctypes.byref(ctypes.c_uint(0)))) # FUTEX_WAIT_REQUEUE_PI
'''),
    'memory-that-is-locked': ('call', '''
p = c.mmap(None, PAGE, 3, 0x2022, -1, 0) # MAP_LOCKED
say(p > 0, call(11, p, PAGE))
'''),
    'a-mapping-twice': ('call', '''
p = c.mmap(None, 2 * PAGE, 3, 0x22, -1, 0)
ctypes.memmove(p, b'moved', 5)
q = call(25, p, PAGE, PAGE, 5, 0) # mremap(MREMAP_MAYMOVE | MREMAP_DONTUNMAP)
say(q != p, ctypes.string_at(q, 5), ctypes.string_at(p, 5))
'''),
    'sleep-by-a-cpu-clock': ('call', '''
say(call(230, 2, 0, struct.pack('qq', 0, 0), None)) # clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID)
'''),
    'an-unknown-ioctl': ('call', '''
say(call(16, 1, 0x1234, 0))
'''),
    'an-unknown-fcntl': ('call', '''
say(call(72, 1, 0x1234, 0))
'''),
    'an-unknown-prctl': ('call', '''
say(call(157, 0x12345, 0, 0, 0, 0))
'''),
    'an-unknown-option': ('call', '''
a, b = socket.socketpair()
pause()
say(call(54, a.fileno(), 12345, 1, ctypes.byref(word), 4), call(55, a.fileno(), 12345, 1, ctypes.byref(word), ctypes.byref(ctypes.c_int(4))))
'''),
    'a-call-newer-than-the-table': ('call', '''
say(call(1000, 1, 2, 3))
'''),
}


def read(name):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..', name), encoding='utf-8') as f:
        return f.read()


def home_calls():
    found = re.findall(r'^(\d+) (\w+) home\b', read('src/syscalls/syscalls.tbl'), re.M)
    return [(int(nr), name) for nr, name in found if name not in NOT_TRIED]


def trips(y, pid):
    return [text for how, text in y.ended.get(pid, []) if how == 'home']


def begin(y, text):
    """The unmoved run's answer, and one that stands at its first pause."""
    argv = [sys.executable, '-IS', '-c', promises.PAUSE + PRELUDE + text]
    want = promises.unmoved(argv)
    assert want[0] in (0, -3), f'fails without being moved: {want}'
    return want, promises.Program(argv, boundaries=True)


def move(y, pid):
    r, _, _, _, why = y.move(pid, 'h1')
    assert r == 0, f'it is not moved: {why}'


def all_calls(y):
    calls = home_calls()
    want, p = begin(y, CALLS % calls)
    y.ended.clear()
    try:
        for nr, name in calls:
            pid = promises.at_pause(y, p)
            assert pid, f'it has ended before {name}'
            move(y, pid)
            n, made = len(trips(y, pid)), y.made.get(name, [0, 0])[1]
            p.go(pid)
            promises.wait_until(f'{name}() has brought it home', lambda: len(trips(y, pid)) > n or p.ended(), 60, y.pump)
            assert len(trips(y, pid)) == n + 1 and trips(y, pid)[-1].endswith(f': {name}'), f'{name}: {trips(y, pid)[n:]}'
            promises.wait_until(f'{name}() is counted', lambda: y.made.get(name, [0, 0])[1] > made, 60, y.pump)
        promises.at_pause(y, p)
        p.go(p.pid)
        got = p.finish(y.pump)
        assert got == want, f'code {got[0]}: {got[1].decode()}--- instead of {want[0]}: {want[1].decode()}'
    finally:
        p.close()


def one(y, name):
    reason, text = CASES[name]
    why = re.search(rf'^REASON\(\d+, \w+, \w+, "{reason}", "(.*)"\)', read('src/wire/reasons.def'), re.M).group(1)
    want, p = begin(y, 'pause()' + text + 'pause()\n')
    y.ended.clear()
    told = []
    try:
        while pid := promises.at_pause(y, p):
            told += trips(y, pid)
            y.ended.pop(pid, None)
            r, _, _, _, text = y.move(pid, 'h1')
            assert r in (0, -errno.EALREADY), f'it is not moved: {text}'
            p.go(pid)
        got = p.finish(y.pump)
        assert got == want, f'code {got[0]}: {got[1].decode()}--- instead of {want[0]}: {want[1].decode()}'
        assert not promises.lost(y, list(y.ended)), promises.lost(y, list(y.ended))
        told += [t for pid in y.ended for t in trips(y, pid)]
        assert any(why in t for t in told), f'it has not come home for that, but: {told}'
    finally:
        p.close()


def run(argv):
    y = promises.start_yard()
    cases = [('calls', lambda: all_calls(y))] + [(name, lambda name=name: one(y, name)) for name in CASES]
    names = promises.names_of(argv)
    promises.each_case(y, [c for c in cases if not names or c[0] in names])


promises.main(run)
