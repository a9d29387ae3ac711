/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TLS settings of links, a node's identity, and OpenSSL's errors; see tls.h and link.h. */
#include "tls.h"

#include <errno.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "../base/file.h"

#define PEM_MAX (64U << 10)
#define READ_AHEAD (64U << 10) /* bytes that one recv(2) may bring; more was slower, out of the CPU's caches */

SSL_CTX *tls_ctx_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	if (!ctx)
		return NULL;
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519:P-256") || !SSL_CTX_set_num_tickets(ctx, 0)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	/* Whoever has no key for us is refused: with a psk there is nobody who could sign a certificate. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return ctx;
}

static bool about_keys(int reason)
{
	switch (reason) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_BINDER_DOES_NOT_VERIFY:
	case SSL_R_BAD_PSK:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: /* the peer's psk is unknown and we have no certificate */
	case SSL_AD_REASON_OFFSET + SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA:
	case SSL_AD_REASON_OFFSET + SSL_AD_ACCESS_DENIED:
	case SSL_AD_REASON_OFFSET + SSL_AD_DECRYPT_ERROR:
	case SSL_AD_REASON_OFFSET + SSL_AD_ILLEGAL_PARAMETER:
	case SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_PSK_IDENTITY:
	case SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

int tls_error(struct err *e, const char *what)
{
	unsigned long first = ERR_peek_error();
	const char *why = ERR_reason_error_string(first);
	bool keys = ERR_GET_LIB(first) == ERR_LIB_SSL && about_keys(ERR_GET_REASON(first));

	ERR_clear_error();
	if (keys)
		return err_set(e, -EKEYREJECTED, "%s: the other end has other keys (%s)", what,
			       why ? why : "no reason given");
	return err_set(e, -EPROTO, "%s: %s", what, why ? why : "no reason given");
}

static BIO *text_bio(const char *pem)
{
	return pem && strlen(pem) < PEM_MAX ? BIO_new_mem_buf(pem, -1) : NULL;
}

X509 *tls_read_cert(const char *pem)
{
	BIO *b = text_bio(pem);
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;

	BIO_free(b);
	return x;
}

/* Without a passphrase function OpenSSL would ask on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	return -1;
}

EVP_PKEY *tls_read_key(const char *pem)
{
	BIO *b = text_bio(pem);
	EVP_PKEY *k = b ? PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL) : NULL;

	BIO_free(b);
	return k;
}

static int fill_ctx(SSL_CTX *ctx, X509 *ca, X509 *cert, EVP_PKEY *key, struct err *e)
{
	if (!ca || !cert || !key)
		return err_set(e, -EINVAL, "the %s is not valid PEM",
			       !ca     ? "cluster's certificate"
			       : !cert ? "node's certificate"
				       : "node's key");
	if (!X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca))
		return err_set(e, -ENOMEM, "out of memory");
	if (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
		return err_set(e, -EINVAL, "the node's certificate and key do not belong together");
	if (X509_verify(cert, X509_get0_pubkey(ca)) != 1)
		return err_set(e, -EINVAL, "the node's certificate was not signed by the cluster's key");
	/* The peer has the cluster's certificate; sending it along would only cost bytes. */
	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_verify_depth(ctx, 1);
	return 0;
}

int link_identity_new(struct link_identity **ret, const char *ca_pem, const char *cert_pem, const char *key_pem,
		      struct err *e)
{
	struct link_identity *id = calloc(1, sizeof(*id));
	X509 *ca = tls_read_cert(ca_pem), *cert = tls_read_cert(cert_pem);
	EVP_PKEY *key = tls_read_key(key_pem);
	int r;

	if (id)
		id->ctx = tls_ctx_new();
	if (!id || !id->ctx)
		r = err_set(e, -ENOMEM, "out of memory");
	else
		r = fill_ctx(id->ctx, ca, cert, key, e);
	X509_free(ca);
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (r < 0) {
		link_identity_free(id);
		return r;
	}
	*ret = id;
	return 0;
}

static int read_pem(const char *path, char **ret, size_t *ret_len, struct err *e)
{
	int r = file_read_all(path, PEM_MAX, ret, ret_len);

	return r < 0 ? err_set(e, r, "cannot read %s: %s", path, strerror(-r)) : 0;
}

int link_identity_load(struct link_identity **ret, const char *ca_path, const char *cert_path, const char *key_path,
		       struct err *e)
{
	_cleanup_free_ char *ca = NULL, *cert = NULL, *key = NULL;
	size_t n, key_len;
	int r = read_pem(ca_path, &ca, &n, e);

	if (r == 0)
		r = read_pem(cert_path, &cert, &n, e);
	if (r == 0)
		r = read_pem(key_path, &key, &key_len, e);
	if (r < 0)
		return r;
	r = link_identity_new(ret, ca, cert, key, e);
	OPENSSL_cleanse(key, key_len);
	return r;
}

void link_identity_free(struct link_identity *id)
{
	if (!id)
		return;
	SSL_CTX_free(id->ctx);
	free(id);
}
