# SPDX-License-Identifier: GPL-2.0-or-later
"""Families for the mover: scripts whose processes make processes, in every way that programs have.

Promise: like a program of tests/programs each repeats its round until descriptor 102 is ready or at its end, says what its
first round said, and ends with 1 when another round said something else; what it says does not depend on the order in which
its children come to run, or on how fast. Must not: know who moves it.
"""
import os
import sys

import yard

# Their round runs in a subshell each time. $P: the directory of tests/programs.
BASH = {
    # Long and short pipelines, substitution of processes and commands, a file between them, the status of each.
    'pipelines': '''
seq 1 4000 | sort -rn | sed 's/7/x/g' | awk '{ n += length($1) } END { print n, NR }'
head -c 300000 /dev/zero | tr '\\0' a | gzip | gunzip | cksum
diff <(seq 1 50) <(seq 1 2 50) | grep -c '^<'
x=$(echo $(echo $(echo deep)))
seq 1 500 | tee >(wc -l > count) | tail -n 1
for i in 1 2 3 4 5; do seq 1 100 | while read -r n; do [ $((n % 10)) != 0 ] || echo "$x $i $n"; done; done | sort | cksum
false | true | (exit 3) | true; echo "${PIPESTATUS[@]}"
for i in 1 2 3 4 5 6 7 8 9; do /bin/true; /bin/echo $i; done
''',
    # One after the other and at once, each with children of its own or computing.
    'programs': '''
exec 102< /dev/null
for p in process-tree files pipe-chain process-spawn tls; do "$P/$p" > "$p.out" 2>&1; echo "$p $? $(cksum < "$p.out")"; done
for p in cpu forks process-wait memory thread-forks; do ("$P/$p" > "$p.at-once" 2>&1; echo "$p $?" > "$p.code") & done
wait
cat *.code; for p in *.at-once; do echo "$p $(cksum < "$p")"; done
''',
    # A driver with many short children, four at once: make makes them by vfork() and a shell's command by fork().
    'make': r'''
{ echo 'all: $(foreach n,1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16,o$(n)); @cat $^ | cksum'
echo 'o%: ; @echo $* | sed s/^/number/ > $@; seq 1 $*00 | sort -n | tail -n 1 >> $@'; } > Makefile
make -s -j4 all; make -s -j4 all; rm -f o*
''',
    # Jobs in the background, signals to them and to their group, traps, wait for each.
    'jobs': '''
set -m
mkfifo ready; exec 5<> ready
for i in 1 2 3; do (trap 'exit 4' TERM; echo >&5; while :; do :; done) & pids[i]=$!; read -r -u 5; done
for i in 1 2 3; do kill -STOP -"${pids[i]}"; kill -CONT -"${pids[i]}"; done
sleep 60 & s=$!
kill -TERM "${pids[2]}"; wait "${pids[2]}"; echo "term $?"
kill -KILL -"${pids[1]}"; wait "${pids[1]}" 2> /dev/null; echo "kill $?"
kill -INT -"${pids[3]}" $s; wait $s; echo "sleep $?"; wait "${pids[3]}"; echo "int $?"
(exit 7) & wait $!; echo "exit $?"; exec 5<&-; rm ready
''',
}
FRAME_BASH = '''
round() {{
{text}
}}
first=$(round 2>&1)
while ! read -t 0 -u 102; do
	again=$(round 2>&1)
	[ "$again" = "$first" ] || {{ echo "$first"; echo "ANOTHER ROUND SAYS"; echo "$again"; exit 1; }}
done
echo "$first"
'''

