#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 900
#
# Memory ushering: processes that together outgrow the node on which they were started, and fit in the cluster, all end with the
# output that they have where there is memory enough; the same with ushering off, and nothing else changed, are killed by the
# kernel. Nothing is balanced here: what moves, moves for memory.
set -u
[ "${GODWIT_FULL:-}" = 1 ] || { echo "ushering.sh: takes minutes, and is run by ./check full"; exit 77; }
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" ushering.sh

jobs="a b c d e"
most=110 # MiB of each; 5 of them and the node's own need more than twice what a node has
node=256M
# Grows to argv[1] MiB by one in 80 ms of CPU time, so that it is no faster beside others than those who move it, computes with
# what it has all the while, and tells what it is in the end.
grower='import hashlib, sys, time
chunks, h = [], hashlib.sha256()
for i in range(int(sys.argv[1])):
    begin = time.process_time()
    chunks.append(bytes([(i + ord(sys.argv[2])) % 251]) * (1 << 20))
    while time.process_time() - begin < 0.08: hashlib.sha256(chunks[i // 2]).digest()
    h.update(chunks[i // 3][::4096])
for c in chunks: h.update(c)
print(len(chunks), h.hexdigest())'

for j in $jobs; do "$python" -c "$grower" 3 "$j" >"$work/small" || { echo "ushering.sh: the job does not run here; skipped"; exit 77; }; done
for j in $jobs; do
	"$python" -c "import hashlib
chunks, h = [], hashlib.sha256()
for i in range($most):
    chunks.append(bytes([(i + ord('$j')) % 251]) * (1 << 20))
    h.update(chunks[i // 3][::4096])
for c in chunks: h.update(c)
print(len(chunks), h.hexdigest())" >"$work/$j.expected"
done

# cluster POLICY: four nodes with that in [policy]
cluster() {
	up 4
	for n in n1 n2 n3 n4; do
		godwit sandbox memory $n $node || { echo "ushering.sh: no control group for memory here; skipped"; exit 77; }
		# shellcheck disable=SC2016 # expanded in the node
		on $n sh -c 'printf "\n[policy]\nact-percent = 1000\n%s\n" "$1" >>/run/godwit-state/godwit.conf' sh "$1"
		call $n NodeSet '{"action":"reload"}' || { bad "the configuration of $n"; exit 1; }
	done
	expect_soon "four small nodes" n1 Nodes '{}' 'len(r["nodes"]) == 4 and all(x["state"] == "up" and x["memory"] == 256 << 20 for x in r["nodes"])'
}
# run NAME: all jobs, with that before their names; seconds in $took, how many ended as they should in $right
run() {
	local begin=$SECONDS j
	for j in $jobs; do start "$1$j" n1 godwit run --home "$python" -c "$grower" $most "$j"; done
	right=0
	for j in $jobs; do
		wait_quietly 300 test -s "$work/$1$j/status"
		[ "$(cat "$work/$1$j/status" 2>/dev/null)" = 0 ] && cmp -s "$work/$1$j/out" "$work/$j.expected" && right=$((right + 1))
	done
	took=$((SECONDS - begin))
}
moves() { cat "$dir"/n*/log | grep -c ' has come$'; }

echo "# with ushering"
cluster ''
run on
is "all end with the right output" 5 $right
for j in $jobs; do [ "$(cat "$work/on$j/status" 2>/dev/null)" = 0 ] || echo "# $j: status $(cat "$work/on$j/status" 2>/dev/null)"; done
came=$(moves)
if [ "$came" -ge 3 ]; then ok "and were elsewhere for it"; else bad "only $came guests anywhere: nothing was tested"; fi
echo "# with ushering: $right of 5 in $took s, $came guests came"
for n in n1 n2 n3 n4; do expect_soon "$n has its memory again" $n Status '{}' 'r["free"] > 200 << 20 and not r.get("guests")'; done
godwit sandbox down

echo "# without"
cluster 'usher-percent = 0'
run off
killed=0
for j in $jobs; do [ "$(cat "$work/off$j/status" 2>/dev/null)" = 137 ] && killed=$((killed + 1)); done
if [ $killed -gt 0 ]; then ok "some are killed"; else bad "none is killed: $right of 5 are right"; fi
is "nothing has moved" 0 "$(moves)"
echo "# without ushering: $right of 5 in $took s, $killed killed"
result
