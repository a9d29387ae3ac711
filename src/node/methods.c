/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of methods: what exists on the control socket and who may call it.
 * Must not: hold code; each method stands in the file of its subject.
 */
#include "methods.h"

#include "node.h"

const struct control_method node_methods[] = {
    {"org.godwit.Init", method_init, ACCESS_ADMIN, false},
    {"org.godwit.Token", method_token, ACCESS_ADMIN, false},
    {"org.godwit.Join", method_join, ACCESS_ADMIN, false},
    {"org.godwit.Leave", method_leave, ACCESS_ADMIN, false},
    {"org.godwit.Nodes", method_nodes, ACCESS_ALL, false},
    {"org.godwit.NodeSet", method_node_set, ACCESS_ADMIN, false},
    {"org.godwit.Status", method_status, ACCESS_ALL, false},
    {"org.godwit.Processes", method_processes, ACCESS_ALL, false},
    {"org.godwit.Where", method_where, ACCESS_ALL, false},
    {"org.godwit.Why", method_why, ACCESS_ALL, false},
    {"org.godwit.Migrate", method_migrate, ACCESS_ALL, false},
    {"org.godwit.Register", method_register, ACCESS_ALL, false},
    {"org.godwit.Pin", method_pin, ACCESS_ALL, false},
    {"org.godwit.Treat", method_treat, ACCESS_ALL, false},
    {"org.godwit.Trace", method_trace, ACCESS_ALL, true},
    {"org.godwit.Place", method_place, ACCESS_ALL, false},
    {"org.godwit.ExecOpen", method_exec_open, ACCESS_ALL, false},
    {"org.godwit.ClientAdd", method_client_add, ACCESS_ADMIN, false},
    {"org.godwit.Clients", method_clients, ACCESS_ADMIN, false},
    {"org.godwit.ClientRemove", method_client_remove, ACCESS_ADMIN, false},
    {"org.godwit.Doctor", doctor_start, ACCESS_ALL, false},
    {NULL, NULL, ACCESS_ALL, false},
};
