#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemons' side of a move, with helpers that only play: each way it may go, each way it may fail, and what the tables say afterwards.
# usage: moves.sh [DIRECTORY_OF_PROGRAMS]      default: $GODWIT_BUILD/src, else build/src of the source tree
# Promise: ends everything that it started, whatever happens. Must not: need root, or any address but 127.0.0.1.
set -eu
test_name=moves
# shellcheck source=tests/cluster/daemons.sh
. "$(dirname "$0")/daemons.sh"
faults() { echo "$*" >"$tmp/bin/faults"; }

play_helpers
start_playing a 1
start_playing b 2
start_playing c 3
call a Init
for n in b c; do call $n Join "{\"token\":\"$(call a Token '{}' --print token)\"}"; done
for n in a b c; do call $n Nodes '{}' --until 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'; done

sleep 1000 &
pid=$!
pids="$pids $pid"
migrate() { call a Migrate "{\"pid\":$pid,\"to\":\"$1\"}" "$2"; }
# Each time it comes home, it says that it has used a second more.
used() { call a Processes '{}' --until "any(x['pid'] == $pid and $1 * 10**6 <= x['cpu_us'] < $1 * 10**6 + 500000 for x in r['processes'])"; }
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
call b Processes '{}' --until "any(x['pid'] == $pid and x['home'] == 'a' and x['state'] == 'guest' and x['usage'] is None
	for x in r['processes'])"
call a Nodes '{}' --until 'any(x["name"] == "b" and x["guests"] == 1 for x in r["nodes"])'
call b Why "{\"pid\":$pid}" "r['state'] == 'guest' and r['home'] == 'a' and r['node'] == 'b' and r['comm'] == 'sleep'
	and [x['reason'] for x in r['reasons']] == ['guest'] and 'guest of a' in r['reasons'][0]['sentence']"
call a Why "{\"pid\":$pid}" 'r["state"] == "away" and r["home"] == "a"'
migrate b 'p["reason"] == "already-there"'
migrate c 'r["from"] == "b" and r["where"] == "c"'
migrate home 'r["from"] == "c" and r["where"] == "a"'
place a home
used 1
call a Why "{\"pid\":$pid}" '[(x["call"], x["forwarded"]) for x in r["calls"]] == [("read", 1000), ("write", 999), ("open", 998)]'
call a Processes '{}' --until "any(x['pid'] == $pid and x['usage']['calls_per_s'] > 10 and x['usage']['io'][0]['node'] == 'a'
	and 2000 < 2 * x['usage']['io'][0]['sent_per_s'] == x['usage']['io'][0]['received_per_s'] for x in r['processes'])"
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
migrate home 'r["where"] == "a"'
used 2 # another shepherd has been told of the first second
migrate b 'r["where"] == "b"'

echo "4. a host expels its guest"
call b NodeSet '{"action":"expel"}' 'r["expelling"] == 1'
call a Where "{\"pid\":$pid}" --until 'r["node"] != "b"'
call b Processes '{}' --until 'r["processes"] == []'
call b NodeSet '{"action":"unblock"}'

echo "5. a daemon that is killed finds its processes again"
migrate c 'r.get("where") == "c" or p.get("reason") == "already-there"' # b may have sent it there
killed=$(cat "$tmp/a/pid")
kill -9 "$killed"
wait "$killed" || : # until it has ended its socket still takes connections
start_daemon "$tmp/bin" a 1 a
call a Where "{\"pid\":$pid}" --until 'r["node"] == "c" and r["state"] == "away"'
for n in a b c; do call $n Nodes '{}' --until 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'; done
call a Status '{}' --until 'r["launcher"]'
migrate home 'r["from"] == "c" and r["where"] == "a"'

echo "6. the children of a pinned process are pinned"
sh -c 'sleep 1000 & sleep 1000 & wait' &
root=$!
pids="$pids $root"
call a Register "{\"pid\":$root,\"pin\":true}"
call a Processes '{}' --until "sum(x['family'] == $root and x['pinned'] for x in r['processes']) == 3"
for child in $(call a Processes '{}' --print processes | grep -o "'pid': [0-9]*" | grep -o '[0-9]*'); do pids="$pids $child"; done

call a Treat "{\"pid\":$root,\"as\":\"sometimes\"}" 'p["parameter"] == "as"'
call a Treat "{\"pid\":$root,\"as\":\"io\"}"
call a Processes '{}' --until "any(x['pid'] == $root and x['treat'] == 'io' and x['reason'] == 'io-bound' and not x['pinned'] for x in r['processes'])"
call a Pin "{\"pid\":$root,\"pinned\":false}" # which it is not: nothing changes
call a Why "{\"pid\":$root}" 'any(x["reason"] == "io-bound" for x in r["reasons"])'

echo "7. the end of a process"
kill $pid
call a Processes '{}' --until "not any(x['pid'] == $pid for x in r['processes'])"
call a Where "{\"pid\":$pid}" --until 'e and p["reason"] == "no-process"'
replay_all
! grep -E "Sanitizer|runtime error" "$tmp"/?/log || die "a sanitizer has something to say"
echo ok
