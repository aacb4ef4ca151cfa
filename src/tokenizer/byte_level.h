/* GPT-2's spelling of bytes as printable characters, which byte-level vocabularies are written in. */
#ifndef PARE_TOKENIZER_BYTE_LEVEL_H
#define PARE_TOKENIZER_BYTE_LEVEL_H

#include "tokenizer/buffer.h"

/* The byte that a character stands for; -1 if it stands for none. */
int pare_byte_level_byte(uint32_t code);

/* Appends the spelling of any bytes. */
pare_status pare_byte_level_encode(const char *text, size_t bytes, pare_buffer *out);

/* Appends the bytes that UTF-8 `text` spells; *spelled is false, and nothing is appended, if a character of it stands
 * for no byte. */
pare_status pare_byte_level_decode(const char *text, size_t bytes, pare_buffer *out, bool *spelled);

#endif