PRELUDE = '''
import ctypes, errno, hashlib, os, select, signal, subprocess, sys, threading, time
LIBC = ctypes.CDLL(None, use_errno=True)
def prctl(*a): assert LIBC.prctl(*a, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
def child(f, *a):
    pid = os.fork()
    if pid == 0:
        try: os._exit(f(*a) or 0)
        except BaseException as e: os.write(2, f'{a} {e!r}\\n'.encode()); os._exit(99)
    return pid
def code(status): return os.waitstatus_to_exitcode(status)
def end(pid): return code(os.waitpid(pid, 0)[1])
def all_of(fd):
    got = []
    while data := os.read(fd, 65536): got.append(data)
    os.close(fd)
    return b''.join(got)
def compute(n):
    s = n
    for i in range(20000): s = s * 1103515245 + 12345 & 0xffffffff
    return s
'''
PYTHON = {
    # Each has a copy of what its maker had, changes it, and adds up what its children have found.
    'tree': '''
def grow(depth, path, memory):
    assert hashlib.md5(memory).digest() == seen[-1]
    memory[depth::97] = bytes([len(path)]) * len(memory[depth::97])
    seen.append(hashlib.md5(memory).digest())
    compute(depth)
    if not depth: return 1
    n = sum(end(p) for p in [child(grow, depth - 1, path + str(i), memory) for i in range(2)])
    assert hashlib.md5(memory).digest() == seen[-1]
    return n + 1
def round():
    global seen
    memory = bytearray(range(256)) * 1024
    seen = [hashlib.md5(memory).digest()]
    return [end(child(grow, 3, '', memory))]
''',
    # vfork() and exec, by subprocess; posix_spawn with actions; from one thread and from several; programs that are not there.
    'spawns': '''
def body(n, lines):
    for i in range(3):
        r = subprocess.run(['/bin/sh', '-c', f'read x; echo $x {n} | cat; exit {i}'], input=b'a', capture_output=True)
        lines.append((n, i, r.returncode, r.stdout, r.stderr))
        r = subprocess.run(['/usr/bin/env'], env={'A': 'b'}, stdout=subprocess.PIPE, start_new_session=bool(i & 1))
        lines.append((n, r.stdout))
        try: subprocess.run(['/nowhere'])
        except FileNotFoundError as e: lines.append((n, i, e.errno))
def round():
    lines = []
    body(0, lines)
    ts = [threading.Thread(target=body, args=(n, lines)) for n in (1, 2, 3)]
    for t in ts: t.start()
    for t in ts: t.join()
    for n in range(5):
        r, w = os.pipe()
        pid = os.posix_spawn('/bin/sh', ['sh', '-c', f'echo spawned; kill -{(0, 15, 9, 6, 0)[n]} $$; exit {n}'], {}, setpgroup=0,
                             setsigdef=[15], file_actions=[(os.POSIX_SPAWN_DUP2, w, 1), (os.POSIX_SPAWN_CLOSE, r)])
        os.close(w)
        lines.append((9, n, all_of(r), end(pid)))
    return sorted(map(repr, lines))
''',
    # Children outlive their parents, go to a subreaper or to init, and are told of the death by a signal when they want it.
    'orphans': '''
def round():
    r, w = os.pipe(); hold, go = os.pipe()
    def low(n):
        os.close(go); os.read(hold, 1)
        while os.getppid() == parent: pass
        os.write(w, b'%d,' % n)
        return 20 + n
    def mid(n):
        global parent
        parent = os.getpid()
        for i in range(3): child(low, 3 * n + i)
        return n
    lines = [sorted(end(p) for p in [child(mid, n) for n in range(2)])]
    os.close(go)
    os.close(w)
    lines.append(sorted(all_of(r).split(b',')))
    os.close(hold)
    prctl(36, 1) # PR_SET_CHILD_SUBREAPER: from now on they are ours
    r, w = os.pipe(); hold, go = os.pipe(); parent_of = os.getpid()
    def adopted(n):
        os.close(go); os.read(hold, 1)
        while os.getppid() != parent_of: pass
        return 40 + n
    def told(n):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        prctl(1, signal.SIGUSR1) # PR_SET_PDEATHSIG
        os.write(w, b'x')
        return 60 + n if signal.sigwait([signal.SIGUSR1]) == signal.SIGUSR1 else 1
    def maker(n):
        child(adopted, n); child(told, n)
        signal.pause()
    makers = [child(maker, n) for n in range(3)]
    for p in makers: os.read(r, 1)
    for p in makers: os.kill(p, signal.SIGKILL)
    lines.append([end(p) for p in makers])
    os.close(go); os.close(w); os.close(hold)
    lines.append(sorted(code(os.wait()[1]) for i in range(6)))
    lines.append(all_of(r))
    prctl(36, 0)
    return lines
''',
    # Every way to wait, for all that can be told of a child.
    'waits': '''
def told(*a):
    i = os.waitid(*a)
    return i and (i.si_code, i.si_status)
def round():
    r, w = os.pipe()
    def work(n):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if n % 2: os.setpgid(0, 0)
        os.write(w, b'r')
        compute(n)
        while n != 9: signal.pause()
    pids = [child(work, n) for n in range(4)]
    for p in pids: os.read(r, 1)
    lines = [os.waitpid(-1, os.WNOHANG), told(os.P_ALL, 0, os.WEXITED | os.WNOHANG)]
    os.kill(pids[0], signal.SIGSTOP)
    lines.append(told(os.P_PID, pids[0], os.WSTOPPED | os.WNOWAIT))
    lines.append(os.waitpid(pids[0], os.WUNTRACED)[1])
    os.kill(pids[0], signal.SIGCONT)
    lines.append(told(os.P_PID, pids[0], os.WCONTINUED | os.WNOWAIT))
    lines.append(os.waitpid(pids[0], os.WCONTINUED)[1])
    os.kill(pids[1], signal.SIGTERM)
    lines.append(told(os.P_PGID, pids[1], os.WEXITED | os.WNOWAIT))
    lines.append(os.waitpid(-pids[1], 0)[0] == pids[1])
    fd = os.pidfd_open(pids[2])
    lines.append(select.select([fd], [], [], 0)[0])
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    lines.append(len(select.select([fd], [], [])[0]))
    lines.append(told(os.P_PIDFD, fd, os.WEXITED))
    os.close(fd)
    os.kill(pids[3], signal.SIGABRT)
    pid, status, usage = os.wait4(pids[3], 0x40000000) # __WALL
    lines.append((pid == pids[3], os.WTERMSIG(status), usage.ru_utime >= 0))
    os.kill(pids[0], signal.SIGKILL)
    lines.append(os.wait3(0)[1])
    for f in (lambda: os.waitpid(-1, 0), lambda: os.waitpid(pids[3], os.WNOHANG), lambda: os.waitid(os.P_PID, pids[1], os.WEXITED)):
        try: lines.append(f())
        except ChildProcessError as e: lines.append(e.errno)
    for fd in (r, w): os.close(fd)
    return lines
''',
    # Death by each kind of signal, from outside, from within and by alarm; nobody is told twice.
    'deaths': '''
HOW = (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE, signal.SIGALRM, 40)
def round():
    heard = []
    signal.signal(signal.SIGCHLD, lambda *a: heard.append(1))
    def outside():
        while True: compute(1)
    def within(n):
        signal.signal(n, signal.SIG_DFL) if n != 9 else None
        compute(2)
        if n == signal.SIGALRM: signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
        os.kill(os.getpid(), n)
        while True: signal.pause()
    lines = [end(p) for p in [child(within, n) for n in HOW]]
    for n in HOW:
        pid = child(outside)
        if n in (signal.SIGPIPE,): n = signal.SIGKILL # ignored by this interpreter
        os.kill(pid, n)
        lines.append(end(pid))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    pids = [child(compute, 0) for i in range(3)]
    try: os.wait()
    except ChildProcessError: lines.append('none')
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return lines + [bool(heard)]
''',
    # A group of workers that is asked by signals and answers through a pipe; sessions of their own.
    'groups': '''
def round():
    r, w = os.pipe(); first = []
    def work(n):
        os.setpgid(0, first[0] if first else 0)
        signal.signal(signal.SIGUSR1, lambda *a: os.write(w, b'%d,' % n))
        signal.signal(signal.SIGTERM, lambda *a: os._exit(30 + n))
        os.write(w, b'r,')
        while True: compute(n)
    for n in range(4):
        first.append(child(work, n))
        data = b''
        while not data.endswith(b','): data += os.read(r, 2 - len(data))
    lines = [len({os.getpgid(p) for p in first}), os.getpgid(first[3]) == first[0]]
    for i in range(3):
        os.killpg(first[0], signal.SIGUSR1)
        got = b''
        while got.count(b',') < 4: got += os.read(r, 1)
        lines.append(sorted(got.split(b',')))
    os.killpg(first[0], signal.SIGTERM)
    lines.append([end(p) for p in first])
    def alone():
        os.setsid()
        return 5 if os.getsid(0) == os.getpid() == os.getpgrp() else 6
    lines.append(end(child(alone)))
    for fd in (r, w): os.close(fd)
    return lines
''',
    # Threads that fork while others compute, wait and fork; the child has that one thread.
    'threads': '''
def round():
    lines = []
    def body(n):
        for i in range(3):
            r, w = os.pipe()
            pid = child(lambda: os.write(w, b'%d' % compute(n)) and len(os.listdir('/proc/self/task')))
            os.close(w)
            lines.append((n, i, all_of(r), end(pid)))
    ts = [threading.Thread(target=body, args=(n,)) for n in range(4)]
    for t in ts: t.start()
    for t in ts: t.join()
    return sorted(lines)
''',
}
FRAME_PYTHON = '''
first = round()
while not select.select([102], [], [], 0)[0]:
    again = round()
    if again != first: print(first, 'ANOTHER ROUND SAYS', again, sep='\\n'); sys.exit(1)
print(*first, sep='\\n')
'''


def commands():
    """name -> argv"""
    programs = os.path.abspath(f'{yard.BUILD}/tests/programs')
    made = {f'family-{name}': ['/bin/bash', '-c', f'P={programs}' + FRAME_BASH.format(text=text)] for name, text in BASH.items()}
    made.update({f'family-{name}': [sys.executable, '-IS', '-c', PRELUDE + text + FRAME_PYTHON] for name, text in PYTHON.items()})
    return made
