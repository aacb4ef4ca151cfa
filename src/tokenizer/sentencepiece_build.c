/* From the pieces of a model to the tables that encoding and decoding work with. */
#include "support/memory.h"
#include "tokenizer/sentencepiece.h"

#include <stdlib.h>

typedef struct builder {
    const pare_sentencepiece_model *model;
    pare_bpe *bpe;
    pare_word_table merged; /* pieces that merges may make or use, by their text */
    uint32_t *ranks;        /* by id: 0 for the highest score; the same for equal scores */
} builder;

static bool is_merged(const pare_piece *piece) {
    return piece->type == PARE_PIECE_NORMAL || piece->type == PARE_PIECE_UNUSED;
}

/* The code point of a piece that is one character; -1 for others. */
static int64_t single_character(const pare_piece *piece) {
    uint32_t code;
    return pare_utf8_decode(piece->text.data, piece->text.bytes, &code) == piece->text.bytes ? (int64_t)code : -1;
}

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int by_falling_score(const void *left, const void *right) {
    const scored *a = left, *b = right;
    return (a->score < b->score) - (a->score > b->score);
}

static pare_status rank_pieces(builder *b) {
    scored *order;
    size_t count = b->model->count;
    PARE_TRY(pare_alloc(&b->ranks, count, sizeof *b->ranks, "the tokenizer's pieces"));
    PARE_TRY(pare_alloc(&order, count, sizeof *order, "the tokenizer's pieces"));
    for (size_t i = 0; i < count; i++)
        order[i] = (scored){b->model->pieces[i].score, (uint32_t)i};
    qsort(order, count, sizeof *order, by_falling_score);
    uint32_t rank = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && order[i].score != order[i - 1].score) rank++;
        b->ranks[order[i].id] = rank;
    }
    pare_free(order);
    return PARE_OK;
}

/* Enters one piece where its type says. */
static pare_status enter_piece(builder *b, pare_sentencepiece *s, uint32_t id) {
    const pare_piece *piece = b->model->pieces + id;
    int64_t code = single_character(piece);
    if (piece->type == PARE_PIECE_USER_DEFINED) {
        s->has_user_defined = true;
        return pare_prefix_trie_add(&s->user_defined, piece->text.data, piece->text.bytes, (int32_t)id);
    }
    if (piece->type == PARE_PIECE_UNKNOWN) {
        if (b->bpe->unknown != PARE_NO_ID) return pare_sentencepiece_malformed(b->model, "it has two unknown pieces");
        b->bpe->unknown = id;
        return PARE_OK;
    }
    if (piece->type == PARE_PIECE_BYTE) {
        int value = pare_piece_byte(piece);
        if (value < 0) return pare_sentencepiece_malformed(b->model, "a byte piece is not of the form <0xHH>");
        b->bpe->bytes[value] = id;
        return PARE_OK;
    }
    /* An unused character has no id in the output; it becomes a loose one. */
    if (code >= 0 && piece->type != PARE_PIECE_UNUSED) PARE_TRY(pare_bpe_set_character(b->bpe, (uint32_t)code, id));
    if (!is_merged(piece)) return PARE_OK;
    uint32_t hash = pare_word_hash(piece->text.data, piece->text.bytes);
    if (pare_word_table_find(&b->merged, hash, piece->text.data, piece->text.bytes))
        return pare_sentencepiece_malformed(b->model, "a piece occurs twice");
    return pare_word_table_add(&b->merged, hash, piece->text.data, piece->text.bytes, &id, 1);
}

/* Gives characters that occur in pieces but are none themselves a symbol of their own, for merges to use. */
static pare_status enter_loose_characters(builder *b, const pare_piece *piece) {
    uint32_t code;
    size_t length;
    for (size_t at = 0; at < piece->text.bytes; at += length) {
        length = pare_utf8_decode(piece->text.data + at, piece->text.bytes - at, &code);
        if (pare_bpe_character(b->bpe, code) != PARE_NO_ID) continue;
        PARE_TRY(pare_bpe_set_character(b->bpe, code, b->bpe->loose_from + (uint32_t)b->bpe->loose.count));
        PARE_TRY(pare_id_list_add(&b->bpe->loose, code));
    }
    return PARE_OK;
}

