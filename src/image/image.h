/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user context of a process as data: mappings, memory-manager fields, registers.
 * Promise: these structs are what travels in IMAGE_BEGIN and IMAGE_VMAS; their layout is asserted. Must not: hold
 * anything that stays with the deputy (descriptors, signals, timers, credentials).
 */
#ifndef GODWIT_IMAGE_IMAGE_H
#define GODWIT_IMAGE_IMAGE_H

#include <assert.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>
#include "../base/err.h"

#define IMAGE_PAGE 4096ULL
#define IMAGE_THREADS_MAX 1024 /* of a process that moves */
/* User addresses end here (47 bits); what lies above is the kernel's, also [vsyscall]. */
#define IMAGE_TASK_END 0x7ffffffff000ULL

/* Flags of clone(2) by which a task shares all that threads share. */
#define IMAGE_THREAD_FLAGS ((uint64_t)(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD))

/* Flags of a mapping, from VmFlags in /proc/PID/smaps, proc(5). */
enum vma_flag {
	VMA_SHARED = 1 << 0,
	VMA_GROWSDOWN = 1 << 1,
	VMA_NORESERVE = 1 << 2,
	VMA_VDSO = 1 << 3, /* the vdso: stays at home, a patched copy on hosts */
	VMA_VVAR = 1 << 4, /* its data: stays at home, the stub on hosts */
	VMA_DONTFORK = 1 << 5,
	VMA_WIPEONFORK = 1 << 6,
	VMA_DONTDUMP = 1 << 7,
	VMA_HUGEPAGE = 1 << 8,
	VMA_NOHUGEPAGE = 1 << 9,
	VMA_MERGEABLE = 1 << 10,
	VMA_SCRATCH = 1 << 11, /* ours, in a deputy */
	/* What confines: never in an image. */
	VMA_MAYWRITE = 1 << 16,
	VMA_HUGETLB = 1 << 17,
	VMA_DEVICE = 1 << 18,
	VMA_LOCKED = 1 << 19,
	VMA_SEALED = 1 << 20,
	VMA_UFFD = 1 << 21,
	VMA_SHADOW_STACK = 1 << 22,
};
/* Flags that a rebuilt mapping gets by madvise(2). */
#define VMA_ADVICE (VMA_DONTFORK | VMA_WIPEONFORK | VMA_DONTDUMP | VMA_HUGEPAGE | VMA_NOHUGEPAGE | VMA_MERGEABLE)

struct image_vma {
	uint64_t start, end;
	uint64_t offset; /* bytes in the file */
	uint32_t prot; /* PROT_* */
	uint32_t flags; /* enum vma_flag */
	uint32_t file; /* 0 = anonymous, else a number that stands for device and inode in this list */
};

struct image_maps {
	struct image_vma *v;
	size_t n, cap;
	struct {
		uint64_t dev, ino;
	} * files; /* files[k-1] is file number k */
	size_t files_n, files_cap;
	uint64_t vdso_start, vdso_end;
};

/* Fields of prctl(PR_SET_MM_MAP), in the order of struct prctl_mm_map, linux/prctl.h. */
struct image_mm {
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t arg_start, arg_end, env_start, env_end;
};
static_assert(sizeof(struct image_mm) == 88, "image_mm travels as it is");
static_assert(sizeof(struct user_regs_struct) == 216, "user_regs_struct travels as it is");

/* CPU time used on hosts, in ns; what home's kernel has counted comes on top. */
struct image_cpu {
	uint64_t user, sys;
};

/* A pause in the middle of a system call is told by rax: the kernel's restart codes, linux/errno.h. */
enum {
	ERESTARTSYS_ = 512,
	ERESTARTNOINTR_ = 513,
	ERESTARTNOHAND_ = 514,
	ERESTART_RESTARTBLOCK_ = 516,
};
/* Is this raw result one of them? */
static inline bool image_is_restart(int64_t rax)
{
	return rax == -ERESTARTSYS_ || rax == -ERESTARTNOINTR_ || rax == -ERESTARTNOHAND_ ||
	       rax == -ERESTART_RESTARTBLOCK_;
}

#endif
