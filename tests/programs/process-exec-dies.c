/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process whose new program turns out to be unusable when the old one is gone already dies of it.
 * Proves: execve wait4
 */
#include <elf.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

/* More bytes in the file than in memory: looked at when they have been mapped. */
static void make_unusable(const char *name)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p;
	} file = {.e = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = 0x400000,
			.e_phoff = sizeof(file.e),
			.e_ehsize = sizeof(file.e),
			.e_phentsize = sizeof(file.p),
			.e_phnum = 1},
		  .p = {.p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_vaddr = 0x400000,
			.p_filesz = sizeof(file),
			.p_memsz = sizeof(file) / 2,
			.p_align = 4096}};
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0700);

	must(fd >= 0 && write(fd, &file, sizeof(file)) == sizeof(file) && close(fd) == 0);
}

static void round_(void)
{
	const struct rlimit none = {0};
	int status;

	make_unusable("unusable");
	if (promise_fork() == 0) {
		must(setrlimit(RLIMIT_CORE, &none) == 0);
		(void)execl("./unusable", "me", (char *)NULL);
		_exit(99);
	}
	must(wait(&status) > 0 && unlink("unusable") == 0);
	say("%#x", status);
}

int main(void)
{
	return promise_run(round_);
}
