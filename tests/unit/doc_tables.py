# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of a page in docs that come from tables of the sources: they stand between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""
import sys


def settle(page, tables, bad=()):
    """tables: name -> rows. With --write the page gets them; else what differs is told, besides `bad`, and the exit code is 1."""
    text = page.read_text()
    bad = list(bad)
    for name, rows in tables.items():
        marks = f'<!-- {name}: begin -->\n', f'<!-- {name}: end -->'
        start, end = text.index(marks[0]) + len(marks[0]), text.index(marks[1])
        want = '\n'.join(rows) + '\n'
        if text[start:end] != want:
            bad.append(f'docs/{page.name}: the table of {name} is not that of the source (mend with --write)')
            text = text[:start] + want + text[end:]
    if '--write' in sys.argv:
        page.write_text(text)
        sys.exit(0)
    for line in bad:
        print(line)
    sys.exit(1 if bad else 0)
