/* The tokenizer.model of Llama 3 in Meta's own format, which is tiktoken's and not SentencePiece's. */
#ifndef PARE_TOKENIZER_TIKTOKEN_H
#define PARE_TOKENIZER_TIKTOKEN_H

#include "support/status.h"

#include <jansson.h>

/* True if the file's first line is one of such a file. */
bool pare_tiktoken_is(const char *path);

/* *out: the tokenizer.json that the ranks make with Llama 3's splitting and its 256 special tokens behind them; freed
 * with json_decref. */
pare_status pare_tiktoken_read(const char *path, json_t **out);

#endif
