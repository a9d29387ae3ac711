#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The godwit command against a stand-in for the daemon (tests/unit/cli/fake-godwitd.py): every exit code, what is
# printed for people and for programs, and that it behaves well in odd surroundings.
#
#   cli.sh [DIRECTORY]      the directory with godwit (default: build/src of the source tree)
#
# Needs no root.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
bin=${1:-${GODWIT_BUILD:-$top/build}/src}
[ -x "$bin/godwit" ] || { echo "cli.sh: there is no $bin/godwit; skipped"; exit 77; }
command -v python3 >/dev/null || { echo "cli.sh: needs python3; skipped"; exit 77; }
work=$(mktemp -d)
PATH=$bin:$PATH
failures=0
unset GODWIT_SANDBOX
export GODWIT_SOCKET=$work/run/control.sock GODWIT_FAKE_DIR=$work/members NO_COLOR=

mkdir "$work/members"
mkfifo "$work/ready"
python3 "$top/tests/unit/cli/fake-godwitd.py" --run "$work/run" --name n1 --ready-fd 7 7> "$work/ready" 2> "$work/log" &
daemon=$!
trap 'kill $daemon 2>/dev/null; rm -rf "$work"' EXIT
read -r -t 15 -n 1 < "$work/ready" || { echo "FAIL the stand-in does not start: $(cat "$work/log")"; exit 1; }

ok() { echo "ok   $1"; }
bad() {
	echo "FAIL $1"
	failures=$((failures + 1))
}
is() {
	if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: wanted \"$2\", got \"$3\""; fi
}
has() {
	case $3 in
	*"$2"*) ok "$1" ;;
	*) bad "$1: no \"$2\" in \"$3\"" ;;
	esac
}
# code WANTED COMMAND...: its exit code; what it says is in $work/out and $work/err
code() {
	local wanted=$1 got
	shift
	"$@" > "$work/out" 2> "$work/err" < /dev/null
	got=$?
	is "$(printf '%.60s' "$*") gives $wanted" "$wanted" $got
}
json() { python3 -c 'import json, sys; print(eval(sys.argv[1], {"j": json.load(sys.stdin)}))' "$1"; }

echo "# exit codes of migrate"
code 0 godwit migrate 4711 n2
is "and the line" "moved 4711 (victim) n1 -> n2: freeze 3.1 ms, total 20.0 ms, 16.2 MB" "$(cat "$work/out")"
code 3 godwit migrate 9001 n2 # confined
is "the sentence goes to stderr" "godwit: sentence number 1" "$(cat "$work/err")"
is "and nothing to stdout" "" "$(cat "$work/out")"
code 3 godwit migrate 9044 n2 # blocked
code 3 godwit migrate 9041 n2 # not permitted
code 4 godwit migrate 9043 n2 # dead
code 4 godwit migrate 9049 n2 # unreachable
code 5 godwit migrate 9052 n2 # timeout
code 6 godwit migrate 9054 n2 # link lost
code 6 godwit migrate 9061 n2 # killed on its host
code 1 godwit migrate 9057 n2 # internal
code 2 godwit migrate x n2
code 2 godwit migrate 1
code 4 godwit --at "$work/none" migrate 4711 n2
code 0 godwit migrate --dry-run 4711 n2
code 3 godwit migrate --dry-run 77 n2
has "with every objection" "it has more than one thread" "$(cat "$work/out")"

