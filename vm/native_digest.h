/* SPDX-License-Identifier: Apache-2.0 */
/* native_digest: SHA-256 over several pieces. Private to vm. A failure (there was no memory) shows
 * at the end. */
#ifndef MR_VM_NATIVE_DIGEST_H
#define MR_VM_NATIVE_DIGEST_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MR_DIGEST_BYTES = 32 };

typedef struct mr_digest {
    EVP_MD_CTX *context;
    bool failed;
} mr_digest;

static inline mr_digest mr_digest_begin(void)
{
    mr_digest d = {.context = EVP_MD_CTX_new()};
    d.failed = d.context == NULL || EVP_DigestInit_ex(d.context, EVP_sha256(), NULL) != 1;
    return d;
}

static inline void mr_digest_add(mr_digest *d, const void *bytes, size_t size)
{
    d->failed = d->failed || EVP_DigestUpdate(d->context, bytes, size) != 1;
}

/* A text with its end, so that two of them are never taken for two others. */
static inline void mr_digest_text(mr_digest *d, const char *text)
{
    mr_digest_add(d, text, strlen(text) + 1);
}

static inline bool mr_digest_end(mr_digest *d, uint8_t out[MR_DIGEST_BYTES])
{
    d->failed = d->failed || EVP_DigestFinal_ex(d->context, out, NULL) != 1;
    EVP_MD_CTX_free(d->context);
    return !d->failed;
}

#endif
