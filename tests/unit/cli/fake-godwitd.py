#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for godwitd, for tests of the command line only.

Takes the daemon's options, answers the control interface with fixed figures. Its "cluster" is a directory that all
nodes share ($GODWIT_FAKE_DIR): a file per member. Which error a request gets is chosen by the process id asked for:
9000 + N is refused with reason number N. Must not be used for anything that is to work.
"""
import argparse
import json
import os
import signal
import socket
import sys
import threading
import time

parser = argparse.ArgumentParser()
for option in ("state", "run", "name", "listen", "advertise", "cpus", "memory", "user"):
    parser.add_argument("--" + option)
parser.add_argument("--ready-fd", type=int)
args = parser.parse_args()
shared = os.environ.get("GODWIT_FAKE_DIR", "")
run = args.run or "/run/godwit"
name = args.name or "n1"
pinned = {}


class Refused(Exception):
    def __init__(self, number, reason, sentence):
        super().__init__(sentence)
        self.reply = {"error": "org.godwit.Refused",
                      "parameters": {"number": number, "reason": reason, "sentence": sentence}}


def members():
    return sorted(os.listdir(shared)) if shared and os.path.exists(os.path.join(shared, name)) else [name]


def join(_params=None):
    with open(os.path.join(shared, name), "w", encoding="ascii") as f:
        f.write(args.advertise or "")
    return {"name": name, "address": args.advertise or "127.0.0.1", "port": 7117, "fingerprint": "f1", "nodes": members()}


def node(n):
    return {"name": n, "address": "127.0.0.1", "port": 7117, "self": n == name, "cpus": 1.0, "load": 0.25, "speed": 10000,
            "state": "single" if members() == [name] else "up", "memory": 1 << 30, "free": 1 << 29, "guests": 0, "stay": False,
            "blocked": n == "n2", "version": "fake", "age_ms": 120}


def check(params):
    pid = params.get("pid", 0)
    if pid >= 9000:
        raise Refused(pid - 9000, "some-reason", "sentence number %d" % (pid - 9000))
    return pid


def migrate(params):
    pid = check(params)
    refusals = [{"reason": "threads", "number": 1, "kind": "confine", "sentence": "it has more than one thread"}] if pid == 77 else []
    return {"pid": pid, "comm": "victim", "from": "n1", "where": params["to"], "possible": not refusals, "freeze_us": 3100,
            "total_us": 20000, "bytes": 17000000, "refusals": refusals}


def processes(_params):
    return {"node": name, "processes": [{"pid": 4711, "uid": 0, "user": "root", "comm": "victim", "home": "n1", "node": "n2",
            "command": "victim \x1b[31mred", "state": "away", "family": 4711, "pinned": False, "cpu": 0.5, "cpu_us": 1,
            "memory": 1 << 24, "moves": 2, "calls_per_s": 12.0, "reason": "-", "why": ""}]}


def why(params):
    return {"pid": check(params), "comm": "victim", "home": "n1", "node": "n1", "state": "home", "movable": False,
            "reasons": [{"reason": "threads", "number": 1, "kind": "confine", "sentence": "it has more than one thread"}],
            "usage": {"cpu": 0.98, "calls_per_s": 120.4, "io": [{"node": "n1", "sent_per_s": 2500, "received_per_s": 40.0}]},
            "last_home_reason": "exec", "calls": [{"call": "read", "forwarded": 12, "brought_home": 0}]}


METHODS = {
    "Init": join, "Join": join,
    "Token": lambda p: {"token": "gw1.fake", "expires": int(time.time()) + 10800},
    "Leave": lambda p: {},
    "Nodes": lambda p: {"self": name, "cluster": "f1", "nodes": [node(n) for n in members()]},
    "NodeSet": lambda p: {"stay": p["action"] == "stay", "blocked": p["action"] in ("block", "expel"), "expelling": 0},
    "Processes": processes, "Why": why, "Migrate": migrate,
    "Where": lambda p: {"pid": check(p), "home": "n1", "node": "n2", "state": "away"},
    "Register": lambda p: {"pid": 1, "node": name},
    "Pin": lambda p: (check(p), {})[1],
    "Treat": lambda p: (check(p), {})[1] if p["as"] in ("auto", "cpu", "io", "alone") else {"error": "?"},
    "Doctor": lambda p: {"checks": [{"name": "daemon", "state": "ok", "text": "it answers", "mend": ""},
                                    {"name": "clock", "state": "warn", "text": "it is odd", "mend": "ntpd"}]},
    "Status": lambda p: {"name": name, "version": "fake"},
}


def answer(message):
    method = message["method"].removeprefix("org.godwit.")
    params = message.get("parameters", {})
    if method == "Register" and params.get("node") == "nowhere":
        raise Refused(42, "no-node", "no node of that name is known")
    if method == "Trace":
        check(params)
        for i in range(3):
            yield {"parameters": {"time_ns": i, "us": 10, "line": "read(0, \"x\", 1) = 1"}, "continues": True}
        raise Refused(40, "no-process", "there is no such process on this node")
    if method == "Where" and params["pid"] == 666:
        yield None
    if method not in METHODS:
        yield {"error": "org.varlink.service.MethodNotFound", "parameters": {"method": method}}
    else:
        yield {"parameters": METHODS[method](params)}


def serve(client):
    buffer = b""
    with client:
        while data := client.recv(65536):
            buffer += data
            while b"\0" in buffer:
                text, buffer = buffer.split(b"\0", 1)
                try:
                    for reply in answer(json.loads(text)):
                        client.sendall(b"nonsense\0" if reply is None else json.dumps(reply).encode() + b"\0")
                except Refused as refused:
                    client.sendall(json.dumps(refused.reply).encode() + b"\0")


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
os.makedirs(run, exist_ok=True)
path = os.path.join(run, "control.sock")
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
if args.ready_fd is not None:
    os.write(args.ready_fd, b"1")
    os.close(args.ready_fd)
print("fake godwitd", name, "ready", file=sys.stderr, flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
