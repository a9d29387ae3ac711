# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests with a sandbox share; sourced, with the test's name as argument, and with the directory of the programs if it
# is not that of $GODWIT_BUILD. Ends the test with 77 where it cannot run.
# Promise: a sandbox of its own name, which ends with the test, whatever happens; every wait has a deadline.
# Must not: hold anything that only one test needs.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
test_name=$1
bin=$(cd "${2:-${GODWIT_BUILD:-$here/../../build}/src}" 2>/dev/null && pwd)
[ -x "$bin/godwit" ] || { echo "$test_name: there are no programs in ${GODWIT_BUILD:-build}; skipped"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "$test_name: needs root; skipped"; exit 77; }
command -v python3 >/dev/null || { echo "$test_name: needs python3; skipped"; exit 77; }
unshare --net --pid --fork true 2>/dev/null || { echo "$test_name: new namespaces are not allowed here; skipped"; exit 77; }

work=$(mktemp -d)
chmod 755 "$work"
export GODWIT_SANDBOX=t$(($$ % 1000000))
unset GODWIT_SOCKET GODWIT_RUN GODWIT_FAULT
PATH=$bin:$PATH
dir=/run/godwit-sandbox/$GODWIT_SANDBOX
control=/run/godwit/control.sock
python=/usr/bin/python3 # which other users may execute; no wrapper, which would execute another program later
[ -x "$python" ] || python=$(python3 -c 'import sys; print(sys.executable)')
failures=0
mkfifo "$work/never"
exec 9<>"$work/never" # keeps the fifo open, so that reading it only waits

# shellcheck disable=SC2329 # called by the trap
finish() {
	local status=$?
	if [ $failures -gt 0 ] || [ $status -ne 0 ]; then
		for log in "$dir"/n*/log; do
			echo "--- $log"
			tail -n 30 "$log"
		done 2>/dev/null
	fi
	godwit sandbox down 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT

ok() { echo "ok   $1"; }
bad() {
	echo "FAIL $1"
	failures=$((failures + 1))
}
# is NAME WANTED GOT
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: wanted \"$2\", got \"$3\""; fi; }
# has NAME PATTERN TEXT
has() { case $3 in *"$2"*) ok "$1" ;; *) bad "$1: no \"$2\" in \"$3\"" ;; esac; }

# wait_for NAME SECONDS COMMAND...: until it succeeds
wait_for() {
	local what=$1 end=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ]; then
			bad "$what: not in time"
			return 1
		fi
		read -r -t 0.05 <"$work/never" # between two looks
	done
	ok "$what"
}

# logs NAME NODE PATTERN: its daemon says so; what it says of an event comes a moment later than the event
logs() { wait_for "$1" 20 grep -q -e "$3" "$dir/$2/log"; }

up() { godwit sandbox up "$@" >"$work/up" 2>&1 || { bad "sandbox up $*: $(cat "$work/up")"; exit 1; }; }
on() { godwit sandbox on "$@"; }

# call NODE METHOD [PARAMETERS [CONDITION]]; until_ the same with a wait of at most 60 s. Both say what is wrong.
call() {
	local node=$1
	shift
	on "$node" python3 "$here/control.py" $control "$@"
}
until_() { call "$1" "$2" "$3" --until "$4"; }
# expect NAME NODE METHOD PARAMETERS CONDITION; expect_soon: within 60 s
expect() { if call "$2" "$3" "$4" "$5" >"$work/said" 2>&1; then ok "$1"; else bad "$1: $(cat "$work/said")"; fi; }
expect_soon() { if until_ "$2" "$3" "$4" "$5" >"$work/said" 2>&1; then ok "$1"; else bad "$1: $(cat "$work/said")"; fi; }

# says NAME CODE PATTERN COMMAND...: the command ends with the code and says the pattern
says() {
	local what=$1 code=$2 pattern=$3 got
	shift 3
	"$@" >"$work/said" 2>&1
	got=$?
	[ $got = "$code" ] || bad "$what: exit code $got instead of $code"
	has "$what" "$pattern" "$(cat "$work/said")"
}

# start NAME NODE [-u USER] COMMAND...: a process of that node; its pid there in $pid, later NAME.out and NAME.status in $work
start() {
	local name=$1 node=$2 user=()
	shift 2
	[ "$1" = -u ] && { user=(-u "$2"); shift 2; }
	mkdir -p "$work/$name"
	chmod 777 "$work/$name"
	# shellcheck disable=SC2016 # expanded in the node
	godwit sandbox on "${user[@]}" "$node" sh -c 'w=$1; shift; "$@" >"$w/out" 2>"$w/err" </dev/null &
		echo $! >"$w/pid.new"; mv "$w/pid.new" "$w/pid"; wait $!; echo $? >"$w/status"' sh "$work/$name" "$@" 9>&- &
	wait_quietly 60 test -s "$work/$name/pid" || { bad "$name does not start"; exit 1; }
	pid=$(cat "$work/$name/pid")
}
wait_quietly() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.05 <"$work/never"
	done
	return 0
}
# ended NAME: has it ended in order, and with the output that $work/NAME.want has?
ended() {
	if ! wait_quietly 120 test -s "$work/$1/status"; then
		bad "$1 has not ended"
	elif [ "$(cat "$work/$1/status")" != 0 ]; then
		bad "$1: exit status $(cat "$work/$1/status"): $(tail -n 2 "$work/$1/err")"
	elif ! cmp -s "$work/$1/out" "$work/$1.want"; then
		bad "$1: another output"
	else
		ok "$1 has ended with the right output"
	fi
}
# A job that computes until the file "stop" is there beside its output, and notices when it computes wrongly; with each round
# the file "beat" grows.
# shellcheck disable=SC2016,SC2034 # used by those who source this
steady='import hashlib, os, sys
print("begins", flush=True)
want, beat = None, os.open(sys.argv[1] + "/beat", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while True:
    os.write(beat, b".")
    h = b"godwit"
    for i in range(5000):
        h = hashlib.sha256(h).digest()
    want = want or h
    if h != want: sys.exit("it computes wrongly")
    if os.path.exists(sys.argv[1] + "/stop"): break
print(h.hex())'
# steady NAME NODE [-u USER]: starts one; let_end NAME: it may end now, and must have the right output
steady() {
	local name=$1 node=$2
	shift 2
	python3 -c 'import hashlib
print("begins")
h = b"godwit"
for i in range(5000): h = hashlib.sha256(h).digest()
print(h.hex())' >"$work/$name.want"
	start "$name" "$node" "$@" "$python" -c "$steady" "$work/$name"
	wait_quietly 60 test -s "$work/$name/out" || { bad "$name does not begin"; exit 1; }
}
beats() { # NAME: does it go on computing, wherever it is, whatever the daemons say?
	local before
	before=$(stat -c %s "$work/$1/beat")
	# shellcheck disable=SC2016 # expanded by the inner shell
	wait_quietly 60 sh -c '[ "$(stat -c %s "$1")" -gt $(($2 + 1)) ]' sh "$work/$1/beat" "$before"
}
let_end() {
	: >"$work/$1/stop"
	ended "$1"
}
place() { call "$1" Where "{\"pid\":$2}" --print node 2>/dev/null; }

result() {
	if [ $failures -gt 0 ]; then
		echo "$failures failures"
		exit 1
	fi
	godwit sandbox down 2>"$work/said" || { bad "down: $(cat "$work/said")"; exit 1; }
	echo "$test_name: all is well"
}
