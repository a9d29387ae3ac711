#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The policy library reads no clock, no file and no luck: all it takes from outside is in this list."""
import re
import subprocess
import sys

ALLOWED = {'memcpy', 'memset', 'memcmp', 'memmove', 'memchr', 'strlen', 'strcmp', 'bcmp', 'qsort'}
ONLY_IN = {'aligned_alloc': 'policy.c', 'free': 'policy.c'}  # policy_new() and policy_free()
# of the compiler: stack protector, sanitizers, position independence, coverage
COMPILER = re.compile(r'^(__.*|_GLOBAL_OFFSET_TABLE_)$')

out = subprocess.run(['nm', '-A', sys.argv[1]], check=True, capture_output=True, text=True).stdout
defined, wanted = set(), []
for line in out.splitlines():
    m = re.match(r'^(.*):\s*[0-9a-f]*\s+([A-Za-z]) (\S+)$', line)
    if not m:
        continue
    where, kind, symbol = m.groups()
    if kind == 'U':
        wanted.append((where, symbol))
    else:
        defined.add(symbol)
if 'policy_step' not in defined:
    sys.exit(f'{sys.argv[1]} does not define policy_step: looked at the wrong file')
bad = [(w, s) for w, s in wanted
       if s not in defined and s not in ALLOWED and not COMPILER.match(s)
       and not (s in ONLY_IN and ONLY_IN[s] in w.split(':')[-1])]
for where, symbol in bad:
    print(f'{where} uses {symbol}')
sys.exit(1 if bad else 0)
