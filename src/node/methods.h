/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The methods of org.godwit, as docs/control-interface.md describes them. Each answers its request, now or later.
 */
#ifndef GODWIT_NODE_METHODS_H
#define GODWIT_NODE_METHODS_H

#include <jansson.h>

struct node;
struct request;
struct tracked;

/* methods_cluster.c */
void method_init(struct request *req);
void method_token(struct request *req);
void method_join(struct request *req);
void method_leave(struct request *req);
void method_nodes(struct request *req);
void method_node_set(struct request *req);
void method_status(struct request *req);
/* methods_process.c */
void method_processes(struct request *req);
void method_where(struct request *req);
void method_register(struct request *req);
void method_pin(struct request *req);
void method_treat(struct request *req);
/* The process, if the caller may move it; NULL: req has been answered. */
struct tracked *method_target(struct request *req, int pid);
json_t *method_usage(const struct node *n, const struct tracked *t); /* what it has used lately */
/* clients.c */
void method_client_add(struct request *req);
void method_clients(struct request *req);
void method_client_remove(struct request *req);
/* methods_exec.c */
void method_place(struct request *req);
void method_exec_open(struct request *req);
/* methods_move.c */
void method_why(struct request *req);
void method_migrate(struct request *req);
void method_trace(struct request *req);

#endif
