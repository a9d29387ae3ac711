#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Coprocesses: asked and answered by pipes, ended by closing and by a signal; bc and sed as servants.
for ((round = 0; round < ${1:-5}; round++)); do
	coproc ADD { while read -r a b; do echo $((a + b)); done; echo bye; exit 9; }
	pid=$ADD_PID
	sum=0
	for i in 1 2 3 4 5 6 7 8 9 10; do
		echo "$sum $i" >&"${ADD[1]}"
		read -r -t 60 -u "${ADD[0]}" sum || echo "no answer"
	done
	echo "sum $sum"
	exec {in}<&"${ADD[0]}" {out}>&"${ADD[1]}"
	eval "exec ${ADD[1]}>&-"
	exec {out}>&-
	read -r -t 60 -u "$in" last
	wait "$pid"
	echo "$last $?"
	exec {in}<&-

	coproc SED { sed -u 's/\(.*\)-\(.*\)/\2-\1/'; }
	pid=$SED_PID
	for word in a-b cc-dd "$round-x"; do
		echo "$word" >&"${SED[1]}"
		read -r -t 60 -u "${SED[0]}" turned
		echo "$turned"
	done
	kill "$pid"
	wait "$pid" 2> /dev/null
	echo "ended with $?"
done
