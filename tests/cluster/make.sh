#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# godwit make: a build gives what plain make gives, byte by byte, with the same exit codes and words, wherever its recipes
# ran; a node that fails costs time but no build; what ends make ends its recipes.
# check: timeout 900
set -u
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" make.sh

for program in make gcc ninja; do
	command -v $program >/dev/null || { echo "make.sh: needs $program; skipped"; exit 77; }
done
mkdir "$work/shared" && chmod 777 "$work/shared"
cd "$work/shared" || exit 1
# g COMMAND...: as an ordinary user on n1
g() { timeout 120 godwit sandbox on -u games n1 "$@"; }
gm() { g godwit make --quiet "$@" </dev/null; }
pm() { g make "$@" </dev/null; }
# project NAME: a directory for a case, its makefile from standard input
project() {
	cd "$work/shared" && mkdir "$1" && cd "$1" || exit 1
	cat >Makefile
	chmod -R 777 .
}
sleepers() { # N: how many processes "sleep N" there are on any node
	local node count=0
	for node in n1 n2 n3; do
		# shellcheck disable=SC2016 # expanded in the node
		count=$((count + $(on $node sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline 2>/dev/null; echo; done' | grep -c "^sleep $1 ")))
	done
	echo $count
}
none() { [ "$(sleepers "$1")" = 0 ]; }
some() { [ "$(sleepers "$1")" != 0 ]; }
# equal NAME FILTER: $work/plain and $work/spread, which are filtered
equal() {
	if cmp -s <(sh -c "$2" <"$work/plain") <(sh -c "$2" <"$work/spread"); then ok "$1"; else bad "$1: $(diff "$work/plain" "$work/spread" | head -n 8)"; fi
}
# the same exit code and words as plain make; their order may be another one when several run at once
alike() { # NAME MAKE-ARGUMENTS...
	local what=$1
	shift
	pm -j1 "$@" >"$work/plain" 2>&1
	echo "exit code $?" >>"$work/plain"
	gm "$@" >"$work/spread" 2>&1
	echo "exit code $?" >>"$work/spread"
	equal "$what" 'grep -v "Waiting for unfinished" | sort'
}

# elsewhere NAME FILE...: do the files name another node?
elsewhere() {
	local what=$1
	shift
	if grep -q '^n[23]$' "$@"; then ok "$what"; else bad "$what: all on $(sort -u "$@" | tr '\n' ' ')"; fi
}

up 3
expect_soon "all see each other" n1 Nodes '{}' 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'

echo "# a build in C, with sub-directories"
project c <<'END'
CFLAGS = -O1 -g -MMD
objects = $(patsubst %.c,%.o,$(wildcard *.c))
HOST := $(shell uname -n; env | grep 'LD_PRELOAD\|GODWIT_MAKE')
all: program $(HOST).txt
program: $(objects) lib/libx.a
	$(CC) -o $@ $(objects) lib/libx.a
lib/libx.a:
	$(MAKE) -C lib
%.txt:
	@echo $* > $@
clean:
	rm -f program *.o *.d *.txt; $(MAKE) -C lib clean
-include *.d
END
mkdir lib
cat >lib/Makefile <<'END'
libx.a: $(patsubst %.c,%.o,$(wildcard *.c))
	ar rcD $@ $^
%.o: %.c
	$(CC) -O1 -c $< -o $@; uname -n >>../places
clean:
	rm -f *.o *.a
END
for i in 1 2 3 4 5 6 7 8; do
	echo "int f$i(int x); int f$i(int x) { return x * $i; }" >f$i.c
	echo "int g$i(int x); int g$i(int x) { return x + $i; }" >lib/g$i.c
done
echo 'int f3(int); int g4(int); int main(void) { return f3(g4(2)); }' >main.c
chmod -R 777 .
sums() { find . -type f ! -name places ! -name report.html -exec sha256sum {} + | sort -k2; }
pm -j4 >/dev/null 2>&1 || bad "plain make fails"
sums >"$work/plain"
pm clean >/dev/null 2>&1
rm -f places
g godwit make --report report.html </dev/null >"$work/out" 2>"$work/err" || bad "godwit make fails: $(cat "$work/err")"
sums >"$work/spread"
equal "the same files, byte by byte" cat
elsewhere "some of it was done elsewhere" places
has "the summary counts them" "recipes in" "$(grep "godwit make:" "$work/err")"
has "and tells the nodes" " recipes " "$(grep "^  n[23]" "$work/err")"
is "what \$(shell) runs, runs here" n1 "$(cat ./*.txt)"
has "the page shows them" "main.c" "$(cat report.html)"
is "nothing to do is nothing to do" "make: Nothing to be done for 'all'." "$(gm)"

echo "# what recipes mean stays"
project words <<'END'
SHELL = /bin/bash
.SHELLFLAGS = -eu -o pipefail -c
env:
	@env | grep -v '^MAKE\|^MFLAGS' | sort
pipe:
	@false | true; echo not reached
unset:
	@echo $$surely_unset
status:
	@exit 7
signal:
	@kill -USR1 $$$$
missing:
	no-such-program at all
missing-file:
	@cat no-such-file
many: env pipe unset status signal missing missing-file
.ONESHELL:
one:
	@x=5
	echo $$x '<&">' $$((x + 1))
	exit 4
here:
	@uname -n
END
alike "the environment" env
alike "bash with pipefail" pipe
alike "bash with -u" unset
alike "an exit code" status
alike "a signal" signal
alike "a program that is nowhere" missing
alike "a file that is nowhere" missing-file
alike "a shell for all lines" one
gm --report page.html one >/dev/null 2>&1
has "a command is text in the page" "&#60;&#38;&#34;&#62;" "$(cat page.html)"
alike "as many as go, with -k" -k many
alike "-n runs nothing" -n many
is "--local" n1 "$(gm --local 'nothing*' --local '*name -n' here)"
is "--local=, and a tool by its path" n1 "$(gm '--local=una*' --tool "$(command -v make)" here)"
# shellcheck disable=SC2016 # written as it stands
printf 'all: a b\na b:\n\t@read -r x; echo "$@ $$x" >$@.out\n' >stdin.mk
printf 'one\ntwo\n' >lines
g sh -c 'godwit make --quiet -j1 -f stdin.mk <lines'
is "recipes share a file as input" "a one/b two/" "$(cat a.out b.out | tr '\n' /)"
printf 'one\ntwo\n' | g godwit make --quiet -j1 -f stdin.mk
is "or a pipe" "a one/b two/" "$(cat a.out b.out | tr '\n' /)"
printf 'one\ntwo\n' | g godwit make --quiet --no-stdin -j1 -f stdin.mk 2>/dev/null
is "or have none" "a /" "$(cat a.out | tr '\n' /)"
says "no such makefile" 2 "No targets specified" gm -C /
says "an unknown tool" 127 "cannot execute \"no-such-tool\"" g env PATH="$bin:/usr/bin:/bin" godwit make --tool no-such-tool
says "no daemon: it runs here" 0 "all recipes run here" g env GODWIT_SOCKET=/nonexistent/socket godwit make here

echo "# output is not interleaved"
project lines <<'END'
all: $(foreach i,1 2 3 4 5 6,t$i)
t%:
	@for k in 1 2 3 4 5; do echo $@; sleep 0.02; done
END
is "each in one piece" 6 "$(gm | uniq | wc -l)"

echo "# reasons of a node"
# /run/godwit is each node's own
on n1 sh -c 'echo x >/run/godwit/only-here; chmod 644 /run/godwit/only-here; chmod 755 /run/godwit'
project reasons <<'END'
all: $(foreach i,1 2 3 4 5 6,r$i)
r%:
	@sleep 0.2; cat /run/godwit/only-here
END
gm >"$work/out" 2>"$work/err" || bad "a file that is on this node only: exit code $?"
is "a file that is on this node only" 6 "$(grep -c x "$work/out")"
has "and it is told" "/run/godwit/only-here is not there" "$(cat "$work/err")"
on n2 godwit node block >/dev/null
on n3 godwit node block >/dev/null
expect_soon "blocked" n1 Nodes '{}' 'sum(x["blocked"] for x in r["nodes"]) == 2'
project blocked <<'END'
all: $(foreach i,1 2 3 4,r$i)
r%:
	@uname -n
END
is "nodes that take nothing get nothing" n1 "$(gm | sort -u)"
on n2 godwit node unblock >/dev/null
on n3 godwit node unblock >/dev/null
expect_soon "not blocked" n1 Nodes '{}' 'not any(x["blocked"] for x in r["nodes"])'

echo "# the CPU time of other nodes"
project used <<END
all: a b c d e f
a b c d e f:
	@$python -c 'import time; exec("while time.process_time() < 0.5: pass")'; uname -n >>places
END
g godwit make --report page.html </dev/null >/dev/null 2>"$work/err" || bad "a build that computes: $(cat "$work/err")"
is "is counted" yes "$(sed -n 's/.* here, \([0-9.]*\) s elsewhere$/\1/p' "$work/err" |
	awk -v n="$(grep -c '^n[23]$' places)" '{ print n && $1 >= 0.5 * n - 0.05 && $1 < n + 1 ? "yes" : $1 " s of " n " recipes" }')"
has "in the page, too" "CPU time 0." "$(cat page.html)"
echo "# ninja"
project ninja <<'END'
END
{
	printf 'rule r\n  command = uname -n > $out; sleep 0.2\n'
	for i in 1 2 3 4 5 6; do printf 'build o%s: r\n' $i; done
} >build.ninja
g godwit make --tool ninja >"$work/out" 2>&1 || bad "ninja: $(cat "$work/out")"
elsewhere "its commands are spread" o*
is "all of them" 6 "$(cat o* | wc -l)"

echo "# godwit cc"
project cc <<'END'
objects = $(foreach i,1 2 3 4 5 6,f$i.o)
program: main.o $(objects)
	$(CC) -o $@ $^
END
for i in 1 2 3 4 5 6; do echo "int f$i(void); int f$i(void) { return $i; }" >f$i.c; done
echo 'int f5(void); int main(void) { return f5(); }' >main.c
# shellcheck disable=SC2016 # written as it stands
printf '#!/bin/sh\nuname -n >>%s/places\nexec gcc "$@"\n' "$PWD" >compiler
chmod 755 compiler
g env GODWIT_CC=./compiler make -s -j4 CC='godwit cc' </dev/null >"$work/out" 2>&1 || bad "godwit cc: $(cat "$work/out")"
is "the program is right" 5 "$(g ./program; echo $?)"
elsewhere "some was compiled elsewhere" places
says "an error of the source" 1 "error:" g sh -c 'echo nonsense >bad.c; godwit cc -c bad.c' </dev/null
says "what is asked of the compiler" 0 "Free Software" g godwit cc --version
says "without a daemon" 0 "" g env GODWIT_SOCKET=/nonexistent/socket godwit cc -c main.c

echo "# what ends make ends its recipes"
project sleep <<'END'
all: $(foreach i,1 2 3,t$i)
t%:
	sleep 4321
	touch $@
END
# As a terminal does, INT goes to the whole group; make leaves it to its recipes to end by it.
for signal in INT TERM KILL; do
	start "ended-$signal" n1 -u games env --default-signal=INT,QUIT setsid godwit make --quiet -C "$PWD"
	wait_for "recipes run ($signal)" 30 some 4321
	if [ $signal = INT ]; then on n1 kill -INT -- "-$pid"; else on n1 kill -$signal "$pid"; fi
	wait_for "none does ($signal)" 30 none 4321
	wait_for "make has ended ($signal)" 10 test -s "$work/ended-$signal/status"
done
is "nothing was made" Makefile "$(ls)"

echo "# a node that fails"
project lost <<'END'
all: $(foreach i,1 2 3 4 5 6,t$i)
	cat t*
t%:
	@uname -n >>started; sleep 1.5; echo $* >$@
END
start lost n1 -u games godwit make --quiet -C "$PWD"
wait_for "a recipe runs there" 30 grep -q n2 started
godwit sandbox kill n2 all >/dev/null
wait_for "make ends" 90 test -s "$work/lost/status"
is "in order" 0 "$(cat "$work/lost/status")"
is "with all that it was to make" "1 2 3 4 5 6 " "$(cat t* | tr '\n' ' ')"
has "and it is told" "n2: " "$(cat "$work/lost/err")"

[ $failures = 0 ]
