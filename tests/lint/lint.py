# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lints share: which files belong to the project, and how complaints are told.

Promise: works in a clone and in a plain copy of the tree. Must not: write anything.
"""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('GODWIT_BUILD', os.path.join(TOP, 'build'))


def files(*endings, under=''):
    """Paths relative to the top, sorted: those that git knows or would add, or without git all outside of build folders."""
    try:
        # The clone may belong to another user; what is read here is only its list of files.
        out = subprocess.run(['git', '-c', f'safe.directory={TOP}', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
                             cwd=TOP, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        found = os.fsdecode(out).split('\0')
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, names, plain in os.walk(TOP):
            names[:] = [n for n in names if not n.startswith('build') and n not in ('.git', '__pycache__')]
            found += [os.path.relpath(os.path.join(folder, n), TOP) for n in plain]
    return sorted({f for f in found if f and f.startswith(under) and (not endings or f.endswith(endings))
                   and os.path.isfile(os.path.join(TOP, f))})


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8', errors='replace') as f:
        return f.read()


def finish(complaints):
    """Prints them and ends the program: 1 when there are any."""
    for c in complaints:
        print(c)
    sys.exit(1 if complaints else 0)
