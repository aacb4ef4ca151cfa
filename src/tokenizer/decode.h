/* Token ids back to text, one id at a time. */
#ifndef PARE_TOKENIZER_DECODE_H
#define PARE_TOKENIZER_DECODE_H

#include "tokenizer/unicode.h"

typedef enum pare_token_kind {
    PARE_TOKEN_SILENT, /* special tokens, and ids without a token: no text */
    PARE_TOKEN_TEXT,
    PARE_TOKEN_FIXED, /* text that no rule shortens: SentencePiece's unknown surface */
    PARE_TOKEN_BYTE   /* one byte of a character */
} pare_token_kind;

/* What is taken from the beginning of a text, where encoding had put it. */
typedef enum pare_strip {
    PARE_STRIP_NONE,
    PARE_STRIP_TEXT,        /* up to strip_count times strip_byte, from the text as a whole */
    PARE_STRIP_FIRST_SPACE, /* one space of the first token that is neither silent nor bytes */
    PARE_STRIP_SPACES,      /* one space of each token as long as the text is empty */
    PARE_STRIP_FIRST_TOKEN  /* all spaces of the first token that is not silent */
} pare_strip;

/* What becomes of bytes that make no character: each U+FFFD, or ... */
typedef enum pare_broken {
    PARE_BROKEN_BYTE, /* each of them (SentencePiece) */
    PARE_BROKEN_PART, /* one for each beginning of a character that is not finished, and each other byte (ByteLevel) */
    PARE_BROKEN_RUN /* each byte of a run of byte tokens that is not UTF-8 from its beginning to its end (ByteFallback)
                     */
} pare_broken;

enum { PARE_RUN_MAX = 64 }; /* bytes of a run that are held back until it is known to be UTF-8 */

typedef struct pare_token_text {
    size_t start;
    uint32_t bytes;
    pare_token_kind kind;
} pare_token_text;

typedef struct pare_decoder {
    pare_token_text *tokens; /* [count], by id */
    uint32_t count;
    pare_buffer text;
    pare_broken broken;
    pare_strip strip;
    uint32_t strip_count;
    char strip_byte;
    bool spaced; /* a space between any two tokens: a tokenizer.json without a decoder */
} pare_decoder;

/* All ids silent, nothing stripped. */
pare_status pare_decoder_init(pare_decoder *decoder, uint32_t count);
/* Sets the text of an id below count. */
pare_status pare_decoder_set(pare_decoder *decoder, uint32_t id, pare_token_kind kind, const char *text, size_t bytes);
void pare_decoder_free(pare_decoder *decoder);

/* A text in the making. Zero but for `decoder` at its start. */
typedef struct pare_text_stream {
    const pare_decoder *decoder;
    char pending[PARE_UTF8_MAX]; /* the beginning of a character */
    size_t pending_bytes;
    char run[PARE_RUN_MAX]; /* of byte tokens, UTF-8 but for its end; PARE_BROKEN_RUN */
    size_t run_bytes;
    bool run_broken;
    uint32_t stripped;
    bool has_token, has_text;
} pare_text_stream;

/* Appends what the id adds to the text, as far as it is whole characters. The output of all puts and the end together
 * is the text of the ids, always UTF-8: bytes that make no character become U+FFFD, as `broken` says. PARE_BAD_ARGUMENT
 * for an id that the tokenizer does not have. */
pare_status pare_text_stream_put(pare_text_stream *stream, uint32_t id, pare_buffer *out);
/* Appends the whole characters that are held back (PARE_BROKEN_RUN), where what comes next is to be told apart. */
pare_status pare_text_stream_flush(pare_text_stream *stream, pare_buffer *out);
/* Appends what was left incomplete. */
pare_status pare_text_stream_end(pare_text_stream *stream, pare_buffer *out);

#endif
