/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table itself: complete, named as in the kernel's headers, decided as documented; paths; the decoder. */
#include "harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "syscalls/table.h"

static void every_number_has_a_row(void **state)
{
	(void)state;
	assert_int_equal(sysc_max(), 469);
	for (unsigned nr = 0; nr <= sysc_max() + 10; nr++) {
		const struct sysc_row *row = sysc_row(nr);

		if (nr > 336 && nr < 424) {
			assert_null(row);
		} else if (nr <= 469) {
			assert_non_null(row);
			assert_int_equal(row->nr, nr);
			assert_int_equal(sysc_number(row->name), nr);
			assert_ptr_equal(sysc_name(nr), row->name);
			assert_true(row->cls < SYSC_CLASS__MAX && row->detail->otherwise < SYSC_CLASS__MAX);
		} else {
			assert_null(row);
		}
	}
	assert_string_equal(sysc_name(999), "syscall_999");
	assert_int_equal(sysc_number("no_such_call"), -1);
	assert_null(sysc_row(0x40000000));
}

static void names_are_the_kernels(void **state)
{
	static const struct {
		int nr;
		const char *name;
	} known[] = {{SYS_read, "read"},
		     {SYS_openat, "openat"},
		     {SYS_exit_group, "exit_group"},
		     {SYS_statx, "statx"},
		     {SYS_clone3, "clone3"},
		     {SYS_futex_waitv, "futex_waitv"},
		     {SYS_umount2, "umount2"},
		     {SYS_pread64, "pread64"},
		     {SYS_epoll_pwait2, "epoll_pwait2"},
		     {SYS_rseq, "rseq"},
		     {SYS_memfd_secret, "memfd_secret"},
		     {SYS_waitid, "waitid"},
		     {SYS_accept4, "accept4"},
		     {SYS_utimensat, "utimensat"},
		     {SYS_getcpu, "getcpu"},
		     {SYS_bpf, "bpf"}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		assert_int_equal(sysc_number(known[i].name), known[i].nr);
}

static void classes(void **state)
{
	static const uint64_t odd[] = {MAP_32BIT, MAP_GROWSDOWN, MAP_LOCKED, MAP_HUGETLB};
	struct guest *g = *state;
	uint64_t p = guest_alloc(g, 64);

	assert_int_equal(CLASS_OF(g, SYS_getpid, 0), SYSC_NATIVE);
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1ULL, 0), SYSC_NATIVE);
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1ULL, 0),
			 SYSC_NATIVE);
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, 3, 0), SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_mmap, p, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE, 3, 0),
			 SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, 3, 0), SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED_VALIDATE, 3, 0), SYSC_HOME);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | odd[i], 3, 0), SYSC_HOME);
		assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED | odd[i], 3, 0), SYSC_HOME);
	}
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1ULL, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1ULL, 0),
			 SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1ULL, 0),
			 SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_mremap, p, 4096, 8192, MREMAP_MAYMOVE), SYSC_NATIVE);
	assert_int_equal(CLASS_OF(g, SYS_mremap, p, 4096, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, p), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_arch_prctl, 0x1002, p), SYSC_NATIVE);
	assert_int_equal(CLASS_OF(g, SYS_arch_prctl, 0x1023, p), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_clock_gettime, CLOCK_REALTIME, p), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_clock_gettime, CLOCK_MONOTONIC_COARSE, p), SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, p), SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_clock_gettime, 0xfffffffa, p), SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, p, p), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_clock_nanosleep, 0xfffffffa, 1, p, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, p, 0), SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_exit_group, 0), SYSC_EXIT);
	assert_int_equal(CLASS_OF(g, SYS_fork, 0), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_create_module, 0), SYSC_NOSYS);
	assert_int_equal(CLASS_OF(g, 400, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, 0xffffffff, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_membarrier, 8, 0), SYSC_HOME);
	/* FUTEX_WAIT has a duration, FUTEX_WAIT_BITSET a point in time, which means home's clock. */
	assert_int_equal(CLASS_OF(g, SYS_futex, p, 128, 1, p), SYSC_NATIVE);
	assert_int_equal(CLASS_OF(g, SYS_futex, p, 128 | 9, 1, 0), SYSC_NATIVE);
	assert_int_equal(CLASS_OF(g, SYS_futex, p, 128 | 9, 1, p), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_futex, p, 256 | 128 | 9, 1, p), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_futex, p, 128 | 6, 1, p), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_futex, p, 256 | 128 | 6, 1, p), SYSC_HOME); /* no kernel has that */
	assert_int_equal(CLASS_OF(g, SYS_futex, p, 128 | 13, 1, p), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_futex, p, 256 | 128 | 13, 1, p), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_futex_waitv, p, 1, 0, p, 0), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_futex_waitv, p, 1, 0, p, 1), SYSC_AGENT);
	assert_int_equal(CLASS_OF(g, SYS_futex_waitv, p, 1, 0, 0, 0), SYSC_NATIVE);
	/* What cannot be read, or is too large, is for home. */
	assert_int_equal(CLASS_OF(g, SYS_write, 1, 8, 4), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_openat, 0, 8, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_read, 0, p, (16u << 20) + 1), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_read, 0, p, 16u << 20), SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_poll, p, 0xffffffff, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_select, 0xffffffff, p, 0, 0, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_setsockopt, 3, SOL_SOCKET, SO_ATTACH_FILTER, p, 16), SYSC_HOME);
}

