#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/policy.md shows every parameter and every reason as the tables have them; --write puts them there.

Each reason's row of src/wire/reasons.def must exist."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
params = re.findall(r'^POLICY_PARAM\((\w+), (\d+), (\d+), (\d+), "([^"]*)", "([^"]*)"\)',
                    (root / 'src/policy/policy_params.def').read_text(), re.M)
whys = re.findall(r'^POLICY_WHY\((\w+), "(\w+)", "([^"]*)", "([^"]*)"\)',
                  (root / 'src/policy/policy_why.def').read_text(), re.M)
reasons = set(re.findall(r'^REASON\(\d+, (\w+),', (root / 'src/wire/reasons.def').read_text(), re.M))

tables = {
    'parameters': ['| parameter | default | least | greatest | unit | meaning |', '|---|---|---|---|---|---|'] +
                  [f'| `{n}` | {d} | {lo} | {hi} | {u} | {h} |' for n, d, lo, hi, u, h in params],
    'reasons': ['| reason | unit | meaning | row of reasons.def |', '|---|---|---|---|'] +
               [f'| {n} | {u} | {s} | {r} |' for n, r, u, s in whys],
}
if len(params) < 20 or len(whys) < 20:
    sys.exit('the tables could not be read')
bad = [f'{n}: no row {r} in src/wire/reasons.def' for n, r, u, s in whys if r not in reasons]

page = root / 'docs/policy.md'
text = page.read_text()
for name, rows in tables.items():
    marks = f'<!-- {name}: begin -->\n', f'<!-- {name}: end -->'
    start, end = text.index(marks[0]) + len(marks[0]), text.index(marks[1])
    want = '\n'.join(rows) + '\n'
    if text[start:end] != want:
        bad.append(f'docs/policy.md: the table of {name} is not that of the source (mend with --write)')
        text = text[:start] + want + text[end:]
if '--write' in sys.argv:
    page.write_text(text)
    sys.exit(0)
for line in bad:
    print(line)
sys.exit(1 if bad else 0)
