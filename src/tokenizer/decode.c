#include "tokenizer/decode.h"
#include "support/memory.h"

static const char replacement[] = "\xEF\xBF\xBD";

pare_status pare_decoder_init(pare_decoder *decoder, uint32_t count) {
    *decoder = (pare_decoder){.count = count};
    return pare_alloc(&decoder->tokens, count, sizeof *decoder->tokens, "the tokenizer's vocabulary");
}

pare_status pare_decoder_set(pare_decoder *decoder, uint32_t id, pare_token_kind kind, const char *text, size_t bytes) {
    if (bytes > UINT32_MAX) return pare_fail(PARE_UNSUPPORTED, "the token of id %u has more than 4 GiB", id);
    decoder->tokens[id] = (pare_token_text){decoder->text.bytes, (uint32_t)bytes, kind};
    return pare_buffer_append(&decoder->text, text, bytes);
}

void pare_decoder_free(pare_decoder *decoder) {
    pare_free(decoder->tokens);
    pare_buffer_free(&decoder->text);
    *decoder = (pare_decoder){0};
}

static pare_status put_replacements(pare_text_stream *stream, size_t count, pare_buffer *out) {
    stream->has_text |= count > 0;
    for (size_t i = 0; i < count; i++)
        PARE_TRY(pare_buffer_append(out, replacement, sizeof replacement - 1));
    return PARE_OK;
}

/* How many of the pending bytes, which make no character, one replacement stands for. */
static size_t broken_part(const pare_text_stream *stream) {
    size_t length = stream->decoder->broken == PARE_BROKEN_PART ? stream->pending_bytes - 1 : 1;
    while (length > 1 && !pare_utf8_incomplete(stream->pending, length))
        length--;
    return length ? length : 1;
}

/* Puts out what the pending bytes decide: a whole character, or a replacement for what cannot begin one. */
static pare_status settle_pending(pare_text_stream *stream, pare_buffer *out) {
    while (stream->pending_bytes) {
        uint32_t code;
        size_t length = pare_utf8_decode(stream->pending, stream->pending_bytes, &code);
        if (length) {
            PARE_TRY(pare_buffer_append(out, stream->pending, length));
        } else {
            if (pare_utf8_incomplete(stream->pending, stream->pending_bytes)) return PARE_OK;
            PARE_TRY(put_replacements(stream, 1, out));
            length = broken_part(stream);
        }
        stream->pending_bytes -= length;
        memmove(stream->pending, stream->pending + length, stream->pending_bytes);
    }
    return PARE_OK;
}

static pare_status put_bytes(pare_text_stream *stream, const char *text, size_t bytes, pare_buffer *out) {
    stream->has_text |= bytes > 0;
    while (bytes) {
        size_t taken = stream->pending_bytes ? 0 : pare_utf8_valid(text, bytes);
        PARE_TRY(pare_buffer_append(out, text, taken));
        if (taken < bytes) {
            stream->pending[stream->pending_bytes++] = text[taken++];
            PARE_TRY(settle_pending(stream, out));
        }
        text += taken;
        bytes -= taken;
    }
    return PARE_OK;
}

/* Puts a token's text without its spaces. */
static pare_status put_without_spaces(pare_text_stream *stream, const char *text, size_t bytes, pare_buffer *out) {
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != ' ') PARE_TRY(put_bytes(stream, text + i, 1, out));
    return PARE_OK;
}

/* How many bytes of a token fall away because the text begins with it. */
static size_t stripped_bytes(pare_text_stream *stream, pare_token_kind kind, const char *text, size_t bytes) {
    const pare_decoder *decoder = stream->decoder;
    size_t count = 0;
    if (stream->has_text || decoder->strip == PARE_STRIP_NONE) return 0;
    if (decoder->strip == PARE_STRIP_TEXT) {
        while (count < bytes && text[count] == decoder->strip_byte && stream->stripped < decoder->strip_count) {
            count++;
            stream->stripped++;
        }
        return count;
    }
    if (kind != PARE_TOKEN_TEXT || !bytes || text[0] != ' ') return 0;
    if (decoder->strip == PARE_STRIP_SPACES) return 1;
    return decoder->strip == PARE_STRIP_FIRST_SPACE && !stream->stripped++;
}

static pare_status put_text(pare_text_stream *stream, pare_token_kind kind, const char *text, size_t bytes,
                            pare_buffer *out) {
    size_t stripped = stripped_bytes(stream, kind, text, bytes);
    return put_bytes(stream, text + stripped, bytes - stripped, out);
}

/* The run of byte tokens is over, or as long as what is held of one. */
static pare_status settle_run(pare_text_stream *stream, bool is_over, pare_buffer *out) {
    size_t valid = pare_utf8_valid(stream->run, stream->run_bytes), rest = stream->run_bytes - valid;
    if (is_over && rest)
        PARE_TRY(put_replacements(stream, stream->run_bytes, out));
    else
        PARE_TRY(put_text(stream, PARE_TOKEN_BYTE, stream->run, valid, out));
    memmove(stream->run, stream->run + valid, rest);
    stream->run_bytes = is_over ? 0 : rest;
    stream->run_broken &= !is_over;
    return PARE_OK;
}

static pare_status put_run_byte(pare_text_stream *stream, char byte, pare_buffer *out) {
    if (stream->run_broken) return put_replacements(stream, 1, out);
    if (stream->run_bytes == PARE_RUN_MAX) PARE_TRY(settle_run(stream, false, out));
    stream->run[stream->run_bytes++] = byte;
    size_t valid = pare_utf8_valid(stream->run, stream->run_bytes);
    if (valid == stream->run_bytes || pare_utf8_incomplete(stream->run + valid, stream->run_bytes - valid))
        return PARE_OK;
    stream->run_broken = true;
    PARE_TRY(put_replacements(stream, stream->run_bytes, out));
    stream->run_bytes = 0;
    return PARE_OK;
}

pare_status pare_text_stream_put(pare_text_stream *stream, uint32_t id, pare_buffer *out) {
    const pare_decoder *decoder = stream->decoder;
    if (id >= decoder->count)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "token id %u is outside the tokenizer's vocabulary of %u; use the "
                         "tokenizer that the ids were made with",
                         id, decoder->count);
    const pare_token_text *token = decoder->tokens + id;
    const char *text = decoder->text.data + token->start;
    bool first = !stream->has_token;
    if (token->kind == PARE_TOKEN_SILENT) return PARE_OK;
    stream->has_token = true;
    if (decoder->broken == PARE_BROKEN_RUN && token->kind == PARE_TOKEN_BYTE) return put_run_byte(stream, *text, out);
    PARE_TRY(settle_run(stream, true, out));
    if (decoder->spaced && !first) PARE_TRY(put_bytes(stream, " ", 1, out));
    if (decoder->strip == PARE_STRIP_FIRST_TOKEN && first && token->kind != PARE_TOKEN_FIXED)
        return put_without_spaces(stream, text, token->bytes, out);
    return put_text(stream, token->kind, text, token->bytes, out);
}

pare_status pare_text_stream_flush(pare_text_stream *stream, pare_buffer *out) {
    return settle_run(stream, false, out);
}

pare_status pare_text_stream_end(pare_text_stream *stream, pare_buffer *out) {
    PARE_TRY(settle_run(stream, true, out));
    if (stream->decoder->broken == PARE_BROKEN_PART && stream->pending_bytes) stream->pending_bytes = 1;
    PARE_TRY(put_replacements(stream, stream->pending_bytes, out));
    stream->pending_bytes = 0;
    return PARE_OK;
}
