#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The configuration file of a node: mistakes are told and change nothing, each setting does what it says, and a reload is enough.
# usage: config.sh [DIRECTORY_OF_PROGRAMS]      default: $GODWIT_BUILD/src, else build/src of the source tree
# Promise: ends everything that it started, whatever happens. Must not: need root, or any address but 127.0.0.1.
set -eu
test_name=config
# shellcheck source=tests/cluster/daemons.sh
. "$(dirname "$0")/daemons.sh"

play_helpers
start()
{
	mkdir -p "$tmp/$1"
	: >"$tmp/$1/conf"
	GODWIT_CONFIG=$tmp/$1/conf start_playing "$1" "$2"
}
configure() { printf '%b' "$2" >"$tmp/$1/conf"; call "$1" NodeSet '{"action":"reload"}' ${3:+"$3"}; }

echo "1. godwitd looks at the file"
printf '[guests]\nmost = 3\n' >"$tmp/right"
printf '[guests]\ntake = x\nmost = y\n' >"$tmp/wrong"
"$bin/godwitd" --check-config --config "$tmp/right" --state "$tmp/none" | grep -qx "$tmp/right: right" || die "a right file"
! "$bin/godwitd" --check-config --config "$tmp/wrong" --state "$tmp/none" 2>"$tmp/said" || die "a wrong file is taken"
grep -q "$tmp/wrong:2: \"x\" is neither yes nor no" "$tmp/said" || die "line 2: $(cat "$tmp/said")"
grep -q "$tmp/wrong:3: \"y\" is no whole number" "$tmp/said" || die "line 3: $(cat "$tmp/said")"
! timeout 10 "$bin/godwitd" --config "$tmp/wrong" --state "$tmp/none" --run "$tmp/none" 2>/dev/null || die "it starts with a wrong file"
! "$bin/godwitd" --check-config --config "$tmp/nowhere" --state "$tmp/none" 2>"$tmp/said" || die "a file that is not there"
grep -q "$tmp/nowhere: it cannot be read: No such file" "$tmp/said" || die "not there: $(cat "$tmp/said")"
mkdir "$tmp/right.d"
printf '[guests]\nmost = 4\n' >"$tmp/right.d/x.conf"
"$bin/godwitd" --show-config --config "$tmp/right" --state "$tmp/none" | grep -qx "most = 4" || die "a drop-in counts more"

start a 1
start b 2
call a Init
call b Join "{\"token\":\"$(call a Token '{}' --print token)\"}"
for n in a b; do call $n Nodes '{}' --until 'len(r["nodes"]) == 2 and all(x["state"] == "up" for x in r["nodes"])'; done
sleep 1000 &
pid=$!
pids="$pids $pid"
migrate() { call a Migrate "{\"pid\":$pid,\"to\":\"$1\"}" "$2"; }
# Comes home when it was there.
taken() { migrate b 'r["where"] == "b"' && migrate home 'r["where"] == "a"'; }

echo "2. a mistake changes nothing"
configure b '[guests]\nmost = 1\n'
configure b '[guests]\nmost = 2\ntake = maybe\n' 'p["reason"] == "config" and ":3: " in p["sentence"]'
taken

echo "3. whose processes are taken"
configure b '[guests]\nnodes = * !a\n'
migrate b 'p["reason"] == "blocked" and p["sentence"] == "b takes no guests from a"'
configure b '[guests]\nnodes = a\n'
taken
configure b "[guests]\nusers = !$(id -un)\n"
migrate b "p['reason'] == 'blocked' and p['sentence'] == 'b takes no guests of user $(id -un)'"
configure b "[guests]\nusers = $(id -un)\n"
taken
configure b '[guests]\ntake = no\n'
migrate b 'p["reason"] == "blocked"'
call a Nodes '{}' --until 'any(x["name"] == "b" and x["blocked"] for x in r["nodes"])'
call b NodeSet '{"action":"unblock"}' 'r["blocked"]' # the file says otherwise
configure b ''
call a Nodes '{}' --until 'any(x["name"] == "b" and not x["blocked"] for x in r["nodes"])'
taken

