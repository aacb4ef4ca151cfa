/* What Python's str.strip takes from the ends of a text. */
#ifndef PARE_TEXT_STRIP_H
#define PARE_TEXT_STRIP_H

#include "tokenizer/unicode.h"

/* Unicode's white space, and U+001C to U+001F. */
static inline bool pare_is_stripped(uint32_t code) {
    return pare_is_space(code) || (code >= 0x1C && code <= 0x1F);
}

#endif
