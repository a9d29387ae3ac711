#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The shell that starts everything in torture.py. In its directory are the fifo "orders" and executable files in "bin". The
# order "NUMBER NAME" runs bin/NAME in the background, as a job of its own, in the new directory NUMBER; what it says is in
# NUMBER.out and its exit code in NUMBER.code, which is there only when it has ended. "end" waits for all and ends.
set -m
exec 4<> orders
started=0
while read -r number name <&4; do
	[ "$number" = end ] && break
	started=$((started + 1))
	{
		mkdir "$number" && cd "$number" || exit
		TMPDIR=$PWD "../bin/$name" > "../$number.out" 2>&1 4<&-
		echo "$?" > "../$number.tmp"
		mv "../$number.tmp" "../$number.code"
	} &
done
wait
[ -z "$(jobs -r)" ]
echo "$started started, $(find . -maxdepth 1 -name '*.code' | wc -l) ended, code $?"