echo "4. how many, and what is kept"
sleep 1000 &
other=$!
pids="$pids $other"
configure b '[guests]\nmost = 1\n'
call a Migrate "{\"pid\":$other,\"to\":\"b\"}" 'r["where"] == "b"'
migrate b 'p["reason"] == "blocked" and "as many guests as it takes" in p["sentence"]'
call a Nodes '{}' --until 'any(x["name"] == "b" and x["blocked"] for x in r["nodes"])'
call a Migrate "{\"pid\":$other,\"to\":\"home\"}" 'r["where"] == "a"'
call a Nodes '{}' --until 'any(x["name"] == "b" and not x["blocked"] for x in r["nodes"])'
taken
cpus=$(call b Status '{}' --print cpus)
free=$(call b Status '{}' --print free)
configure b '[guests]\nkeep-cpus = 0.25\nkeep-memory = 128M\n'
call b Status '{}' --until "abs(r['cpus'] - ($cpus - 0.25)) < 0.01"
configure b '[node]\ncpus = 0.5\nmemory = 64M\n'
call b Status '{}' --until "r['cpus'] == 0.5 and r['memory'] == 64 << 20 and r['free'] < $free"
configure b "[guests]\nkeep-memory = 100T\n"
call b Status '{}' --until 'r["free"] == 0'
migrate b 'p["reason"] == "full"'
configure b ''
call b Status '{}' --until "r['cpus'] == $cpus and r['free'] > 0"

echo "5. the owner comes back"
: >"$tmp/tty1"
touch -a -d '1 hour ago' "$tmp/tty1"
configure b "[owner]\nterminals = $tmp/nothing* $tmp/tty*\nidle = 600\n"
migrate b 'r["where"] == "b"'
touch -a "$tmp/tty1"
call a Where "{\"pid\":$pid}" --until 'r["node"] == "a" and r["state"] == "home"'
migrate b 'p["reason"] == "blocked" and "while its owner is there" in p["sentence"]'
touch -a -d '1 hour ago' "$tmp/tty1"
call a Nodes '{}' --until 'any(x["name"] == "b" and not x["blocked"] for x in r["nodes"])'
migrate b 'r["where"] == "b"'
configure b "[owner]\nterminals = $tmp/tty*\nidle = 600\nthen = block\n"
touch -a "$tmp/tty1"
call a Nodes '{}' --until 'any(x["name"] == "b" and x["blocked"] for x in r["nodes"])'
call a Where "{\"pid\":$pid}" 'r["node"] == "b"' # it may stay
configure b ''
migrate home 'r["where"] == "a"'

echo "6. programs that stay, and parameters"
sh -c 'while :; do :; done' &
busy=$!
pids="$pids $busy"
configure a '[programs]\nstay = nothing\n  s[gh]\n'
call a Register "{\"pid\":$busy}"
call a Processes '{}' --until "any(x['pid'] == $busy and x['reason'] == 'program' for x in r['processes'])"
call a Why "{\"pid\":$busy}" --until "any(x['reason'] == 'program' for x in r['reasons'])"
call a Migrate "{\"pid\":$busy,\"to\":\"b\"}" 'r["where"] == "b"' # by hand it goes
call a Migrate "{\"pid\":$busy,\"to\":\"home\"}" 'r["where"] == "a"'
printf '[policy]\nact-percent = 100\n[node]\nname = z\n' >"$tmp/a/conf"
kill -HUP "$(cat "$tmp/a/pid")"
call a Processes '{}' --until "any(x['pid'] == $busy and x['reason'] != 'program' for x in r['processes'])"
grep -q '\[node\] name counts when godwitd starts next' "$tmp/a/log" || die "a setting that needs a start"
# The helpers that only play end with a daemon whose process is no more.
kill "$pid" "$other" "$busy"
wait "$pid" "$other" "$busy" || :
! grep -E "Sanitizer|runtime error" "$tmp"/?/log || die "a sanitizer has something to say"
echo ok
