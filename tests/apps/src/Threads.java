// SPDX-License-Identifier: GPL-2.0-or-later
// Java: a pool of four threads, a bounded queue, much garbage, exceptions and waits with a time limit. Each round must have
// the same result, until the file "stop" is there.
import java.io.File;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

class Threads {
	static final int WORKERS = 4;

	static long mix(long h, long x) {
		h ^= x + 0x9e3779b97f4a7c15L + (h << 6) + (h >>> 2);
		return h * 0xff51afd7ed558ccdL;
	}

	static long work(int n) {
		Map<String, Integer> seen = new HashMap<>();
		long h = n;
		for (int i = 0; i < 1500; i++) {
			String s = "w" + (i * 31 + n) % 97;
			seen.merge(s, 1, Integer::sum);
			try {
				if (i % 100 == 0)
					throw new IllegalStateException(s);
			} catch (IllegalStateException e) {
				h = mix(h, e.getMessage().hashCode());
			}
		}
		for (int i = 0; i < 97; i++)
			h = mix(h, seen.getOrDefault("w" + i, 0));
		// A null pointer is found by a fault of the processor.
		Integer none = seen.get("no");
		try {
			h += none;
		} catch (NullPointerException e) {
			h = mix(h, 1);
		}
		return h;
	}

	static long round(ExecutorService pool) throws Exception {
		ArrayBlockingQueue<Integer> todo = new ArrayBlockingQueue<>(16);
		AtomicLong sum = new AtomicLong();
		List<Future<Long>> counts = new ArrayList<>();
		for (int w = 0; w < WORKERS; w++) {
			counts.add(pool.submit(() -> {
				long made = 0;
				for (;;) {
					Integer n = todo.poll(30, TimeUnit.SECONDS);
					if (n == null)
						throw new IllegalStateException("30 s without work");
					if (n < 0)
						return made;
					sum.addAndGet(work(n));
					made++;
				}
			}));
		}
		for (int n = 0; n < 400; n++)
			todo.put(n);
		for (int w = 0; w < WORKERS; w++)
			todo.put(-1);
		long made = 0;
		for (Future<Long> f : counts)
			made += f.get(60, TimeUnit.SECONDS);
		// An idle thread of its pool waits until a point in time of CLOCK_REALTIME.
		long all = IntStream.range(0, 16 * 6000).parallel().mapToLong(i -> mix(i, i * 7L)).sum();
		return mix(mix(sum.get(), made), all);
	}

	public static void main(String[] args) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(WORKERS);
		long first = round(pool);
		for (int rounds = 1; rounds < 3 || !new File("stop").exists(); rounds++) {
			long again = round(pool);
			if (again != first) {
				System.out.println("round " + rounds + ": " + again + " instead of " + first);
				System.exit(1);
			}
		}
		pool.shutdown();
		System.out.println(WORKERS + " threads " + pool.awaitTermination(60, TimeUnit.SECONDS) + " " + Long.toHexString(first));
		System.exit(7);
	}
}
