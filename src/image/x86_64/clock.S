/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock functions of a guest: what the patched entries of home's vdso jump to; see vdso.h.
 * Promise: between the first instruction of a function and its system call no register that the caller may rely on,
 * no argument and nothing on the stack is changed, so that whoever finds a guest in there may have it begin anew, here or
 * at home. Nothing is stored but the result, as the last step. Whatever is unusual is left to the system call, in the
 * same eight bytes as in a patched entry (mov, syscall, ret). Must not: loop on what another process writes.
 *
 * This is data of the agent, copied to the first page of the stub; the second page is struct vdso_clock.
 */
#define SEQ 0
#define TICK 8
#define MULT 16
#define SEC 32
#define NSEC 40
#define CLOCK_SHIFT 4 /* bytes of one clock's pair */
#define SECOND 1000000000

	.section .rodata
	.balign 64
	.globl vdso_stub
	.hidden vdso_stub
vdso_stub:
.Lstub:

/* Clock \clock (a register with the offset of its pair) as seconds in r11 and nanoseconds in rax. rdi and rsi stay. */
.macro read_clock slow
	lea	.Lstub+0x1000(%rip), %r8
	mov	SEQ(%r8), %r10
	test	$1, %r10b
	jnz	\slow
	lfence			/* the counter is not read before what stands above in the program */
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	xor	%ecx, %ecx
	sub	TICK(%r8), %rax
	cmovc	%rcx, %rax	/* counters of two processors may differ by a hair */
	mulq	MULT(%r8)
	shrd	$32, %rdx, %rax
	mov	SEC(%r8,%r9), %r11
	add	NSEC(%r8,%r9), %rax
	cmp	SEQ(%r8), %r10
	jne	\slow
1:	cmp	$SECOND, %rax
	jb	2f
	sub	$SECOND, %rax
	inc	%r11
	jmp	1b
2:
.endm

/* int clock_gettime(clockid_t edi, struct timespec *rsi) */
.Lgettime:
	cmp	$7, %edi
	ja	.Lgettime_slow
	mov	$0x83, %eax	/* REALTIME, MONOTONIC and BOOTTIME; the others only home knows */
	bt	%edi, %eax
	jnc	.Lgettime_slow
	mov	%edi, %r9d
	shl	$CLOCK_SHIFT, %r9d
	read_clock .Lgettime_slow
	mov	%r11, (%rsi)
	mov	%rax, 8(%rsi)
	xor	%eax, %eax
	ret
.Lgettime_slow:
	mov	$228, %eax
	syscall
	ret

/* int gettimeofday(struct timeval *rdi, struct timezone *rsi) */
	.balign 16
.Lgettimeofday:
	test	%rdi, %rdi
	jz	.Lgettimeofday_slow
	test	%rsi, %rsi
	jnz	.Lgettimeofday_slow
	xor	%r9d, %r9d
	read_clock .Lgettimeofday_slow
	imul	$0x10624dd3, %rax, %rax	/* divided by 1000, exact below 2^32 / 4 */
	shr	$38, %rax
	mov	%r11, (%rdi)
	mov	%rax, 8(%rdi)
	xor	%eax, %eax
	ret
.Lgettimeofday_slow:
	mov	$96, %eax
	syscall
	ret

.Lend:

/* For each of enum vdso_function: where it begins, and where its system call. */
	.balign 4
	.globl vdso_stub_functions
	.hidden vdso_stub_functions
vdso_stub_functions:
	.short	.Lgettime - .Lstub, .Lgettime_slow - .Lstub
	.short	.Lgettimeofday - .Lstub, .Lgettimeofday_slow - .Lstub
	.globl vdso_stub_size
	.hidden vdso_stub_size
	.balign 8
vdso_stub_size:
	.quad	.Lend - .Lstub

	.section .note.GNU-stack, "", @progbits
