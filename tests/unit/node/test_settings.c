/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file: what is written comes back, each mistake is told with its line, and a file with one changes
 * nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "node/settings.h"

static char dir[] = "/tmp/godwit-settings-XXXXXX", path[64], drop_dir[80];

struct told {
	unsigned n, line[64];
	char text[64][300];
};

static void note(void *arg, const char *file, unsigned line, const char *sentence)
{
	struct told *t = arg;

	assert_true(*file != '\0' && *sentence != '\0' && t->n < 64);
	t->line[t->n] = line;
	(void)snprintf(t->text[t->n++], sizeof(t->text[0]), "%s", sentence);
}

static void write_at(const char *where, const char *text, size_t n)
{
	FILE *f = fopen(where, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static unsigned load(const char *text, struct settings *s, struct told *t)
{
	write_at(path, text, strlen(text));
	*t = (struct told){0};
	return settings_load(path, true, s, NULL, note, t);
}

static void defaults_are_right(void **state)
{
	struct settings s, u;
	struct told t;

	settings_init(&s);
	memset(&u, 7, sizeof(u));
	assert_int_equal(load("", &u, &t), 0);
	assert_memory_equal(&s, &u, sizeof(s));
	assert_true(s.guests_take);
	assert_true(settings_match(&s.guests_users, "anybody"));
	assert_false(settings_match(&s.programs_stay, "anything"));
}

static void what_is_said_counts(void **state)
{
	struct settings s;
	struct told t;

	assert_int_equal(
	    load("# comment\n[node]\nname = n1 ; first\nlisten: [::1]:7\ncpus=1.5\n\n[guests]\ntake = no\n"
		 "nodes = a* b\n  !ab\n  c\nmost=3\nkeep-memory = 2G\nkeep-cpus=0.25\n[owner]\nthen=block\n"
		 "[policy]\nact-percent = 200\nwindow = 32\n",
		 &s, &t),
	    0);
	assert_string_equal(s.node_name.text, "n1");
	assert_string_equal(s.node_listen.text, "[::1]:7");
	assert_int_equal(s.node_cpus, 1500);
	assert_false(s.guests_take);
	assert_string_equal(s.guests_nodes.text, "a* b !ab c");
	assert_int_equal(s.guests_most, 3);
	assert_true(s.guests_keep_memory == 2ULL << 30);
	assert_int_equal(s.guests_keep_cpus, 250);
	assert_int_equal(s.owner_then, OWNER_BLOCK);
	assert_int_equal(s.policy.act_percent, 200);
	assert_int_equal(s.policy.window, 32);
}

static void lists_match(void **state)
{
	static const struct {
		const char *list, *word;
		bool in;
	} cases[] = {
	    {"*", "joe", true},         {"", "joe", false},     {"j?e", "joe", true},     {"* !root", "joe", true},
	    {"* !root", "root", false}, {"!root", "joe", true}, {"!root", "root", false}, {"!r* root", "root", false},
	    {"ann joe", "joe", true},   {"ann", "joe", false},  {"[a-j]*", "joe", true},  {"jo", "joe", false},
	};
	struct settings_words list;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(list.text, sizeof(list.text), "%s", cases[i].list);
		assert_int_equal(settings_match(&list, cases[i].word), cases[i].in);
	}
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *text, *said;
		unsigned line;
	} cases[] = {
	    {"[node]\nname = a b\n", "no name of a node", 2},
	    {"[node]\nname = home\n", "no name of a node", 2},
	    {"[node]\nlisten = x:y\n", "no ADDRESS", 2},
	    {"[node]\ncpus = -1\n", "no number of processors", 2},
	    {"[node]\nmemory = much\n", "no amount of memory", 2},
	    {"[node]\nname = a\n  memory = 1G\n", "indented", 3},
	    {"[node]\nnam = a\n", "no setting nam", 2},
	    {"[nod]\nname = a\n", "no section [nod]", 2},
	    {"name = a\n", "before the first [section]", 1},
	    {"[guests]\ntake = maybe\n", "neither yes nor no", 2},
	    {"[guests]\nmost = 5x\n", "no whole number", 2},
	    {"[guests]\nmost = 5\nmost = 6\n", "twice", 3},
	    {"[guests]\n\nrubbish\n", "neither [section] nor", 3},
	    {"[owner]\nthen = shout\n", "none of nothing, block, expel", 2},
	    {"[policy]\nwindow = 999\n", "from 1 to 256", 2},
	    {"[policy]\nwindows = 9\n", "no parameter windows", 2},
	};
	struct settings s, before;
	struct told t;
	size_t i;

	settings_init(&s);
	s.guests_most = 77;
	before = s;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(load(cases[i].text, &s, &t), 1);
		assert_int_equal(t.line[0], cases[i].line);
		if (!strstr(t.text[0], cases[i].said))
			fail_msg("\"%s\" and not \"%s\"", t.text[0], cases[i].said);
		assert_memory_equal(&s, &before, sizeof(s));
	}
	/* All at once, and none hides another. */
	assert_int_equal(load("[guests]\ntake=x\nmost=y\n[nonsense]\na=b\n[owner]\nidle=z\n", &s, &t), 4);
	assert_int_equal(load("rubbish\n[guests]\nmore\n[owner\nmost=y\n# comment\n\n; and\n", &s, &t), 4);
}

