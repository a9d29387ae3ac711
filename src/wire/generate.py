#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads messages.def, checks it, and writes what follows from it.

usage: generate.py MESSAGES [--header FILE] [--source FILE] [--samples FILE] [--docs FILE] [--check-docs FILE]

--header, --source: structs, encoders and decoders. --samples: messages with their bytes, for the tests; the bytes are
made here, without the C code. --docs writes the message table of PROTOCOL.md between its markers, --check-docs fails
when it is not current.

Promise: a number or name used twice, an unknown kind or sender, or a missing bound is refused with file and line.
Must not: know any message by name.
"""
import argparse
import re
import struct
import sys

SCALARS = {"u8": ("uint8_t", 1, "<B"), "u16": ("uint16_t", 2, "<H"), "u32": ("uint32_t", 4, "<I"), "u64": ("uint64_t", 8, "<Q"),
           "i32": ("int32_t", 4, "<i"), "i64": ("int64_t", 8, "<q"), "u64x6": ("uint64_t", 48, "<6Q")}
VARIABLE = {"str": (2, 0xffff), "bytes": (4, 0xffffffff), "list": (4, 0xffffffff)}  # size of the length, its maximum
SENDERS = ["peer", "joiner", "member", "daemon", "helper", "launcher", "shepherd", "agent", "caller", "executor"]
BEGIN, END = "<!-- messages: begin -->", "<!-- messages: end -->"
NOTICE = "/* Generated from messages.def; do not edit. */\n"


class Bad(Exception):
    pass


class Field:
    def __init__(self, words, comment):
        self.kind, self.comment = words[0], comment
        wanted = {"list": 4, "str": 3, "bytes": 3}.get(self.kind, 2)
        if self.kind not in SCALARS and self.kind not in VARIABLE:
            raise Bad(f"unknown kind '{self.kind}'")
        if len(words) != wanted:
            raise Bad(f"{self.kind} needs {wanted - 1} words behind it: name, element of a list, bound")
        self.name = words[1]
        self.of = words[2] if self.kind == "list" else None
        self.max = int(words[-1]) if self.kind in VARIABLE else 0
        if self.kind in VARIABLE and not 0 < self.max <= VARIABLE[self.kind][1]:
            raise Bad(f"bound of {self.name}")

    def longest(self):
        if self.kind in SCALARS:
            return SCALARS[self.kind][1]
        return VARIABLE[self.kind][0] + self.max * (self.of.longest() if self.of else 1)

    def declaration(self):
        if self.kind == "list":
            return f"struct wire_list {self.name}; /* of struct wire_{self.of.name}, at most {self.max} */"
        if self.kind in VARIABLE:
            return f"struct wire_bytes {self.name}; /* {self.kind}, at most {self.max} */"
        return f"{SCALARS[self.kind][0]} {self.name}{'[6]' if self.kind == 'u64x6' else ''};"

    def table(self):
        of = f" {self.of.name}" if self.of else ""
        return f"{self.name} {self.kind}{of}" + (f" ≤{self.max}" if self.max else "")


class Group:
    """A struct or a message: a name and its fields."""

    def __init__(self, name, number=None, senders=None, purpose=""):
        self.name, self.number, self.senders, self.purpose = name.lower(), number, senders, purpose
        self.constant = f"WIRE_{name}"
        self.title = name
        self.fields = []

    def longest(self):
        return sum(f.longest() for f in self.fields)

    def reservable(self):
        return self.number is not None and bool(self.fields) and self.fields[-1].kind == "bytes"


def senders_of(word, number):
    """`both` are the two ends of the connection, which the hundred of the number tells."""
    if word == "both":
        ends = {1: ["peer"], 4: ["shepherd", "agent"], 7: ["caller", "executor"]}
        if number // 100 not in ends:
            raise Bad("'both' is for peers and links")
        return ends[number // 100]
    if word not in SENDERS or word == "peer":
        raise Bad(f"unknown sender '{word}'")
    return [word]


def parse_line(line, groups):
    code, _, comment = line.partition("#")
    m = re.fullmatch(r'message\s+(\d+)\s+([A-Z][A-Z_]*)\s+([a-z]+)\s+"([^"]+)"\s*', code)
    if m:
        groups.append(Group(m[2], int(m[1]), senders_of(m[3], int(m[1])), m[4]))
        return
    words = code.split()
    if not words:
        return
    if words[0] == "struct" and len(words) == 2:
        groups.append(Group(words[1]))
    elif groups and code[0].isspace():
        groups[-1].fields.append(Field(words, comment.strip()))
    else:
        raise Bad("neither struct, message nor field")


def check(groups):
    structs = {g.name: g for g in groups if g.number is None}
    for what in ("name", "number"):
        values = [getattr(g, what) for g in groups if getattr(g, what) is not None]
        for v in values:
            if values.count(v) > 1:
                raise Bad(f"{what} {v} is used twice")
    for g in groups:
        names = [f.name for f in g.fields]
        if len(set(names)) != len(names):
            raise Bad(f"{g.title} has a field twice")
        if g.number is None and any(f.kind == "list" for f in g.fields):
            raise Bad(f"struct {g.name} has a list inside")
        if g.number is not None and not 0 < g.number < 0x10000:
            raise Bad(f"number {g.number}")
        for f in g.fields:
            if f.kind == "list":
                if f.of not in structs:
                    raise Bad(f"{g.title}: no struct {f.of}")
                f.of = structs[f.of]
    for g in groups:
        if g.longest() > 1 << 30:
            raise Bad(f"{g.title} may be too long")
    return list(structs.values()), [g for g in groups if g.number is not None]


def parse(path):
    groups, number = [], 0
    try:
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                parse_line(line, groups)
        number = 0
        return check(groups)
    except (Bad, ValueError) as e:
        sys.exit(f"{path}:{number or ''} {e}")


# ---- C ----------------------------------------------------------------------------------------------------


def struct_of(g):
    lines = []
    for f in g.fields:
        text = f.declaration()
        if f.comment:
            text = f"{text[:-3]}; {f.comment} */" if text.endswith("*/") else f"{text} /* {f.comment} */"
        lines.append("\t" + text)
    if not lines:
        lines = ["\tuint8_t none; /* it has no fields */"]
    about = f"/* {g.number} {g.title}: {g.purpose}. */\n" if g.number else ""
    return f"{about}struct wire_{g.name} {{\n" + "\n".join(lines) + "\n};\n"


def functions_of(g, end):
    text = (f"int wire_{g.name}_encode(const struct wire_{g.name} *m, struct buf *out) _must_check_{end}\n"
            f"int wire_{g.name}_decode(struct wire_{g.name} *ret, const uint8_t *body, size_t n) _must_check_{end}\n")
    if g.reservable():
        text += (f"int wire_{g.name}_encode_reserve(const struct wire_{g.name} *m, size_t n, struct buf *out,\n"
                 f"\t\t\t\tuint8_t **ret) _must_check_{end}\n")
    return text


def header(structs, messages):
    unix = max((m.longest() for m in messages if 200 <= m.number < 400), default=0)
    text = "/* SPDX-License-Identifier: GPL-2.0-or-later */\n" + NOTICE
    text += "#ifndef GODWIT_WIRE_WIRE_GEN_H\n#define GODWIT_WIRE_WIRE_GEN_H\n\n"
    text += "enum wire_type {\n" + "".join(f"\t{m.constant} = {m.number},\n" for m in messages) + "};\n\n"
    text += f"#define WIRE_UNIX_MAX {8 + unix} /* longest frame on the Unix sockets, with its header */\n\n"
    for g in structs:
        text += struct_of(g) + f"bool wire_{g.name}_next(struct wire_list *cursor, struct wire_{g.name} *ret);\n\n"
    for g in messages:
        text += struct_of(g) + functions_of(g, ";") + "\n"
    text += "/* Any message. */\nstruct wire_msg {\n\tunsigned type; /* enum wire_type */\n\tunion {\n"
    text += "".join(f"\t\tstruct wire_{m.name} {m.name};\n" for m in messages) + "\t};\n};\n"
    text += ("/* As the functions of the message of that type; -EPROTO (decode) and -EINVAL (encode) for an unknown type. */\n"
             "int wire_msg_encode(const struct wire_msg *m, struct buf *out) _must_check_;\n"
             "int wire_msg_decode(struct wire_msg *ret, unsigned type, const uint8_t *body, size_t n) _must_check_;\n")
    return text + "\n#endif\n"


def reader_of(g):
    body = ""
    for f in g.fields:
        if f.kind == "list":
            body += (f"\tm->{f.name} = get_list(r, {f.max});\n"
                     f"\tfor (uint32_t i = 0; i < m->{f.name}.count && !r->bad; i++) {{\n"
                     f"\t\tstruct wire_{f.of.name} e;\n\n\t\tread_{f.of.name}(r, &e);\n\t}}\n"
                     f"\tlist_end(r, &m->{f.name});\n")
        elif f.kind == "u64x6":
            body += f"\tget_u64x6(r, m->{f.name});\n"
        elif f.kind in VARIABLE:
            body += f"\tm->{f.name} = get_{f.kind}(r, {f.max});\n"
        else:
            body += f"\tm->{f.name} = get_{f.kind}(r);\n"
    if not g.fields:
        body = "\t(void)r;\n\tm->none = 0;\n"
    return f"static void read_{g.name}(struct reader *r, struct wire_{g.name} *m)\n{{\n{body}}}\n\n"


def sizer_of(g):
    body, fixed = "", sum(SCALARS[f.kind][1] for f in g.fields if f.kind in SCALARS)
    variable = [f for f in g.fields if f.kind in VARIABLE]
    if fixed:
        body += f"\ts->n += {fixed};\n"
    for f in variable:
        if f.kind == "list":
            body += (f"\tif (size_list(s, &m->{f.name}, {f.max})) {{\n"
                     f"\t\tconst struct wire_{f.of.name} *items = m->{f.name}.items;\n\n"
                     f"\t\tfor (uint32_t i = 0; i < m->{f.name}.count; i++)\n\t\t\tsize_{f.of.name}(s, &items[i]);\n\t}}\n")
        else:
            body += f"\tsize_{f.kind}(s, &m->{f.name}, {f.max});\n"
    if not variable:
        body += "\t(void)m;\n"
    if not g.fields:
        body += "\t(void)s;\n"
    return f"static void size_{g.name}(struct sizer *s, const struct wire_{g.name} *m)\n{{\n{body}}}\n\n"


def writer_of(g):
    body = ""
    for f in g.fields:
        if f.kind == "list":
            body += (f"\tp = put_list(p, &m->{f.name});\n\tif (m->{f.name}.items) {{\n"
                     f"\t\tconst struct wire_{f.of.name} *items = m->{f.name}.items;\n\n"
                     f"\t\tfor (uint32_t i = 0; i < m->{f.name}.count; i++)\n\t\t\tp = write_{f.of.name}(p, &items[i]);\n\t}}\n")
        else:
            body += f"\tp = put_{f.kind}(p, {'&' if f.kind in VARIABLE else ''}m->{f.name});\n"
    if not g.fields:
        body = "\t(void)m;\n"
    return f"static uint8_t *write_{g.name}(uint8_t *p, const struct wire_{g.name} *m)\n{{\n{body}\treturn p;\n}}\n\n"


def next_of(g):
    return f"""bool wire_{g.name}_next(struct wire_list *cursor, struct wire_{g.name} *ret)
{{
	struct reader r = {{.p = cursor->data, .left = cursor->len}};
	const struct wire_{g.name} *items = cursor->items;

	if (!cursor->count)
		return false;
	cursor->count--;
	if (items) {{
		*ret = *items;
		cursor->items = items + 1;
		return true;
	}}
	read_{g.name}(&r, ret);
	cursor->data = r.p;
	cursor->len = r.left;
	return !r.bad;
}}

