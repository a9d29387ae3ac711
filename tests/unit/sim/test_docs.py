#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/simulator.md shows every key, strategy and result as the tables of src/sim have them; --write puts them there."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import doc_tables

root = pathlib.Path(sys.argv[1])
keys = re.findall(r'^SIM_KEY\((\w+), (\w+), (\w+), "([^"]*)", ([\w.]+), ([\w.]+), "([^"]*)", "([^"]*)"\)',
                  (root / 'src/sim/keys.def').read_text(), re.M)
metrics = re.findall(r'^SIM_METRIC\((\w+), \d+, "([^"]*)", "([^"]*)"\)', (root / 'src/sim/metrics.def').read_text(), re.M)
strategies = re.findall(r'\.name = "([\w-]+)",\s*\.help = "([^"]*)"', (root / 'src/sim/place.c').read_text())
if len(keys) < 20 or len(metrics) < 20 or len(strategies) < 7:
    sys.exit('the tables could not be read')
tables = {
    'keys': ['| section | key | value | default | least | greatest | unit | meaning |', '|---|---|---|---|---|---|---|---|'] +
            [f'| {s} | `{n}` | {c.lower()} | {d} | {lo} | {hi} | {u} | {h} |' for s, n, c, d, lo, hi, u, h in keys],
    'strategies': ['| strategy | what it does |', '|---|---|'] + [f'| `{n}` | {h} |' for n, h in strategies],
    'results': ['| result | unit | meaning |', '|---|---|---|'] + [f'| `{n}` | {u} | {h} |' for n, u, h in metrics],
}
doc_tables.settle(root / 'docs/simulator.md', tables)
