#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The memory of a host: a guest that outgrows it is sent home in time and computes on there; one that must leave because the
# owner of the host needs the memory too; those that are faster than anybody can look wait for memory until they are sent home. Only
# where nobody sends them do they end, alone. The host's own processes and its daemon notice nothing, and the control group of the
# guests is gone when they are.
set -u
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" memory.sh

# Holds argv[2] MiB, then waits for the file "go", and then grows to argv[3] MiB, all the while computing and looking at what it has.
grower='import hashlib, os, sys
chunks, beat = [], os.open(sys.argv[1] + "/beat", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def grow(mib):
    while len(chunks) < mib:
        chunks.append(bytes([len(chunks) % 251]) * (1 << 20))
        for i in range(8): hashlib.sha256(chunks[-1]).digest()
        os.write(beat, b".")
def wait(name):
    while not os.path.exists(sys.argv[1] + "/" + name):
        for i in range(20): hashlib.sha256(chunks[-1]).digest()
        os.write(beat, b".")
grow(int(sys.argv[2]))
print("begins", flush=True)
wait("go")
grow(int(sys.argv[3]))
print("grown", flush=True)
wait("stop")
h = hashlib.sha256()
for c in chunks: h.update(c)
print(h.hexdigest())'
grow() { # NAME NODE FIRST LAST: starts one
	python3 -c 'import hashlib, sys
print("begins\ngrown")
print(hashlib.sha256(b"".join(bytes([i % 251]) * (1 << 20) for i in range(int(sys.argv[1])))).hexdigest())' "$4" >"$work/$1.want"
	start "$1" "$2" "$python" -c "$grower" "$work/$1" "$3" "$4"
	wait_quietly 60 grep -q begins "$work/$1/out" || { bad "$1 does not begin"; exit 1; }
}
groups() { find /sys/fs/cgroup -path "*/godwit-$GODWIT_SANDBOX/*" -name 'godwit-guests*' 2>/dev/null; }
no_groups() { [ -z "$(groups)" ]; }
migrate() { on n1 godwit migrate "$@"; }
goes() { wait_for "n2 has memory again, and the guest goes there" 30 migrate "$1" n2; } # offers go by the last sample

up 2
godwit sandbox memory n2 256M || { echo "memory.sh: no control group for memory here; skipped"; exit 77; }
# What is tested is the host's last resort; the policy would send growing guests away before (ushering.sh).
on n2 sh -c 'printf "\n[policy]\nusher-percent = 0\n" >>/run/godwit-state/godwit.conf'
call n2 NodeSet '{"action":"reload"}' || bad "the configuration of n2"
expect_soon "n2 is small" n1 Nodes '{}' 'len(r["nodes"]) == 2 and any(x["name"] == "n2" and x["state"] == "up" and x["memory"] == 256 << 20 for x in r["nodes"])'
steady owner n2
daemon=$(call n2 Status '{}' --print pid)
has "doctor says what there is" "can hold guests to the memory that is free" "$(on n2 godwit doctor 2>&1)"

echo "# a guest that grows"
grow job n1 20 400
job=$pid
says "away" 0 "n1 -> n2" migrate "$job" n2
group=$(groups)
case $group in
*/godwit-guests*) ok "guests have a control group" ;;
*) bad "no control group: \"$group\"" ;;
esac
# shellcheck disable=SC2016 # expanded in the node
is "the kernel would take the guest first" 1000 "$(on n2 sh -c 'for p in $(cat "$1/cgroup.procs"); do cat /proc/$p/oom_score_adj; done | sort -n | tail -n 1' \
	sh "$group")"
limit=$group/memory.limit_in_bytes
[ -e "$limit" ] || limit=$group/memory.max
bounded() { [ "$(cat "$limit")" -lt $((256 << 20)) ]; }
wait_for "it is bounded" 60 bounded
has "and doctor says so" "$group" "$(on n2 godwit doctor 2>&1)"
godwit sandbox kill n2 daemon
expect_soon "a new daemon finds the guest" n2 Processes '{}' "any(x['pid'] == $job and x['state'] == 'guest' for x in r['processes'])"
has "and its group" "$group" "$(on n2 godwit doctor 2>&1)"
daemon=$(call n2 Status '{}' --print pid)
: >"$work/job/go"
expect_soon "it goes home by itself" n1 Where "{\"pid\":$job}" 'r["state"] == "home"'
logs "n2 says why" n2 "guest $job (python3) of n1 is sent home"
has "and n1 too" "host-memory" "$(on n1 godwit why "$job")"
if wait_quietly 60 grep -q grown "$work/job/out"; then ok "there it grows on"; else bad "it does not grow on"; fi
says "n2 does not take it again" 3 "n2: the node has not enough free memory" migrate "$job" n2
let_end job
wait_for "the control group is gone" 60 no_groups

echo "# a guest in the way of the owner"
grow second n1 60 60
second=$pid
goes "$second"
grow mine n2 10 180
: >"$work/mine/go"
expect_soon "it goes home" n1 Where "{\"pid\":$second}" 'r["state"] == "home"'
if wait_quietly 60 grep -q grown "$work/mine/out"; then ok "the owner has what he needs"; else bad "the owner's process does not grow"; fi
: >"$work/second/go"
let_end second
let_end mine

echo "# guests that grow faster than anybody looks"
# shellcheck disable=SC2016 # perl's own variables
bomb='my ($w, @x) = @ARGV; 1 until -e "$w/go"; push @x, chr(97 + $_ % 26) x 4e6 for 1 .. 70; open my $f, ">", "$w/full"; 1 until -e "$w/stop";
print length($x[$_]), substr($x[$_], 2e6, 1), "\n" for 0 .. $#x'
"$python" -c 'for i in range(1, 71): print("4000000" + chr(97 + i % 26))' >"$work/bomb.want"
for round in $(seq "${ROUNDS:-3}"); do
	cp "$work/bomb.want" "$work/bomb$round.want"
	start "bomb$round" n1 perl -e "$bomb" "$work/bomb$round"
	goes "$pid"
	: >"$work/bomb$round/go"
	wait_for "it is sent home in time, and grows there" 60 test -e "$work/bomb$round/full"
	is "n2 has it no more" n1 "$(place n1 "$pid")"
	let_end "bomb$round"
	wait_for "the control group is gone" 60 no_groups
done

echo "# a guest that grows while the daemon is stopped: nobody waits for ever"
cp "$work/bomb.want" "$work/last.want"
start last n1 perl -e "$bomb" "$work/last"
goes "$pid"
on n2 kill -STOP "$daemon"
: >"$work/last/go"
wait_for "the kernel ends it" 60 test -s "$work/last/status"
on n2 kill -CONT "$daemon"
is "it ended as by SIGKILL" 137 "$(cat "$work/last/status")"
logs "the log says why" n1 "$pid.*killed on"
wait_for "and after how long" 20 grep -rq "has waited for memory" "$dir/n2"
wait_for "the control group is gone" 60 no_groups
if beats owner; then ok "the owner's process goes on"; else bad "the owner's process does not go on"; fi
is "and the daemon" "$daemon" "$(call n2 Status '{}' --print pid)"
let_end owner
result