"""


def codec_of(g):
    text = f"""int wire_{g.name}_encode(const struct wire_{g.name} *m, struct buf *out)
{{
	struct sizer s = {{0}};
	uint8_t *p;
	int r;

	size_{g.name}(&s, m);
	r = codec_frame(out, {g.constant}, &s, &p);
	if (r < 0)
		return r;
	(void)write_{g.name}(p, m);
	return 0;
}}

int wire_{g.name}_decode(struct wire_{g.name} *ret, const uint8_t *body, size_t n)
{{
	struct reader r = {{.p = body, .left = n}};

	read_{g.name}(&r, ret);
	return r.bad || r.left ? -EPROTO : 0;
}}

"""
    if g.reservable():
        text += f"""int wire_{g.name}_encode_reserve(const struct wire_{g.name} *m, size_t n, struct buf *out, uint8_t **ret)
{{
	struct sizer s = {{.reserve = true}};
	struct wire_{g.name} t = *m;
	uint8_t *p;
	int r;

	t.{g.fields[-1].name} = (struct wire_bytes){{NULL, n}};
	size_{g.name}(&s, &t);
	r = codec_frame(out, {g.constant}, &s, &p);
	if (r < 0)
		return r;
	*ret = write_{g.name}(p, &t) - n;
	return 0;
}}

