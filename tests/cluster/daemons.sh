# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What the tests with bare daemons on loopback share; sourced, with $test_name set, and $1 perhaps the directory of the programs
# (default: $GODWIT_BUILD/src, else build/src of the source tree). Ends the test with 77 where it cannot run.
# Promise: every process whose pid is in $pids ends with the test, whatever happens. Must not: need root, or any address but 127.0.0.1.

: "${test_name:?}"
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${GODWIT_BUILD:-$here/../../build}/src}
[ -x "$bin/godwitd" ] || { echo "$test_name.sh: there is no $bin/godwitd; skipped"; exit 77; }
command -v python3 >/dev/null || { echo "$test_name.sh: needs python3; skipped"; exit 77; }
tmp=$(mktemp -d)
pids=
# shellcheck disable=SC2034 # used by those who source this
base=$((10000 + $$ * 7 % 20000)) # ports, below the range from which the kernel takes some by itself

# shellcheck disable=SC2329 # called by the trap
cleanup()
{
	status=$?
	for p in $pids; do kill -9 "$p" 2>/dev/null || :; done
	# Helpers that only play wait for another daemon.
	for p in $(pgrep -f "$tmp/bin/godwit-" || :); do kill -9 "$p" 2>/dev/null || :; done
	if [ $status -ne 0 ]; then
		echo "FAILED; the logs of the daemons:"
		tail -n 25 "$tmp"/*/log
	fi
	# A launcher that was killed could not remove its group: src/launch/group.c.
	for run in "$tmp"/*/run; do
		for dir in /sys/fs/cgroup/memory /sys/fs/cgroup; do
			# shellcheck disable=SC2016 # expanded by the inner shell
			timeout 10 sh -c 'while [ -d "$1" ] && ! rmdir "$1" 2>/dev/null; do :; done' sh \
				"$dir/godwit-guests-$(printf %x "$(stat -c %i "$run" 2>/dev/null || echo 0)")" || :
		done
	done
	rm -rf "$tmp"
}
trap cleanup EXIT

die() { echo "$test_name: $*" >&2; exit 1; }

# call NODE METHOD...: see control.py
call()
{
	_node=$1
	shift
	python3 "$here/control.py" "$tmp/$_node/run/control.sock" "$@"
}

# start_daemon DIRECTORY NODE NUMBER [NAME]: a daemon with the programs of that directory; its pid in $tmp/NODE/pid
start_daemon()
{
	mkdir -p "$tmp/$2"
	"$1/godwitd" --state "$tmp/$2/state" --run "$tmp/$2/run" ${4:+--name "$4"} --listen "127.0.0.1:$((base + $3))" --user "$(id -un)" \
		--record "$tmp/$2/recording" 2>>"$tmp/$2/log" &
	echo $! >"$tmp/$2/pid"
	pids="$pids $!"
	call "$2" --wait-socket
}

# A policy that sees again what those of the daemons have seen decides the same.
replay_all()
{
	for recording in "$tmp"/*/recording; do
		"$bin/godwit" sim --replay "$recording" || die "another decision than recorded"
	done
}

# play_helpers: the programs of the daemons in $tmp/bin, with helpers that only play
play_helpers()
{
	mkdir "$tmp/bin"
	cp "$bin/godwitd" "$bin/godwit-launcher" "$tmp/bin/"
	cp "$here/fake-helper.py" "$tmp/bin/godwit-shepherd"
	cp "$here/fake-helper.py" "$tmp/bin/godwit-agent"
	chmod +x "$tmp"/bin/*
}

# start_playing NODE NUMBER: a launcher and a daemon of that name, with those
start_playing()
{
	mkdir -p "$tmp/$1"
	"$tmp/bin/godwit-launcher" --run "$tmp/$1/run" --user "$(id -un)" 2>>"$tmp/$1/log" &
	pids="$pids $!"
	start_daemon "$tmp/bin" "$1" "$2" "$1"
	call "$1" Status '{}' --until 'r["launcher"]'
}
