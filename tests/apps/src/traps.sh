#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Traps: of signals from itself and others, in subshells, ignored and inherited, while it waits, and at the end.
# shellcheck disable=SC2317 # called by the trap
on_usr1() { got=$((got + 1)); }
# Until the condition holds, or a minute is over.
await() {
	local end=$((SECONDS + 60))
	until eval "$1"; do
		((SECONDS < end)) || { echo "not: $1"; return 1; }
		read -r -t 0.01 _ <> wait-here
	done
}
mkfifo wait-here
for ((round = 0; round < ${1:-5}; round++)); do
	got=0
	trap on_usr1 USR1
	for i in 1 2 3; do
		kill -USR1 $$
		await "((got == i))"
	done
	echo "three signals to itself: $got"
	(kill -USR1 $$)
	await '((got == 4))'
	echo "one from a child: $got"

	# wait is cut short by a signal that has a trap; one that comes before it begins does not count.
	sleep 1000 &
	sleeper=$!
	# A signal that comes before it is sleep finds a handler of bash, and is forgotten by execve.
	await 'read -r name < "/proc/$sleeper/comm" && [ "$name" = sleep ]'
	(while kill -USR1 $$; do sleep 0.02; done) &
	helper=$!
	wait "$sleeper"
	echo "wait was cut short: $? $((got > 4))"
	kill "$helper" "$sleeper"
	await '! kill -0 "$helper" 2> /dev/null'
	wait "$helper" 2> /dev/null
	code=$?
	# Of a signal that comes when wait has just been cut short bash remembers that it is to cut short the next one, too.
	((code == 138)) && { wait "$helper"; code=$?; }
	echo "the helper ended with $code"
	await '! kill -0 "$sleeper" 2> /dev/null'
	wait "$sleeper" 2> /dev/null
	echo "the sleeper ended with $?"

	# A subshell has the traps of its own; what is ignored stays so for all below.
	(trap 'echo in the subshell; exit 4' TERM; kill -TERM "$BASHPID"; sleep 1000)
	echo "subshell: $?"
	trap '' USR2
	bash -c 'kill -USR2 $$; echo "still there"'
	trap - USR2
	{ bash -c 'kill -USR2 $$; echo "not reached"'; } 2> /dev/null # which names the pid
	echo "child: $?"
	(trap 'echo "end of the subshell with $?"' EXIT; exit 6)
	echo "code $?"
	trap 'echo "error at a line"' ERR
	false
	trap - ERR
	bash -c 'trap "echo int; exit 9" INT; kill -INT $$; sleep 1000'
	echo "int: $?"
	trap - USR1
done
rm wait-here
trap 'echo "the end"' EXIT
exit 5
