/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of org.godwit.varlink, made a C string by the build. */
#ifndef GODWIT_NODE_INTERFACE_H
#define GODWIT_NODE_INTERFACE_H

extern const char interface_text[];

#endif
