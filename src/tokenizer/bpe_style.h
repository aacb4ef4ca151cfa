/* What a vocab.json with a merges.txt leaves unsaid: the tokenizer class of transformers says how text is split before
 * it is merged, and which special tokens there are. */
#ifndef PARE_TOKENIZER_BPE_STYLE_H
#define PARE_TOKENIZER_BPE_STYLE_H

#include "support/status.h"

#include <jansson.h>

typedef struct pare_bpe_style {
    const char *class_name;          /* without "Fast" at its end */
    const char *const *model_types;  /* of config.json, whose tokenizers are of this class; NULL behind the last */
    const char *expression;          /* what text is split by; NULL: GPT-2's */
    bool composed;                   /* text is normalised to NFC */
    const char *bos, *unknown, *pad; /* the class's own, where no file names others; eos is as unknown. NULL: none */
} pare_bpe_style;

/* The style of the folder, by "tokenizer_class" of its tokenizer_config.json (`config`) or config.json, or by the
 * latter's "model_type". Classes that are not known are refused. */
pare_status pare_bpe_style_find(const char *directory, const json_t *config, const pare_bpe_style **out);

/* Puts the style's special tokens into `config` for those that it does not mention. */
pare_status pare_bpe_style_complete(const pare_bpe_style *style, json_t *config);

#endif
