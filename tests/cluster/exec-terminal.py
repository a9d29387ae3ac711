#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""godwit exec at a terminal: the command has one there, with the size and settings of the one here; keys, job control and a
change of size reach it, and the terminal here is left as it was.

Promise: each case has a terminal of its own, and every wait a deadline.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

BIN = os.path.join(os.environ.get('GODWIT_BUILD', os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../build')), 'src')
NAME = f't{os.getpid() % 1000000}'
WAIT = 90
failures = 0


def check(what, ok, said=''):
    global failures
    failures += not ok
    print(f'ok   {what}' if ok else f'FAIL {what}: {said}', flush=True)


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, *command, rows=33, cols=77):
        self.text, self.status = b'', None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.size(rows, cols, 0)
            os.execv(os.path.join(BIN, 'godwit'), ['godwit', 'sandbox', 'on', '--name', NAME, 'n1', 'godwit', 'exec', '--node', 'n2', *command])

    def size(self, rows, cols, fd=None):
        fcntl.ioctl(self.fd if fd is None else fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))

    def until(self, word):
        """Waits until the word has been written; forgets what came up to it."""
        end = time.monotonic() + WAIT
        while word not in self.text:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                return False
            try:
                got = os.read(self.fd, 4096)
            except OSError:
                return False
            if not got:
                return False
            self.text += got
        self.text = self.text[self.text.index(word) + len(word):]
        return True

    def key(self, keys):
        os.write(self.fd, keys)

    def waits(self, flags=0):
        """The status of wait(2), within the deadline."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG | flags)
            if pid:
                return status
            # Nobody else reads what is written; without a reader the command would stand still.
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    self.text += os.read(self.fd, 4096)
                except OSError:
                    pass
        os.kill(self.pid, signal.SIGKILL)
        return None


def a_terminal_there():
    t = Terminal('sh', '-c', 'tty; stty size; echo name=$(uname -n); [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all')
    for word in (b'/dev/pts/', b'33 77', b'name=n2', b'all'):
        check(f'it says {word.decode()}', t.until(word), t.text)
    status = t.waits()
    check('it ends', status == 0, status)


def keys():
    t = Terminal('sh', '-c', 'stty -echo; echo ready; read x; echo "got $x"; stty echo; echo now; cat; echo end')
    check('it begins', t.until(b'ready'), t.text)
    t.key(b'secret\r')
    check('a line', t.until(b'got secret') and t.until(b'now'), t.text)
    t.key(b'seen\r')
    check('a line with its echo', t.until(b'seen') and t.until(b'seen'), t.text)
    t.key(b'\x04')
    check('the end of input', t.until(b'end'), t.text)
    check('it ends', t.waits() == 0)


def interrupt():
    t = Terminal('sh', '-c', 'echo ready; exec sleep 1000')
    check('it begins', t.until(b'ready'), t.text)
    t.key(b'\x03')
    status = t.waits()
    check('^C ends it, as it would here', status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, status)


def size_changes():
    t = Terminal('bash', '-c', 'trap "stty size" WINCH; echo ready; while :; do read -r -t 1 x; done')
    check('it begins', t.until(b'ready'), t.text)
    t.size(44, 111)
    check('the new size', t.until(b'44 111'), t.text)
    t.key(b'\x03')
    status = t.waits()
    check('^C ends it', status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, status)


def job_control():
    t = Terminal('cat')
    before = termios.tcgetattr(t.fd)
    t.key(b'one\r')
    check('it runs', t.until(b'one') and t.until(b'one'), t.text)
    check('keys go there as they are', not termios.tcgetattr(t.fd)[3] & termios.ICANON)
    t.key(b'\x1a')
    status = t.waits(os.WUNTRACED)
    check('^Z stops it here, too', status is not None and os.WIFSTOPPED(status), status)
    check('the terminal is as it was', termios.tcgetattr(t.fd)[:4] == before[:4])
    os.kill(t.pid, signal.SIGCONT)
    end = time.monotonic() + WAIT
    while termios.tcgetattr(t.fd)[3] & termios.ICANON and time.monotonic() < end:
        select.select([], [], [], 0.02)
    t.key(b'two\r')
    check('it goes on', t.until(b'two') and t.until(b'two'), t.text)
    t.key(b'\x04')
    check('it ends', t.waits() == 0)
    check('the terminal is as it was at the end', termios.tcgetattr(t.fd)[:4] == before[:4])


def output_elsewhere():
    """Only what is a terminal here is one there."""
    t = Terminal('sh', '-c', '[ -t 2 ] || echo "no terminal" ; exit 3')
    check('with a terminal', (t.waits() or 0) >> 8 == 3 and b'no terminal' not in t.text, t.text)
    t = Terminal('--no-tty', 'sh', '-c', '[ -t 0 ] || [ -t 1 ] || echo "no terminal"')
    check('without', t.until(b'no terminal'), t.text)
    check('it ends', t.waits() == 0)


def main():
    if os.geteuid() != 0:
        print('exec-terminal.py: needs root; skipped')
        return 77
    if subprocess.run(['unshare', '--net', '--pid', '--fork', 'true'], stderr=subprocess.DEVNULL).returncode != 0:
        print('exec-terminal.py: new namespaces are not allowed here; skipped')
        return 77
    for name in ('GODWIT_SOCKET', 'GODWIT_RUN', 'GODWIT_FAULT', 'GODWIT_SANDBOX'):
        os.environ.pop(name, None)
    sandbox = [os.path.join(BIN, 'godwit'), 'sandbox']
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        subprocess.run([*sandbox, 'up', '--name', NAME, '2'], check=True, stdout=subprocess.DEVNULL)
        os.chdir('/')
        for case in (a_terminal_there, keys, interrupt, size_changes, job_control, output_elsewhere):
            print(f'# {case.__name__.replace("_", " ")}', flush=True)
            case()
    finally:
        subprocess.run([*sandbox, 'down', '--name', NAME], check=False, stderr=subprocess.DEVNULL)
    print(f'{failures} failures' if failures else 'exec-terminal.py: all is well')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
