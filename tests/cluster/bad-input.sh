#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is wrong, and what goes wrong: each has its sentence and exit code, and no process is lost by it but the guest whose link
# is cut for good.
set -u
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" bad-input.sh

export GODWIT_FAULT_FILE=$work/faults
fault() { echo "$1" >"$work/faults.new"; mv "$work/faults.new" "$work/faults"; }
fault ""
up 3
expect_soon "all see each other" n1 Nodes '{}' 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'
steady job n1
job=$pid
migrate() { on n1 godwit migrate "$@"; }
at_home() { # NAME: it is at home, alone, and goes on
	is "$1: it is at home" n1 "$(place n1 "$job")"
	if beats job; then ok "$1: it goes on"; else bad "$1: it does not go on"; fi
}

echo "# what does not exist, or belongs to somebody else"
says "no such process" 3 "there is no process 4194000" migrate 4194000 n2
says "no process id" 2 "" migrate x n2
says "unknown node" 3 "no node named n9 is known" migrate "$job" n9
says "another user's process" 3 "belongs to another user" on -u games n1 godwit migrate "$job" n2
says "init" 3 "init or a part of Godwit" migrate 1 n2
says "it is there already" 3 "on n1 already" migrate "$job" home
says "a setting of an unknown node" 3 "no node named n9 is known" on n1 godwit node block n9
says "sandbox up twice" 3 "there already" godwit sandbox up 2

echo "# a node that does not want it"
says "block n2 from n1" 0 "takes no guests" on n1 godwit node block n2
says "blocking node" 3 "takes no guests" migrate "$job" n2
says "unblock n2 from n1" 0 "n2 gives away its own processes and takes guests" on n1 godwit node unblock n2
says "a setting of n2 by an ordinary user" 3 "" on -u games n1 godwit node block n2
fault offer-cpu
says "a CPU that lacks something" 3 "the CPU of n2 lacks instructions that n1 has: the process may use them and cannot go there" migrate "$job" n2
fault ""
godwit sandbox memory n3 64M # less than the big one needs, more than a daemon with sanitizers
expect_soon "n3 has become small" n1 Nodes '{}' 'any(x["name"] == "n3" and x["memory"] < 80 << 20 for x in r["nodes"])'
# shellcheck disable=SC2016 # perl's own variables
start big n1 perl -e 'my $x = "x" x 64e6; print "begins\n"; $| = 1; print ""; 1 while 1'
big=$pid
expect_soon "the big one is big" n1 Processes '{"all":true}' "any(x['pid'] == $big and x['memory'] > 60e6 for x in r['processes'])"
says "full node" 3 "not enough free memory" migrate "$big" n3
on n1 kill -9 "$big"
at_home "a node that does not want it"
godwit sandbox kill n3 all
says "dead node" 4 "n3" migrate "$job" n3
at_home "after all that"

echo "# garbage on every port of n2"
for where in "10.77.0.2 7117" "$control 0" "/run/godwit/helper.sock -1" "/run/godwit/launcher.sock -1"; do
	# shellcheck disable=SC2086 # two words
	if on n2 timeout 120 python3 "$here/control.py" --garbage $where >"$work/said" 2>&1; then ok "${where%% *}"; else
		bad "$where: $(cat "$work/said")"
	fi
done
expect "the daemon of n2 is the same" n2 Status '{}' 'r["launcher"] and r["uptime_s"] > 0'
expect_soon "n1 sees n2" n1 Nodes '{}' 'any(x["name"] == "n2" and x["state"] == "up" for x in r["nodes"])'

echo "# a host that fails at each step"
for point in guest-ordered guest-prepared guest-hello guest-image guest-built guest-go; do
	fault "$point:kill"
	timeout 120 godwit sandbox on n1 godwit migrate "$job" n2 >"$work/said" 2>&1
	code=$?
	fault ""
	# An agent that dies before it has the link is known to have ended; later only the link tells, as if n2 were gone.
	case "$code $(cat "$work/said")" in
	1*"agent has ended"* | 4*"n2 was lost on the way; process $job goes on at home"*) ;;
	*) bad "$point: exit code $code: $(cat "$work/said")" ;;
	esac
	until_ n1 Where "{\"pid\":$job}" 'r["state"] == "home"' >"$work/said" 2>&1 || bad "$point: $(cat "$work/said")"
	beats job || bad "$point: it does not go on"
done
at_home "a killed agent"
expect_soon "nothing is left on n2" n2 Processes '{}' 'r["processes"] == []'
for point in guest-ordered guest-image guest-built; do
	fault "$point:stall" # there it stands while the whole node dies
	timeout 120 godwit sandbox on n1 godwit migrate "$job" n2 >"$work/said" 2>&1 &
	move=$!
	stalled() { godwit sandbox on n2 pgrep -x godwit-agent; }
	wait_quietly 60 stalled || bad "$point: no agent"
	until_ n1 Where "{\"pid\":$job}" 'r["state"] == "moving"' >"$work/where" 2>&1 || bad "$point: $(cat "$work/where")"
	godwit sandbox kill n2 all
	wait $move
	code=$?
	fault ""
	case "$code $(cat "$work/said")" in
	4*"n2 cannot be reached"* | 4*"n2 was lost on the way; process $job goes on at home"*) ;;
	*) bad "$point: exit code $code: $(cat "$work/said")" ;;
	esac
	until_ n1 Where "{\"pid\":$job}" 'r["state"] == "home"' >"$work/said" 2>&1 || bad "$point: $(cat "$work/said")"
	beats job || bad "$point: it does not go on"
	godwit sandbox start n2
	expect_soon "$point: n2 is there again" n1 Nodes '{}' 'any(x["name"] == "n2" and x["state"] == "up" and x["free"] > 0 for x in r["nodes"])'
done
at_home "a killed node"

echo "# the link is cut after the commit"
says "away" 0 "$job" migrate "$job" n2
godwit sandbox net cut n2
if wait_quietly 120 test -s "$work/job/status"; then
	is "it ends as by SIGKILL" 137 "$(cat "$work/job/status")"
else
	bad "it does not end"
fi
logs "the log says why" n1 "$job.*lost"
godwit sandbox net heal n2
expect_soon "nothing is left on n2" n2 Processes '{}' 'r["processes"] == []'
expect_soon "n1 sees n2 again" n1 Nodes '{}' 'any(x["name"] == "n2" and x["state"] == "up" for x in r["nodes"])'

echo "# down with a process away"
steady last n1
says "away" 0 "$pid" migrate "$pid" n2
godwit sandbox down 2>"$work/said"
is "down" 0 $?
wait_for "no process is left" 60 sh -c "! grep -qs godwit-$GODWIT_SANDBOX /proc/[0-9]*/cgroup"
result
