/* The Precompiled normalizer of a tokenizer.json: a SentencePiece model's table, as the tokenizers library applies it.
 */
#ifndef PARE_TOKENIZER_PRECOMPILED_H
#define PARE_TOKENIZER_PRECOMPILED_H

#include "tokenizer/buffer.h"
#include "tokenizer/charsmap.h"

#include <jansson.h>

/* json: the normalizer, with the table in base64. Free with pare_charsmap_free. */
pare_status pare_precompiled_read(const char *path, const json_t *json, pare_charsmap *out);
/* Appends what UTF-8 `text` becomes. */
pare_status pare_precompiled_run(const pare_charsmap *map, const char *text, size_t bytes, pare_buffer *out);

#endif