echo "# lists"
code 0 godwit ps
is "heading" " PID USER HOME NODE STATE CPU MEM MOVES CALLS/s REASON COMMAND" "$(head -n 1 "$work/out" | tr -s ' ')"
is "no control characters" 0 "$(grep -c "$(printf '\033')" "$work/out")"
is "as JSON" 4711 "$(godwit ps --json | json 'j["processes"][0]["pid"]')"
code 0 godwit nodes
is "heading of nodes" "NODE STATE CPUS SPEED LOAD MEM FREE GUESTS AGE VERSION" "$(head -n 1 "$work/out" | tr -s ' ')"
is "nodes as JSON" n1 "$(godwit nodes --json | json 'j["nodes"][0]["name"]')"
is "where" n2 "$(godwit where 4711)"
has "why" "it has more than one thread" "$(godwit why 4711)"
has "and calls" "read" "$(godwit why 4711)"
has "and what it used" "0.98 processors, 120 forwarded calls/s; to n1 2.4 K" "$(godwit why 4711)"
is "why as JSON" False "$(godwit why --json 4711 | json 'j["movable"]')"
code 1 godwit where 666 # an answer that is no JSON
code 0 godwit pin 1 2
code 3 godwit pin 1 9040 2
has "names the process" "9040: sentence number 40" "$(cat "$work/err")"
code 0 godwit unpin 1
code 0 godwit treat cpu 1 2
code 3 godwit treat io 9041
code 2 godwit treat io
code 0 godwit trace 4711
is "trace" 3 "$(grep -c 'read(0, "x", 1) = 1' "$work/out")"
code 3 godwit trace 9050
code 0 godwit doctor
has "doctor" "mend: ntpd" "$(cat "$work/out")"
code 4 godwit --at "$work/none" doctor
has "doctor without a daemon" "fail  daemon" "$(cat "$work/out")"

echo "# the node"
has "node" "takes no guests" "$(godwit node block)"
code 2 godwit node frobnicate
is "token" gw1.fake "$(godwit token 2>/dev/null)"
code 0 godwit init --name n1 --address 127.0.0.1 --port 7117
code 2 godwit init --port 70000
is "join reads a token" 0 "$(echo gw1.fake | godwit join - > "$work/out"; echo $?)"
code 2 godwit join - # nothing on stdin
code 0 godwit leave

echo "# run"
code 7 godwit run sh -c 'exit 7'
is "quietly" "" "$(cat "$work/err")"
code 127 godwit run /no/such/program
code 126 godwit run /etc/passwd
code 125 godwit run --node nowhere true
code 125 godwit run --node n1 --home true
code 125 godwit run --frob true
code 0 godwit --at "$work/none" run true
is "without a daemon it says so once" 1 "$(wc -l < "$work/err")"
sh -c 'echo $$; exec godwit run sh -c "echo \$\$"' > "$work/out"
is "the command is the same process" 1 "$(sort -u "$work/out" | wc -l)"
is "descriptors pass" hello "$(godwit run sh -c 'cat <&8' 8<<< hello)"
is "and no other" "" "$(godwit run ls -l /proc/self/fd | grep -E 'socket:|anon_inode')"

echo "# make and cc: what is none of their options is for the other program"
printf 'all:\n\t@echo built\nfail:\n\t@exit 3\n' >"$work/makefile"
code 0 godwit make -s -f "$work/makefile"
is "it builds" built "$(cat "$work/out")"
has "and says what it has done" "1 recipes" "$(cat "$work/err")"
code 2 godwit make --quiet --report "$work/page" -f "$work/makefile" fail
has "the page is written" "</html>" "$(cat "$work/page")"
code 0 godwit make --version
code 125 godwit make --report
code 0 godwit --at "$work/none" make -f "$work/makefile"
code 0 env GODWIT_CC="echo a" godwit cc --quiet b
is "words and arguments" "a --quiet b" "$(cat "$work/out")"
code 125 env GODWIT_CC=" " godwit cc b
code 127 env GODWIT_CC=/no/such/compiler godwit cc -c b

