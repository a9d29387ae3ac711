# SPDX-License-Identifier: GPL-2.0-or-later
"""Which program of tests/programs proves which row of the table of system calls.

Promise: reads the opening comments ("Promise: ..." and "Proves: CALL...") and src/syscalls/syscalls.tbl, and nothing else.
Must not: need a build or root; docs/proofs.md is made from it by tests/lint/proofs.
"""
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.path.join(TOP, 'tests/programs')
# Classes whose rows need a program each; rows that only come home, or do not exist, may have one.
USED = ('forward', 'native', 'native_if', 'agent', 'exit')
# calls.c says so, and its output names what it has made.
ALL_FORWARDED = 'all-that-are-forwarded'
# Said by programs whose promise is about the processor alone.
NONE = 'no-call'


def rows():
    """{name of a call: class}, in the order of the table."""
    found = {}
    with open(os.path.join(TOP, 'src/syscalls/syscalls.tbl'), encoding='utf-8') as f:
        for line in f:
            if line[:1].isdigit():
                w = line.split()
                found[w[1]] = w[2].split('/')[0]
    return found


def programs():
    """{name: (promise, calls that it proves)}; without the comment: ('', [])."""
    found = {}
    for file in sorted(os.listdir(PROGRAMS)):
        if not file.endswith('.c') or file == 'promise.c':
            continue
        with open(os.path.join(PROGRAMS, file), encoding='utf-8') as f:
            text = f.read()
        comment = re.search(r'/\*((?:(?!\*/).)*?Promise: .*?)\*/', text, re.S)
        words = ' '.join(re.sub(r'^[ \t]*\*', '', comment.group(1), flags=re.M).split()) if comment else ''
        m = re.match(r'Promise: (.*?)(?: Proves: (.*))?$', words)
        found[file[:-2]] = (m.group(1), m.group(2).split()) if m and m.group(2) else ('', [])
    return found


def proved(name, output):
    """The calls of a program that its driver can count while it is away: those that come home in one way or the other."""
    table = rows()
    calls = programs().get(name, ('', []))[1]
    if ALL_FORWARDED in calls:
        made_by_calls = set(re.findall(r'^(\w+): ', output.decode(), re.M))
        missing = [c for c, where in table.items() if where == 'forward' and c not in made_by_calls]
        assert not missing, f'{name} does not make: {missing}'
        calls = [c for c in calls if c != ALL_FORWARDED] + [c for c, where in table.items() if where == 'forward']
    return [c for c in calls if table.get(c) in ('forward', 'home')]
