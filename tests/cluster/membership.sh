#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Membership on loopback: three daemons make a cluster, lose each other and find each other again; what is wrong is refused in words.
# usage: membership.sh [DIRECTORY_OF_PROGRAMS]      default: $GODWIT_BUILD/src, else build/src of the source tree
# Promise: ends everything that it started, whatever happens. Must not: need root, or any address but 127.0.0.1.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${GODWIT_BUILD:-$here/../../build}/src}
[ -x "$bin/godwitd" ] || { echo "membership.sh: there is no $bin/godwitd; skipped"; exit 77; }
command -v python3 >/dev/null || { echo "membership.sh: needs python3; skipped"; exit 77; }
tmp=$(mktemp -d)
pids=
base=$((10000 + $$ * 7 % 20000)) # below the range from which the kernel takes ports by itself

# shellcheck disable=SC2329 # called by the trap
cleanup()
{
	status=$?
	for p in $pids; do kill -9 "$p" 2>/dev/null || :; done
	if [ $status -ne 0 ]; then
		echo "FAILED; the logs of the daemons:"
		tail -n 20 "$tmp"/*/log
	fi
	rm -rf "$tmp"
}
trap cleanup EXIT

call()
{
	_node=$1
	shift
	python3 "$here/control.py" "$tmp/$_node/run/control.sock" "$@"
}
die() { echo "membership: $*" >&2; exit 1; }

# start NODE NUMBER: a daemon; its pid in $tmp/NODE/pid
start()
{
	mkdir -p "$tmp/$1"
	"$bin/godwitd" --state "$tmp/$1/state" --run "$tmp/$1/run" ${3:+--name "$3"} --listen "127.0.0.1:$((base + $2))" --user "$(id -un)" \
		2>>"$tmp/$1/log" &
	echo $! >"$tmp/$1/pid"
	pids="$pids $!"
	call "$1" --wait-socket
}

echo "1. a single node"
start a 1 alpha
call a Nodes '{}' 'len(r["nodes"]) == 1 and r["nodes"][0]["state"] == "single" and r["cluster"] == ""'
call a Token '{}' 'e == "org.godwit.Refused" and p["reason"] == "no-cluster"'
call a Status '{}' 'r["name"] == "alpha" and r["launcher"] is False and r["cpus"] > 0'

echo "2. a cluster of three"
call a Init '{}' 'r["name"] == "alpha" and len(r["fingerprint"]) == 64'
call a Init '{}' 'p["reason"] == "busy"'
start b 2 beta
start c 3 gamma
token=$(call a Token '{}' --print token)
call b Join "{\"token\":\"$token\"}" 'r["name"] == "beta" and r["nodes"] == ["alpha"]'
call c Join "{\"token\":\"$token\"}" 'p["reason"] == "key" and "used" in p["sentence"]'
token=$(call b Token '{}' --print token)
call c Join "{\"token\":\"$token\",\"name\":\"alpha\"}" 'p["reason"] == "busy" and "already" in p["sentence"]'
call c Join "{\"token\":\"$token\"}" 'r["name"] == "gamma"'
for n in a b c; do
	call $n Nodes '{}' --until 'len(r["nodes"]) == 3 and all(x["state"] == "up" and x["age_ms"] < 5000 for x in r["nodes"])'
done

echo "3. wrong tokens"
start d 4 delta
call d Join '{"token":"gw1.AAAA"}' '"damaged" in p["sentence"]'
call d Join '{"token":"hello"}' '"no token" in p["sentence"]'
call d Join '{}' 'e == "org.varlink.service.InvalidParameter" and p["parameter"] == "token"'
token=$(call a Token '{}' --print token)
call d Join "{\"token\":\"$(python3 "$here/control.py" --forge "$token" expires)\"}" '"expired" in p["sentence"]'
call d Join "{\"token\":\"$(python3 "$here/control.py" --forge "$token" secret)\"}" 'p["reason"] == "key"'
call d Join "{\"token\":\"$(python3 "$here/control.py" --forge "$token" port)\"}" 'p["reason"] == "unreachable"'
call d Join "{\"token\":\"$(python3 "$here/control.py" --forge "$token" fingerprint)\"}" '"trust" in p["sentence"]'
call d Nodes '{}' 'r["nodes"][0]["state"] == "single"'

echo "4. killed and restarted"
kill -9 "$(cat "$tmp/b/pid")"
call a Nodes '{}' --until 'any(x["name"] == "beta" and x["state"] in ("dead", "unreachable") and x["why"] for x in r["nodes"])'
start b 2
call b Status '{}' 'r["name"] == "beta" and r["cluster"]'
for n in a b c; do
	call $n Nodes '{}' --until 'len(r["nodes"]) == 3 and all(x["state"] == "up" and x["age_ms"] < 5000 for x in r["nodes"])'
done
call a Doctor '{}' 'all(c["state"] == "ok" for c in r["checks"] if c["name"].startswith("node."))
	and {"daemon", "launcher", "keys", "clock", "limits", "node.beta", "node.gamma"} <= {c["name"] for c in r["checks"]}'

echo "5. garbage on every port"
for i in 1 2 3; do python3 "$here/control.py" --garbage 127.0.0.1 $((base + i)); done
for n in a b c; do
	python3 "$here/control.py" --garbage "$tmp/$n/run/control.sock" 0
	python3 "$here/control.py" --garbage "$tmp/$n/run/helper.sock" -1
done
for n in a b c; do
	kill -0 "$(cat "$tmp/$n/pid")" || die "the daemon of $n has ended"
	call $n Nodes '{}' --until 'len(r["nodes"]) == 3 and all(x["state"] == "up" and x["age_ms"] < 5000 for x in r["nodes"])'
done

echo "6. settings and leaving"
call c NodeSet '{"action":"block"}' 'r["blocked"] is True'
call a Nodes '{}' --until 'any(x["name"] == "gamma" and x["blocked"] for x in r["nodes"])'
call c NodeSet '{"action":"dance"}' 'p["parameter"] == "action"'
call c Leave '{}' 'e is None'
call c Nodes '{}' 'len(r["nodes"]) == 1 and r["nodes"][0]["state"] == "single"'
call a Nodes '{}' --until 'not any(x["name"] == "gamma" and x["state"] == "up" for x in r["nodes"])'
[ ! -e "$tmp/c/state/node.key" ] || die "leaving did not remove the key"
token=$(call a Token '{}' --print token)
call c Join "{\"token\":\"$token\"}" 'r["name"] == "gamma"'
call b Nodes '{}' --until 'any(x["name"] == "gamma" and x["state"] == "up" for x in r["nodes"])'

echo "7. an orderly end"
for n in a b c d; do
	kill "$(cat "$tmp/$n/pid")"
	wait "$(cat "$tmp/$n/pid")" || [ $? -eq 137 ] || die "the daemon of $n ended with an error"
done
pids=
! grep -E "Sanitizer|runtime error" "$tmp"/*/log || die "a sanitizer has something to say"
echo ok
