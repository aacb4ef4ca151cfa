/* The tokenizer behind pare_tokenizer of pare.h, and text that is decoded as its ids come. */
#ifndef PARE_TOKENIZER_TOKENIZER_H
#define PARE_TOKENIZER_TOKENIZER_H

#include "tokenizer/decode.h"

#include <jansson.h>

/* Whether the folder has one of the files that pare_tokenizer_open reads. */
bool pare_tokenizer_exists(const char *directory);

/* pare_tokenizer_open of a tokenizer.json and a tokenizer_config.json that are in no file; json may get the tokens of
 * the other one. path: what messages call both. */
pare_status pare_tokenizer_open_documents(const char *path, json_t *json, const json_t *settings, pare_tokenizer **out);

/* *json: the folder's tokenizer.json with the tokens of the files beside it, or what its vocab.json and merges.txt
 * make; freed with json_decref. NULL: it has a tokenizer.model in their place. */
pare_status pare_tokenizer_document(const char *folder, json_t **json);

/* From now on text with tokens from `rows` on is refused: the model's embedding has no row for them, as with copies
 * that add a padding token and do not resize. Refuses a tokenizer that puts such a token in front of every text or
 * behind it. */
pare_status pare_tokenizer_limit(pare_tokenizer *tokenizer, uint32_t rows);

/* The ids that go in front of every text: BOS as a rule, none, or all that the template of a tokenizer.json has there
 * (GLM's are two). *ids is valid as long as the tokenizer. */
size_t pare_tokenizer_front(const pare_tokenizer *tokenizer, const uint32_t **ids);

/* The id that goes behind every text as a whole; -1: none. The files say so: add_eos_token beside a tokenizer.model, or
 * the template of a tokenizer.json. */
int64_t pare_tokenizer_behind(const pare_tokenizer *tokenizer);

/* The text of ids that come one by one (pare_text_stream_put, pare_text_stream_end in decode.h). The stream holds
 * nothing to free and is valid as long as the tokenizer. */
pare_text_stream pare_tokenizer_stream(const pare_tokenizer *tokenizer);

#endif
