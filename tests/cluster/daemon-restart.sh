#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Daemons and launchers that fail or are killed, while processes are away and at each fault point of a move: the process lives on
# in exactly one place, can be moved afterwards, and computes rightly to its end.
set -u
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" daemon-restart.sh

export GODWIT_FAULT_FILE=$work/faults
: >"$work/faults"
fault() { echo "$1" >"$work/faults.new"; mv "$work/faults.new" "$work/faults"; }
all_up='len(r["nodes"]) == 2 and all(x["state"] == "up" for x in r["nodes"])'
# ready: both daemons and launchers are there and know each other
ready() {
	local n
	for n in n1 n2; do
		until_ $n Status '{}' 'r["launcher"]' >"$work/said" 2>&1 && until_ $n Nodes '{}' "$all_up" >"$work/said" 2>&1 || {
			bad "$1: $n does not come back: $(cat "$work/said")"
			return 1
		}
	done
}
settled() { # NAME: the move is over, and exactly one node runs the process
	until_ n1 Where "{\"pid\":$pid}" 'r["state"] in ("home", "away")' >"$work/said" 2>&1 || bad "$1: $(cat "$work/said")"
	until_ n2 Processes '{}' "len(r['processes']) == $([ "$(place n1 "$pid")" = n2 ] && echo 1 || echo 0)" >"$work/said" 2>&1 ||
		bad "$1: n1 says $(place n1 "$pid"), n2: $(cat "$work/said")"
}
home() { # NAME: back to n1, whatever was
	[ "$(place n1 "$pid")" = n1 ] && return
	on n1 godwit migrate "$pid" home >"$work/said" 2>&1 || bad "$1: not home: $(cat "$work/said")"
}

up 2
ready start
steady job n1

echo "# killed while a process is away"
says "away" 0 "$pid" on n1 godwit migrate "$pid" n2
for node in n1 n2; do
	old=$(call $node Status '{}' --print pid)
	godwit sandbox kill $node daemon
	expect_soon "$node has another daemon" $node Status '{}' "r['pid'] != $old and r['launcher']"
	expect_soon "n1 knows where it is" n1 Where "{\"pid\":$pid}" 'r["node"] == "n2" and r["state"] == "away"'
	expect_soon "n2 knows its guest" n2 Processes '{}' "any(x['pid'] == $pid and x['state'] == 'guest' for x in r['processes'])"
	ready "kill of the daemon of $node"
done
for node in n1 n2; do
	godwit sandbox kill $node launcher
	expect_soon "$node has another launcher" $node Status '{}' 'r["launcher"]'
done
says "it comes home" 0 "$pid" on n1 godwit migrate "$pid" home

echo "# each fault point of the daemons and the launcher"
points=$(awk -F'[(,"]' '/^FAULT\(([1-9]|[1-4][0-9]),/ { print tolower($3) }' "$here/../../src/base/fault.def" | tr -d ' ' | tr _ -)
# An error at some points is only found by a deadline of half a minute: all of them need ./check full.
actions="kill"
[ -n "${GODWIT_FULL:-}" ] && actions="error kill"
n=0
for point in $points; do
	for action in $actions; do
		fault "$point:$action"
		timeout 50 godwit sandbox on n1 godwit migrate "$pid" n2 >"$work/moved" 2>&1
		code=$?
		fault ""
		[ $code -ne 124 ] || bad "$point:$action: the command hangs"
		ready "$point:$action"
		settled "$point:$action"
		beats job || bad "$point:$action: it does not compute"
		home "$point:$action"
		n=$((n + 1))
	done
done
ok "$n faults"
[ $n -ge 19 ] || bad "only $n fault points were found"
says "and it still moves" 0 "$pid" on n1 godwit migrate "$pid" n2
let_end job
expect_soon "nothing stays" n2 Processes '{}' 'r["processes"] == []'
result
