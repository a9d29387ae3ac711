#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that is away reads its own files of /proc where it is, and they tell of itself.

Each case runs unmoved, and again so that it is on h1 from its first pause on and at home from its second (if it has one).
Both say the same; and it has come home by itself as often as the case says.

  views.py [CASE...]
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises

PRELUDE = '''
import ctypes, fcntl, mmap, os, socket, stat, sys, threading, time
c = ctypes.CDLL(None, use_errno=True)
PAGE = 4096
def whole(fd, n=1 << 16):
    parts = []
    while not parts or parts[-1]: parts.append(os.read(fd, n))
    return b''.join(parts).decode('latin1')
def text(name, **at):
    fd = os.open(name if at or name[0] == '/' else '/proc/self/' + name, os.O_RDONLY, **at)
    try: return whole(fd)
    finally: os.close(fd)
def maps(t=None):
    for line in (t or text('maps')).splitlines():
        w = line.split(None, 5)
        lo, hi = (int(x, 16) for x in w[0].split('-'))
        yield lo, hi, w[1], int(w[2], 16), (w[5] if len(w) > 5 else '')
def at(address, t=None): return [m[2:] for m in maps(t) if m[0] <= address < m[1]]
def field(t, key): return next(line.split(':', 1)[1].strip() for line in t.splitlines() if line.split(':')[0].strip() == key)
def stat_of(t): return [t[:t.rindex(')') + 1]] + t[t.rindex(')') + 1:].split()
def burn(s):
    end = time.thread_time() + s
    while time.thread_time() < end: pass
def address(f): return ctypes.cast(f, ctypes.c_void_p).value
def where(m): return ctypes.addressof(ctypes.c_char.from_buffer(m))
me = os.getpid()
'''

