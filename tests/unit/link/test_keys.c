/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys as texts and as files. */
#include "pair.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <openssl/pem.h>

#include "../../../src/base/file.h"

static const char *const files[] = {"ca.crt", "ca.key", "node.crt", "node.key"};

struct dir {
	char path[64];
};

static int dir_setup(void **state)
{
	static struct dir d;

	(void)snprintf(d.path, sizeof(d.path), "/tmp/godwit-keys-XXXXXX");
	*state = &d;
	return mkdtemp(d.path) ? 0 : -1;
}

static int dir_teardown(void **state)
{
	struct dir *d = *state;

	int r = keys_forget(d->path, NULL);

	return r < 0 ? r : rmdir(d->path); /* fails when anything else was left there */
}

static void path_of(char *ret, size_t cap, const struct dir *d, const char *file)
{
	(void)snprintf(ret, cap, "%s/%s", d->path, file);
}

static X509 *parse(const char *pem)
{
	BIO *b = BIO_new_mem_buf(pem, -1);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

	BIO_free(b);
	assert_non_null(x);
	return x;
}

/* Valid for any clock that a machine may have. */
static void check_validity(const char *pem)
{
	struct tm from, to;
	X509 *x = parse(pem);

	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notBefore(x), &from), 1);
	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(x), &to), 1);
	assert_int_equal(from.tm_year + 1900, 1970);
	assert_int_equal(to.tm_year + 1900, 9999);
	X509_free(x);
}

static void texts(void **state)
{
	_cleanup_(keys_pair_release) struct keys_pair ca = {0}, other = {0}, node = {0}, mixed = {0};
	char a[KEYS_FINGERPRINT_SIZE], b[KEYS_FINGERPRINT_SIZE];
	struct err e = {0};

	assert_int_equal(keys_make_cluster(&ca, &e), 0);
	assert_int_equal(keys_make_cluster(&other, &e), 0);
	assert_int_equal(keys_make_node(&node, &ca, "ant", &e), 0);
	check_validity(ca.cert);
	check_validity(node.cert);
	assert_int_equal(keys_fingerprint_of(ca.cert, a, &e), 0);
	assert_int_equal(keys_fingerprint_of(other.cert, b, &e), 0);
	assert_int_equal(strlen(a), KEYS_FINGERPRINT_SIZE - 1);
	assert_int_equal(strspn(a, "0123456789abcdef"), KEYS_FINGERPRINT_SIZE - 1);
	assert_string_not_equal(a, b);

	/* A node may not make nodes, and the halves of two clusters make none. */
	assert_int_equal(keys_make_node(&mixed, &node, "bee", &e), -EINVAL);
	assert_int_equal(keys_make_node(&mixed, &(struct keys_pair){ca.cert, other.key}, "bee", &e), -EINVAL);
	assert_int_equal(keys_make_node(&mixed, &(struct keys_pair){NULL, NULL}, "bee", &e), -EINVAL);
	assert_null(mixed.cert);
}

