#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# godwit exec: a command on another node finds there what its caller has, and its caller finds what the command does; whatever
# fails says so, and leaves nothing running. Each case is what a user would type.
# check: timeout 600
set -u
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" exec-remote.sh

export GODWIT_FAULT_FILE=$work/faults # read by the daemons at each point
: >"$work/faults"
fault() { printf '%s' "$1" >"$work/faults.new" && mv "$work/faults.new" "$work/faults"; }
full=${GODWIT_FULL:-}
mkdir "$work/shared" && chmod 777 "$work/shared"
cd "$work/shared" || exit 1
# g COMMAND...: as an ordinary user on n1; x: the command there on n2
g() { timeout 120 godwit sandbox on -u games n1 "$@"; }
x() { g godwit exec --node n2 "$@"; }
# there NAME WANTED COMMAND...: what it writes on n2
there() {
	local what=$1 wanted=$2
	shift 2
	is "$what" "$wanted" "$(x "$@" 2>&1)"
}
# here_and_there NAME COMMAND...: the same as without godwit
here_and_there() {
	local what=$1
	shift
	g "$@" >"$work/here" 2>&1
	echo "exit code $?" >>"$work/here"
	x "$@" >"$work/there" 2>&1
	echo "exit code $?" >>"$work/there"
	if cmp -s "$work/here" "$work/there"; then ok "$what"; else bad "$what: $(diff "$work/here" "$work/there" | head -n 5)"; fi
}
# sleepers NODE N: the states of the processes there that are "sleep N"
sleepers() {
	# shellcheck disable=SC2016 # expanded in the node
	on "$1" sh -c 'for p in /proc/[0-9]*; do
		[ "$(cat $p/comm 2>/dev/null)" = sleep ] && tr "\0" " " <$p/cmdline | grep -q " $1 " && sed -n "s/^State:.\(.\).*/\1/p" $p/status
	done' sh "$2"
}
sleeps() { [ "$(sleepers "$1" "$2")" = "$3" ]; } # NODE N STATES
none() { sleeps "$1" "$2" ''; }

# fresh N: another name for the daemon's socket, and so another broker, which has no link yet
fresh() { printf '/run/godwit%*s/control.sock' "$1" '' | tr ' ' /; }

up 3
expect_soon "all see each other" n1 Nodes '{}' 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'

echo "# what a command finds"
there "it runs there" n2 uname -n
there "as the same user" "uid=5(games) gid=60(games) groups=60(games)" id
there "in the same directory" "$work/shared" pwd
# shellcheck disable=SC2016 # expanded there
{
	here_and_there "the umask" sh -c 'umask'
	here_and_there "its output and errors, and its exit code" sh -c 'echo out; echo err >&2; exit 7'
	here_and_there "both on one pipe stay in order" sh -c 'for i in $(seq 200); do echo $i; echo $i >&2; done'
	here_and_there "arguments with odd bytes" sh -c 'printf "%s|" "$@"' sh 'a b' '' $'c\nd' '*' $'\xff\x01' '$HOME' "'"
	is "the umask of the caller" 0027 "$(g sh -c 'umask 027; godwit exec --node n2 sh -c umask')"
	is "limits" "777 unlimited 5555" "$(g sh -c 'ulimit -n 777; ulimit -t 5555; godwit exec --node n2 sh -c "echo \$(ulimit -n) \$(ulimit -v) \$(ulimit -t)"')"
	is "niceness" 7 "$(g nice -n 7 godwit exec --node n2 nice)"
	is "a signal that is ignored" "0000000000000001" "$(g sh -c 'trap "" HUP; godwit exec --node n2 sh -c "sed -n s/SigIgn:.//p /proc/self/status"')"
	is "a descriptor that is closed" closed "$(g sh -c 'godwit exec --node n2 sh -c "readlink /proc/self/fd/0 || echo closed" <&-')"
}
g env -i A=1 "B=x y" $'C=\xfe\nnewline' D= PATH="$PATH" GODWIT_RUN=/run/godwit godwit exec --node n2 env -0 | sort -z >"$work/there"
g env -i A=1 "B=x y" $'C=\xfe\nnewline' D= PATH="$PATH" GODWIT_RUN=/run/godwit env -0 | sort -z >"$work/here"
if cmp -s "$work/here" "$work/there"; then ok "the environment, with odd bytes"; else bad "the environment: $(tr '\0' '\n' <"$work/there" | head -n 5)"; fi
is "only some of it" "A=1" "$(g env A=1 B=2 godwit exec --node n2 --clear-env --env A,Z /usr/bin/env)"
is "nothing of it" "" "$(g env A=1 godwit exec --node n2 --clear-env /usr/bin/env)"
python3 - "$work" <<'END'
import sys
with open(sys.argv[1] + '/words', 'w') as f:
    f.write('\n'.join('%d%s' % (i, 'y' * 25000) for i in range(40)))
