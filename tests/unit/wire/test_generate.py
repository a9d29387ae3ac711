#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The generator: PROTOCOL.md is current, and a faulty definition is refused with its line.

usage: test_generate.py GENERATE MESSAGES PROTOCOL
"""
import os
import subprocess
import sys
import tempfile

GENERATE, MESSAGES, PROTOCOL = sys.argv[1:4]
GOOD = 'struct e\n  u8 a\nmessage 100 A both "a"\n  u8 x\n  list es e 3\n'
FAULTY = [  # what, the line that must be named (0: the whole file), text of the definition
    ("number twice", 0, GOOD + 'message 100 B both "b"\n'),
    ("name twice", 0, GOOD + 'message 101 A both "b"\n'),
    ("field twice", 0, GOOD + "  u16 x\n"),
    ("unknown kind", 6, GOOD + "  u7 y\n"),
    ("no bound", 6, GOOD + "  str y\n"),
    ("bound zero", 6, GOOD + "  str y 0\n"),
    ("bound above the length's kind", 6, GOOD + "  str y 65536\n"),
    ("unknown struct", 0, GOOD + "  list y nothing 3\n"),
    ("unknown sender", 6, GOOD + 'message 101 B nobody "b"\n'),
    ("both of unknown ends", 6, GOOD + 'message 201 B both "b"\n'),
    ("number above 65535", 0, GOOD + 'message 65536 B daemon "b"\n'),
    ("list in a struct", 0, GOOD + "struct f\n  list y e 3\n"),
    ("too long", 0, GOOD + "  bytes y 2000000000\n"),
    ("nonsense", 6, GOOD + "nonsense\n"),
    ("field before all", 1, "  u8 x\n"),
]
failures = 0


def run(*args):
    return subprocess.run([sys.executable, GENERATE, *args], capture_output=True, text=True)


def expect(ok, what, detail=""):
    global failures
    if not ok:
        failures += 1
        print(f"not ok: {what} {detail}")


def refuses(folder):
    path = os.path.join(folder, "messages.def")
    for what, line, text in [("good", None, GOOD)] + FAULTY:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        r = run(path, "--header", os.path.join(folder, "h"), "--source", os.path.join(folder, "c"))
        if line is None:
            expect(r.returncode == 0, what, r.stderr)
            continue
        expect(r.returncode == 1 and "Traceback" not in r.stderr, what, r.stderr)
        expect(r.stderr.startswith(f"{path}:{line or ''} "), f"{what}: line {line}", r.stderr)


def docs_are_current(folder):
    r = run(MESSAGES, "--check-docs", PROTOCOL)
    expect(r.returncode == 0, "PROTOCOL.md is current", r.stderr)
    stale = os.path.join(folder, "stale.md")
    with open(PROTOCOL, encoding="utf-8") as f:
        text = f.read()
    with open(stale, "w", encoding="utf-8") as f:
        f.write(text.replace("| 410 | CALL |", "| 411 | CALL |"))
    expect(run(MESSAGES, "--check-docs", stale).returncode == 1, "a stale table is noticed")
    expect(run(MESSAGES, "--docs", stale).returncode == 0, "a stale table is mended")
    with open(stale, encoding="utf-8") as f:
        expect(f.read() == text, "the mended page is the current one")


with tempfile.TemporaryDirectory() as d:
    refuses(d)
    docs_are_current(d)
sys.exit(1 if failures else 0)