/* The symbol of a part of a piece; PARE_NO_ID if there is none. */
static uint32_t find_symbol(const builder *b, const char *text, size_t bytes) {
    uint32_t code;
    if (pare_utf8_decode(text, bytes, &code) == bytes) return pare_bpe_character(b->bpe, code);
    const pare_word *word = pare_word_table_find(&b->merged, pare_word_hash(text, bytes), text, bytes);
    return word ? b->merged.ids.ids[word->ids] : PARE_NO_ID;
}

/* Enters every way to make the piece out of two symbols. */
static pare_status enter_merges(builder *b, uint32_t id) {
    pare_span text = b->model->pieces[id].text;
    uint32_t first, last;
    size_t length = pare_utf8_decode(text.data, text.bytes, &first);
    for (size_t at = length; at < text.bytes; at += length) {
        length = pare_utf8_decode(text.data + at, text.bytes - at, &first);
        uint32_t left = find_symbol(b, text.data, at), right = find_symbol(b, text.data + at, text.bytes - at);
        if (left == PARE_NO_ID || right == PARE_NO_ID) continue;
        pare_utf8_decode_last(text.data, at, &last);
        PARE_TRY(pare_pair_table_set(&b->bpe->merges, (pare_pair){left, right, b->ranks[id], id}));
        PARE_TRY(pare_pair_table_set(&b->bpe->joins, (pare_pair){last, first, 0, 0}));
    }
    return PARE_OK;
}

/* An unused piece takes part in merging, but is put out as the two symbols it was last made of. What surrounds a piece
 * has no influence on how it is made, so that these can be found once. */
static pare_status enter_split(builder *b, uint32_t id) {
    pare_span text = b->model->pieces[id].text;
    pare_pair last = {.id = PARE_NO_ID};
    pare_id_list symbols = {0};
    pare_status status = PARE_OK;
    size_t length;
    for (size_t at = 0; status == PARE_OK && at < text.bytes; at += length) {
        uint32_t code;
        length = pare_utf8_decode(text.data + at, text.bytes - at, &code);
        status = pare_id_list_add(&symbols, pare_bpe_character(b->bpe, code));
    }
    while (status == PARE_OK && symbols.count > 1) {
        const pare_pair *best = NULL;
        size_t place = 0;
        for (size_t i = 0; i + 1 < symbols.count; i++) {
            const pare_pair *pair = pare_pair_table_find(&b->bpe->merges, symbols.ids[i], symbols.ids[i + 1]);
            if (!pair || (best && pair->rank >= best->rank)) continue;
            best = pair;
            place = i;
        }
        if (!best) break;
        last = *best;
        symbols.ids[place] = best->id;
        memmove(symbols.ids + place + 1, symbols.ids + place + 2, (symbols.count - place - 2) * sizeof *symbols.ids);
        symbols.count--;
    }
    if (status == PARE_OK && last.id == id)
        status = pare_pair_table_set(&b->bpe->splits, (pare_pair){id, 0, last.left, last.right});
    pare_id_list_free(&symbols);
    return status;
}

static pare_status check_special_pieces(const builder *b) {
    if (b->bpe->unknown == PARE_NO_ID) return pare_sentencepiece_malformed(b->model, "it has no unknown piece");
    if (!b->model->byte_fallback) return PARE_OK;
    for (size_t i = 0; i < 256; i++)
        if (b->bpe->bytes[i] == PARE_NO_ID) return pare_sentencepiece_malformed(b->model, "a byte piece is missing");
    return PARE_OK;
}

static pare_status build(builder *b, pare_sentencepiece *s) {
    uint32_t count = (uint32_t)b->model->count;
    b->bpe->loose_from = count;
    b->bpe->byte_fallback = b->model->byte_fallback;
    PARE_TRY(rank_pieces(b));
    for (uint32_t id = 0; id < count; id++)
        PARE_TRY(enter_piece(b, s, id));
    PARE_TRY(check_special_pieces(b));
    for (uint32_t id = 0; id < count; id++)
        if (is_merged(b->model->pieces + id)) PARE_TRY(enter_loose_characters(b, b->model->pieces + id));
    for (uint32_t id = 0; id < count; id++)
        if (is_merged(b->model->pieces + id)) PARE_TRY(enter_merges(b, id));
    for (uint32_t id = 0; id < count; id++)
        if (b->model->pieces[id].type == PARE_PIECE_UNUSED) PARE_TRY(enter_split(b, id));
    return PARE_OK;
}

