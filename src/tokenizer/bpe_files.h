/* vocab.json and merges.txt, as GPT-2's tokenizers had them before there was a tokenizer.json. */
#ifndef PARE_TOKENIZER_BPE_FILES_H
#define PARE_TOKENIZER_BPE_FILES_H

#include "tokenizer/bpe_style.h"

/* *out: the tokenizer.json that the two files in `directory` make in this style; freed with json_decref.
 * prefix: a space goes in front of every text that does not begin with one. */
pare_status pare_bpe_files_read(const char *directory, const pare_bpe_style *style, bool prefix, json_t **out);

#endif
