#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/policy.md shows every parameter and every reason as the tables have them; --write puts them there.

Each reason's row of src/wire/reasons.def must exist."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import doc_tables

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
doc_tables.settle(root / 'docs/policy.md', tables, bad)
