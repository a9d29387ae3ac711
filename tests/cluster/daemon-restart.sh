#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Daemons and launchers that fail or are killed, while processes are away and at each fault point of a move: the process lives on
# in exactly one place, can be moved afterwards, and computes rightly to its end. A process that lives on is not called lost.
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
settled() { # NAME: the move is over, and the nodes agree on who runs the process, which is in $where then
	until_ n1 Where "{\"pid\":$pid}" 'r["state"] in ("home", "away")' >"$work/said" 2>&1 || bad "$1: $(cat "$work/said")"
	where=$(place n1 "$pid")
	until_ n2 Processes '{}' "any(x['pid'] == $pid for x in r['processes']) == ('$where' == 'n2')" >"$work/said" 2>&1 ||
		bad "$1: n1 says $where, n2: $(cat "$work/said")"
}
home() { # NAME: from $where back to n1
	[ "$where" = n1 ] && return
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

# Where the point stands: the daemon of n1 or n2, or the launchers. A point that the way of a good move does not pass needs another fault first.
node_of() {
	case $1 in
	offer-send | offer-sent | accept-received | shepherd-* | moved-reported | move-cancel) echo n1 ;;
	offer-received | agent-* | accept-sent | link-pass | cancel-received | offer-cpu) echo n2 ;;
	esac
}
first_of() { case $1 in move-cancel | cancel-received) echo "shepherd-launch:error," ;; esac; }
attempt() { # POINT ACTION: a move with the fault; its exit code in $code
	fault "$(first_of "$1")$1:$2"
	timeout 120 godwit sandbox on n1 godwit migrate "$pid" n2 >"$work/moved" 2>&1
	code=$?
	[ $code -ne 124 ] || bad "$1:$2: the command hangs"
}
back() { # NAME: whatever was, it lives in one place, computes, and can be moved home
	settled "$1"
	beats job || bad "$1: it does not compute"
	home "$1"
}
points=$(awk -F'[(,"]' '/^FAULT\(([1-9]|[1-4][0-9]),/ { print tolower($3) }' "$here/../../src/base/fault.def" | tr -d ' ' | tr _ -)
n=0

echo "# each fault point of the daemons and the launcher, by kill"
declare -A daemon
for node in n1 n2; do daemon[$node]=$(call $node Status '{}' --print pid); done
for point in $points; do
	attempt "$point" kill
	node=$(node_of "$point")
	if [ -n "$node" ]; then
		until_ "$node" Status '{}' "r['pid'] != ${daemon[$node]}" >"$work/said" 2>&1 ||
			bad "$point:kill: the point was not passed: $(cat "$work/moved")"
	fi
	fault ""
	ready "$point:kill"
	[ -z "$node" ] || daemon[$node]=$(call "$node" Status '{}' --print pid)
	back "$point:kill"
	n=$((n + 1))
done
ok "$n points by kill"
[ $n -ge 19 ] || bad "only $n fault points were found"

echo "# the same by error"
# Three of them are found by a deadline alone, the last after 35 s: three other processes wait for that meanwhile. In whatever
# order they come, each meets one.
fault "offer-received:error,accept-received:error,moved-reported:error"
slow=() waiting=()
for i in 1 2 3; do
	start "slow$i" n1 sleep 1000
	slow+=("$pid")
	{
		timeout 120 godwit sandbox on n1 godwit migrate "$pid" n2 >"$work/slow$i/said" 2>&1
		echo $? >"$work/slow$i/code"
	} &
	waiting+=($!)
done
expect_soon "three moves are under way" n1 Processes '{}' \
	"all(any(x['pid'] == p and x['state'] == 'moving' for x in r['processes']) for p in (${slow[0]}, ${slow[1]}, ${slow[2]}))"
expect_soon "and one has come" n2 Processes '{}' 'len(r["processes"]) == 1'
# What comes of each: 0: the process is there all the same; 1: the fault is the reason; 4: the other end has gone.
want() {
	case $1 in
	shepherd-ordered | launch-forked) echo 0 ;;
	accept-sent | link-pass) echo 4 ;;
	offer-cpu) echo 3 ;;
	offer-send | offer-sent | shepherd-launch | shepherd-order | move-cancel) echo 1 ;;
	agent-launch | agent-spawned | agent-ordered | agent-prepared | cancel-received | launch-received | launch-fork) echo 1 ;;
	*) echo "one of which this test knows nothing" ;;
	esac
}
pid=$(cat "$work/job/pid")
for point in $points; do
	case $point in offer-received | accept-received | moved-reported) continue ;; esac
	attempt "$point" error
	fault ""
	[ $code = "$(want "$point")" ] || bad "$point:error: exit code $code instead of $(want "$point"): $(cat "$work/moved")"
	back "$point:error"
	n=$((n - 1))
done
wait "${waiting[@]}"
is "the slow ones time out" "5 5 5" "$(cat "$work"/slow?/code | paste -sd ' ')"
for p in "${slow[@]}"; do
	[ "$(place n1 "$p")" = n1 ] || says "$p comes home" 0 "$p" on n1 godwit migrate "$p" home
	on n1 kill "$p"
done
is "the others by error" 3 $n

echo "# only a process that was lost is called lost"
start other n1 sleep 1000
fault "guest-built:kill"
says "its target fails before the commit" 4 "goes on at home" on n1 godwit migrate "$pid" n2
fault ""
says "it is alive" 0 "$pid" on n1 godwit migrate "$pid" n2
fault "guest-freeze:kill"
says "its host fails" 6 "was lost" on n1 godwit migrate "$pid" home
fault ""
pid=$(cat "$work/job/pid")
says "and it still moves" 0 "$pid" on n1 godwit migrate "$pid" n2
let_end job
expect_soon "nothing stays" n2 Processes '{}' 'r["processes"] == []'
result