# name: (how often it comes home by itself, program's fault, text)
CASES = {
    'mappings': (0, None, '''
f = open(sys.executable, 'rb')
whole_file = mmap.mmap(f.fileno(), 3 * PAGE, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
before = [m for m in maps() if m[4].startswith('/') or m[4].startswith('[v')]
pause()
print(at(address(c.getpid)), [m[4] for m in maps() if m[4].startswith('[')])
print([m for m in maps() if m[4].startswith('/') or m[4].startswith('[v')] == before)
m = mmap.mmap(-1, 5 * PAGE, flags=mmap.MAP_PRIVATE)
shared = mmap.mmap(f.fileno(), PAGE, prot=mmap.PROT_READ)
here = where(m)
print(at(here)[0][0], [x[2] for x in maps() if x[4] == sys.executable and 's' in x[2]])
c.mprotect(ctypes.c_void_p(here + PAGE), ctypes.c_size_t(PAGE), 1)
print(at(here)[0][0], at(here + PAGE)[0][0], at(here + 2 * PAGE)[0][0])
headers = [line for line in text('smaps').splitlines() if line[0] in '0123456789abcdef']
print(headers == text('maps').splitlines(), text('smaps').count('VmFlags:') == len(headers), ' uw' in text('smaps'))
print('[rollup]' in text('smaps_rollup'), field(text('smaps_rollup'), 'Rss') > '0')
pause()
print(at(here + PAGE)[0][0], at(address(c.getpid)))
'''),
    'sizes': (0, None, '''
def look(say=print):
    m = [x for x in maps() if x[4] != '[vsyscall]']
    total = sum(x[1] - x[0] for x in m)
    data = sum(x[1] - x[0] for x in m if x[2][1] == 'w' and x[2][3] == 'p' and x[4] != '[stack]')
    stack = sum(x[1] - x[0] for x in m if x[4] == '[stack]')
    t, statm, st = text('status'), [int(x) for x in text('statm').split()], stat_of(text('stat'))
    kb = lambda key: int(field(t, key).split()[0]) << 10
    rss = int(st[22]) * PAGE
    say(kb('VmSize') == total == statm[0] * PAGE == int(st[21]), kb('VmData') == data, kb('VmStk') == stack,
          statm[5] * PAGE == data + stack, kb('VmPeak') >= total, kb('VmHWM') >= kb('VmRSS') > 1 << 20,
          kb('VmRSS') == kb('RssAnon') + kb('RssFile') + kb('RssShmem'), abs(rss - kb('VmRSS')) < 4 << 20, len(statm), len(st))
    return total, kb('VmRSS')
def grown():
    t, r = look()
    big = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE)
    t2, r2 = look()
    for i in range(0, 32 << 20, PAGE): big[i] = 1
    t3, r3 = look()
    print(t2 - t >= 64 << 20, t3 - t2 < 1 << 20, r2 - r < 4 << 20, r3 - r2 >= 32 << 20)
for i in range(3): look(lambda *a: 0)
look()
pause()
grown()
pause()
grown()
'''),
    'itself': (0, None, '''
SAME = ('Name', 'Umask', 'State', 'Tgid', 'Pid', 'PPid', 'TracerPid', 'Uid', 'Gid', 'Groups', 'Threads', 'SigPnd', 'ShdPnd', 'SigBlk',
        'SigIgn', 'SigCgt', 'CapEff', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters', 'Cpus_allowed', 'Mems_allowed_list')
def look():
    t = text('status')
    return [field(t, k) for k in SAME], [line.split(':')[0] for line in t.splitlines()]
import signal
signal.signal(signal.SIGUSR1, lambda *a: 0)
before = look()
same = stat_of(text('stat'))
pause()
print(look() == before, [k for k, a, b in zip(SAME, look()[0], before[0]) if a != b])
now = stat_of(text('stat'))
print([f for f in range(3, 53) if f not in (10, 11, 12, 13, 14, 15, 16, 17, 23, 24, 39) and now[f - 2] != same[f - 2]], now[1], now[50])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(me, signal.SIGUSR1)
c.prctl(15, b'another', 0, 0, 0)
t = text('status')
print(field(t, 'Name'), field(t, 'ShdPnd'), field(t, 'SigBlk'), field(t, 'SigCgt'), text('comm'), stat_of(text('stat'))[0].split()[1])
os.umask(0o31)
os.nice(3)
print(field(text('status'), 'Umask'), stat_of(text('stat'))[17], text('limits') == text('/proc/%d/limits' % me))
'''),
    'time': (0, None, '''
def used(t=None): return sum(int(x) for x in stat_of(t or text('stat'))[12:14])
burn(0.2)
pause()
a = used()
burn(0.3)
b, times = used(), sum(os.times()[:2])
thread = used(text('/proc/thread-self/stat'))
print(20 <= a, 28 <= b - a < 500, abs(b - times * 100) < 20, abs(thread - b) <= 20, used(text(f'task/{me}/stat')) >= thread)
'''),
    'threads': (0, None, '''
ready, go = threading.Event(), threading.Event()
ids = []
def other():
    ids.append(threading.get_native_id())
    burn(0.3)
    ready.set()
    go.wait()
    st = stat_of(text('/proc/thread-self/stat'))
    ids.append((int(st[0].split()[0]) == ids[0], st[1], int(st[12]) + int(st[13]) >= 28))
pause()
t = threading.Thread(target=other)
t.start()
ready.wait()
mine, its, all_ = (stat_of(text(n)) for n in ('/proc/thread-self/stat', f'task/{ids[0]}/stat', 'stat'))
while stat_of(text(f'task/{ids[0]}/stat'))[1] != 'S': pass
ticks = lambda st: int(st[12]) + int(st[13])
print(mine[1], 28 <= ticks(its), ticks(its) + ticks(mine) <= ticks(all_) + 4, all_[17], field(text(f'/proc/{ids[0]}/status'), 'Threads'),
      field(text(f'task/{ids[0]}/status'), 'Pid') == str(ids[0]), field(text(f'/proc/{ids[0]}/status'), 'Pid') == str(ids[0]),
      28 <= ticks(stat_of(text(f'/proc/{ids[0]}/stat'))))
go.set()
t.join()
print(ids[1])
'''),
    # Opened at home: it goes along, keeps its place, and tells of where the process is.
    'taken-along': (0, None, '''
fds = {n: os.open('/proc/self/' + n, os.O_RDONLY) for n in ('maps', 'stat', 'status', 'statm')}
print(len(whole(fds['statm'])) > 12)
pause()
print(os.read(fds['statm'], 100), os.read(fds['statm'], 100))
m = mmap.mmap(-1, 7 * PAGE, flags=mmap.MAP_PRIVATE)
here = where(m)
print([len(at(here, whole(os.dup(fds['maps'])))), os.lseek(fds['maps'], 0, 1) > 1000, whole(fds['maps'])])
print(os.lseek(fds['maps'], 0, 0), len(at(here, whole(fds['maps']))), stat_of(whole(fds['stat']))[1], whole(fds['stat']))
st = os.fstat(fds['maps'])
print(st.st_size, oct(st.st_mode), os.readlink('/proc/self/fd/%d' % fds['maps']) == f'/proc/{me}/maps', fcntl.fcntl(fds['maps'], 3))
a, b = socket.socketpair(socket.AF_UNIX)
socket.send_fds(a, [b'x'], [fds['maps']])
got = socket.recv_fds(b, 1, 1)[1][0]
print(os.lseek(got, 0, 0), len(at(here, whole(got))))
pause()
for fd in fds.values(): os.lseek(fd, 0, 0)
print(len(at(here, whole(fds['maps']))), len(at(here + (6 << 12), text('maps'))), field(whole(fds['status']), 'TracerPid'))
print(int(whole(fds['statm']).split()[0]) * PAGE == sum(x[1] - x[0] for x in maps() if x[4] != '[vsyscall]'))
'''),
    # Only the kernel at home knows where it is.
    'half-read': (1, None, '''
fd = os.open('/proc/self/status', os.O_RDONLY)
print(os.read(fd, 10))
pause()
print(field('Name:\\tpyth' + whole(fd), 'Tgid') == str(me))
'''),
    # One text, however small the pieces, while the figures change.
    'pieces': (0, None, '''
pause()
fd = os.open('/proc/self/stat', os.O_RDONLY)
for n in (1, 7, 64):
    os.lseek(fd, 0, 0)
    t = ''
    while True:
        piece = os.read(fd, n)
        if not piece: break
        t += piece.decode()
        burn(0.001)
    print(n, t.count('\\n'), t[-1] == '\\n', len(stat_of(t)), stat_of(t)[0].split()[0] == str(me), stat_of(t)[1], os.lseek(fd, 0, 1) == len(t))
fd = os.open('/proc/self/status', os.O_RDONLY)
print(os.pread(fd, 5, 0), os.pread(fd, 3, 2), os.lseek(fd, 0, 1), os.pread(fd, 10, 1 << 20))
parts = [bytearray(3), bytearray(0), bytearray(4)]
print(os.readv(fd, parts), parts, os.lseek(fd, 0, 1), os.preadv(fd, parts, 1), parts, os.read(fd, 0))
os.lseek(fd, 5, 0)
print(os.read(fd, 3))
def error(f):
    try: return f()
    except OSError as e: return e.strerror
print(error(lambda: os.pread(fd, 5, -1)), error(lambda: os.write(fd, b'x')), error(lambda: os.read(os.open('/proc/self/stat', os.O_PATH), 3)))
print(error(lambda: os.open('/proc/self/stat', os.O_WRONLY)), error(lambda: os.lseek(fd, 0, 2)), error(lambda: text('task/1/stat')))
'''),
    'ways': (0, None, '''
pause()
d = os.open('/proc/self', os.O_RDONLY)
m = mmap.mmap(-1, 7 * PAGE, flags=mmap.MAP_PRIVATE)
here = where(m)
os.symlink('/proc/self/maps', 'link')
ways = [('maps', {'dir_fd': d}), ('/proc/self/root/proc/self/maps', {}), ('/proc/thread-self/maps', {}), (f'/proc/{me}/maps', {}),
        ('/proc/self/task/../maps', {}), (os.path.abspath('link'), {}), (f'/proc/self/fd/{os.open("/proc/self/maps", os.O_RDONLY)}', {}),
        (f'/proc/self/fd/{d}/maps', {}), (f'/dev/fd/{d}/maps', {})]
print([len(at(here, text(n, **k))) for n, k in ways])
os.chdir('/proc/self/task')
print(len(at(here, whole(os.open(f'{me}/maps', os.O_RDONLY)))), field(whole(os.open('../status', os.O_RDONLY)), 'State'))
'''),
    # The rest is read at home, of the text that is made there.
    'brought-home': (0, None, '''
def begin(name, n):
    fd = os.open('/proc/self/' + name, os.O_RDONLY)
    return fd, os.read(fd, n).decode()
pause()
begun = [(name, *begin(name, n)) for name in ('status', 'stat') for n in (3, 41)]
pause()
for name, fd, t in begun:
    t += whole(fd)
    keys = [line.split(':')[0] for line in t.splitlines()]
    print(name, keys == [line.split(':')[0] for line in text(name).splitlines()] if name == 'status' else len(stat_of(t)), t.count('\\n'))
'''),
    'brought-home-maps': (0, None, '''
pause()
begun = []
for n in (70, 333, 1000, 2222):
    fd = os.open('/proc/self/maps', os.O_RDONLY)
    begun.append((fd, os.read(fd, n).decode()))
pause()
import re
now = text('maps').splitlines()
for fd, t in begun:
    t = (t + whole(fd)).splitlines()
    files = [[line for line in x if '/' in line or '[v' in line] for x in (t, now)]
    starts = [int(line.split('-')[0], 16) for line in t]
    print(files[0] == files[1], starts == sorted(set(starts)), all(re.match('[0-9a-f]+-[0-9a-f]+ [rwxsp-]{4} ', line) for line in t))
'''),
    # setproctitle() and its like write over their arguments.
    'title': (0, None, '''
st = stat_of(text('stat'))
start, end, env, env_end = (int(x) for x in st[46:50])
pause()
print(text('cmdline') == ctypes.string_at(start, end - start).decode(), text('environ') == ctypes.string_at(env, env_end - env).decode())
print(text('auxv') == text(f'task/{me}/auxv'), len(open('/proc/self/auxv', 'rb').read()) % 16)
ctypes.memset(start, 0, end - start)
ctypes.memmove(start, b'a new title', 11)
print(text('cmdline').rstrip('\\0'))
ctypes.memset(start, ord('x'), end - start)
ctypes.memmove(env, b'YZ\\0', 3)
print(text('cmdline').replace('x', '')[:3])
pause()
print(text('cmdline').replace('x', '')[:3], text('environ')[:2])
'''),
    'links': (0, None, '''
os.mkdir('d')
os.chdir('d')
f = os.open('../file', os.O_CREAT | os.O_RDWR)
os.unlink('../file')
def look():
    ns = [os.readlink('/proc/self/ns/' + n) for n in sorted(os.listdir('/proc/self/ns'))]
    names = [os.path.basename(os.readlink('/proc/self/' + n)) for n in ('exe', 'cwd', 'root', f'fd/{f}')]
    with open('/proc/self/exe', 'rb') as exe: head = exe.read(4)
    return ns, names, head, text(f'fdinfo/{f}'), text('mountinfo'), text('cgroup'), os.stat('/proc/self/exe').st_ino, sorted(os.listdir('/proc/self'))
before = look()
pause()
now = look()
print(now == before, now[1:3], sorted(os.listdir('/proc/self/task')) == [str(me)])
print(os.fstat(os.open('/proc/self/ns/mnt', os.O_RDONLY)).st_ino == int(now[0][sorted(os.listdir('/proc/self/ns')).index('mnt')][5:-1]))
'''),
    'machine': (0, None, '''
import resource
def look():
    return (text('/proc/cpuinfo').count('processor'), field(text('/proc/cpuinfo'), 'model name'), field(text('/proc/meminfo'), 'MemTotal'),
            text('/proc/version'), text('/sys/devices/system/cpu/online'), text('/sys/devices/system/cpu/possible'), os.cpu_count(),
            os.sysconf('SC_NPROCESSORS_CONF'), os.sysconf('SC_NPROCESSORS_ONLN'), os.sysconf('SC_PHYS_PAGES'), os.sched_getaffinity(0),
            os.uname(), [resource.getrlimit(x) for x in range(16)], c.personality(0xffffffff), text('/proc/sys/kernel/hostname'),
            text('personality'), text('timerslack_ns'), text('coredump_filter'), os.sched_getscheduler(0), text('oom_score_adj'),
            [line.split()[0] for line in text('/proc/stat').splitlines()], os.statvfs('/proc').f_type if hasattr(os, 'f_type') else 0)
before, up, load = look(), float(text('/proc/uptime').split()[0]), len(text('/proc/loadavg').split())
pause()
now = float(text('/proc/uptime').split()[0])
print(look() == before, [i for i, (a, b) in enumerate(zip(look(), before)) if a != b], up <= now < up + 60, load)
print(abs(now - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1)
'''),
    # What can only be had at home.
    'memory': (1, None, '''
pause()
b = ctypes.create_string_buffer(b'its own memory')
fd = os.open('/proc/self/mem', os.O_RDONLY)
print(os.pread(fd, 14, ctypes.addressof(b)))
'''),
    'memory-by-directory': (1, None, '''
d = os.open('/proc/self', os.O_RDONLY)
pause()
b = ctypes.create_string_buffer(b'its own memory')
fd = os.open('mem', os.O_RDONLY, dir_fd=d)
print(os.pread(fd, 14, ctypes.addressof(b)), fd - d)
'''),
    'home-fails': (1, 'shepherd shep-view', '''
pause()
print(field(text('status'), 'Pid') == str(me), at(address(c.getpid)))
'''),
    'host-fails': (1, 'agent guest-view', '''
pause()
print(field(text('status'), 'Pid') == str(me), at(address(c.getpid)))
'''),
}


def one(y, name):
    times, fault, text = CASES[name]
    kind, _, point = (fault or 'agent ').partition(' ')
    promises.there_and_back(y, [sys.executable, '-IS', '-c', promises.PAUSE + PRELUDE + text], times, point, kind,
                            'is just reading /proc' if name == 'half-read' else None)


def run(argv):
    y = promises.start_yard()
    names = promises.names_of(argv) or list(CASES)
    promises.each_case(y, [(name, lambda name=name: one(y, name)) for name in names])


promises.main(run)
