#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Here-documents, small ones in pipes and big ones in files, here-strings, read with limits, and arrays.
mkfifo quiet
for ((round = 0; round < ${1:-5}; round++)); do
	cat << END
round $round, $((round * round)), $(echo substituted)
END
	sed 's/^/> /' <<- 'END'
		not $substituted
	END
	big=$(seq 1 30000)
	cksum << END
$big
END
	wc -c <<< "$big"
	tr '[:lower:]' '[:upper:]' <<< "a here-string"
	while read -r -u 7 word rest; do echo "$rest|$word"; done 7<< END
one two three
four five
END
	# Nothing comes: the time limit ends it.
	read -r -t 0.1 line <> quiet
	echo "read with a limit: $(($? > 128)) ${line:-nothing}"
	(echo late > quiet) &
	read -r -t 60 line < quiet
	echo "read before its limit: $? $line"
	wait
	read -r -n 3 few <<< "abcdef"
	IFS=: read -r a b c <<< "x:y:z:z"
	read -r -d , upto <<< "first,second"
	echo "$few $a $b $c $upto"
	read -r -t 0 < /dev/null
	echo "read -t 0: $?"
	mapfile -t all < <(seq 1 1000)
	echo "${#all[@]} ${all[999]}"
	printf '%s\n' "${all[@]:10:3}" | paste -sd,
	bash -s "argument" <<< 'echo "a script from standard input: $1"; exit 8'
	echo "code $?"
done
rm quiet
