#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemons' side of a move, with helpers that only play: each way it may go, each way it may fail, and what the tables say afterwards.
# usage: moves.sh [DIRECTORY_OF_PROGRAMS]      default: $GODWIT_BUILD/src, else build/src of the source tree
# Promise: ends everything that it started, whatever happens. Must not: need root, or any address but 127.0.0.1.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${GODWIT_BUILD:-$here/../../build}/src}
[ -x "$bin/godwitd" ] || { echo "moves.sh: there is no $bin/godwitd; skipped"; exit 77; }
command -v python3 >/dev/null || { echo "moves.sh: needs python3; skipped"; exit 77; }
tmp=$(mktemp -d)
pids=
base=$((10000 + ($$ * 7 + 3001) % 20000)) # below the range from which the kernel takes ports by itself

# shellcheck disable=SC2329 # called by the trap
cleanup()
{
	status=$?
	for p in $pids; do kill -9 "$p" 2>/dev/null || :; done
	if [ $status -ne 0 ]; then
		echo "FAILED; the logs of the daemons:"
		tail -n 25 "$tmp"/?/log
	fi
	rm -rf "$tmp"
}
trap cleanup EXIT

call()
{
	_node=$1
	shift
	python3 "$here/control.py" "$tmp/$_node/run/control.sock" "$@"
}
die() { echo "moves: $*" >&2; exit 1; }
faults() { echo "$*" >"$tmp/bin/faults"; }

mkdir "$tmp/bin"
cp "$bin/godwitd" "$bin/godwit-launcher" "$tmp/bin/"
cp "$here/fake-helper.py" "$tmp/bin/godwit-shepherd"
cp "$here/fake-helper.py" "$tmp/bin/godwit-agent"
chmod +x "$tmp"/bin/*
start_daemon()
{
	"$tmp/bin/godwitd" --state "$tmp/$1/state" --run "$tmp/$1/run" --name "$1" --listen "127.0.0.1:$((base + $2))" --user "$(id -un)" \
		2>>"$tmp/$1/log" &
	echo $! >"$tmp/$1/pid"
	pids="$pids $!"
	call "$1" --wait-socket
}
start()
{
	mkdir -p "$tmp/$1"
	"$tmp/bin/godwit-launcher" --run "$tmp/$1/run" --user "$(id -un)" 2>>"$tmp/$1/log" &
	pids="$pids $!"
	start_daemon "$1" "$2"
	call "$1" Status '{}' --until 'r["launcher"]'
}
start a 1
start b 2
start c 3
call a Init
for n in b c; do call $n Join "{\"token\":\"$(call a Token '{}' --print token)\"}"; done
for n in a b c; do call $n Nodes '{}' --until 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'; done

sleep 1000 &
pid=$!
pids="$pids $pid"
migrate() { call a Migrate "{\"pid\":$pid,\"to\":\"$1\"}" "$2"; }
place() { call a Where "{\"pid\":$pid}" "r['node'] == '$1' and r['state'] == '$2'"; }

echo "1. refused at once"
migrate nowhere 'p["reason"] == "no-node"'
migrate a 'p["reason"] == "already-there"'
migrate home 'p["reason"] == "already-there"'
call a Migrate '{"pid":1999999999,"to":"b"}' 'p["reason"] == "no-process"'
call a Migrate '{"pid":1,"to":"b"}' 'p["reason"] == "init"'
call a Migrate "{\"pid\":$(cat "$tmp/b/pid"),\"to\":\"b\"}" 'p["reason"] == "init"'
call a Migrate '{"pid":"x","to":"b"}' 'p["parameter"] == "pid"'

echo "2. a look, then home -> b -> c -> home"
call a Migrate "{\"pid\":$pid,\"to\":\"b\",\"dry_run\":true}" 'r["possible"] and r["where"] == "b" and r["freeze_us"] == 3100'
place a home
migrate b 'r["from"] == "a" and r["where"] == "b" and r["freeze_us"] == 3100 and r["bytes"] == 16200000'
place b away
call b Processes '{}' --until "any(x['pid'] == $pid and x['home'] == 'a' and x['state'] == 'guest' for x in r['processes'])"
call a Nodes '{}' --until 'any(x["name"] == "b" and x["guests"] == 1 for x in r["nodes"])'
migrate b 'p["reason"] == "already-there"'
migrate c 'r["from"] == "b" and r["where"] == "c"'
migrate home 'r["from"] == "c" and r["where"] == "a"'
place a home
for n in b c; do call $n Processes '{}' --until 'r["processes"] == []'; done
grep -q "moved $pid (sleep) a -> b: freeze 3.1 ms, total 20 ms, 16.2 MB" "$tmp/a/log" || die "no line about the move"

echo "3. every failure leaves it where it was"
faults agent-refuse
migrate b 'p["reason"] == "full" and p["sentence"] == "no room is left"'
faults agent-die
migrate b 'e == "org.godwit.Refused"'
faults agent-silent
migrate b 'p["reason"] == "timeout"'
faults shepherd-fail
migrate b 'p["reason"] == "threads"'
call a Why "{\"pid\":$pid}" 'not r["movable"] and r["reasons"][0]["reason"] == "threads"'
faults shepherd-die
migrate b 'e == "org.godwit.Refused"'
faults
call b NodeSet '{"action":"block"}'
migrate b 'p["reason"] == "blocked"'
call a Migrate "{\"pid\":$pid,\"to\":\"b\",\"dry_run\":true}" 'not r["possible"] and r["refusals"][0]["reason"] == "blocked"'
call b NodeSet '{"action":"unblock"}'
place a home
call b Processes '{}' --until 'r["processes"] == []'
migrate b 'r["where"] == "b"'

echo "4. a host expels its guest"
call b NodeSet '{"action":"expel"}' 'r["expelling"] == 1'
call a Where "{\"pid\":$pid}" --until 'r["node"] != "b"'
call b Processes '{}' --until 'r["processes"] == []'
call b NodeSet '{"action":"unblock"}'

echo "5. a daemon that is killed finds its processes again"
migrate c 'r["where"] == "c" or p["reason"] == "already-there"' # b may have sent it there
kill -9 "$(cat "$tmp/a/pid")"
start_daemon a 1
call a Where "{\"pid\":$pid}" --until 'r["node"] == "c" and r["state"] == "away"'
for n in a b c; do call $n Nodes '{}' --until 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'; done
call a Status '{}' --until 'r["launcher"]'
migrate home 'r["from"] == "c" and r["where"] == "a"'

echo "6. the end of a process"
kill $pid
call a Processes '{}' --until 'r["processes"] == []'
call a Where "{\"pid\":$pid}" --until 'e and p["reason"] == "no-process"'
! grep -E "Sanitizer|runtime error" "$tmp"/?/log || die "a sanitizer has something to say"
echo ok
