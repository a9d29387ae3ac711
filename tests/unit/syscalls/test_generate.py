# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: test_generate.py GENERATOR TABLE DOCS. The generator refuses each kind of mistake; the page is current."""
import os
import subprocess
import sys
import tempfile

GENERATOR, TABLE, DOCS = sys.argv[1:4]

# What is wrong, text in the table, its replacement, and a word of the complaint.
MISTAKES = [
    ("number twice", "\n3 close ", "\n2 close ", "twice"),
    ("name twice", "\n3 close ", "\n3 open ", "twice"),
    ("missing number", "\n39 getpid native -", "", "no row"),
    ("unknown number", "\n39 getpid native -", "\n39 getpid native -\n400 new native -", "outside"),
    ("unknown class", "\n39 getpid native", "\n39 getpid foreign", "class"),
    ("unknown restart", "\n39 getpid native -", "\n39 getpid native Q", "restart"),
    ("unknown kind", "0 read forward S fd:fd", "0 read forward S fd:descriptor", "kind"),
    ("unknown flag", "count:size ; block", "count:size ; sleep", "flags"),
    ("unknown rule", "buf:out[count]=ret", "buf:out[count]=some", "rule"),
    ("length of no argument", "buf:out[count]=ret", "buf:out[size]=ret", "no argument"),
    ("rule of no argument", "=*optlen", "=*optsize", "no argument"),
    ("unknown show", "pipefd:out[8]@ints", "pipefd:out[8]@words", "@words"),
    ("length of a list of strings", "argv:strings envp:strings@none ;", "argv:strings[argv] envp:strings@none ;", "wrong use"),
    ("length of a value", "0 read forward S fd:fd", "0 read forward S fd:fd[4]", "neither"),
    ("condition on no argument", "| flags&0x4202f", "| flag&0x4202f", "condition"),
    ("condition that never holds", "| flags&0x4202f=0x22", "| flags&0x4200f=0x22", "never"),
    ("native case of a forwarded row", "TCGETS forward", "TCGETS native", "filter"),
    ("native_if without else", "native_if/home - addr:addr length", "native_if - addr:addr length", "ELSE"),
    ("else without cases", "\n3 close forward", "\n3 close forward/home", "cases"),
    ("seven arguments", "\n39 getpid native -", "\n39 getpid native - a:int b:int c:int d:int e:int f:int g:int", "six"),
]


def run(table, *args):
    return subprocess.run([sys.executable, GENERATOR, table, *args], capture_output=True, text=True, check=False,
                          timeout=30)


def main():
    bad = []
    with open(TABLE, encoding="utf-8") as f:
        text = f.read()
    with tempfile.TemporaryDirectory() as tmp:
        broken = os.path.join(tmp, "broken.tbl")
        for what, old, new, word in MISTAKES:
            assert old in text, f"the test's mistake '{what}' no longer fits the table"
            with open(broken, "w", encoding="utf-8") as f:
                f.write(text.replace(old, new, 1))
            result = run(broken, "--check")
            if result.returncode != 1 or word not in result.stderr or "Traceback" in result.stderr:
                bad.append(f"{what}: exit {result.returncode}, said: {result.stderr.strip()[-200:]}")
        stale = os.path.join(tmp, "stale.md")
        with open(stale, "w", encoding="utf-8") as f:
            f.write("old\n")
        if run(TABLE, "--check-docs", stale).returncode != 1:
            bad.append("a stale page passes")
    for args in (["--check"], ["--check-docs", DOCS]):
        result = run(TABLE, *args)
        if result.returncode:
            bad.append(result.stderr.strip())
    print("\n".join(bad))
    return 1 if bad else 0


sys.exit(main())