END
# shellcheck disable=SC2016 # expanded there
is "1 MB of arguments" "$(tr '\n' ' ' <"$work/words" | sha256sum)" "$(g sh -c 'xargs -s 1500000 -x godwit exec --node n2 sh -c '"'"'printf "%s " "$@"'"'"' sh <"$1"' sh "$work/words" | sed 's/ $//' | { cat; printf ' '; } | sed 's/ $//' | sha256sum)"

echo "# streams"
is "standard input" "a b" "$(printf 'a b' | x cat)"
is "it has an end" "" "$(x cat </dev/null)"
is "none is read with --no-stdin" "left" "$(echo left | g sh -c 'godwit exec --node n2 --no-stdin cat; cat')"
printf 'one\ntwo\nthree\n' >lines
# shellcheck disable=SC2016 # expanded there
is "of a file only what the command has read" "one/x:two/three/x:" \
	"$(g sh -c 'while read -r l; do echo "$l"; godwit exec --node n2 sh -c "read -r x; echo x:\$x"; done <lines' | tr '\n' '/' | sed 's/.$//')"
is "a reader that goes ends the command as it would here" "y 141" "$(g bash -c 'godwit exec --node n2 yes | head -n 1; echo ${PIPESTATUS[0]}' | tr '\n' ' ' | sed 's/ $//')"
size=$((64 << 20))
[ -z "$full" ] || size=$((1 << 30))
is "$((size >> 20)) MB through cat" "$(head -c $size /dev/zero | openssl enc -aes-128-ctr -K 0 -iv 0 2>/dev/null | sha256sum)" \
	"$(head -c $size /dev/zero | openssl enc -aes-128-ctr -K 0 -iv 0 2>/dev/null | g godwit exec --node n2 cat | sha256sum)"

echo "# what it has used"
busy='import os, time
while time.process_time() < 0.6: pass
os.system("exit 0"); raise SystemExit(3)'
# timed NAME NODE COMMAND...: the line of --time, by which at least 0.6 s of a CPU was used there
timed() {
	local what=$1 node=$2
	shift 2
	"$@" >"$work/out" 2>"$work/said"
	is "$what: its exit code" 3 $?
	is "$what" "yes" "$(sed -n "s/^godwit: on $node: \\([0-9.]*\\) s elapsed, \\([0-9.]*\\) s user, \\([0-9.]*\\) s system, \\([0-9]*\\) KB\$/\\1 \\2 \\3 \\4/p" "$work/said" |
		awk '{ print(($1 >= 0.6 && $2 + $3 >= 0.59 && $2 + $3 < 2 && $4 > 2000) ? "yes" : $0) }')"
}
timed "--time" n2 g godwit exec --node n2 --time "$python" -c "$busy"
timed "--time, of a command that runs here" "this node" g godwit exec --node n1 --time "$python" -c "$busy"
# shellcheck disable=SC2016 # expanded there
says "--time, and a signal that ends it" 143 "godwit: on this node:" g godwit exec --node n1 --time sh -c 'kill -TERM $$'
echo "# exit codes and signals"
says "no such command" 127 'n2: cannot execute "./no-such-command": No such file' x ./no-such-command
says "not executable" 126 'n2: cannot execute "./lines": Permission denied' x ./lines
says "a directory" 126 "Permission denied" x /tmp
for signal in TERM KILL INT SEGV; do
	number=$(kill -l $signal)
	g bash -c "godwit exec --node n2 sh -c 'kill -$signal \$\$'; exit \$?" 2>/dev/null
	is "ended by SIG$signal" $((128 + number)) $?
done
# begin NAME COMMAND...: a godwit exec on n1 whose pid there is $pid, once its command has written "up"
begin() {
	local name=$1
	shift
	# a shell has its background commands ignore some signals, and so would theirs
	start "$name" n1 -u games env --default-signal=INT,QUIT godwit exec --node n2 "$@"
	wait_quietly 30 grep -q up "$work/$name/out" || bad "$name does not begin: $(cat "$work/$name/err")"
}
code() { # NAME WANTED: how it has ended
	wait_quietly 60 test -s "$work/$1/status" || bad "$1 does not end"
	is "$1" "$2" "$(cat "$work/$1/status")"
}
for signal in INT TERM HUP QUIT USR1 USR2; do
	begin "caught-$signal" bash -c "trap 'echo got; exit 9' $signal; echo up; sleep 1000 & wait; sleep 1000"
	on n1 kill -$signal "$pid"
	code "caught-$signal" 9
