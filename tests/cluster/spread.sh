#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job of the cluster, with real daemons and programs: jobs that are started on one node spread over all by themselves
# and give the same output as at home; a process that is older than the daemon moves, and so does one of an ordinary user.
set -u
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" spread.sh

for program in awk perl sha256sum; do
	command -v $program >/dev/null || { echo "spread.sh: there is no $program; skipped"; exit 77; }
done

# Some seconds of CPU time each.
# shellcheck disable=SC2016 # the programs' own variables
awk_job='BEGIN { for (i = 1; i < N * 1000000; i++) { x = (x * 31 + i) % 1000003; if (x % 100000 == 7) print i, x } print x }'
# shellcheck disable=SC2016
perl_job='my ($x, $n) = (1, shift); for my $i (1 .. $n * 1000000) { $x = ($x * 31 + $i) % 1000003; print "$i $x\n" if $x % 100000 == 7 } print "$x\n"'
python_job='import hashlib, sys
h = hashlib.sha256()
for i in range(int(sys.argv[1]) * 100000):
    h.update(str(i).encode() * 20)
    if i % 50000 == 0: print(i, h.hexdigest(), flush=True)
print(h.hexdigest())'
declare -A job
job[a]="awk -v N=12 \$awk_job" job[b]="awk -v N=14 \$awk_job" job[c]="perl -e \$perl_job 14" job[d]="perl -e \$perl_job 12"
job[e]="python3 -c \$python_job 60" job[f]="python3 -c \$python_job 50"
command_of() { # the words of a job, in the array "words"
	local w
	words=()
	for w in ${job[$1]}; do
		case $w in
		\$*) w=${w#\$}; words+=("${!w}") ;;
		*) words+=("$w") ;;
		esac
	done
}

echo "# what the jobs say when nothing moves"
for j in a b c d e f; do
	command_of $j
	"${words[@]}" >"$work/$j.want" &
done
wait
[ -s "$work/a.want" ] && [ -s "$work/c.want" ] && [ -s "$work/e.want" ] || { echo "spread.sh: a job does not run here; skipped"; exit 77; }

echo "# six jobs on n1 of three nodes"
up 3
expect_soon "all see each other" n1 Nodes '{}' 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'
for j in a b c d e f; do
	command_of $j
	start $j n1 godwit run --home "${words[@]}"
done
expect_soon "every node computes some of them" n1 Processes '{}' 'set(x["node"] for x in r["processes"] if x["home"] == "n1") == {"n1", "n2", "n3"}'
expect_soon "the hosts show their guests" n2 Processes '{}' 'any(x["home"] == "n1" and x["state"] == "guest" and x["comm"] in ("awk", "mawk", "gawk", "perl", "python3") for x in r["processes"])'
for j in a b c d e f; do ended $j; done
expect_soon "nothing stays on n2" n2 Processes '{}' 'r["processes"] == []'
expect_soon "nothing stays on n3" n3 Processes '{}' 'r["processes"] == []'

echo "# a process says how it wants to be treated"
# shellcheck disable=SC2016 # the program's own variables
start self n1 godwit run --home "$python" -c 'import os, subprocess, sys
def treat(how): subprocess.run(["godwit", "treat", how, str(os.getpid())], check=True)
def work_until(name):
    while not os.path.exists(sys.argv[1] + "/" + name): sum(range(20000))
work_until("away")
treat("cpu")
work_until("seen")
treat("io")
work_until("home")
print("was home again")' "$work/self"
echo "was home again" >"$work/self.want"
call n1 Migrate "{\"pid\":$pid,\"to\":\"n2\"}" 'r["where"] == "n2"' >"$work/said" 2>&1 || bad "it does not move: $(cat "$work/said")"
: >"$work/self/away"
expect_soon "its host hears what it said of itself" n2 Processes '{}' "any(x['pid'] == $pid and x['treat'] == 'cpu' for x in r['processes'])"
: >"$work/self/seen"
expect_soon "an I/O-bound one is called home" n1 Where "{\"pid\":$pid}" 'r["state"] == "home"'
expect_soon "and is shown as one" n1 Processes '{}' "any(x['pid'] == $pid and x['reason'] == 'io-bound' for x in r['processes'])"
: >"$work/self/home"
ended self

echo "# a process that is older than the daemon"
steady old n1
before=$(call n1 Status '{}' --print pid)
godwit sandbox kill n1 daemon
expect_soon "there is another daemon" n1 Status '{}' "r['pid'] != $before and r['launcher']"
expect_soon "which knows the nodes" n1 Nodes '{}' 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'
says "it moves by hand" 0 "$pid" on n1 godwit migrate "$pid" n3
is "it is there" n3 "$(place n1 "$pid")"
let_end old

echo "# a process of an ordinary user"
steady user n1 -u games
says "another user may not move it" 3 "belongs to another user" on -u daemon n1 godwit migrate "$pid" n2
is "it stays" n1 "$(place n1 "$pid")"
says "its owner may" 0 "$pid" on -u games n1 godwit migrate "$pid" n2
is "it is there" n2 "$(place n1 "$pid")"
says "another user may not take it home" 3 "belongs to another user" on -u daemon n1 godwit migrate "$pid" home
let_end user
result
