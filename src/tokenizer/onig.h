/* Oniguruma's regular expressions in PCRE2's syntax. */
#ifndef PARE_TOKENIZER_ONIG_H
#define PARE_TOKENIZER_ONIG_H

#include "tokenizer/buffer.h"

/* Appends the expression to `out`. PARE_UNSUPPORTED, naming `path`, for the few things that PCRE2 cannot say. */
pare_status pare_onig_translate(const char *path, const char *expression, size_t bytes, pare_buffer *out);

#endif
