#include "support/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

/* The handle is libcrypto's own context under another name. */
static EVP_MD_CTX *context_of(pare_digest *digest) {
    return (EVP_MD_CTX *)(void *)digest;
}

pare_status pare_digest_new(pare_digest **out) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    *out = (pare_digest *)(void *)context;
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        *out = NULL;
        return pare_fail(PARE_OUT_OF_MEMORY, "libcrypto could not start a SHA-256 digest");
    }
    return PARE_OK;
}

void pare_digest_add(pare_digest *digest, const void *data, size_t bytes) {
    if (bytes) EVP_DigestUpdate(context_of(digest), data, bytes);
}

void pare_digest_finish(pare_digest *digest, char text[PARE_DIGEST_TEXT]) {
    unsigned char bytes[EVP_MAX_MD_SIZE] = {0};
    EVP_DigestFinal_ex(context_of(digest), bytes, NULL);
    EVP_MD_CTX_free(context_of(digest));
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}
