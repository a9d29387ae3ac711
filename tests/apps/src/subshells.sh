#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Subshells keep what they change; command substitution in all depths; exec, cd, umask, limits and descriptors.
f() { local depth=$1; ((depth == 0)) && echo leaf || echo "($(f $((depth - 1))) $depth)"; }
for ((round = 0; round < ${1:-5}; round++)); do
	x=outer
	# shellcheck disable=SC2030,SC2031 # that it is lost is what is shown
	(x=inner; (x=innermost; echo "$x $BASH_SUBSHELL"); echo "$x $BASH_SUBSHELL")
	# shellcheck disable=SC2031
	echo "$x $BASH_SUBSHELL"
	f 6
	(cd / && pwd && umask 027 && umask)
	[ "$PWD" = "$(pwd)" ] && echo "still here" && umask
	(ulimit -n 64; ulimit -n)
	(exec sh -c 'echo "exec $0 $1"; exit 11' a b)
	echo "code $?"
	(exec 3> file; echo three >&3; echo four >&3)
	cat file
	echo none 2> /dev/null >&3 || echo "descriptor 3 is not open here"
	big=$(seq 1 40000)
	echo "${#big} $(echo "$big" | cksum)"
	lines=()
	while read -r a b; do lines+=("$b$a"); done < <(seq 1 400 | paste - -)
	echo "${#lines[@]} ${lines[199]}"
	y=$( (echo "to err" >&2; echo "to out") 2>&1)
	echo "$y"
	echo "$(< file)" "$(printf 'trailing\n\n\n')" "$((16#ff))"
	(bash -c "(bash -c '(exit 5); echo \$?; exit 6'); echo \$?; exit 7"); echo "$?"
	for i in 1 2 3 4; do (echo "child $i" > "out$i"; exit "$i") & pids[i]=$!; done
	for i in 4 3 2 1; do wait "${pids[i]}"; echo "$i: $? $(< "out$i")"; done
	rm -f file out?
done