done
begin "deadly" sh -c 'echo up; exec sleep 1000'
on n1 kill -TERM "$pid"
code "deadly" 143
begin stops sh -c 'echo up; exec sleep 1234'
on n1 kill -TSTP "$pid"
# shellcheck disable=SC2016 # expanded in the node
{
	wait_for "stopped here" 20 on n1 sh -c 'grep -q "^State:.T" /proc/$1/status' sh "$pid"
	wait_for "and there" 20 sleeps n2 1234 T
	on n1 kill -CONT "$pid"
	wait_for "both go on" 20 sleeps n2 1234 S
}
on n1 kill -TERM "$pid"
code stops 143

echo "# the caller goes"
begin killed sh -c 'setsid sleep 1777 & (sleep 1777 &) ; nohup sleep 1777 >/dev/null 2>&1 & echo up; sleep 1777'
on n1 kill -KILL "$pid"
wait_for "the command has gone, and all that it started" 20 none n2 1777
# shellcheck disable=SC2016 # expanded there
is "what a command leaves behind" "done" "$(x sh -c 'setsid sleep 1888 >/dev/null 2>&1 </dev/null & echo done')"
wait_for "ends with it" 20 none n2 1888
# as they do without godwit, a command ends when it ends, and what it has left behind may write on
mkfifo "$work/shared/later" && chmod 666 "$work/shared/later"
exec 8<>"$work/shared/later"
x sh -c '(read -r x <later; echo $x) & echo now; exit 5' >"$work/left" 2>&1
is "a command that leaves a writer behind ends" 5 $?
is "with its output" now "$(cat "$work/left")"
echo more >&8
wait_for "and the other's output comes, too" 20 grep -q more "$work/left"
exec 8>&-

echo "# refusals"
says "no such node" 125 "no node named n9 is known" g godwit exec --node n9 true
says "two ways to say where" 125 "exclude each other" g godwit exec --node n2 --best true
mkdir "$work/shared/gone"
says "a directory that has gone" 125 "has no name any more" g sh -c "cd $work/shared/gone && rmdir $work/shared/gone && godwit exec --node n2 true"
on n1 mkdir -m 777 /run/only-here /run/both && on n2 mkdir -m 777 /run/both
says "a directory that is not there" 125 "n2: the directory /run/only-here cannot be entered there: No such file" g sh -c 'cd /run/only-here && godwit exec --node n2 true'
says "another directory of that name" 125 "n2: /run/both is another directory there" g sh -c 'cd /run/both && godwit exec --node n2 true'
says "it runs here if that is wanted" 0 "n1" g sh -c 'cd /run/both && godwit exec --node n2 --or-local uname -n'
has "which is said" "the command runs here" "$(cat "$work/said")"
mkdir -m 700 "$work/secret"
says "a directory that the user may not enter" 125 "the working directory cannot be looked at: Permission denied" on n1 sh -c "cd $work/secret && setpriv --reuid 5 --regid 60 --clear-groups godwit exec --node n2 true"
grep -v '^games:' /etc/passwd >"$work/passwd"
on n2 mount --bind "$work/passwd" /etc/passwd
says "a user who is not known there" 125 "n2: there is no user games" g env GODWIT_SOCKET="$(fresh 2)" godwit exec --node n2 true
sed 's/^games:x:5:/games:x:4444:/' /etc/passwd >"$work/passwd2"
on n2 sh -c "umount /etc/passwd && mount --bind $work/passwd2 /etc/passwd"
says "a user of another number there" 125 "user games has the number 4444 here, and 5 there" g env GODWIT_SOCKET="$(fresh 3)" godwit exec --node n2 true
on n2 umount /etc/passwd
says "the daemon's user" 125 "is that of the node's daemon" on -u nobody n1 godwit exec --node n2 true
on n2 godwit node block >/dev/null
says "a blocked node" 125 "takes no guests" x true
on n2 godwit node unblock >/dev/null
there "it takes commands again" n2 uname -n
mkdir "$work/shared/small"
on n2 mount -t tmpfs -o size=64k,mode=777 none "$work/shared/small"
says "a full disk there is the command's own error" 1 "No space left on device" x dd if=/dev/zero of="$work/shared/small/file" bs=1k count=1000
on n2 umount "$work/shared/small"
rmdir "$work/shared/small"
says "no daemon" 125 "no godwitd answers" g env GODWIT_SOCKET=/run/godwit/none.sock godwit exec true
says "no daemon, but here it may be" 0 "n1" g env GODWIT_SOCKET=/run/godwit/none.sock godwit exec --or-local uname -n
is "on this node it simply runs" n1 "$(g godwit exec --node n1 uname -n)"
case $(g godwit exec uname -n) in n[123]) ok "some node is the best" ;; *) bad "no node is the best" ;; esac
case $(g godwit exec --from n2,n3 uname -n) in n[23]) ok "one of two" ;; *) bad "none of two" ;; esac

