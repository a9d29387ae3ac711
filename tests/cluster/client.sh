#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# godwit-client and the gatekeeper node: a machine that is no node has commands executed, by a key; the gatekeeper itself executes
# nothing; who has no key, or one that is over, is told so; and what he sends harms nobody.
# check: timeout 300
set -u
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh" client.sh

mkdir "$work/shared" && chmod 777 "$work/shared"
key=$work/key
# c ARGUMENT...: the client, on n1's network, in a directory and with variables that the cluster does not know
c() { (cd / && timeout 60 godwit sandbox on n1 env -i PATH="$PATH" LANG=C "$bin/godwit-client" --config "$key" --dir "$work/shared" "$@"); }
# code NAME WANTED ARGUMENT...: its exit code
code() {
	local what=$1 wanted=$2
	shift 2
	c "$@" >"$work/out" 2>"$work/err" </dev/null
	is "$what" "$wanted" $?
}
sleepers() { # NODE SECONDS: how many "sleep SECONDS" run there
	# shellcheck disable=SC2016 # expanded in the node
	on "$1" sh -c 'k=0; for p in /proc/[0-9]*; do [ "$(tr "\0" " " <$p/cmdline 2>/dev/null)" = "sleep $1 " ] && k=$((k + 1)); done; echo $k' sh "$2"
}
sleeps() { [ "$(sleepers "$1" "$2")" = "$3" ]; }

up 3
expect_soon "all see each other" n1 Nodes '{}' 'len(r["nodes"]) == 3 and all(x["state"] == "up" for x in r["nodes"])'
ask() { godwit sandbox on n1 godwit client "$@"; }
ask add --user games --name test >"$key" 2>/dev/null
is "a key is one line" 1 "$(wc -l <"$key")"

echo "# who may not"
has "a key that others may read" "chmod 600" "$(chmod 644 "$key" && c true 2>&1)"
chmod 600 "$key"
has "no such user" "no user nobodyatall" "$(ask add --user nobodyatall 2>&1)"
has "only root makes keys" "root" "$(godwit sandbox on -u games n1 godwit client add --user games 2>&1)"
has "nor sees who has one" "root" "$(godwit sandbox on -u games n1 godwit client list 2>&1)"

echo "# a command"
is "it runs as the user of the key" games "$(c id -un)"
is "in the directory" "$work/shared" "$(c pwd)"
# shellcheck disable=SC2016 # expanded there
is "with a login's variables and those it is told" "games /usr/games 1" "$(c --env A=1 sh -c 'echo $USER $HOME $A')"
is "on the node that is named" n3 "$(c --node n3 uname -n)"
is "on this one, which is no gatekeeper yet" n1 "$(c --node n1 uname -n)"
is "its input and output" "a b" "$(printf 'a b' | c cat)"
code "exit code 0" 0 true
code "exit code 1" 1 false
code "exit code 77" 77 sh -c 'exit 77'
code "no such command" 127 ./there-is-no-such-command
code "no such directory" 125 --dir /nowhere/at/all true
has "which is said" "/nowhere/at/all" "$(cat "$work/err")"
code "no such node" 125 --node n9 true
has "output and errors apart" "out" "$(c sh -c 'echo out; echo err >&2' 2>/dev/null)"
# shellcheck disable=SC2016 # expanded there
c sh -c 'kill -TERM $$' >/dev/null 2>&1
is "death by a signal" 143 $?

echo "# the gatekeeper"
on n1 sh -c 'printf "[node]\ngatekeeper = yes\n" >"$1"' sh /run/godwit-state/godwit.conf
on n1 godwit node reload >/dev/null
expect_soon "the others know that it takes nothing" n2 Nodes '{}' '[x for x in r["nodes"] if x["name"] == "n1"][0]["blocked"]'
seen=
for _ in 1 2 3 4 5 6 7 8; do seen="$seen $(c uname -n)"; done
case $seen in *n1*) bad "commands go to the others: $seen" ;; *) ok "commands go to the others" ;; esac
code "never to itself, though it is named" 125 --node n1 true
has "which is said" "n1 is a gatekeeper" "$(cat "$work/err")"
says "nor by godwit exec there" 125 "n1 is a gatekeeper" godwit sandbox on -u games n1 godwit exec --node n1 true
says "nor by that of another node" 125 "gatekeeper" godwit sandbox on -u games n2 godwit exec --node n1 true
has "godwit exec on it goes to the others" n "$(cd "$work/shared" && godwit sandbox on -u games n1 godwit exec uname -n | grep -v n1)"

head -c 67108864 /dev/urandom >"$work/big"
c cat <"$work/big" >"$work/big.out"
is "64 MB there and back" "$(sha256sum <"$work/big")" "$(sha256sum <"$work/big.out")"
is "from a command that nobody reads" 5 "$(c yes 2>/dev/null | head -n 5 | wc -l)"
for i in 1 2 3 4 5 6; do c sh -c "echo $i" >"$work/many.$i" & done
wait
is "six at once" "1 2 3 4 5 6 " "$(cat "$work"/many.* | tr '\n' ' ')"

