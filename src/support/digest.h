/* SHA-256 (libcrypto), for model files and calibration ids. */
#ifndef PARE_SUPPORT_DIGEST_H
#define PARE_SUPPORT_DIGEST_H

#include "support/status.h"

#include <stddef.h>

enum { PARE_DIGEST_TEXT = 65 }; /* 64 hexadecimal digits and a NUL */

typedef struct pare_digest pare_digest;

pare_status pare_digest_new(pare_digest **out);
void pare_digest_add(pare_digest *digest, const void *data, size_t bytes);
/* Writes the lower-case hexadecimal digest and frees `digest`. */
void pare_digest_finish(pare_digest *digest, char text[PARE_DIGEST_TEXT]);

#endif
