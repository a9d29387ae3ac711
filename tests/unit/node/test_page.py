#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/godwit.conf is what godwitd shows when nothing is configured; --write puts that there."""
import pathlib
import subprocess
import sys

daemon, root = sys.argv[1:3]
page = pathlib.Path(root) / 'docs/godwit.conf'
shown = subprocess.run([daemon, '--show-config', '--config', '/dev/null', '--state', '/nonexistent'], check=True,
                       stdout=subprocess.PIPE, text=True).stdout
if '--write' in sys.argv:
    page.write_text(shown)
elif page.read_text() != shown:
    sys.exit('docs/godwit.conf is not what godwitd shows (mend with --write)')
