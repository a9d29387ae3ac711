#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What everybody's programs do in a second or two: small-jobs.sh NAME, in an empty directory, which is empty again afterwards.
# TEXT and BINARY name files of some MB, SRC the sources of tests/apps.
case $1 in
sort) sort -S 8M -k 2 "$TEXT" | cksum ;;
xz)
	xz -T2 --block-size=400KiB -3 -c "$BINARY" > x && cksum < x && xz -dc x | cmp - "$BINARY"
	rm x
	;;
gzip)
	gzip -9nc "$TEXT" | tee copy | gzip -dc | cksum
	cksum < copy
	rm copy
	;;
bzip2) bzip2 -c "$BINARY" | bzip2 -dc | cksum ;;
gawk)
	gawk '{ for (i = 1; i <= NF; i++) c[$i]++ }
		END { n = asorti(c, k); for (i = 1; i <= n; i += 7) print k[i], c[k[i]] }' "$TEXT"
	;;
perl) perl -ne '$c{lc $_}++ for /\w+/g; END { print "$_ $c{$_}\n" for (sort keys %c)[0 .. 200] }' "$TEXT" ;;
sqlite3)
	sqlite3 db 'CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) INSERT INTO t SELECT i, hex(i * 7919) FROM n;
		CREATE INDEX x ON t(b); SELECT count(*), max(b) FROM t; PRAGMA integrity_check;'
	rm db
	;;
gcc)
	gcc -O2 -fopenmp -c -o o "$SRC/openmp.c" && cksum < o
	gcc -O1 -S -fopenmp -o - "$SRC/openmp.c" | cksum
	rm o
	;;
make)
	printf 'all: a b c\n\tcat a b c | cksum\n%%:\n\tsort "$(TEXT)" | sed s/^/$@/ > $@\n' > Makefile
	make -s -j3
	rm -- *
	;;
tar)
	mkdir d && split -b 40000 "$BINARY" d/
	tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - d | tar -xf - --one-top-level=e
	diff -r d e/d && find d | wc -l
	rm -r d e
	;;
find)
	for i in $(seq 30); do mkdir -p "$((i % 4))/$i" && echo "$i" > "$((i % 4))/$i/f"; done
	find . -type f -exec cat {} + | sort -n | paste -sd,
	find . -mindepth 1 -delete
	;;
python-tests)
	/usr/bin/python3.11 -B -m test --tempdir . -q test_struct test_queue test_pipes > log 2>&1
	echo $?
	tail -n 1 log
	rm -r -- *
	;;
redis)
	ln -s "$(command -v redis-check-rdb)" redis-server # it looks at the name by which it is called
	./redis-server --port 0 --unixsocket s --save '' --loglevel warning > log &
	until redis-cli -s s ping 2> errors | grep PONG; do [ -d "/proc/$!" ] || exit 1; done
	seq 3000 | sed 's/.*/APPEND k &/' | redis-cli -s s | tail -n 1
	redis-cli -s s GET k | cksum
	kill $!
	wait $!
	echo $?
	rm -f -- *
	;;
timeout)
	timeout 0.3 sleep 1000
	echo $?
	timeout -s KILL 0.3 yes > /dev/null
	echo $?
	;;
dd)
	dd if="$BINARY" bs=1000 2> /dev/null | dd bs=777 2> /dev/null | cksum
	head -c 3000000 /dev/zero | tr '\0' x | wc -c
	;;
ends)
	sh -c 'kill -TERM $$'
	echo $?
	sh -c 'kill -KILL $$'
	echo $?
	(exit 77)
	echo $?
	exit 9
	;;
*) exit 99 ;;
esac
