/* Shared by tokenizer_open.c, which makes tokenizers, and tokenizer.c, which uses them. */
#ifndef PARE_TOKENIZER_TOKENIZER_STATE_H
#define PARE_TOKENIZER_TOKENIZER_STATE_H

#include "tokenizer/slow_tokenizer.h"
#include "tokenizer/tokenizer_json.h"

struct pare_tokenizer {
    bool is_json;
    pare_slow_tokenizer slow; /* where is_json is false */
    pare_tokenizer_json json; /* where it is true */
    pare_decoder decoder;
    int64_t bos, eos;
    uint32_t front[PARE_FRONT_MAX]; /* the ids that go in front of every text */
    size_t front_count;
    int64_t behind; /* the id that goes behind every text; -1: none */
    uint32_t rows;  /* ids from here on are refused; 0: none */
};

#endif
