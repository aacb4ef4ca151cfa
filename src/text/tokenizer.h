/* The tokenizer behind pare_tokenizer of pare.h, and text that is decoded as its ids come. */
#ifndef PARE_TEXT_TOKENIZER_H
#define PARE_TEXT_TOKENIZER_H

#include "text/decode.h"

/* The text of ids that come one by one (pare_text_stream_put, pare_text_stream_end in decode.h). The stream holds
 * nothing to free and is valid as long as the tokenizer. */
pare_text_stream pare_tokenizer_stream(const pare_tokenizer *tokenizer);

#endif
