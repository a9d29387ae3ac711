#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A test that is told to end, by SIGTERM as a run that takes too long or by ^C, ends all that it has started.

Asserts that nothing is left of a test with parts of its own and with guests away: no process and no file.
"""
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import promises


def names():
    """name -> pids of all below this process"""
    found = {}
    for pid in promises.descendants([os.getpid()])[1:]:
        with contextlib.suppress(OSError), open(f'/proc/{pid}/comm') as f:
            found.setdefault(f.read().strip(), []).append(pid)
    return found


def gone():
    """Orphans come to us; how they ended is nobody's business."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return not names()


def one(signo, test, programs):
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        p = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), test), *programs],
                             env=dict(os.environ, TMPDIR=d, GODWIT_AT_ONCE='2'), stdout=subprocess.DEVNULL, start_new_session=True)
        promises.wait_until('it has guests away', lambda: 'godwit-agent' in names() or p.poll() is not None, 60)
        assert p.poll() is None, f'{test} ends before it is told to, with {p.returncode}'
        yards = names()['yard']
        os.kill(p.pid, signo)
        promises.wait_until(f'the end of {test}', lambda: p.poll() is not None, 20)
        try:
            promises.wait_until(f'all that {test} has started has ended', gone, 20)
        except AssertionError as e:
            raise AssertionError(f'{e}: {names()}') from None
        finally:
            for pid in sum(names().values(), []):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        left = os.listdir(d) + [x for x in (f'/tmp/godwit-yard-{pid}' for pid in yards) if os.path.exists(x)]
        assert not left, f'{test} leaves {left}'
        assert p.returncode == 128 + signo, f'{test} ends with {p.returncode}'


def run(_):
    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
    one(signal.SIGTERM, 'programs.py', ['steady', 'process-tree', 'forks'])
    one(signal.SIGINT, 'mover.py', [])


promises.main(run)
