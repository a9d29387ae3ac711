#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The sandbox: everything it promises, what happens when parts of it crash, and that nothing is left afterwards.
#
#   sandbox.sh [DIRECTORY]      the directory with godwit and godwitd (default: build/src of the source tree)
#   FAKE=1 sandbox.sh           with a stand-in for godwitd and the launcher, to test the sandbox alone
#
# Needs root; says why and ends with 77 where it cannot run. Works beside other sandboxes.
set -u

# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" sandbox.sh "${1:-}"
top=$here/../..

# A stand-in for programs that are not there: see tests/unit/cli/fake-godwitd.py.
make_fake() {
	mkdir -p "$work/fake" "$work/members"
	python=$(python3 -c 'import sys; print(sys.executable)') # not a wrapper, which would change the process's name
	{ echo "#!$python"; cat "$top/tests/unit/cli/fake-godwitd.py"; } > "$work/fake/godwitd"
	printf '#!%s\nimport signal\nsignal.pause()\n' "$python" > "$work/fake/godwit-launcher"
	chmod 755 "$work/fake"/*
	export GODWIT_LIBEXEC=$work/fake GODWIT_FAKE_DIR=$work/members
}
if [ -n "${FAKE:-}" ] || [ ! -x "$bin/godwitd" ]; then
	echo "with a stand-in for godwitd"
	make_fake
fi

# What there is on the machine, apart from what bears the name of this or another sandbox. /run/mount and /run/netns
# are made by mount(8) and ip(8) when they are used first, and the latter goes with the last sandbox.
snapshot() {
	{
		ls -A -I mount -I netns /run
		ls /run/netns 2>/dev/null
		cut -d' ' -f3- /proc/self/mountinfo
		find /sys/fs/cgroup -type d
		ip -o link | sed 's/:.*//; s/@.*//'
		ls -A /dev/shm
	} | grep -v godwit | sort
}
# nothing_left NAME: compares with the first snapshot, and looks for everything that bears the sandbox's name. Not
# counted is a process that has ended but whose parent, the machine's first process, has not looked yet: "(deleted)".
nothing_left() {
	local rest
	snapshot > "$work/after"
	rest=$({ ls -d "$dir" /run/netns/godwit-"$GODWIT_SANDBOX"-*; find /sys/fs/cgroup -name "godwit-$GODWIT_SANDBOX"
		pgrep -f "sandbox-init.*$dir/"
		[ -z "$(ls -A /run/godwit-sandbox)" ] && ls -d /run/godwit-sandbox
		grep -h "godwit-$GODWIT_SANDBOX" /proc/[0-9]*/cgroup /proc/self/mountinfo | grep -v '(deleted)$'; } 2>/dev/null)
	if [ -n "$rest" ]; then
		bad "$1: left: $rest"
	elif ! cmp -s "$work/before" "$work/after"; then
		bad "$1: $(diff "$work/before" "$work/after")"
	else
		ok "$1"
	fi
}
state() { godwit sandbox status --json | python3 -c 'import json, sys
for n in json.load(sys.stdin)["nodes"]:
    if n["name"] == sys.argv[1]: print(n[sys.argv[2]])' "$1" "$2"; }
state_is() { [ "$(state "$1" state)" = "$2" ]; }
child_of() { # NODE NAME: pid of the node's daemon or launcher
	pgrep -P "$(state "$1" pid)" -x "$2"
}
daemon_is_new() { now=$(child_of n1 "$1") && [ -n "$now" ] && [ "$now" != "$2" ]; }
reach() { # FROM PORT: reads a byte from the server on n2
	godwit sandbox on "$1" timeout 1 bash -c "exec 3<>/dev/tcp/10.77.0.2/$2 && head -c1 <&3" 2>/dev/null
}

echo "# up"
snapshot > "$work/before"
out=$(godwit sandbox up 3 --cpus-per-node 0.3 2> "$work/err") # returns: no node holds our pipe
is "up" 0 $?
is "up talks to stderr only" "" "$out"
has "up suggests what to try" "sandbox on" "$(cat "$work/err")"
is "three nodes" 3 "$(godwit sandbox status | tail -n +2 | grep -c " up ")"
is "share of processors" 0.3 "$(state n1 cpus)"
first=$(state n1 pid)
godwit sandbox up 2 2> "$work/err"
is "up twice is refused" 3 $?
has "and says so" "there already" "$(cat "$work/err")"
is "and changes nothing" "$first" "$(state n1 pid)"
setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/godwit" sandbox up 2> "$work/err"
is "up needs root" 3 $?

echo "# on"
godwit sandbox on n1 sh -c 'exit 9'
is "exit code" 9 $?
(godwit sandbox on n1 sh -c 'kill -KILL $$') 2>/dev/null
is "end by a signal" 137 $?
godwit sandbox on n1 /no/such 2>/dev/null
is "not found" 127 $?
godwit sandbox on n1 /etc/passwd 2>/dev/null
is "not executable" 126 $?
godwit sandbox on n9 true 2>/dev/null
is "no such node" 125 $?
is "host name" n2 "$(godwit sandbox on n2 hostname)"
is "first process" sandbox-init "$(godwit sandbox on n2 cat /proc/1/comm)"
is "stdin, directory, environment" "$work in value" \
	"$(cd "$work" && echo in | KEY=value godwit sandbox on n2 sh -c 'echo $(pwd) $(cat) $KEY')"
is "other user" "65534 65534" "$(godwit sandbox on -u nobody n1 sh -c 'echo $(id -u) $(id -G)')"
has "control group" "/godwit-$GODWIT_SANDBOX/n3" "$(godwit sandbox on n3 cat /proc/self/cgroup)"
is "own control socket" 0 "$(godwit sandbox on n3 test -S /run/godwit/control.sock; echo $?)"
has "seen from outside by --at" n2 "$(godwit --at n2 nodes)"
# the shell's wait is ended by its trap, so its code shows that the signal arrived
godwit sandbox on n1 bash -c "trap 'exit 5' TERM; touch $work/ready; sleep 60 & wait" &
wait_for "a command runs" 60 test -e "$work/ready"
kill -TERM $!
wait $!
is "a signal is forwarded" 5 $?
godwit sandbox on n1 bash -c 'kill -STOP $$; exit 6' &
pid=$!
stopped() { [ "$(awk '{ print $3 }' /proc/$pid/stat)" = T ]; }
wait_for "a stop is followed" 60 stopped
kill -CONT $pid
wait $pid
is "and ends with a continue" 6 $?

echo "# network"
godwit sandbox on n2 python3 -c 'import socket
s = socket.create_server(("", 7999))
while True: s.accept()[0].sendall(b"x")' &
server=$!
answers() { [ "$(reach n1 7999)" = x ]; }
silent() { ! answers; }
wait_for "n1 reaches n2" 60 answers
is "n1 has no way out" "" "$(godwit sandbox on n1 ip route show default)"
godwit sandbox net cut n2
is "cut shows" cut "$(state n2 state)"
wait_for "cut n2 is not reached" 60 silent
godwit sandbox net heal n2
wait_for "healed n2 is" 60 answers
if command -v nft >/dev/null; then
	godwit sandbox net loss n2 100
	is "loss" 0 $?
	wait_for "n2 is not reached when all is lost" 60 silent
	godwit sandbox net heal n2
	wait_for "healed n2 is again" 60 answers
fi
godwit sandbox net loss n2 101 2>/dev/null
is "no more than all" 2 $?
echo "# faults"
if godwit sandbox stall n2 on; then
	is "stalled" stalled "$(state n2 state)"
	godwit sandbox on n2 true 2>/dev/null
	is "a stalled node runs nothing new" 125 $?
	godwit sandbox stall n2 off
	wait_for "and goes on" 60 state_is n2 up
fi
godwit sandbox cpu n3 0.05 && is "fewer processors" 0.05 "$(state n3 cpus)"
godwit sandbox memory n3 64M && is "less memory" 67108864 "$(state n3 memory)"
parts='daemon launcher'
[ -n "${GODWIT_LIBEXEC:-}" ] || [ -x "$bin/godwit-launcher" ] || parts=daemon
for part in $parts; do
	comm=godwit-launcher
	[ "$part" = daemon ] && comm=godwitd
	old=$(child_of n1 $comm)
	[ -n "$old" ] || { bad "no $comm on n1"; continue; }
	godwit sandbox kill n1 "$part"
	is "kill $part" 0 $?
	wait_for "it is back" 60 daemon_is_new $comm "$old"
done
wait_for "n1 is up" 60 state_is n1 up
godwit sandbox kill n2 all
is "kill a node" dead "$(state n2 state)"
wait $server 2>/dev/null
is "its processes have ended" 137 $?
godwit sandbox on n2 true 2>/dev/null
is "a dead node runs nothing" 125 $?
godwit sandbox start n2
is "start it again" 0 $?
wait_for "it is up" 60 state_is n2 up

echo "# down"
godwit sandbox on n3 sh -c 'trap "" TERM INT HUP; (setsid sh -c "echo > '"$work"'/orphan; exec sleep 600" &) ; exit 0'
wait_for "an orphan runs" 60 test -e "$work/orphan"
godwit sandbox on n3 sleep 600 &
on=$!
runs() { [ "$(ps -o comm= --ppid $on)" = sleep ]; }
wait_for "a command runs" 60 runs
kill -STOP $on
godwit sandbox down 2>/dev/null
is "down, although a parent is stopped" 0 $?
wait $on
is "which hears of it" 137 $?
nothing_left "nothing is left"
godwit sandbox down 2>/dev/null
is "down twice" 0 $?
godwit sandbox status 2>/dev/null
is "status says that there is none" 4 $?

echo "# crashes"
rm -f "$work"/members/*
godwit sandbox up 2 --bare 2>/dev/null
is "bare" 0 $?
kill -9 "$(state n1 pid)" "$(state n2 pid)"
godwit sandbox down 2>/dev/null
is "down after both nodes were killed" 0 $?
nothing_left "nothing is left"
godwit sandbox up 2 --bare 2>/dev/null
godwit sandbox stall n1 on
echo '{"nodes": "many"' > "$dir/state.json"
godwit sandbox status 2> "$work/err"
is "a damaged record" 1 $?
has "and what to do about it" "sandbox down" "$(cat "$work/err")"
godwit sandbox down 2>/dev/null
is "down with a damaged record and a stalled node" 0 $?
nothing_left "nothing is left"
godwit sandbox up 2 --bare 2>/dev/null
rm -rf "$dir"
umount "/run/netns/godwit-$GODWIT_SANDBOX-n1" && rm "/run/netns/godwit-$GODWIT_SANDBOX-n1"
godwit sandbox down 2>/dev/null
is "down without any record" 0 $?
nothing_left "nothing is left"

mkdir -p "$work/slow" "$work/broken"
printf '#!/bin/sh\nexec sleep 600\n' > "$work/slow/godwitd" # never ready
printf '#!/bin/sh\nexit 1\n' > "$work/broken/godwitd"
chmod 755 "$work"/slow/godwitd "$work"/broken/godwitd
GODWIT_LIBEXEC=$work/slow godwit sandbox up 2 2> "$work/err" &
up=$!
wait_for "up is under way" 60 test -s "$dir/n2/pid"
kill -9 $up
wait $up 2>/dev/null
godwit sandbox down 2>/dev/null
is "down after up was killed half way" 0 $?
nothing_left "nothing is left"
# a shell ignores interrupts for its background commands; TERM is never ignored
GODWIT_LIBEXEC=$work/slow godwit sandbox up 2 2> "$work/err" &
up=$!
wait_for "up is under way" 60 test -s "$dir/n2/pid"
kill -TERM $up
wait $up
is "an interrupted up fails" 1 $?
nothing_left "and cleans up behind itself"
GODWIT_LIBEXEC=$work/broken godwit sandbox up 2 2> "$work/err"
is "up with a broken daemon" 1 $?
has "names the node and the reason" "n1: godwitd does not start: exit status 1" "$(cat "$work/err")"
nothing_left "and cleans up"
GODWIT_LIBEXEC=$work/nothing godwit sandbox up 2 2> "$work/err"
is "up without programs" 1 $?
nothing_left "makes nothing"
result