static void permissions(void **state)
{
	static const int allowed[] = {SYS_read, SYS_openat, SYS_exit_group, SYS_wait4, SYS_execve};
	static const int refused[] = {SYS_ptrace, SYS_mount,  SYS_fork,  SYS_mlock, SYS_bpf, SYS_process_vm_writev,
				      SYS_mmap,   SYS_getpid, SYS_clone, SYS_setns, 1000};
	uint64_t args[6] = {0, TIOCSTI};

	(void)state;
	assert_int_equal(sysc_permitted(SYS_ioctl, args), -EPERM);
	args[1] = TIOCGWINSZ;
	assert_int_equal(sysc_permitted(SYS_ioctl, args), 0);
	args[1] = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(allowed); i++)
		assert_int_equal(sysc_permitted((unsigned)allowed[i], args), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(sysc_permitted((unsigned)refused[i], args), -EPERM);
	assert_true(sysc_begins_program(SYS_execve, args) && sysc_begins_program(SYS_execveat, args));
	assert_false(sysc_begins_program(SYS_read, args) || sysc_begins_program(SYS_fork, args));
	args[4] = 0x10000; /* AT_EXECVE_CHECK */
	assert_false(sysc_begins_program(SYS_execveat, args));
	args[4] = 0;
	assert_true(sysc_may_block(SYS_read) && sysc_may_block(SYS_wait4) && !sysc_may_block(SYS_getuid));
	assert_int_equal(sysc_row(SYS_pause)->restart, SYSC_RESTART_NOHAND);
	assert_int_equal(sysc_row(SYS_nanosleep)->restart, SYSC_RESTART_BLOCK);
	assert_int_equal(sysc_row(SYS_read)->restart, SYSC_RESTART_SYS);
	assert_int_equal(sysc_row(SYS_epoll_wait)->restart, SYSC_RESTART_NONE);
}

/* A string up to the last byte of memory is read; one that goes on is not. */
static void strings_at_the_end(void **state)
{
	struct guest *g = *state;
	char *end = guest_at(g, GUEST_BASE + GUEST_SIZE - 1);

	memcpy(end - 4, "/etc", 5);
	assert_int_equal(CLASS_OF(g, SYS_chdir, GUEST_BASE + GUEST_SIZE - 5), SYSC_FORWARD);
	*end = 'x';
	assert_int_equal(CLASS_OF(g, SYS_chdir, GUEST_BASE + GUEST_SIZE - 5), SYSC_HOME);
	memset(guest_at(g, GUEST_BASE), 'a', 5000);
	assert_int_equal(CLASS_OF(g, SYS_chdir, GUEST_BASE), SYSC_HOME);
}

/* Decodes a call that was only asked for, with the given result and answer. */
static const char *decoded(struct guest *g, unsigned nr, const uint64_t args[6], int64_t ret, const void *answer,
			   size_t answer_len)
{
	static char line[400];
	struct buf out;

	buf_init(&out, 0);
	(void)sysc_request(nr, args, &g->mem, &out);
	sysc_decode(nr, args, buf_head(&out), out.len, ret, answer, answer_len, line, sizeof(line));
	buf_release(&out);
	return line;
}
#define DECODED(g, nr, ret, ...) decoded(g, nr, (const uint64_t[6]){__VA_ARGS__}, ret, NULL, 0)

