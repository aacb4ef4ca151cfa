#include "tokenizer/sentencepiece.h"

static const char space_mark[] = "\xE2\x96\x81";

/* The first stretch of the text and what it is normalised to; returns its length in the text. The stretch has a space
 * only if it is one (a replacement may have any). */
static size_t normalise_first(const pare_sentencepiece *s, const char *text, size_t bytes, pare_span *normal) {
    int32_t value;
    const char *replacement;
    uint32_t code;
    size_t length = s->has_user_defined ? pare_prefix_trie_match(&s->user_defined, text, bytes, &value) : 0;
    if (!length && (length = pare_charsmap_match(&s->charsmap, text, bytes, &replacement))) {
        *normal = (pare_span){replacement, strlen(replacement)};
        return length;
    }
    if (!length && !s->has_user_defined && !s->charsmap.unit_count && *text != ' ') {
        const char *space = memchr(text, ' ', bytes);
        length = pare_utf8_valid(text, space ? (size_t)(space - text) : bytes);
    }
    if (!length) length = pare_utf8_decode(text, bytes, &code);
    *normal = length ? (pare_span){text, length} : (pare_span){"\xEF\xBF\xBD", 3};
    return length ? length : 1;
}

static pare_span space_of(const pare_sentencepiece *s) {
    return s->escape_spaces ? (pare_span){space_mark, sizeof space_mark - 1} : (pare_span){" ", 1};
}

static pare_status append_escaped(const pare_sentencepiece *s, pare_span text, pare_buffer *out) {
    pare_span mark = space_of(s);
    while (text.bytes) {
        const char *space = memchr(text.data, ' ', text.bytes);
        size_t plain = space ? (size_t)(space - text.data) : text.bytes;
        PARE_TRY(pare_buffer_append(out, text.data, plain));
        if (space) PARE_TRY(pare_buffer_append(out, mark.data, mark.bytes));
        plain += space != NULL;
        text.data += plain;
        text.bytes -= plain;
    }
    return PARE_OK;
}

static void remove_trailing_spaces(const pare_sentencepiece *s, pare_buffer *text) {
    pare_span space = space_of(s);
    while (text->bytes >= space.bytes && !memcmp(text->data + text->bytes - space.bytes, space.data, space.bytes))
        text->bytes -= space.bytes;
}

/* Normalises as the model's normalizer_spec says. */
static pare_status normalise(const pare_sentencepiece *s, const char *text, size_t bytes, pare_buffer *out) {
    pare_span normal, mark = space_of(s);
    size_t taken;
    while (s->remove_extra_spaces && bytes) {
        taken = normalise_first(s, text, bytes, &normal);
        if (normal.bytes != 1 || *normal.data != ' ') break;
        text += taken;
        bytes -= taken;
    }
    if (!bytes) return PARE_OK;
    PARE_TRY(pare_buffer_reserve(out, bytes + bytes / 2));
    if (s->add_dummy_prefix && !s->space_as_suffix) PARE_TRY(pare_buffer_append(out, mark.data, mark.bytes));
    bool after_space = s->remove_extra_spaces;
    for (; bytes; text += taken, bytes -= taken) {
        taken = normalise_first(s, text, bytes, &normal);
        while (after_space && normal.bytes && *normal.data == ' ') {
            normal.data++;
            normal.bytes--;
        }
        if (!normal.bytes) continue;
        PARE_TRY(append_escaped(s, normal, out));
        after_space = s->remove_extra_spaces && normal.data[normal.bytes - 1] == ' ';
    }
    if (s->remove_extra_spaces) remove_trailing_spaces(s, out);
    if (s->add_dummy_prefix && s->space_as_suffix) PARE_TRY(pare_buffer_append(out, mark.data, mark.bytes));
    return PARE_OK;
}

/* A run of unknown ids is one unknown id. */
static void fuse_unknown(uint32_t unknown, pare_id_list *ids, size_t from) {
    size_t kept = from;
    for (size_t i = from; i < ids->count; i++)
        if (i == from || ids->ids[i] != unknown || ids->ids[i - 1] != unknown) ids->ids[kept++] = ids->ids[i];
    ids->count = kept;
}

static pare_status encode_normal(const pare_sentencepiece *s, pare_encode_work *work, const char *text, size_t bytes,
                                 pare_id_list *out) {
    if (s->is_unigram) return pare_unigram_encode(&s->unigram, &work->unigram, text, bytes, out);
    if (!s->has_user_defined) return pare_bpe_encode(&s->bpe, &work->bpe, text, bytes, out);
    size_t done = 0, length = 0;
    while (done < bytes) {
        int32_t id;
        size_t at = pare_prefix_trie_search(&s->user_defined, text, bytes, done, &length, &id);
        PARE_TRY(pare_bpe_encode(&s->bpe, &work->bpe, text + done, at - done, out));
        if (at == bytes) break;
        PARE_TRY(pare_id_list_add(out, (uint32_t)id));
        done = at + length;
    }
    return PARE_OK;
}

pare_status pare_sentencepiece_encode(const pare_sentencepiece *s, pare_encode_work *work, const char *text,
                                      size_t bytes, pare_id_list *out) {
    pare_buffer normal = {0};
    size_t from = out->count;
    pare_status status = normalise(s, text, bytes, &normal);
    if (status == PARE_OK) status = encode_normal(s, work, normal.data, normal.bytes, out);
    if (status == PARE_OK && !s->is_unigram && !s->bpe.byte_fallback) fuse_unknown(s->bpe.unknown, out, from);
    pare_buffer_free(&normal);
    return status;
}

void pare_sentencepiece_free(pare_sentencepiece *s) {
    pare_bpe_free(&s->bpe);
    pare_unigram_free(&s->unigram);
    pare_charsmap_free(&s->charsmap);
    pare_prefix_trie_free(&s->user_defined);
}
