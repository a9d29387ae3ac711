/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The numbers of wire/reasons.def, as far as this program must tell them apart. Promise: the same numbers as
 * everywhere, taken from that file. Must not: add any.
 */
#ifndef GODWIT_CLI_REASON_H
#define GODWIT_CLI_REASON_H

enum cli_reason {
#define REASON(number, name, kind, word, sentence) CLI_REASON_##name = number,
#include "wire/reasons.def"
#undef REASON
};

#endif