static void names(void **state)
{
	_cleanup_(keys_pair_release) struct keys_pair ca = {0}, longest = {0};
	static const char *const bad[] = {"", "two words", "tab\t", "\xc3\xa4", "line\n"};
	struct keys_pair none = {0};
	char name[LINK_NAME_MAX + 2];

	assert_int_equal(keys_make_cluster(&ca, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(keys_make_node(&none, &ca, bad[i], NULL), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[LINK_NAME_MAX + 1] = '\0';
	assert_int_equal(keys_make_node(&none, &ca, name, NULL), -EINVAL);
	name[LINK_NAME_MAX] = '\0';
	assert_int_equal(keys_make_node(&longest, &ca, name, NULL), 0);
}

/* Every truncation and some changes of the texts: an error or, where PEM is indifferent, success; never a crash. */
static void damaged_texts(void **state)
{
	_cleanup_(keys_pair_release) struct keys_pair ca = {0}, node = {0};
	size_t cert_len;

	assert_int_equal(keys_make_cluster(&ca, NULL), 0);
	assert_int_equal(keys_make_node(&node, &ca, "ant", NULL), 0);
	cert_len = strlen(node.cert);
	for (size_t n = 0; n + 2 < cert_len; n += 7) {
		_cleanup_free_ char *cut = strndup(node.cert, n);
		struct link_identity *id = NULL;
		char print[KEYS_FINGERPRINT_SIZE];
		struct err e = {0};

		assert_int_equal(link_identity_new(&id, ca.cert, cut, node.key, &e), -EINVAL);
		assert_int_equal(link_identity_new(&id, cut, node.cert, node.key, &e), -EINVAL);
		assert_int_equal(link_identity_new(&id, ca.cert, node.cert, cut, &e), -EINVAL);
		assert_int_equal(keys_fingerprint_of(cut, print, &e), -EINVAL);
		assert_true(e.text[0]);
		assert_null(id);
	}
}

static void random_differs(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};

	assert_int_equal(keys_random(a, sizeof(a), NULL), 0);
	assert_int_equal(keys_random(b, sizeof(b), NULL), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, zero, sizeof(a));
}

static void init_and_join(void **state)
{
	struct keys *first = NULL, *second = NULL;
	struct dir *d = *state;
	struct err e = {0};
	struct dir d2 = {"/tmp/godwit-keys-XXXXXX"};
	struct pair p;

	assert_non_null(mkdtemp(d2.path));
	assert_int_equal(keys_load(&first, d->path, &e), -ENOENT);
	assert_int_equal(keys_init(d->path, "ant", &e), 0);
	assert_int_equal(keys_init(d->path, "ant", &e), -EEXIST);
	assert_int_equal(keys_load(&first, d->path, &e), 0);
	assert_int_equal(keys_join(d2.path, keys_cluster(first), "bee", &e), 0);
	assert_int_equal(keys_join(d2.path, keys_cluster(first), "bee", &e), -EEXIST);
	assert_int_equal(keys_load(&second, d2.path, &e), 0);
	assert_string_equal(keys_fingerprint(first), keys_fingerprint(second));

	pair_cert(&p, keys_identity(first), keys_identity(second));
	pair_handshake(&p);
	assert_int_equal(p.client_result, 0);
	assert_int_equal(p.server_result, 0);
	assert_string_equal(link_peer_name(p.client), "bee");
	keys_free(first); /* links go on without */
	assert_string_equal(link_peer_name(p.server), "ant");
	pair_close(&p);
	keys_free(second);
	assert_int_equal(keys_forget(d2.path, &e), 0);
	assert_int_equal(keys_forget(d2.path, &e), 0);
	assert_int_equal(rmdir(d2.path), 0);
}

static void modes(void **state)
{
	struct dir *d = *state;
	struct stat st;
	char path[128];

	assert_int_equal(keys_init(d->path, "ant", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		path_of(path, sizeof(path), d, files[i]);
		assert_int_equal(stat(path, &st), 0);
		if (strstr(files[i], ".key"))
			assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void damaged_files(void **state)
{
	struct link_identity *id = NULL;
	struct dir *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct keys *k = NULL;
		struct err e = {0};
		char path[128], ca[128];

		path_of(path, sizeof(path), d, files[i]);
		path_of(ca, sizeof(ca), d, "ca.crt");
		assert_int_equal(keys_init(d->path, "ant", &e), 0);
		assert_int_equal(truncate(path, 20), 0);
		/* ca.key is not needed to speak to others; joining checks it. */
		assert_int_equal(keys_load(&k, d->path, &e), strcmp(files[i], "ca.key") ? -EINVAL : 0);
		if (k)
			assert_int_equal(keys_join("/nonexistent", keys_cluster(k), "bee", &e), -EINVAL);
		assert_true(e.text[0]);
		keys_free(k);
		k = NULL;
		assert_int_equal(unlink(path), 0);
		assert_int_equal(keys_load(&k, d->path, &e), strcmp(files[i], "node.key") ? -EINVAL : -ENOENT);
		assert_int_equal(link_identity_load(&id, ca, path, path, &e), -ENOENT);
		assert_int_equal(keys_forget(d->path, &e), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts),
	    cmocka_unit_test(names),
	    cmocka_unit_test(damaged_texts),
	    cmocka_unit_test(random_differs),
	    cmocka_unit_test_setup_teardown(init_and_join, dir_setup, dir_teardown),
	    cmocka_unit_test_setup_teardown(modes, dir_setup, dir_teardown),
	    cmocka_unit_test_setup_teardown(damaged_files, dir_setup, dir_teardown),
	};

	return cmocka_run_group_tests_name("link-keys", tests, NULL, NULL);
}
