#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nodes that do not belong here: one that speaks another version of the protocol, one of another cluster. Both are real daemons
# that know the others' addresses and connect. Each refusal names what is wrong and what mends it, on both sides; the others
# go on as if nothing was; and what was wrong can be mended.
set -u
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" strangers.sh

next=$bin/../tests/lib/godwitd-next
[ -x "$next" ] || { echo "strangers.sh: there is no $next; skipped"; exit 77; }
# While the file "next" is there, n3 starts the daemon of the next version.
mkdir "$work/programs" "$work/v2"
cp "$next" "$work/v2/godwitd"
ln -s "$bin/godwit-launcher" "$work/programs/"
cat >"$work/programs/godwitd" <<END
#!/bin/sh
if [ "\$(hostname)" = n3 ] && [ -e "$work/next" ]; then exec "$work/v2/godwitd" "\$@"; fi
exec "$bin/godwitd" "\$@"
END
chmod 755 "$work/programs/godwitd" "$work/programs" "$work/v2"
export GODWIT_LIBEXEC=$work/programs

up 3
all_up='len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'
expect_soon "all see each other" n1 Nodes '{}' "$all_up"
steady job n1
job=$pid
steady other n3
other=$pid
migrate() { on n1 godwit migrate "$@"; }
restart() { # NODE: another daemon in its place
	local old
	old=$(call "$1" Status '{}' --print pid)
	godwit sandbox kill "$1" daemon
	until_ "$1" Status '{}' "r['pid'] != $old and r['launcher']" >"$work/said" 2>&1 || bad "$1 does not come back: $(cat "$work/said")"
}
# stranger WHAT STATE SENTENCE1 SENTENCE3: what n1 says of n3, and n3 of n1
# knows NODE OTHER STATE. Who is silent is spoken to by chance, which may take minutes; doctor does it now.
knows() {
	on "$1" godwit doctor >/dev/null 2>&1
	call "$1" Nodes '{}' "any(x['name'] == '$2' and x['state'] == '$3' for x in r['nodes'])"
}
stranger() {
	wait_for "$1: n1 knows what is wrong with n3" 60 knows n1 n3 "$2"
	wait_for "$1: and n3 with n1" 60 knows n3 n1 "$2"
	says "$1: a move there" 3 "$3" migrate "$job" n3
	says "$1: a move from there" 3 "$4" on n3 godwit migrate "$other" n1
	has "$1: godwit nodes says it" "$3" "$(on n1 godwit nodes --json)"
	has "$1: godwit doctor says it" "$3" "$(on n1 godwit doctor 2>&1)"
	is "$1: the job of n1 stays there" n1 "$(place n1 "$job")"
	is "$1: that of n3 too" n3 "$(place n3 "$other")"
	if beats job && beats other; then ok "$1: both go on"; else bad "$1: a job does not go on"; fi
	says "$1: the others still trade" 0 "n1 -> n2" migrate "$job" n2
	says "$1: and back" 0 "n2 -> n1" migrate "$job" home
}

echo "# another version"
if on n2 timeout 120 python3 "$here/control.py" --version 10.77.0.2 7117 >"$work/said" 2>&1; then ok "strangers are told the version"; else
	bad "$(cat "$work/said")"
fi
: >"$work/next"
restart n3
stranger version version "n3 speaks version 2 of the protocol and n1 version 1: install the same Godwit on both" \
	"n1 speaks version 1 of the protocol and n3 version 2: install the same Godwit on both"
token=$(on n1 godwit token 2>/dev/null | grep -o 'gw1[^ ]*')
rm -f "$dir"/n3/state/{ca,node}.{crt,key} "$dir/n3/state/peers.json"
restart n3
says "joining with another version" 3 "n3 version 2: install the same Godwit on both" on n3 godwit join "$token"

echo "# the same version again, but another cluster"
rm "$work/next"
restart n3
says "n3 makes a cluster of its own" 0 "" on n3 godwit init
echo '{"nodes": [{"name": "n1", "address": "10.77.0.1", "port": 7117}, {"name": "n2", "address": "10.77.0.2", "port": 7117}]}' >"$work/peers"
owner=$(stat -c %u:%g "$dir/n3/state/node.json")
install -m 600 -o "${owner%:*}" -g "${owner#*:}" "$work/peers" "$dir/n3/state/peers.json"
restart n3
stranger key key "n3 does not belong to this cluster: godwit leave there, then godwit join with a token from here" \
	"n1 does not belong to this cluster"

echo "# and what mends it"
says "n3 leaves its cluster" 0 "" on n3 godwit leave
says "n3 joins this one" 0 "" on n3 godwit join "$token"
for n in n1 n2 n3; do expect_soon "$n sees all of them" $n Nodes '{}' "$all_up"; done
says "a move there" 0 "n1 -> n3" migrate "$job" n3
let_end job
let_end other
result