static void long_lines(void **state)
{
	_Alignas(8) char text[400];
	struct settings s;
	struct told t;

	(void)snprintf(text, sizeof(text), "[guests]\nusers = %0250d\nmost = 4\n", 0);
	assert_int_equal(load(text, &s, &t), 1);
	assert_int_equal(t.line[0], 2);
	assert_non_null(strstr(t.text[0], "longer than"));
}

static void drop_ins_count_more(void **state)
{
	struct settings s;
	struct told t;
	char at[120];

	assert_int_equal(mkdir(drop_dir, 0755), 0);
	(void)snprintf(at, sizeof(at), "%s/20.conf", drop_dir);
	write_at(at, "[guests]\nmost = 20\n", 19);
	(void)snprintf(at, sizeof(at), "%s/10.conf", drop_dir);
	write_at(at, "[guests]\nmost = 10\nusers = ann\n", 31);
	(void)snprintf(at, sizeof(at), "%s/30.conf.old", drop_dir);
	write_at(at, "nonsense\n", 9);
	assert_int_equal(load("[guests]\nmost = 1\nusers = joe\n  eve\n", &s, &t), 0);
	assert_int_equal(s.guests_most, 20);
	assert_string_equal(s.guests_users.text, "ann");
	(void)snprintf(at, sizeof(at), "%s/30.conf", drop_dir);
	write_at(at, "nonsense\n", 9);
	assert_int_equal(load("", &s, &t), 1);
	assert_int_equal(t.line[0], 1);
}

static void what_is_shown_says_the_same(void **state)
{
	struct settings s, u;
	struct told t;
	FILE *f;
	size_t i;

	settings_init(&s);
	(void)snprintf(s.node_name.text, sizeof(s.node_name.text), "x1");
	s.node_cpus = 2500;
	s.guests_keep_memory = 3 << 20;
	s.owner_then = OWNER_NOTHING;
	s.policy.act_percent = 333;
	for (i = 0; i + 8 < sizeof(s.programs_stay.text); i += 7) /* as long as a list can be */
		(void)snprintf(s.programs_stay.text + i, 9, "%sp%05zu", i ? " " : "", i);
	f = fopen(path, "we");
	assert_non_null(f);
	settings_show(&s, f);
	assert_int_equal(fclose(f), 0);
	t = (struct told){0};
	assert_int_equal(settings_load(path, true, &u, NULL, note, &t), 0);
	assert_string_equal(s.programs_stay.text, u.programs_stay.text);
	assert_memory_equal(&s.policy, &u.policy, sizeof(s.policy));
	assert_int_equal(u.node_cpus, 2500);
	assert_int_equal(u.owner_then, OWNER_NOTHING);
	assert_true(u.guests_keep_memory == 3 << 20);
	assert_string_equal(u.node_name.text, "x1");
}

static void not_there(void **state)
{
	struct settings s;
	struct told t = {0};
	unsigned files = 9;

	(void)unlink(path);
	assert_int_equal(settings_load(path, false, &s, &files, note, &t), 0);
	assert_int_equal(files, 0);
	assert_int_equal(settings_load(path, true, &s, &files, note, &t), 1);
	assert_int_equal(t.line[0], 0);
}

/* Any bytes: mistakes, and no more. */
static void rubbish(void **state)
{
	static const char parts[][12] = {"[", "]", "[guests]", "\n",   "=", " ", "users", "most",
					 ";", "#", "\0",       "\xff", "9", ":", "\t",    "\r"};
	struct settings s;
	struct told t;
	char text[2000];
	unsigned round, luck = 1;
	size_t n, k;

	for (round = 0; round < 2000; round++) {
		for (n = 0; n < 60; n += k) {
			luck = luck * 1103515245 + 12345;
			k = strlen(parts[luck >> 16 & 15]);
			k = k ? k : 1;
			memcpy(text + n, parts[luck >> 16 & 15], k);
		}
		write_at(path, text, n);
		t = (struct told){0};
		(void)!settings_load(path, true, &s, NULL, note, &t);
	}
}

static int begin(void **state)
{
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/godwit.conf", dir);
	(void)snprintf(drop_dir, sizeof(drop_dir), "%s.d", path);
	return 0;
}

static int end(void **state)
{
	static const char *const names[] = {"10.conf", "20.conf", "30.conf", "30.conf.old"};
	char at[120];
	size_t i;

	for (i = 0; i < 4; i++) {
		(void)snprintf(at, sizeof(at), "%s/%s", drop_dir, names[i]);
		(void)unlink(at);
	}
	(void)rmdir(drop_dir);
	(void)unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_are_right),
	    cmocka_unit_test(what_is_said_counts),
	    cmocka_unit_test(lists_match),
	    cmocka_unit_test(mistakes_are_told),
	    cmocka_unit_test(long_lines),
	    cmocka_unit_test(not_there),
	    cmocka_unit_test(what_is_shown_says_the_same),
	    cmocka_unit_test(rubbish),
	    cmocka_unit_test(drop_ins_count_more), /* last: it leaves a directory */
	};

	return cmocka_run_group_tests(tests, begin, end);
}