static pare_status build_unigram(pare_sentencepiece *s, const pare_sentencepiece_model *model) {
    for (uint32_t id = 0; id < model->count; id++) {
        const pare_piece *piece = model->pieces + id;
        if (piece->type != PARE_PIECE_USER_DEFINED) continue;
        s->has_user_defined = true;
        PARE_TRY(pare_prefix_trie_add(&s->user_defined, piece->text.data, piece->text.bytes, (int32_t)id));
    }
    return pare_sentencepiece_unigram(model, &s->unigram);
}

pare_status pare_sentencepiece_init(pare_sentencepiece *out, const pare_sentencepiece_model *model) {
    *out = (pare_sentencepiece){
        .space_as_suffix = model->space_as_suffix,
        .add_dummy_prefix = model->add_dummy_prefix,
        .remove_extra_spaces = model->remove_extra_spaces,
        .escape_spaces = model->escape_spaces,
    };
    pare_bpe_init(&out->bpe);
    builder b = {.model = model, .bpe = &out->bpe};
    pare_status status =
        pare_charsmap_read(model->file.path, model->charsmap.data, model->charsmap.bytes, &out->charsmap);
    out->is_unigram = model->model_type == PARE_SENTENCEPIECE_UNIGRAM;
    if (status == PARE_OK && out->is_unigram)
        status = build_unigram(out, model);
    else if (status == PARE_OK)
        status = build(&b, out);
    pare_word_table_free(&b.merged);
    pare_free(b.ranks);
    if (status != PARE_OK) pare_sentencepiece_free(out);
    return status;
}

static pare_status set_piece_text(const pare_sentencepiece_model *model, uint32_t id, pare_buffer *text,
                                  pare_decoder *out) {
    const pare_piece *piece = model->pieces + id;
    if (piece->type == PARE_PIECE_CONTROL) return PARE_OK;
    if (piece->type == PARE_PIECE_UNKNOWN)
        return pare_decoder_set(out, id, PARE_TOKEN_FIXED, model->unknown_surface.data, model->unknown_surface.bytes);
    if (piece->type == PARE_PIECE_BYTE) {
        char byte = (char)pare_piece_byte(piece);
        return pare_decoder_set(out, id, PARE_TOKEN_BYTE, &byte, 1);
    }
    static const char mark[] = "\xE2\x96\x81";
    text->bytes = 0;
    for (size_t at = 0; at < piece->text.bytes;) {
        bool is_space = piece->text.bytes - at >= 3 && memcmp(piece->text.data + at, mark, 3) == 0;
        PARE_TRY(pare_buffer_append(text, is_space ? " " : piece->text.data + at, 1));
        at += is_space ? 3 : 1;
    }
    /* Only a mark is what encoding puts in front, not a space that is one (user-defined pieces may have them). */
    bool own_space = piece->text.bytes && *piece->text.data == ' ';
    return pare_decoder_set(out, id, own_space ? PARE_TOKEN_FIXED : PARE_TOKEN_TEXT, text->data, text->bytes);
}

pare_status pare_sentencepiece_decoder(const pare_sentencepiece_model *model, uint32_t size, pare_decoder *out) {
    pare_buffer text = {0};
    pare_status status = pare_decoder_init(out, size);
    for (uint32_t id = 0; status == PARE_OK && id < model->count; id++)
        status = set_piece_text(model, id, &text, out);
    if (model->remove_extra_spaces)
        out->strip = PARE_STRIP_SPACES;
    else if (model->add_dummy_prefix)
        out->strip = PARE_STRIP_FIRST_SPACE;
    pare_buffer_free(&text);
    if (status != PARE_OK) pare_decoder_free(out);
    return status;
}