"""
    return text


def source(structs, messages):
    text = "/* SPDX-License-Identifier: GPL-2.0-or-later */\n" + NOTICE + '#include "codec.h"\n\n'
    for g in structs:
        text += reader_of(g) + sizer_of(g) + writer_of(g) + next_of(g)
    for g in messages:
        text += reader_of(g) + sizer_of(g) + writer_of(g) + codec_of(g)
    rows = ""
    for m in messages:
        bits = " | ".join(f"WIRE_FROM_{s.upper()}" for s in m.senders)
        rows += f'\t{{{m.constant}, {bits}, {m.longest()}, "{m.title}"}},\n'
    text += f"""static const struct row {{
	uint16_t type, from;
	uint32_t max;
	const char *name;
}} rows[] = {{
{rows}}};

static const struct row *row_of(unsigned type)
{{
	size_t a = 0, b = ARRAY_SIZE(rows);

	while (a < b) {{
		size_t i = (a + b) / 2;

		if (rows[i].type == type)
			return &rows[i];
		if (rows[i].type < type)
			a = i + 1;
		else
			b = i;
	}}
	return NULL;
}}

const char *wire_type_name(unsigned type)
{{
	const struct row *r = row_of(type);

	return r ? r->name : "?";
}}

unsigned wire_type_from(unsigned type)
{{
	const struct row *r = row_of(type);

	return r ? r->from : 0;
}}