echo "# faults"
n=10
for point in executor-launch executor-pass; do
	n=$((n + 1))
	fault $point:error
	says "$point fails" 125 "n3" g env GODWIT_SOCKET="$(fresh $n)" godwit exec --node n3 true
done
fault executor-start:error
says "executor-start fails" 125 "it executes too much already" g godwit exec --node n3 true
fault ""
is "then it goes" n3 "$(g godwit exec --node n3 uname -n)"
begin daemon sh -c "echo up; cat $work/never2; echo end"
before=$(call n2 Status '{}' --print pid)
godwit sandbox kill n2 daemon
expect_soon "there is another daemon there" n2 Status '{}' "r['pid'] != $before and r['launcher']"
expect_soon "which is known again" n1 Nodes '{}' 'all(x["state"] == "up" for x in r["nodes"])'
# the command fails at once, for there is no such file: what it says came over the link of the executor before
code daemon 0
there "a new daemon, new commands" n2 uname -n
begin broker sh -c 'echo up; exec sleep 1999'
# shellcheck disable=SC2016 # expanded in the node
on n1 sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = godwit-execd ] && kill -KILL ${p#/proc/}; done'
code broker 125
has "the broker killed: it is said" "was lost" "$(cat "$work/broker/err")"
wait_for "and the command has gone" 20 none n2 1999
there "there is another broker" n2 uname -n
begin keeper sh -c 'echo up; sleep 1666 & exec sleep 1666'
# shellcheck disable=SC2016 # expanded in the node
on n2 sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = godwit-keeper ] && kill -KILL ${p#/proc/}; done'
code keeper 125
wait_for "the keeper killed: the command has gone" 20 none n2 1666
begin cut sh -c 'echo up; exec sleep 1555'
godwit sandbox net cut n2
code cut 125
has "the network cut: it is said" "what has become of the command is not known" "$(cat "$work/cut/err")"
godwit sandbox net heal n2
wait_for "and the command has gone" 30 none n2 1555
start node n1 -u games godwit exec --node n3 sh -c 'echo up; exec sleep 1444'
wait_quietly 30 grep -q up "$work/node/out" || bad "node does not begin"
godwit sandbox kill n3 all
code node 125
has "the node killed: it is said" "n3" "$(cat "$work/node/err")"

echo "# many"
expect_soon "n2 is reached" n1 Nodes '{}' 'any(x["name"] == "n2" and x["state"] == "up" for x in r["nodes"])'
there "n2 answers" n2 uname -n
open_files() { on n2 sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = godwitd ] && ls $p/fd | wc -l; done'; }
resident() { on n2 sh -c 'for p in /proc/[0-9]*; do case $(cat $p/comm 2>/dev/null) in godwitd | godwit-executor) sed -n "s/VmRSS:[^0-9]*\([0-9]*\).*/\1/p" $p/status ;; esac; done' | awk '{ s += $1 } END { print s }'; }
files=$(open_files)
memory=$(resident)
row=1000 once=50
[ -z "$full" ] || row=10000 once=200
# shellcheck disable=SC2016 # expanded there
{
	is "$row in a row" "$row" "$(timeout 300 godwit sandbox on -u games n1 sh -c 'i=0; while [ $i -lt $1 ]; do godwit exec --node n2 echo x || echo failed; i=$((i + 1)); done | grep -c x' sh $row)"
	is "$once at once" "$(seq $once | tr '\n' ' ')" "$(g sh -c 'for i in $(seq $1); do godwit exec --node n2 sh -c "cat >/dev/null; echo $i" </dev/null & done; wait' sh $once | sort -n | tr '\n' ' ')"
}
wait_for "no keeper is left" 20 sh -c "[ \$(godwit sandbox on n2 sh -c 'cat /proc/[0-9]*/comm' | grep -c godwit-keeper) = 0 ]"
is "no descriptor of the daemon" "$files" "$(open_files)"
grown=$(($(resident) - memory))
if [ $grown -lt 6000 ]; then ok "no memory"; else bad "$grown KB more"; fi
# 300 commands of one user wait for a lock: more than run together; another user is not among those who wait
exec 7>lock
chmod 666 lock
flock 7
# shellcheck disable=SC2016 # expanded there
start flood n1 -u games sh -c 'for i in $(seq 300); do godwit exec --node n2 sh -c "echo $i >>begun; flock -s lock echo $i" & done; wait'
wait_for "256 of 300 run" 60 sh -c '[ "$(wc -l <begun)" = 256 ]'
is "another user is served at once" n2 "$(timeout 20 godwit sandbox on -u man n1 godwit exec --node n2 uname -n)"
is "the others still wait" 256 "$(wc -l <begun)"
flock -u 7
wait_quietly 120 test -s "$work/flood/status" || bad "the flood does not end"
is "all 300 have run" "$(seq 300 | sha256sum)" "$(sort -n "$work/flood/out" | sha256sum)"
result
