#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Job control: stopped and continued jobs, bg, fg, wait by number and by process, kill by job, pipelines as one job.
set -m
mkfifo wait-here ready-here
# Until a job is in a state, or a minute is over: what `jobs` says of it.
await() {
	local end=$((SECONDS + 60))
	until jobs "$1" 2>&1 | grep -q "$2"; do
		((SECONDS < end)) || { echo "job $1 is not $2: $(jobs)"; return 1; }
		read -r -t 0.02 _ <> wait-here
	done
	echo "job $1 is $2"
}
# Until a process is that program. What bash's child takes before, in handlers that it has from its parent, is lost with
# the exec: a SIGTERM at its first rt_sigaction() calls, put there by strace, lets `sleep` live also where nothing is moved.
begun() {
	local name end=$((SECONDS + 60))
	until read -r name < "/proc/$1/comm" && [[ $name == "$2" ]]; do
		((SECONDS < end)) || { echo "process $1 is not $2 but $name"; return 1; }
		read -r -t 0.02 _ <> wait-here
	done
}
for ((round = 0; round < ${1:-3}; round++)); do
	sleep 1000 &
	await %1 Running
	begun $! sleep
	kill -STOP %1
	await %1 Stopped
	bg %1
	await %1 Running
	kill %1
	wait %1
	echo "killed: $?"

	(exit 7) &
	wait %1
	echo "wait: $?"
	# Not `wait -n`: a child that ends just before it waits is overlooked.
	(exit 3) &
	first=$!
	(exit 4) &
	wait $!
	echo "the second: $?"
	wait "$first"
	echo "the first: $?"

	# A pipeline is one job; its end has the code of its last.
	sleep 1000 | (echo ready > ready-here; cat; exit 12) &
	read -r _ < ready-here
	begun "$(jobs -p %1)" sleep
	await %1 Running
	kill -STOP %1
	await %1 Stopped
	kill -CONT %1
	await %1 Running
	kill %1
	wait %1
	echo "pipeline: $?"

	# In the foreground, until something stops it; and back again.
	(kill -STOP "$BASHPID"; exit 21)
	echo "stopped: $?"
	fg %1 > /dev/null
	echo "after fg: $?"
	bash -c 'kill -STOP $$; echo "went on"; exit 22' &
	await %1 Stopped
	bg %1 > /dev/null
	wait %1
	echo "after bg: $?"
	disown -a
	jobs
done
rm wait-here ready-here
