/* The tokenizer in the metadata of a GGUF file, as the files that a folder has for it. */
#ifndef PARE_TOKENIZER_GGUF_TOKENIZER_H
#define PARE_TOKENIZER_GGUF_TOKENIZER_H

#include "checkpoint/gguf.h"

#include <jansson.h>

/* True if the metadata has tokens. */
bool pare_gguf_has_tokenizer(const pare_gguf *file);

/* *tokenizer: what tokenizer.json says of the same tokenizer; *config: tokenizer_config.json, with the chat template.
 * New references. Tokenizers of the kinds gpt2 (byte-level BPE, with the ways of cutting text that gguf_pre.c has) and
 * llama (SentencePiece BPE); others are refused. */
pare_status pare_gguf_tokenizer(const pare_gguf *file, json_t **tokenizer, json_t **config);

#endif