static void decoding(void **state)
{
	struct guest *g = *state;
	uint64_t path = guest_str(g, "/etc/passwd"),
		 text = guest_str(g, "a\tb\"\n\0015 and more than thirty-two bytes");
	struct iovec iov = {(void *)text, 3};
	struct timespec ts = {3, 5};
	struct {
		uint64_t addr;
		uint32_t len, flags;
		char data[8];
	} answer = {GUEST_BASE + 0x8000, 5, 0, "hello"};
	uint64_t read_args[6] = {3, GUEST_BASE + 0x8000, 100};
	uint64_t words[13] = {0};
	char small[8];

	for (unsigned i = 0; i < 12; i++)
		words[i] = guest_str(g, i % 2 ? "x\"" : "word");
	assert_string_equal(
	    DECODED(g, SYS_execve, -ENOEXEC, path, guest_put(g, words + 9, 32), guest_put(g, words, 104)),
	    "execve(\"/etc/passwd\", [\"x\\\"\", \"word\", \"x\\\"\"], [12 strings]) = -1 ENOEXEC (Exec format "
	    "error)");
	assert_string_equal(
	    DECODED(g, SYS_execve, 0, path, guest_put(g, words, 104), 0),
	    "execve(\"/etc/passwd\", [\"word\", \"x\\\"\", \"word\", \"x\\\"\", \"word\", \"x\\\"\", \"word\", "
	    "\"x\\\"\", ...], NULL) = 0");
	assert_string_equal(DECODED(g, SYS_openat, 3, (uint64_t)AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0),
			    "openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC, 0) = 3");
	assert_string_equal(
	    DECODED(g, SYS_openat, -ENOENT, 5, path, O_RDWR | O_CREAT | O_SYNC, 0644),
	    "openat(5, \"/etc/passwd\", O_RDWR|O_CREAT|O_SYNC, 0644) = -1 ENOENT (No such file or directory)");
	assert_string_equal(DECODED(g, SYS_write, 38, 1, text, 38),
			    "write(1, \"a\\tb\\\"\\n\\0015 and more than thirty-two\"..., 38) = 38");
	assert_string_equal(DECODED(g, SYS_write, -512, 1, text, 1), "write(1, \"a\", 1) = ? ERESTARTSYS");
	assert_string_equal(DECODED(g, SYS_writev, 3, 1, guest_put(g, &iov, sizeof(iov)), 1),
			    "writev(1, [{\"a\\tb\", 3}], 1) = 3");
	assert_string_equal(decoded(g, SYS_read, read_args, 5, &answer, 21), "read(3, \"hello\", 100) = 5");
	assert_string_equal(decoded(g, SYS_read, read_args, 5, &answer, 20), "read(3, 0x7e0000008000, 100) = 5");
	assert_string_equal(DECODED(g, SYS_nanosleep, 0, guest_put(g, &ts, sizeof(ts)), 0),
			    "nanosleep({3, 5}, NULL) = 0");
	assert_string_equal(DECODED(g, SYS_fcntl, 7, 3, F_DUPFD, 7), "fcntl(3, F_DUPFD, 7) = 7");
	assert_string_equal(
	    DECODED(g, SYS_mmap, 0x7f0000000000, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1ULL,
		    0),
	    "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000");
	assert_string_equal(DECODED(g, SYS_kill, 0, 12, 9), "kill(12, SIGKILL) = 0");
	assert_string_equal(DECODED(g, 999, -ENOSYS, 1, 2, 3, 4, 5, 6),
			    "syscall_999(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)");
	assert_string_equal(DECODED(g, SYS_getpid, 7, 0), "getpid() = 7");
	sysc_decode(SYS_openat, read_args, NULL, 0, 0, NULL, 0, small, sizeof(small));
	assert_string_equal(small, "openat(");
	sysc_decode(SYS_openat, read_args, NULL, 0, 0, NULL, 0, small, 1);
	assert_string_equal(small, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_number_has_a_row),
	    cmocka_unit_test(names_are_the_kernels),
	    cmocka_unit_test_setup_teardown(classes, guest_setup, guest_teardown),
	    cmocka_unit_test(permissions),
	    cmocka_unit_test_setup_teardown(strings_at_the_end, guest_setup, guest_teardown),
	    cmocka_unit_test_setup_teardown(decoding, guest_setup, guest_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
