#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""embed.py FILE NAME > C: the text of FILE as the array `const char NAME[]`.

Promise: the array holds exactly the bytes of the file and a NUL. Must not: interpret them.
"""
import sys

data = open(sys.argv[1], 'rb').read() + b'\0'
rows = [', '.join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
print(f'extern const char {sys.argv[2]}[];\nconst char {sys.argv[2]}[] = {{\n\t' + ',\n\t'.join(rows) + '\n};')
