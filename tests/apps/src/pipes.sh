#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Pipes, their exit codes, process substitution, tee and named pipes.
for ((round = 0; round < ${1:-5}; round++)); do
	seq 1 5000 | awk '{ s += $1 * $1; print $1 % 17 } END { print "sum", s }' | sort | uniq -c | sort -rn | head -n 5
	true | false | (exit 3) | cat
	echo "codes ${PIPESTATUS[*]}"
	paste <(seq 1 300 | sed 's/$/ a/') <(seq 300 -1 1) | cksum
	seq 1 20000 | tee >(cksum > one) >(tail -n 1 > two) | wc -l
	mkfifo fifo
	until [ -s one ] && [ -s two ]; do read -r -t 0.02 _ <> fifo; done
	cat one two
	rm -f one two
	(while read -r line; do echo "got $line"; done < fifo) &
	for i in 1 2 3; do echo "line $i of $round"; done > fifo
	wait "$!"
	echo "reader ended with $?"
	rm fifo
	set -o pipefail
	yes | head -n 1000 | cksum
	echo "pipefail $?"
	set +o pipefail
	{ echo out; echo err >&2; } 2>&1 >/dev/null | cat
done