echo "# help"
code 0 godwit help
code 0 godwit --help
code 0 godwit migrate --help
has "help leads with an example" "$ godwit migrate 4711 n2" "$(cat "$work/out")"
code 0 godwit help sandbox net
code 2 godwit help migrat
has "typo" 'did you mean "migrate"?' "$(cat "$work/err")"
code 2 godwit
code 2 godwit nodse
code 0 godwit --version
bash -n "$bin/cli/godwit"
is "the completion is a script" 0 $?
complete_line() { # WORDS...: what the completion offers for the last of them
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _godwit; echo "${COMPREPLY[*]}"' - "$bin/cli/godwit" "$@"
}
is "completes verbs" "migrate" "$(complete_line godwit mi)"
is "completes nodes" "n1" "$(complete_line godwit run --node n)"
is "completes the second level" "down" "$(complete_line godwit sandbox "do")"
has "completes options" "--dry-run" "$(complete_line godwit migrate --d)"
has "completes processes" "4711" "$(complete_line godwit why 4)"

echo "# the simulator"
printf '[nodes]\ncount = 4\n[jobs]\narrive = once 8\nhome = 1\n' > "$work/a.sim"
code 0 godwit sim --plot "$work/a.svg" --csv "$work/a.csv" "$work/a.sim"
is "the seed is told" "seed 1" "$(head -n 1 "$work/out")"
is "a line for each strategy" 9 "$(wc -l < "$work/a.csv")"
is "the plot is XML" svg "$(python3 -c 'import sys, xml.dom.minidom as x; print(x.parse(sys.argv[1]).documentElement.tagName)' "$work/a.svg")"
is "results as JSON" 8 "$(godwit sim --json --strategy policy "$work/a.sim" | json 'j["strategies"][0]["ended"]')"
is "other settings, another result" 1 "$(godwit sim --json --strategy none --set run.seed=9 "$work/a.sim" | json 'j["strategies"][0]["moves"] is None' | grep -c True)"
is "comparison" 3 "$(godwit sim --compare --scenarios 3 --json "$work/a.sim" | json 'j["scenarios"]')"
code 1 godwit sim "$work/none.sim"
code 1 godwit sim --replay "$work/a.sim"
has "no recording" "it is no recording of godwitd --record" "$(cat "$work/err")"
code 2 godwit sim --strategy luck "$work/a.sim"
echo 'rabbits = 3' >> "$work/a.sim"
code 2 godwit sim "$work/a.sim"
has "names the line" "a.sim:6: [jobs] has no key rabbits" "$(cat "$work/err")"

echo "# odd surroundings"
godwit nodes > /dev/full 2> "$work/err"
is "a full disk" 1 $?
has "is said" "cannot write" "$(cat "$work/err")"
godwit nodes >&- 2>/dev/null
is "no stdout" 1 $?
godwit nodes > /dev/null 2>&- <&-
is "nothing else" 0 $?
is "TERM is garbage" "NODE" "$(TERM=garbage COLUMNS=1 godwit nodes | head -n 1 | cut -d' ' -f1)"
code 0 env -i GODWIT_SOCKET="$GODWIT_SOCKET" "$bin/godwit" ps
if command -v script >/dev/null; then
	out=$(TERM=xterm script -qec "godwit nodes" /dev/null < /dev/null)
	has "colour on a terminal" "$(printf '\033[1m')" "$out"
	out=$(NO_COLOR=1 TERM=xterm script -qec "godwit nodes" /dev/null < /dev/null)
	is "not with NO_COLOR" "NODE" "$(printf %s "$out" | head -n 1 | cut -c1-4)"
	out=$(TERM=xterm script -qec "stty cols 40; godwit ps" /dev/null < /dev/null | tr -d '\r' | sed 's/\x1b\[[0-9]*m//g' | awk '{ print length }' | sort -n | tail -n 1)
	is "lines are cut at the terminal's width only behind the last column" 1 "$((out >= 40 && out < 90))"
fi
godwit nodes | head -c 1 > /dev/null
is "a reader that goes away" 0 "${PIPESTATUS[1]}"

echo
[ $failures -eq 0 ] && echo "cli.sh: all is well" || echo "cli.sh: $failures failed"
[ $failures -eq 0 ]
