#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are mapped away from home: what is done on the host stays there, what cannot be done there comes home.

Each case runs unmoved, and again so that it is on h1 from its first pause on and at home from its second (if it has one).
Both say the same; and it has come home by itself as often as the case says.

  mapped.py [CASE...]
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

PRELUDE = '''
import ctypes, errno, os, resource, threading, time
c = ctypes.CDLL(None, use_errno=True)
c.mmap.restype = ctypes.c_void_p
c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
for f in (c.munmap, c.madvise, c.mprotect): f.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
c.read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
R, RW, SHARED, PRIVATE, FIXED, ANON, PAGE = 1, 3, 1, 2, 0x10, 0x20, 4096
open('f', 'wb').write(b''.join(bytes([97 + i]) * PAGE for i in range(16)))
fd = os.open('f', os.O_RDONLY)
def mapped(fd, n, prot=R, flags=PRIVATE, at=None, off=0):
    p = c.mmap(at, n * PAGE, prot, flags, fd, off * PAGE)
    return p if p != 2 ** 64 - 1 else errno.errorcode[ctypes.get_errno()]
def look(p, pages, n=2): return b' '.join(ctypes.string_at(p + i * PAGE, n) for i in pages)
'''

# name: (how often it comes home by itself, the agent's fault, text)
CASES = {
    'libraries': (0, None, '''
pause()
import bz2, decimal, lzma, sqlite3, ssl, zlib, _elementtree, _pickle
print(decimal.Decimal(2).sqrt(), zlib.crc32(lzma.compress(b'x')), sqlite3.connect(':memory:').execute('select 6*7').fetchone())
pause()
print(bz2.decompress(bz2.compress(b'home')), ssl.RAND_status())
'''),
    # Memory where a file was: a read() into it is not taken for one into the file's pages.
    'covered': (0, None, '''
p, q = mapped(fd, 16), mapped(fd, 16)
print(look(p, [3]))
pause()
print(c.munmap(p, 16 * PAGE, 0), mapped(-1, 16, RW, PRIVATE | ANON | FIXED, p) == p, look(p, [3]))
print(c.read(fd, p + PAGE, 100), look(p, [0, 1, 2]))
print(mapped(fd, 4, RW, PRIVATE | FIXED, q + 2 * PAGE, 9) == q + 2 * PAGE, look(q, range(8)))
pause()
print(look(p, [0, 1, 2]), look(q, range(16)))
'''),
    'advice': (0, None, '''
p = mapped(fd, 4)
print(c.madvise(p + PAGE, PAGE, 16))
pause()
q = mapped(fd, 4)
print(c.madvise(p, PAGE, 10), c.madvise(p + PAGE, PAGE, 17), c.madvise(q, PAGE, 16), look(q, range(4)))
pause()
def flags(a):
    lines = open('/proc/self/smaps').read().split('\\n')
    for i, line in enumerate(lines):
        lo, _, hi = line.partition(' ')[0].partition('-')
        if hi and int(lo, 16) <= a < int(hi, 16):
            return sorted(set(next(x for x in lines[i:] if x.startswith('VmFlags:')).split()) & {'dc', 'dd'})
print(flags(p), flags(p + PAGE), flags(p + 2 * PAGE), flags(q), flags(q + PAGE), look(p, range(4)))
'''),
    # What a host cannot stand in for.
    'shared': (1, None, '''
w = os.open('f', os.O_RDWR)
pause()
p = mapped(w, 2, RW, SHARED)
ctypes.memmove(p, b'new', 3)
print(os.pread(fd, 4, 0), look(p, [0, 1]))
'''),
    # Opened for writing, it could become writable later.
    'shared-later': (1, None, '''
w = os.open('f', os.O_RDWR)
pause()
p = mapped(w, 2, R, SHARED)
print(c.mprotect(p, PAGE, RW))
ctypes.memmove(p, b'new', 3)
print(os.pread(fd, 4, 0), look(p, [0, 1]))
'''),
    # Here the host allows too much; the process comes home all the same, and has what it would have there.
    'shared-protected': (0, None, '''
p = mapped(fd, 3, R, SHARED)
pause()
q = mapped(fd, 3, R, SHARED)
for a in (p, q):
    if c.mprotect(a, PAGE, RW) == 0: ctypes.memmove(a, b'lost', 4)
pause()
print(look(p, range(3)), look(q, range(3)), [line.split()[1] for line in open('/proc/self/maps') if line.endswith('/f\\n')])
'''),
    'device': (1, None, '''
z = os.open('/dev/zero', os.O_RDWR)
pause()
print(look(mapped(z, 2, RW), [0, 1], 4))
'''),
    'low': (1, None, '''
pause()
p = mapped(fd, 2, R, PRIVATE | 0x40)
print(p < 1 << 31, look(p, [0, 1]))
'''),
    'limit': (1, None, '''
size = int(open('/proc/self/statm').read().split()[0]) * PAGE
resource.setrlimit(resource.RLIMIT_AS, (size + (32 << 20), size + (32 << 20)))
pause()
big = os.memfd_create('big')
os.ftruncate(big, 64 << 20)
print(mapped(big, 16384), look(mapped(fd, 2), [0, 1]))
'''),
    'memory': (1, 'guest-map', '''
pause()
p = mapped(fd, 4)
print(look(p, range(4)))
print(mapped(fd, 2, R, PRIVATE | FIXED, p + PAGE, 8) == p + PAGE, look(p, range(4)))
'''),
    'memory-covered': (1, 'guest-map', '''
p = mapped(fd, 4)
print(look(p, range(4)))
pause()
print(mapped(fd, 2, R, PRIVATE | FIXED, p + PAGE, 8) == p + PAGE, look(p, range(4)))
'''),
    # Where the deputy has the memory that it makes calls with (src/home/calls.c): its own, which can go elsewhere, ...
    'scratch': (0, None, '''
at = 0x200000000000 + os.getpid() % 1024 * (64 << 20)
pause()
print(os.pread(fd, 3, 0), mapped(fd, 8, R, PRIVATE | FIXED, at) == at, look(at, range(8)), os.pread(fd, 3, PAGE), look(at, range(8)))
'''),
    # ... and another's, which is in use.
    'scratch-used': (1, None, '''
r, w = os.pipe()
got = []
t = threading.Thread(target=lambda: got.append(os.read(r, 10)))
t.start()
while open(f'/proc/self/task/{t.native_id}/wchan').read() in ('', '0') and not open(
    f'/proc/self/task/{t.native_id}/syscall').read().startswith('0 '): pass
at = 0x200000000000 + t.native_id % 1024 * (64 << 20)
pause()
p = mapped(fd, 8, R, PRIVATE | FIXED, at)
print(p == at, look(at, range(8)), os.write(w, b'through'))
t.join()
print(got)
'''),
}


def one(y, name):
    times, fault, text = CASES[name]
    promises.there_and_back(y, [sys.executable, '-IS', '-c', promises.PAUSE + PRELUDE + text], times, fault)


def run(argv):
    y = promises.start_yard()
    names = promises.names_of(argv) or list(CASES)
    promises.each_case(y, [(name, lambda name=name: one(y, name)) for name in names])


promises.main(run)