uint32_t wire_type_max(unsigned type)
{{
	const struct row *r = row_of(type);

	return r ? r->max : 0;
}}

"""
    text += "int wire_msg_encode(const struct wire_msg *m, struct buf *out)\n{\n\tswitch (m->type) {\n"
    text += "".join(f"\tcase {m.constant}:\n\t\treturn wire_{m.name}_encode(&m->{m.name}, out);\n" for m in messages)
    text += "\tdefault:\n\t\treturn -EINVAL;\n\t}\n}\n\n"
    text += ("int wire_msg_decode(struct wire_msg *ret, unsigned type, const uint8_t *body, size_t n)\n{\n"
             "\tret->type = type;\n\tswitch (type) {\n")
    text += "".join(f"\tcase {m.constant}:\n\t\treturn wire_{m.name}_decode(&ret->{m.name}, body, n);\n" for m in messages)
    return text + "\tdefault:\n\t\treturn -EPROTO;\n\t}\n}\n"


# ---- samples: values that differ from field to field, and the bytes that they must become --------------------


class Values:
    """variant 0: everything zero or empty; 1: small; 2: the largest and smallest numbers."""

    def __init__(self, variant):
        self.variant, self.n, self.arrays = variant, 0, ""

    def number(self, kind):
        bits = SCALARS[kind][1] * 8
        self.n += 1
        if self.variant == 0:
            return 0
        if kind[0] == "i":
            return -self.n if self.variant == 1 else -(1 << (bits - 1)) + 1
        return (0x0102030405060708 + self.n) & ((1 << bits) - 1) if self.variant == 1 else (1 << bits) - 1

    def field(self, f, tag):
        if f.kind == "u64x6":
            v = [self.number("u64") for _ in range(6)]
            return "{" + ", ".join(f"{x}ULL" for x in v) + "}", struct.pack("<6Q", *v)
        if f.kind in SCALARS:
            v = self.number(f.kind)
            return (f"{v}LL" if v < 0 else f"{v}ULL"), struct.pack(SCALARS[f.kind][2], v)
        if f.kind == "list":
            return self.list(f, tag)
        self.n += 1
        data = b"" if self.variant == 0 else f"{f.name}{self.n}".encode()[:f.max]
        if f.kind == "bytes" and data:
            data = (b"\0" + data)[:f.max]
        text = "".join(f"\\{b:03o}" for b in data)
        form = "<H" if f.kind == "str" else "<I"
        return f'{{(const uint8_t *)"{text}", {len(data)}}}', struct.pack(form, len(data)) + data

    def list(self, f, tag):
        count = min(2 * min(self.variant, 1), f.max)
        if not count:
            return "{0}", struct.pack("<I", 0)
        pairs = [self.group(f.of, tag) for _ in range(count)]
        name = f"{tag}_{f.name}"
        self.arrays += f"static const struct wire_{f.of.name} {name}[] = {{{', '.join(p[0] for p in pairs)}}};\n"
        return f"{{.items = {name}, .count = {count}}}", struct.pack("<I", count) + b"".join(p[1] for p in pairs)

    def group(self, g, tag):
        pairs = [self.field(f, tag) for f in g.fields]
        inits = ", ".join(f".{f.name} = {p[0]}" for f, p in zip(g.fields, pairs)) or "0"
        return f"{{{inits}}}", b"".join(p[1] for p in pairs)


def samples(messages):
    text = "/* SPDX-License-Identifier: GPL-2.0-or-later */\n" + NOTICE
    text += "/* struct sample is what includes this. */\n"
    rows = ""
    for m in messages:
        for variant in range(3):
            values = Values(variant)
            tag = f"s{m.number}_{variant}"
            init, body = values.group(m, tag)
            wire = struct.pack("<IHH", len(body), m.number, 0) + body
            text += values.arrays
            text += f"static const uint8_t {tag}_bytes[] = {{{', '.join(str(b) for b in wire)}}};\n"
            rows += f"\t{{{{{m.constant}, {{.{m.name} = {init}}}}}, {tag}_bytes, sizeof({tag}_bytes)}},\n"
    return text + f"\nstatic const struct sample samples[] = {{\n{rows}}};\n"


# ---- PROTOCOL.md -----------------------------------------------------------------------------------------------


def table(structs, messages):
    text = "| number | message | from | what | fields | longest body |\n|---|---|---|---|---|---|\n"
    for m in messages:
        who = " or ".join(m.senders)
        fields = ", ".join(f.table() for f in m.fields) or "-"
        text += f"| {m.number} | {m.title} | {who} | {m.purpose} | {fields} | {m.longest()} |\n"
    text += "\nElements of lists:\n\n| struct | fields | longest |\n|---|---|---|\n"
    for g in structs:
        text += f"| {g.name} | {', '.join(f.table() for f in g.fields)} | {g.longest()} |\n"
    return text


def docs(path, structs, messages, write):
    with open(path, encoding="utf-8") as f:
        old = f.read()
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{path}: the markers {BEGIN} and {END} are missing")
    new = f"{head}{BEGIN}\n{table(structs, messages)}{END}{tail}"
    if write:
        write_file(path, new)
    elif new != old:
        sys.exit(f"{path}: the message table is not current: run src/wire/generate.py src/wire/messages.def --docs {path}")


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("messages")
    for option in ("header", "source", "samples", "docs", "check-docs"):
        p.add_argument("--" + option)
    args = p.parse_args()
    structs, messages = parse(args.messages)
    messages.sort(key=lambda m: m.number)
    if args.header:
        write_file(args.header, header(structs, messages))
    if args.source:
        write_file(args.source, source(structs, messages))
    if args.samples:
        write_file(args.samples, samples(messages))
    if args.docs:
        docs(args.docs, structs, messages, True)
    if args.check_docs:
        docs(args.check_docs, structs, messages, False)


main()
