#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps a process at home, while it lasts: each reason of src/wire/reasons.def that confines.

Each case runs three times, and says the same each time: unmoved; at home, where it is refused with the reason as long as it does what the
case says, and moves before and after; and on a host, where beginning to do it brings it home, where it is refused in the same way.

  confined.py [CASE...]
"""
import errno
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

PRELUDE = '''
import ctypes, mmap, os, resource, signal, struct, sys, threading, time
c = ctypes.CDLL(None, use_errno=True)
c.mmap.restype = ctypes.c_void_p
c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
c.munmap.argtypes = c.mlock.argtypes = c.munlock.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
R, RW, SHARED, PRIVATE, ANON, NORESERVE, HUGETLB, PAGE = 1, 3, 1, 2, 0x20, 0x4000, 0x40000, 4096
def call(nr, *args):
    v = c.syscall(ctypes.c_long(nr), *args)
    assert v >= 0, (nr, os.strerror(ctypes.get_errno()))
    return v
def mapped(n, prot, flags, fd=-1):
    p = c.mmap(None, n, prot, flags, fd, 0)
    assert p != 2 ** 64 - 1, os.strerror(ctypes.get_errno())
    return p
def say(*a): os.write(1, b' '.join(str(x).encode() for x in a) + b'\\n') # without a clock, which print() reads
held = []
'''
FLOW = '''
pause()
enter()
pause()
if 'leave' in globals():
    leave()
    pause()
say('it goes on')
os._exit(0)
'''
# What it holds is a descriptor; it is opened by `nr` with the arguments.
HOLDS = '''
def enter(): held.append(call(%s))
def leave(): os.close(held.pop())
'''
VDSO = '''
lo, hi = [int(x, 16) for line in open('/proc/self/maps') if '[vdso]' in line for x in line.split()[0].split('-')]
'''
AT_HOME = 'at home only' # nobody can, or may (docs/limits.md), begin to do it on a host
STAYS = 'stays on a host' # where it is allowed; the process is confined when it is home again

# (reason's word, case, AT_HOME or STAYS): text that has enter() and, if it can end, leave()
CASES = {
    ('threads', 'directory'): '''
ready, over = threading.Event(), threading.Event()
def work():
    assert c.unshare(0x200) == 0 # CLONE_FS
    ready.set()
    over.wait()
def enter():
    held.append(threading.Thread(target=work))
    held[0].start()
    ready.wait()
def leave():
    over.set()
    held.pop().join()
    while len(os.listdir('/proc/self/task')) > 1: pass
''',
    ('threads', 'user', STAYS): '''
ready, over = threading.Event(), threading.Event()
def work():
    call(117, -1, 65534, 65534) # setresuid: of this thread only
    ready.set()
    over.wait()
def enter():
    held.append(threading.Thread(target=work, daemon=True))
    held[0].start()
    ready.wait()
''',
    ('shared-memory', 'anonymous'): '''
def enter(): held.append(mmap.mmap(-1, 4 * PAGE))
def leave(): held.pop().close()
''',
    ('shared-memory', 'file'): '''
fd = os.open('f', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, PAGE)
def enter():
    held.append(mmap.mmap(fd, PAGE))
    held[0][:5] = b'mine!'
def leave():
    say(os.pread(fd, 5, 0))
    held.pop().close()
''',
    ('shared-memory', 'asynchronous'): '''
def enter():
    held.append(ctypes.c_ulong())
    call(206, 8, ctypes.byref(held[0])) # io_setup
def leave(): call(207, held.pop())
''',
    ('shared-memory', 'segment'): '''
c.shmat.restype = ctypes.c_void_p
c.shmat.argtypes, c.shmdt.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int], [ctypes.c_void_p]
def enter():
    n = c.shmget(0, PAGE, 0o1600)
    held.append(c.shmat(n, None, 0))
    c.shmctl(n, 0, None)
def leave(): c.shmdt(held.pop())
''',
    ('hugetlb', ''): '''
def enter(): held.append(mapped(2 << 20, RW, PRIVATE | ANON | NORESERVE | HUGETLB))
def leave(): c.munmap(held.pop(), 2 << 20)
''',
    ('locked', ''): '''
p = mapped(4 * PAGE, RW, PRIVATE | ANON)
def enter(): assert c.mlock(p, PAGE) == 0
def leave(): assert c.munlock(p, PAGE) == 0
''',
    ('sealed', ''): '''
p = mapped(4 * PAGE, RW, PRIVATE | ANON)
def enter(): call(462, ctypes.c_void_p(p), ctypes.c_long(PAGE), 0) # mseal
''',
    ('userfaultfd', ''): '''
import fcntl
p = mapped(4 * PAGE, RW, PRIVATE | ANON)
def enter():
    held.append(call(323, 0o2000001)) # userfaultfd(O_CLOEXEC | UFFD_USER_MODE_ONLY)
    fcntl.ioctl(held[0], 0xc018aa3f, struct.pack('QQQ', 0xaa, 0, 0)) # UFFDIO_API
    fcntl.ioctl(held[0], 0xc020aa00, struct.pack('QQQQ', p, PAGE, 1, 0)) # UFFDIO_REGISTER
def leave(): os.close(held.pop())
''',
    ('descriptor', 'io_uring'): HOLDS % '425, 4, ctypes.create_string_buffer(120)',
    ('descriptor', 'userfaultfd'): HOLDS % '323, 0o2000001',
    ('descriptor', 'perf_event'): HOLDS % '298, ctypes.create_string_buffer(struct.pack("IIQQQQQ", 1, 112, 0, 0, 0, 0, 0), 112), 0, -1, -1, 0',
    ('descriptor', 'memory'): '''
def enter(): held.append(os.open('/proc/self/mem', os.O_RDONLY))
def leave(): os.close(held.pop())
''',
    ('not-dumpable', '', STAYS): '''
def enter(): os.setuid(65534)
def leave(): assert c.prctl(4, 1, 0, 0, 0) == 0 # PR_SET_DUMPABLE
''',
    # What it waits for at home, the deputy would wait for: nobody would wake it.
    ('busy', 'timed wait that was stopped', AT_HOME): '''
word = ctypes.c_uint(0)
done = []
def work(): done.append(c.syscall(202, ctypes.byref(word), 0, 0, struct.pack('qq', 1000, 0), None, 0)) # FUTEX_WAIT
def until(text):
    while open(f'/proc/self/task/{held[0].native_id}/syscall').read().split()[0] != text: pass
def enter():
    held.append(threading.Thread(target=work))
    held[0].start()
    until('202')
    if os.fork() == 0:
        os.kill(os.getppid(), signal.SIGSTOP)
        while open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[0] != 'T': pass
        os.kill(os.getppid(), signal.SIGCONT)
        os._exit(0)
    os.wait()
    until('219') # restart_syscall
def leave():
    c.syscall(202, ctypes.byref(word), 1, 1, None, None, 0)
    held.pop().join()
    say(done)
''',
    ('cpu-timer', 'profile'): '''
signal.signal(signal.SIGPROF, lambda *a: None)
def enter(): signal.setitimer(signal.ITIMER_PROF, 1000)
def leave(): signal.setitimer(signal.ITIMER_PROF, 0)
''',
    ('cpu-timer', 'posix'): '''
def enter():
    held.append(ctypes.c_int())
    call(222, 2, None, ctypes.byref(held[0])) # timer_create(CLOCK_PROCESS_CPUTIME_ID)
def leave(): call(226, held.pop())
''',
    ('realtime', ''): '''
def enter(): os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
def leave(): os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
''',
    ('ldt', ''): '''
def enter(): call(154, 1, struct.pack('IIII', 0, 0, 0xfffff, 0x51), 16) # modify_ldt: a flat segment
''',
    ('seccomp', ''): '''
class Program(ctypes.Structure): _fields_ = [('n', ctypes.c_ushort), ('at', ctypes.c_void_p)]
allow = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000), 8)
def enter(): assert c.prctl(22, 2, ctypes.byref(Program(1, ctypes.addressof(allow)))) == 0
''',
    ('vdso', 'unmapped'): VDSO + '''
def enter(): assert c.munmap(lo, hi - lo) == 0
''',
    ('vdso', 'covered'): VDSO + '''
def enter(): assert c.mmap(lo, hi - lo, R, PRIVATE | ANON | 0x10, -1, 0) == lo # MAP_FIXED
''',
    ('vdso', 'with what lies before it'): VDSO + '''
first = min(int(line.split('-')[0], 16) for line in open('/proc/self/maps') if '[v' in line and '[vsys' not in line)
def enter(): assert c.munmap(first, hi - first) == 0
''',
    ('vdso', 'protected'): VDSO + '''
def enter(): assert c.mprotect(ctypes.c_void_p(lo), ctypes.c_size_t(hi - lo), 7) == 0
def leave(): assert c.mprotect(ctypes.c_void_p(lo), ctypes.c_size_t(hi - lo), 5) == 0
''',
    ('traced', '', AT_HOME): '''
(r, w), (r2, w2) = os.pipe(), os.pipe()
pid = os.fork()
if pid:
    c.ptrace.argtypes = [ctypes.c_long] * 4
    os.close(w)
    while order := os.read(r, 1):
        if order == b'+':
            assert c.ptrace(0x4206, pid, 0, 0) == 0 # PTRACE_SEIZE
        else:
            assert c.ptrace(0x4207, pid, 0, 0) == 0 # PTRACE_INTERRUPT
            os.waitpid(pid, 0x40000000)
            assert c.ptrace(17, pid, 0, 0) == 0 # PTRACE_DETACH
        os.write(w2, b'.')
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
def enter(): os.write(w, b'+'); os.read(r2, 1)
def leave(): os.write(w, b'-'); os.read(r2, 1)
''',
    ('pid-namespace', '', AT_HOME): '''
def enter():
    assert c.unshare(0x20000000) == 0 # CLONE_NEWPID
    if pid := os.fork(): sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    global pause
    before, os.getpid = pause, lambda: int(os.readlink('/proc/self'))
''',
}
# Those that are no program's own doing.
OTHERS = {'zombie', '32-bit'}
ELSEWHERE = {
    'device': 'test_maps.c: no device of a small machine can be mapped', 'pinned': 'moves.sh', 'init': 'moves.sh', 'kernel': 'control.py refuses it to everybody', 'aio': 'shows as shared-memory',
    'vfork': 'the program process-vfork', 'disk-wait': 'the parent in the program process-vfork', 'shadow-stack': 'needs a CPU that has them',
}
# pause() for ever in 32-bit code: mov eax, 29; int 0x80; jmp back.
CODE = bytes.fromhex('b81d000000cd80ebf7')
ELF32 = (b'\x7fELF\x01\x01\x01' + bytes(9) + b'\x02\0\x03\0\x01\0\0\0' + (0x8048054).to_bytes(4, 'little') + (52).to_bytes(4, 'little')
         + bytes(8) + b'\x34\0\x20\0\x01\0' + bytes(6)
         + b''.join(n.to_bytes(4, 'little') for n in (1, 0, 0x8048000, 0x8048000, 84 + len(CODE), 84 + len(CODE), 5, 4096)) + CODE)


def refused(y, pid, reason, errors=(errno.EBUSY, errno.EAGAIN)):
    r, _, _, _, why = y.move(pid, 'h1')
    assert -r in errors and reason in y.refused[pid], f'it is not refused as "{reason}" but: {r} {y.refused[pid]} {why}'


def moves(y, pid):
    r, _, _, _, why = y.move(pid, 'h1')
    assert r == 0, f'it is not moved: {why}'


def one(y, reason, text, on_host, where):
    flow = text + FLOW
    argv = [sys.executable, '-IS', '-c', promises.PAUSE + PRELUDE + flow]
    want = promises.unmoved(argv)
    assert want[0] == 0, f'fails without being moved: {want}'
    p = promises.Program(argv, boundaries=True)
    y.ended.clear()
    try:
        pid = promises.at_pause(y, p)
        assert pid, f'it does not begin: {p.finish(y.pump)}'
        if on_host:
            moves(y, pid)
        elif where != AT_HOME:
            moves(y, pid)
            assert y.move(pid, 'home')[0] == 0, 'it does not come home'
        p.go(pid)
        pid = promises.at_pause(y, p)
        assert pid, f'it does not go on: {p.finish(y.pump)}'
        if on_host and where == STAYS:
            assert not y.ended.get(pid), f'it does not stay: {y.ended[pid]}'
            assert y.move(pid, 'home')[0] == 0, 'it does not come home'
        elif on_host:
            promises.wait_until('it has come home', lambda: any(e[0] == 'home' for e in y.ended.get(pid, [])), 60, y.pump)
        refused(y, pid, reason)
        p.go(pid)
        if 'def leave' in text:
            pid = promises.at_pause(y, p)
            assert pid, f'it does not go on: {p.finish(y.pump)}'
            moves(y, pid)
            p.go(pid)
        got = p.finish(y.pump)
        assert got == want, f'code {got[0]}: {got[1].decode()}--- instead of {want[0]}: {want[1].decode()}'
        assert not promises.lost(y, list(y.ended)), promises.lost(y, list(y.ended))
    finally:
        p.close()


def zombie(y):
    with subprocess.Popen(['/bin/true'], env=promises.env()) as p:
        os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)
        refused(y, p.pid, 'zombie', [errno.ESRCH])


def old(y):
    with open('/proc/self/fd/' + str(fd := os.memfd_create('elf32')), 'wb') as f:
        f.write(ELF32)
    p = subprocess.Popen([f'/proc/self/fd/{fd}'], pass_fds=[fd], env=promises.env())
    os.close(fd)
    try:
        promises.wait_until('it waits', lambda: open(f'/proc/{p.pid}/syscall', 'rb').read()[:3] == b'29 ', 60, y.pump)
        refused(y, p.pid, '32-bit')
    finally:
        p.kill()
        p.wait()


def reasons():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../src/wire/reasons.def'), encoding='utf-8') as f:
        return set(re.findall(r'^REASON\(\d+, \w+, confine, "([\w-]+)"', f.read(), re.M))


def run(argv):
    tried = {key[0] for key in CASES if key[0] != 'busy'} | OTHERS
    assert tried | set(ELSEWHERE) == reasons(), f'without a case, or no reason: {(tried | set(ELSEWHERE)) ^ reasons()}'
    y = promises.start_yard()
    cases = [('zombie', lambda: zombie(y)), ('32-bit', lambda: old(y))]
    for (reason, case, *where), text in CASES.items():
        for on_host in (False, True)[:1 if AT_HOME in where else 2]:
            cases.append((' '.join(filter(None, (reason, case, 'on a host' if on_host else ''))),
                          lambda r=reason, t=text, h=on_host, w=''.join(where): one(y, r, t, h, w)))
    names = promises.names_of(argv)
    promises.each_case(y, [c for c in cases if not names or c[0] in names or c[0].split()[0] in names])


promises.main(run)
