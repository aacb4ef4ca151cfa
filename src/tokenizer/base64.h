/* Bytes that files have in base64. */
#ifndef PARE_TOKENIZER_BASE64_H
#define PARE_TOKENIZER_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* text: [length], groups of four, padded. out has room for length / 4 * 3 bytes, of which *bytes are made. False if the
 * text is empty or no base64. */
bool pare_base64_decode(const char *text, size_t length, char *out, size_t *bytes);

#endif
