#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Membership on loopback: three daemons make a cluster, lose each other and find each other again; what is wrong is refused in words.
# usage: membership.sh [DIRECTORY_OF_PROGRAMS]      default: $GODWIT_BUILD/src, else build/src of the source tree
# Promise: ends everything that it started, whatever happens. Must not: need root, or any address but 127.0.0.1.
set -eu
test_name=membership
# shellcheck source=tests/cluster/daemons.sh
. "$(dirname "$0")/daemons.sh"
export GODWIT_FAULT_FILE="$tmp/faults"
fault() { echo "$1" >"$tmp/faults.new"; mv "$tmp/faults.new" "$tmp/faults"; }
# join CONDITION: delta asks with a new token
join()
{
	token=$(call a Token '{}' --print token)
	call d Join "{\"token\":\"$token\"}" "$1"
}

start() { start_daemon "$bin" "$@"; }

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
for n in a b; do call $n Nodes '{}' --until 'sorted(x["name"] for x in r["nodes"]) == ["alpha", "beta"]'; done
call a Migrate "{\"pid\":$$,\"to\":\"gamma\"}" 'p["reason"] == "no-node"'
[ ! -e "$tmp/c/state/node.key" ] || die "leaving did not remove the key"
token=$(call a Token '{}' --print token)
call c Join "{\"token\":\"$token\"}" 'r["name"] == "gamma"'
call b Nodes '{}' --until 'any(x["name"] == "gamma" and x["state"] == "up" for x in r["nodes"])'

echo "7. joining breaks off"
fault join-grant-send:error
join 'e == "org.godwit.Refused" and p["reason"] == "key"'
call d Join "{\"token\":\"$token\"}" 'p["reason"] == "key" and "used" in p["sentence"]'
fault join-granted:error
join 'p["reason"] == "fault"'
call d Nodes '{}' 'r["nodes"][0]["state"] == "single"'
[ ! -e "$tmp/d/state/node.key" ] || die "a key that was not accepted is stored"
fault keys-stored:error
join 'p["reason"] == "fault"'
call d Nodes '{}' 'r["nodes"][0]["state"] == "single"'
fault ""
join 'r["name"] == "delta"'
call a Nodes '{}' --until 'any(x["name"] == "delta" and x["state"] == "up" for x in r["nodes"])'
call d Leave '{}' 'e is None'
call a Nodes '{}' --until 'not any(x["name"] == "delta" for x in r["nodes"])'
fault keys-stored:kill
join False 2>/dev/null && die "it joins, although it was killed"
fault ""
start d 4 delta
# The keys were there: it is a member, and says so to everybody.
call d Nodes '{}' --until 'len(r["nodes"]) >= 1 and r["nodes"][0]["state"] == "up"'

echo "8. an orderly end"
for n in a b c d; do
	kill "$(cat "$tmp/$n/pid")"
	wait "$(cat "$tmp/$n/pid")" || [ $? -eq 137 ] || die "the daemon of $n ended with an error"
done
pids=
replay_all
! grep -E "Sanitizer|runtime error" "$tmp"/*/log || die "a sanitizer has something to say"
echo ok
