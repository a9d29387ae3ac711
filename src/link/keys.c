/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys and certificates as texts; see keys.h. The files are in keys_files.c. */
#include "keys.h"

#include <errno.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "tls.h"

#define VALID_FROM "19700101000000Z"
#define VALID_TO "99991231235959Z" /* RFC 5280 4.1.2.5: no expiry */

static void free_x509(X509 **x)
{
	X509_free(*x);
}

static void free_pkey(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static void free_bio(BIO **b)
{
	BIO_free(*b);
}

#define _cleanup_x509_ _cleanup_(free_x509)
#define _cleanup_pkey_ _cleanup_(free_pkey)
#define _cleanup_bio_ _cleanup_(free_bio)

static void wipe(char **s)
{
	if (*s)
		OPENSSL_cleanse(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void keys_pair_release(struct keys_pair *p)
{
	wipe(&p->cert);
	wipe(&p->key);
}

int keys_random(void *p, size_t n, struct err *e)
{
	if (n <= INT32_MAX && RAND_priv_bytes(p, (int)n) == 1)
		return 0;
	ERR_clear_error();
	return err_set(e, -EIO, "no random bytes are to be had");
}

/* ---- texts ----------------------------------------------------------------------------------------------- */

static char *bio_text(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	return n > 0 ? strndup(p, (size_t)n) : NULL;
}

static int write_pair(struct keys_pair *ret, X509 *x, EVP_PKEY *k)
{
	_cleanup_bio_ BIO *bx = BIO_new(BIO_s_mem()), *bk = BIO_new(BIO_s_secmem());
	_cleanup_(keys_pair_release) struct keys_pair p = {0};

	if (!bx || !bk || PEM_write_bio_X509(bx, x) != 1 ||
	    PEM_write_bio_PKCS8PrivateKey(bk, k, NULL, NULL, 0, NULL, NULL) != 1)
		return -ENOMEM;
	p.cert = bio_text(bx);
	p.key = bio_text(bk);
	if (!p.cert || !p.key)
		return -ENOMEM;
	ret->cert = take_ptr(p.cert);
	ret->key = take_ptr(p.key);
	return 0;
}

/* ---- certificates ---------------------------------------------------------------------------------------- */

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = ext && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

static bool set_serial(X509 *x)
{
	uint64_t n;

	return RAND_bytes((unsigned char *)&n, sizeof(n)) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), (n >> 1) | 1) == 1;
}

/* A certificate for k, unsigned yet; its issuer is that of `issuer`, or itself when NULL. */
static X509 *new_cert(EVP_PKEY *k, const char *name, X509 *issuer)
{
	_cleanup_x509_ X509 *x = X509_new();
	X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;

	if (!x || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) || X509_set_pubkey(x, k) != 1 ||
	    ASN1_TIME_set_string_X509(X509_getm_notBefore(x), VALID_FROM) != 1 ||
	    ASN1_TIME_set_string_X509(X509_getm_notAfter(x), VALID_TO) != 1 ||
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) != 1 ||
	    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject) != 1)
		return NULL;
	return take_ptr(x);
}

static int no_memory(struct err *e, const char *what)
{
	const char *why = ERR_reason_error_string(ERR_peek_error());

	err_set(e, -ENOMEM, "cannot make %s: %s", what, why ? why : "out of memory");
	ERR_clear_error();
	return -ENOMEM;
}

int keys_make_cluster(struct keys_pair *ret, struct err *e)
{
	_cleanup_pkey_ EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	_cleanup_x509_ X509 *x = NULL;
	char name[40];
	uint64_t id;

	/* A name of its own lets a node of another cluster be told from a forged signature. */
	if (!k || RAND_bytes((unsigned char *)&id, sizeof(id)) != 1)
		return no_memory(e, "the cluster's key");
	(void)snprintf(name, sizeof(name), "godwit cluster %016llx", (unsigned long long)id);
	x = new_cert(k, name, NULL);
	if (!x || !add_extension(x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
	    !add_extension(x, NID_key_usage, "critical,keyCertSign") || !X509_sign(x, k, NULL) ||
	    write_pair(ret, x, k) < 0)
		return no_memory(e, "the cluster's certificate");
	return 0;
}

static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++) {
		if (name[i] <= 0x20 || name[i] >= 0x7f)
			return false;
	}
	return n && n <= LINK_NAME_MAX;
}

int keys_make_node(struct keys_pair *ret, const struct keys_pair *ca, const char *name, struct err *e)
{
	_cleanup_x509_ X509 *issuer = tls_read_cert(ca->cert), *x = NULL;
	_cleanup_pkey_ EVP_PKEY *ca_key = tls_read_key(ca->key), *k = NULL;

	if (!name_ok(name))
		return err_set(e, -EINVAL, "a node's name has 1 to %d visible ASCII characters", LINK_NAME_MAX);
	if (!issuer || !ca_key || X509_check_private_key(issuer, ca_key) != 1 || X509_check_ca(issuer) != 1) {
		ERR_clear_error();
		return err_set(e, -EINVAL, "these are not the certificate and key of a cluster");
	}
	k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	x = k ? new_cert(k, name, issuer) : NULL;
	if (!x || !add_extension(x, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_extension(x, NID_key_usage, "critical,digitalSignature") ||
	    !add_extension(x, NID_ext_key_usage, "serverAuth,clientAuth") || !X509_sign(x, ca_key, NULL) ||
	    write_pair(ret, x, k) < 0)
		return no_memory(e, "the node's certificate");
	return 0;
}

int keys_fingerprint_of(const char *ca_cert, char ret[KEYS_FINGERPRINT_SIZE], struct err *e)
{
	_cleanup_x509_ X509 *x = tls_read_cert(ca_cert);
	unsigned char *der = NULL, hash[EVP_MAX_MD_SIZE];
	int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : -1;
	unsigned hash_len = 0;
	int ok = n > 0 && EVP_Digest(der, (size_t)n, hash, &hash_len, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	ERR_clear_error();
	if (!ok || hash_len * 2 + 1 != KEYS_FINGERPRINT_SIZE)
		return err_set(e, -EINVAL, "this is not the certificate of a cluster");
	for (unsigned i = 0; i < hash_len; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", hash[i]);
	return 0;
}
