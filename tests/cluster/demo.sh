#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 240
#
# A short form of ./demo: six real programs spread over a cluster, every output equal byte for byte, nothing left behind; and the
# same after an interruption.
#
#   demo.sh [DIRECTORY]     the directory with the programs (default: build/src of the source tree)
#
# Less than a minute when nothing else runs. Needs root. Must not: judge a speed.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
bin=${1:-$top/build/src}
for p in xz gawk sqlite3 openssl perl ip; do
	command -v $p > /dev/null || { echo "demo.sh: there is no $p here; skipped"; exit 77; }
done
[ -x "$bin/godwit" ] || { echo "demo.sh: there is no $bin/godwit; skipped"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "demo.sh: needs root; skipped"; exit 77; }

work=$(mktemp -d) || exit 1
demo=
# shellcheck disable=SC2329 # called by the trap
cleanup() {
	[ -z "$demo" ] || { kill -INT "$demo" 2> /dev/null && wait "$demo"; }
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP
die() {
	echo "demo.sh: $*" >&2
	cat "$work/out" >&2
	exit 1
}

# start SCALE: the demo runs in the background as process $demo, its temporary files are in $work/tmp
start() {
	mkdir -p "$work/tmp"
	TMPDIR=$work/tmp python3 "$top/tools/demo.py" --programs "$bin" --scale "$1" < /dev/null > "$work/out" 2>&1 &
	demo=$!
}
# ended WANTED: waits for its end, wants that exit status and no trace
ended() {
	wait "$demo"
	status=$?
	name=demo$demo
	demo=
	[ $status -eq "$1" ] || die "exit status $status instead of $1"
	[ -z "$(ls -A "$work/tmp")" ] || die "files are left: $(ls -A "$work/tmp")"
	[ ! -e "/run/godwit-sandbox/$name" ] || die "the sandbox $name is left"
	if ip netns list | grep "godwit-$name-"; then die "namespaces are left"; fi
}

echo "1. the whole of it"
start 0.2
ended 0
grep -q "^Shown: 6 unchanged programs moved [1-9][0-9]* times" "$work/out" || die "the last line does not say what was shown"
[ "$(grep -Ec "^  [a-z0-9]+ +equal " "$work/out")" -eq 6 ] || die "there are not six rows of the table with an equal output"

echo "2. interrupted while jobs run"
start 1
tail -n +1 -f --pid="$demo" "$work/out" | timeout 60 grep -q -m1 " s  n1: [a-z]" || die "no job was seen"
kill -TERM "$demo"
ended 130
grep -q "interrupted" "$work/out" || die "it says nothing about the interruption"

echo "3. what cannot be: one sentence"
mkdir "$work/empty"
python3 "$top/tools/demo.py" --programs "$work/empty" < /dev/null > "$work/out" 2>&1 && die "shown without programs"
grep -q "^demo: .*/godwit cannot be started: No such file" "$work/out" || die "no sentence about the missing program"
echo ok
