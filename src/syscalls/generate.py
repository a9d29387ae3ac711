#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads syscalls.tbl, checks it, and writes what follows from it.

usage: generate.py TABLE --c FILE | --docs FILE | --check-docs FILE | --check

Promise: a table with a number twice or missing, an unknown kind, class or flag, or a length that refers to no
argument is refused with file and line. Must not: know any call by name.
"""
import re
import sys

RANGES = [(0, 336), (424, 469)]
CLASSES = ["native", "native_if", "forward", "agent", "exit", "home", "nosys"]
RESTARTS = {"-": "NONE", "S": "SYS", "H": "NOHAND", "B": "BLOCK"}
RESTART_WORDS = {"-": "", "S": "restarts", "H": "unless handled", "B": "restart block"}
VALUES = ["int", "uint", "size", "off", "fd", "dirfd", "pid", "id", "sig", "mode", "hex", "addr", "clock", "oflags",
          "prot", "mapflags", "atflags", "whence", "family", "socktype", "msgflags", "accmode", "waitopts"]
NARROW = {"int", "uint"}  # the kernel looks at 32 bits of such a length
STRINGS = ["str", "str16", "path"]
NESTED = {"iovin": "IOV_IN", "iovout": "IOV_OUT", "msgin": "MSG_IN", "msgout": "MSG_OUT", "mmsgin": "MMSG_IN",
          "sigpack": "SIGPACK", "fdset": "FDSET", "caps": "CAPS", "strings": "STRINGS"}
WITH_LENGTH = {"iovin", "iovout", "mmsgin", "fdset", "caps"}
SHOWS = ["none", "bytes", "ints", "time"]
RULES = {"always": "ALWAYS", "ok": "OK", "pos": "POS", "intr": "INTR", "ret": "RET", "soft": "ALWAYS"}
FLAGS = {"block", "range"}
NAME = r"[a-z_][a-z0-9_]*"


class Bad(Exception):
    pass


class Arg:
    def __init__(self, text):
        m = re.fullmatch(rf"({NAME}):([a-z0-9]+)(?:\[([^\]]*)\])?(?:=(\*?[a-z_]+))?(?:@([a-z]+))?", text)
        if not m:
            raise Bad(f"argument '{text}' is not name:kind[length]=rule@show")
        self.text = text
        self.name, self.kind, self.length, self.rule, self.show = m.groups()
        self.c = {"kind": "VALUE", "show": "NONE", "rule": "ALWAYS", "soft": 0, "len_kind": "CONST", "len_arg": 0,
                  "ret_arg": 0, "mul": 0, "add": 0}

    def resolve(self, args):
        index = {a.name: i for i, a in enumerate(args)}
        kind_of = {a.name: a.kind for a in args}
        if self.show and (self.show not in SHOWS or self.kind in VALUES):
            raise Bad(f"'{self.text}': unknown @{self.show}")
        if self.kind in VALUES:
            if self.length is not None or self.rule:
                raise Bad(f"'{self.text}': a value has neither length nor rule")
            self.c["show"] = self.kind.upper()
        elif self.kind in STRINGS:
            if self.length is not None or self.rule:
                raise Bad(f"'{self.text}': a string has neither length nor rule")
            self.c.update(kind=self.kind.upper(), show="BYTES")
        elif self.kind in ("in", "out", "inout"):
            self.c["kind"] = self.kind.upper()
            self.resolve_length(index, kind_of)
            self.resolve_rule(index)
        elif self.kind in NESTED:
            self.c["kind"] = NESTED[self.kind]
            if (self.length is not None) != (self.kind in WITH_LENGTH) or self.rule:
                raise Bad(f"'{self.text}': wrong use of {self.kind}")
            if self.kind == "strings":
                self.c["show"] = (self.show or "bytes").upper()
            if self.length is not None:
                if self.length not in index:
                    raise Bad(f"'{self.text}': no argument {self.length}")
                self.c.update(len_kind="ARG32" if kind_of[self.length] in NARROW else "ARG", len_arg=index[self.length],
                              mul=1)
        else:
            raise Bad(f"'{self.text}': unknown kind {self.kind}")

    def resolve_length(self, index, kind_of):
        m = re.fullmatch(rf"(\d+)|({NAME})(?:\*(\d+))?(?:\+(\d+))?|\*({NAME})(?:<(\d+))?", self.length or "")
        if not m:
            raise Bad(f"'{self.text}': unknown length")
        number, arg, mul, add, pointed, cap = m.groups()
        for name in (arg, pointed):
            if name and name not in index:
                raise Bad(f"'{self.text}': no argument {name}")
        if number:
            self.c["add"] = int(number)
        elif arg:
            self.c.update(len_kind="ARG32" if kind_of[arg] in NARROW else "ARG", len_arg=index[arg], mul=int(mul or 1),
                          add=int(add or 0))
            if int(mul or 1) == 1:
                self.c["show"] = "BYTES"
        else:
            self.c.update(len_kind="POINTED", len_arg=index[pointed], add=int(cap or 0))
        if self.show:
            self.c["show"] = self.show.upper()

    def resolve_rule(self, index):
        if self.kind == "in":
            if self.rule:
                raise Bad(f"'{self.text}': nothing is written")
            return
        rule = self.rule or ("ok" if self.kind == "out" else "always")
        if rule.startswith("*"):
            if rule[1:] not in index:
                raise Bad(f"'{self.text}': no argument {rule[1:]}")
            self.c.update(rule="LEN", ret_arg=index[rule[1:]])
        elif rule not in RULES:
            raise Bad(f"'{self.text}': unknown rule {rule}")
        else:
            if rule == "ret" and self.c["len_kind"] not in ("ARG", "ARG32"):
                raise Bad(f"'{self.text}': rule ret needs a length by argument")
            self.c.update(rule=RULES[rule], soft=int(rule == "soft"))

    def emit(self):
        c = self.c
        return (f'{{"{self.name}", ARG_{c["kind"]}, SHOW_{c["show"]}, RULE_{c["rule"]}, {c["soft"]}, '
                f'LEN_{c["len_kind"]}, {c["len_arg"]}, {c["ret_arg"]}, {c["mul"]}, {c["add"]}}}')


class Case:
    def __init__(self, row, words):
        names = [a.name for a in row.args]
        self.conds = []
        for text in words.pop(0).split(","):
            m = re.fullmatch(rf"({NAME})(?:&(0x[0-9a-f]+|\d+))?=(0x[0-9a-f]+|\d+|null)", text)
            if not m or m[1] not in names:
                raise Bad(f"condition '{text}' is not argument[&mask]=value")
            if m[3] == "null":
                if m[2]:
                    raise Bad(f"'{text}': null has no mask")
                self.conds.append((names.index(m[1]), 1, 0, 0, text))
                continue
            mask, value = int(m[2], 0) if m[2] else 0xFFFFFFFF, int(m[3], 0)
            if mask > 0xFFFFFFFF or value & ~mask:
                raise Bad(f"'{text}' can never hold")
            self.conds.append((names.index(m[1]), 0, mask, value, text))
        if len(self.conds) > 2:
            raise Bad("more than two conditions")
        self.symbol = words.pop(0) if words and re.fullmatch(r"[A-Z][A-Z0-9_]*", words[0]) else ""
        self.cls = words.pop(0) if words else ""
        if self.cls not in CLASSES + ["ask"] or self.cls == "native_if":
            raise Bad(f"unknown class '{self.cls}'")
        if self.cls == "native" and (len(self.conds) != 1 or self.conds[0][1] or row.cls != "native_if"):
            raise Bad("the filter tests one 32-bit condition of a native_if row")
        self.over = {}
        for text in words:
            a = Arg(text)
            if a.name not in names:
                raise Bad(f"no argument {a.name}")
            self.over[names.index(a.name)] = a
        for a in self.over.values():
            a.resolve([self.over.get(i, b) for i, b in enumerate(row.args)])


class Row:
    def __init__(self, text):
        head, _, flags = text.partition(";")
        words = head.split()
        if len(words) < 4:
            raise Bad("a row is: number name class restart [arguments]")
        if not words[0].isdigit() or not re.fullmatch(r"[a-z_][a-z0-9_]*", words[1]):
            raise Bad(f"not a number and a name: {words[0]} {words[1]}")
        self.nr, self.name = int(words[0]), words[1]
        self.cls, _, self.otherwise = words[2].partition("/")
        self.restart = words[3]
        if self.cls not in CLASSES or (self.otherwise and self.otherwise not in CLASSES):
            raise Bad(f"unknown class '{words[2]}'")
        if self.restart not in RESTARTS:
            raise Bad(f"unknown restart class '{self.restart}'")
        self.flags = set(flags.split())
        if self.flags - FLAGS:
            raise Bad(f"unknown flags {sorted(self.flags - FLAGS)}")
        self.args = [Arg(t) for t in words[4:]]
        if len(self.args) > 6 or len({a.name for a in self.args}) != len(self.args):
            raise Bad("at most six arguments, each name once")
        for a in self.args:
            a.resolve(self.args)
        self.cases = []

    def check(self):
        if self.otherwise and not self.cases:
            raise Bad(f"{self.name}: an ELSE class needs cases")
        if self.cls == "native_if" and (not self.cases or not self.otherwise):
            raise Bad(f"{self.name}: native_if needs cases and an ELSE class")


def load(path):
    rows, where = {}, {}
    with open(path, encoding="utf-8") as f:
        row = None
        for lineno, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            try:
                if line.lstrip().startswith("|"):
                    if row is None:
                        raise Bad("a case without a row")
                    row.cases.append(Case(row, line.lstrip()[1:].split()))
                    continue
                row = Row(line)
                if row.nr in rows:
                    raise Bad(f"number {row.nr} twice, first in line {where[row.nr]}")
                if any(r.name == row.name for r in rows.values()):
                    raise Bad(f"name {row.name} twice")
                rows[row.nr], where[row.nr] = row, lineno
            except Bad as e:
                raise Bad(f"{path}:{lineno}: {e}") from None
    for row in rows.values():
        try:
            row.check()
        except Bad as e:
            raise Bad(f"{path}:{where[row.nr]}: {e}") from None
    wanted = {n for lo, hi in RANGES for n in range(lo, hi + 1)}
    if wanted - set(rows):
        raise Bad(f"{path}: no row for {sorted(wanted - set(rows))}")
    if set(rows) - wanted:
        raise Bad(f"{path}: numbers outside of the known ranges: {sorted(set(rows) - wanted)}")
    return [rows[n] for n in sorted(rows)]


def emit_cases(row, out):
    for k, case in enumerate(row.cases):
        for i, a in sorted(case.over.items()):
            out.append(f"static const struct sysc_arg arg_{row.nr}_{k}_{i} = {a.emit()};")
    out.append(f"static const struct sysc_case cases_{row.nr}[] = {{")
    for k, case in enumerate(row.cases):
        cls = "CASE_ASK" if case.cls == "ask" else f"SYSC_{case.cls.upper()}"
        conds = ", ".join(f"{{{a}, {w}, {m:#x}, {v:#x}}}" for a, w, m, v, _ in case.conds)
        over = ", ".join(f"[{i}] = &arg_{row.nr}_{k}_{i}" for i in sorted(case.over))
        out.append(f'\t{{"{case.symbol}", {cls}, {len(case.conds)}, {{{conds}}}, {{{over}}}}},')
    out.append("};")


def emit_c(rows):
    out = ["/* Generated by src/syscalls/generate.py from syscalls.tbl. */", '#include "table.h"', ""]
    for row in rows:
        if row.cases:
            emit_cases(row, out)
        otherwise = (row.otherwise or row.cls).upper()
        cases = f"{len(row.cases)}, cases_{row.nr}" if row.cases else "0, NULL"
        args = ", ".join(a.emit() for a in row.args)
        out.append(f"static const struct sysc_detail detail_{row.nr} = {{SYSC_{otherwise}, {len(row.args)}, "
                   f"{int('block' in row.flags)}, {int('range' in row.flags)}, {cases}, {{{args}}}}};")
    out += ["", "const struct sysc_row sysc_rows[] = {"]
    for row in rows:
        out.append(f'\t[{row.nr}] = {{{row.nr}, "{row.name}", SYSC_{row.cls.upper()}, '
                   f"SYSC_RESTART_{RESTARTS[row.restart]}, &detail_{row.nr}}},")
    out += ["};", f"const unsigned sysc_row_count = {rows[-1].nr + 1};", ""]
    return "\n".join(out)


WORDS = {"native": "on the host", "native_if": "on the host if", "forward": "at home, by the deputy",
         "agent": "by the agent", "exit": "ends the process", "home": "brings the process home",
         "nosys": "does not exist (`ENOSYS`)", "ask": "on the host, after the agent was asked"}


# A case of a native_if row: the host's kernel would take its own clock.
AGENT_DECIDES = "on the host, by the clock that the guest reads"


def describe(row):
    text = WORDS[row.cls]
    if row.cases:
        text = text.removesuffix(" if") + " (see below)"
    if row.otherwise and row.otherwise != row.cls:
        text += f"; else {WORDS[row.otherwise]}"
    if "range" in row.flags:
        text += "; of the vdso: brings the process home"
    return text


def emit_docs(rows):
    out = ["# System calls", "",
           "What becomes of each system call of a process that computes on another node. Generated from",
           "`src/syscalls/syscalls.tbl` by `src/syscalls/generate.py`; change the table, not this page.", "",
           "A number that is not listed brings the process home. `in`, `out` and `inout` name the memory that travels with",
           "a forwarded call. *Interrupted* says what the kernel does with the call when a signal arrives: it *restarts*",
           "(`SA_RESTART`), restarts *unless handled*, continues by a *restart block*, or (empty) ends with `EINTR`.", "",
           "| where | calls |", "|---|---|"]
    for cls in CLASSES:
        out.append(f"| {WORDS[cls].replace(' if', ' under a condition') if cls == 'native_if' else WORDS[cls]} | "
                   f"{sum(r.cls == cls for r in rows)} |")
    out += ["", "| number | call | where it is made | interrupted |", "|---|---|---|---|"]
    for row in rows:
        args = ", ".join(a.name if a.kind in VALUES else f"{a.kind} {a.name}" for a in row.args)
        out.append(f"| {row.nr} | `{row.name}({args})` | {describe(row)} | {RESTART_WORDS[row.restart]} |")
    out += ["", "## Calls whose place depends on an argument", ""]
    for row in rows:
        if not row.cases:
            continue
        out += [f"### {row.name}", "", "| condition | name | where |", "|---|---|---|"]
        for c in row.cases:
            where = AGENT_DECIDES if (row.cls, c.cls) == ("native_if", "agent") else WORDS[c.cls]
            out.append(f"| {' and '.join(f'`{t[4]}`' for t in c.conds)} | {c.symbol} | {where} |")
        out += [f"| otherwise | | {WORDS[row.otherwise or row.cls]} |", ""]
    return "\n".join(out).rstrip("\n") + "\n"


def main(argv):
    try:
        if len(argv) == 3 and argv[2] == "--check":
            load(argv[1])
            return 0
        if len(argv) != 4 or argv[2] not in ("--c", "--docs", "--check-docs"):
            print(__doc__, file=sys.stderr)
            return 2
        rows = load(argv[1])
        text = emit_c(rows) if argv[2] == "--c" else emit_docs(rows)
        if argv[2] == "--check-docs":
            with open(argv[3], encoding="utf-8") as f:
                if f.read() != text:
                    raise Bad(f"{argv[3]} is not current: run src/syscalls/generate.py src/syscalls/syscalls.tbl "
                              f"--docs docs/system-calls.md")
            return 0
        with open(argv[3], "w", encoding="utf-8") as f:
            f.write(text)
        return 0
    except (Bad, OSError) as e:
        print(e, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
