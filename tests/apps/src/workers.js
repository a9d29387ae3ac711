// SPDX-License-Identifier: GPL-2.0-or-later
// Node: four worker threads get work by messages and count in shared memory. Each round must have the same result, until
// the file "stop" is there.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');
const fs = require('fs');

const WORKERS = 4;
const PIECES = 40;

function work(n) {
	let hash = Buffer.from(String(n));
	const words = new Map();
	for (let i = 0; i < 300; i++) {
		hash = crypto.createHash('sha256').update(hash).update(String(i * n)).digest();
		const word = 'w' + (hash[0] % 50);
		words.set(word, (words.get(word) || 0) + i);
	}
	return hash.toString('hex') + JSON.stringify([...words].sort());
}

if (!isMainThread) {
	const shared = new Int32Array(workerData);
	parentPort.on('message', (n) => {
		const made = work(n);
		// The last one wakes whoever waits for all.
		if (Atomics.add(shared, 0, 1) + 1 === PIECES)
			Atomics.notify(shared, 0);
		parentPort.postMessage([n, made]);
	});
	return;
}

const memory = new SharedArrayBuffer(4);
const shared = new Int32Array(memory);
const workers = [];
let results = [], rounds = 0, first = '';

function begin() {
	results = [];
	Atomics.store(shared, 0, 0);
	for (let n = 0; n < PIECES; n++)
		workers[n % WORKERS].postMessage(n);
}

async function end() {
	if (Atomics.load(shared, 0) !== PIECES) {
		console.log(`counted ${Atomics.load(shared, 0)} of ${PIECES}`);
		process.exit(1);
	}
	const hash = crypto.createHash('sha256').update(results.join()).digest('hex');
	rounds++;
	first = first || hash;
	if (hash !== first) {
		console.log(`round ${rounds}: ${hash} instead of ${first}`);
		process.exit(1);
	}
	if (rounds < 3 || !fs.existsSync('stop'))
		return setTimeout(begin, 1);
	for (const w of workers)
		await w.terminate();
	console.log(`${WORKERS} threads ${first}`);
	process.exitCode = 7;
}

for (let i = 0; i < WORKERS; i++) {
	const w = new Worker(__filename, { workerData: memory });
	w.on('message', ([n, made]) => {
		results[n] = made;
		if (Object.keys(results).length === PIECES)
			end();
	});
	w.on('error', (e) => {
		console.log(String(e));
		process.exit(1);
	});
	workers.push(w);
}
begin();