echo "# from Windows"
# GODWIT_WINDOWS_CLIENT: what tools/build-windows-client has made
if [ -n "${GODWIT_WINDOWS_CLIENT:-}" ] && command -v wine >/dev/null; then
	mkdir "$work/wine"
	w() { (cd / && timeout 120 godwit sandbox on n1 env -i PATH="$PATH" HOME="$work/wine" WINEPREFIX="$work/wine/p" WINEDEBUG=-all \
		wine "$GODWIT_WINDOWS_CLIENT" --config "Z:$key" --dir "$work/shared" "$@" 2>"$work/wine.err"); }
	is "it runs as the user of the key" games "$(w id -un </dev/null)"
	is "its input and output" "a b" "$(printf 'a b' | w cat)"
	w cat <"$work/big" >"$work/big.out"
	is "64 MB there and back" "$(sha256sum <"$work/big")" "$(sha256sum <"$work/big.out")"
	w sh -c 'exit 77' </dev/null
	is "exit code 77" 77 $?
	# shellcheck disable=SC2016 # expanded there
	w sh -c 'kill -TERM $$' </dev/null
	is "death by a signal is 128 and its number" 143 $?
	w --node n9 true </dev/null
	is "what cannot be begun is 125" 125 $?
	begin_windows() { w --node n2 sleep 3801 </dev/null & windows=$!; wait_for "it runs" 30 sleeps n2 3801 1; }
	begin_windows
	pgrep -f 'godwit-client.*sleep 3801' | while read -r p; do [ "$p" = $$ ] || kill -KILL "$p"; done
	wait $windows
	wait_for "it is killed: the command ends" 20 sleeps n2 3801 0
else
	echo "skip: no GODWIT_WINDOWS_CLIENT, or no wine"
fi

echo "# what ends with what"
# begin SECONDS: a client of `sh -c "sleep ..."` on n2 in the background; its pid in $client
begin() {
	(cd / && exec godwit sandbox on n1 env -i PATH="$PATH" "$bin/godwit-client" --config "$key" --dir "$work/shared" --node "${2:-n2}" \
		sh -c "sleep $1; echo went on") >"$work/ended.out" 2>"$work/ended" </dev/null &
	client=$!
	wait_for "it runs" 20 sleeps "${2:-n2}" "$1" 1
}
# The client in the node, not what waits for it.
inside() { pgrep -f "godwit-client --config $key " | while read -r p; do [ "$(cat "/proc/$p/comm")" = godwit-client ] && echo "$p"; done; }
begin 3711
kill -KILL "$(inside)"
wait $client
wait_for "the client is killed: the command ends" 20 sleeps n2 3711 0
begin 3712
kill -TERM "$(inside)"
wait $client
is "a signal is passed on, to the command alone" 143 $?
wait_for "and what it has started ends with it" 20 sleeps n2 3712 0
begin 3715
kill -TSTP "$(inside)"
stopped() { grep -q '^State:.T' "/proc/$(inside)/status"; }
wait_for "the client stops with its command" 20 stopped
read -r -t 14 <"$work/never" # for longer than a silence may last
kill -CONT "$(inside)" $client # and what waits for it in the sandbox, which has stopped with it
wait_for "and goes on with it" 20 sh -c "! grep -q '^State:.T' /proc/$(inside)/status"
is "which is still there" 1 "$(sleepers n2 3715)"
kill -TERM "$(inside)"
wait $client
is "and ends as it is told to" 143 $?
begin 3713 n3
godwit sandbox kill n3 all
wait $client
is "the node is killed half-way" 125 $?
has "which is said" "n3" "$(cat "$work/ended")"

echo "# a key that is over"
on n1 python3 - "$(cut -d' ' -f2 "$key")" "$(cut -d' ' -f3 "$key")" "$(cut -d' ' -f4 "$key")" <<'PY'
import os, socket, struct, sys
host, port, ident = sys.argv[1], int(sys.argv[2]), int(sys.argv[3], 16)
for i in range(60):
    s = socket.create_connection((host, port), 5)
    known = i % 2
    s.sendall(b"GODWIT\x01C" + struct.pack("<Q", ident if known else i) + os.urandom(i * 40))
    s.close()
s = socket.create_connection((host, port), 5)
s.sendall(os.urandom(4096))
PY
code "garbage at the port harms nobody" 0 true
bad_key() { # SED: a key that is changed so
	sed "$1" "$key" >"$work/bad"
	chmod 600 "$work/bad"
	(cd / && timeout 60 godwit sandbox on n1 "$bin/godwit-client" --config "$work/bad" true 2>&1)
	echo "exit code $?"
}
has "a wrong secret" "does not know this key" "$(bad_key 's/....$/0000/')"
has "an unknown client" "does not know this key" "$(bad_key 's/ [0-9a-f]\{16\} / 00000000000000ab /')"
has "another machine" "does not know this key" "$(bad_key 's/10\.77\.0\.1/10.77.0.2/')"
has "nobody there" "cannot be reached" "$(bad_key 's/ 7117 / 7118 /')"
has "half a key" "damaged" "$(bad_key 's/.....$//')"
has "no key at all" "no key of godwit client add" "$(bad_key 's/.*/hello/')"
mv "$key" "$work/key.first"
ask add --user games --expires 1s >"$key" 2>/dev/null
chmod 600 "$key"
wait_for "it expires" 10 sh -c "! $(printf '%q ' "$bin/godwit") sandbox on n1 $bin/godwit-client --config $key --dir / true"
code "an expired key" 125 true
has "which is said" "has expired" "$(cat "$work/err")"
mv "$work/key.first" "$key"
begin 3714
id=$(cut -d' ' -f4 "$key")
has "the list shows it" "$id  games" "$(ask list)"
ask remove "$id"
wait $client
is "revoked while a command runs" 125 $?
wait_for "which ends" 20 sleeps n2 3714 0
code "and it is refused from then on" 125 true
has "which is said" "was revoked" "$(cat "$work/err")"
has "the list says so" "revoked" "$(ask list)"
is "no key is kept where others could read it" 600 "$(on n1 stat -c %a /run/godwit-state/clients.json)"
expect "the daemon is well" n1 Status '{}' 'r["clients"] >= 0 and r["launcher"]'
[ $failures -eq 0 ] || { echo "client.sh: $failures failed"; exit 1; }
