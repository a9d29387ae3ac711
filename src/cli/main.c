/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program godwit: see cli.h. Must not: contain anything but main(), so that tests can link the rest. */
#include "cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
