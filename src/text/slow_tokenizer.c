#include "text/slow_tokenizer.h"
#include "text/extra_tokens.h"

enum { MOST_GAPS = 1 << 16 };

static pare_status no_memory(void) {
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's added tokens");
}

/* The pieces that no merge makes and that stand for no text: <s>, </s>, <unk> and their like. */
static pare_status list_pieces(const pare_sentencepiece_model *model, json_t *list) {
    for (size_t id = 0; id < model->count; id++) {
        const pare_piece *piece = &model->pieces[id];
        if (piece->type != PARE_PIECE_CONTROL && piece->type != PARE_PIECE_UNKNOWN) continue;
        json_t *token = json_pack("{s:s%, s:I, s:b, s:b}", "content", piece->text.data, piece->text.bytes, "id",
                                  (json_int_t)id, "special", 1, "normalized", 0);
        if (!token || json_array_append_new(list, token) != 0) return no_memory();
    }
    return PARE_OK;
}

/* A token of another file with an id of the model's must be that piece. */
static pare_status check(const pare_sentencepiece_model *model, const pare_added_tokens *added, uint32_t *size) {
    *size = (uint32_t)model->count;
    for (size_t i = 0; i < added->count; i++) {
        const pare_added_token *token = &added->tokens[i];
        if (token->id >= *size) *size = token->id + 1;
        if (token->id >= model->count) continue;
        pare_span piece = model->pieces[token->id].text;
        if (piece.bytes != token->bytes || memcmp(piece.data, token->text, piece.bytes) != 0)
            return pare_fail(
                PARE_FORMAT_ERROR,
                "%s has \"%.*s\" as token %u, which the files beside it call \"%.40s\"; they do not belong "
                "together",
                model->file.path, (int)piece.bytes, piece.data, token->id, token->text);
    }
    if (*size > MOST_GAPS + 2 * (model->count + added->count))
        return pare_fail(PARE_FORMAT_ERROR, "the files beside %s have ids up to %u for %zu tokens; fetch them again",
                         model->file.path, *size - 1, model->count + added->count);
    return PARE_OK;
}

static pare_status read_added(pare_slow_tokenizer *out, const pare_sentencepiece_model *model, const json_t *extra,
                              uint32_t *size) {
    static const pare_normalizer none = {0};
    json_t *list = json_array();
    pare_status status = list ? list_pieces(model, list) : no_memory();
    if (status == PARE_OK) status = pare_extra_tokens_join(model->file.path, list, extra);
    if (status == PARE_OK) status = pare_added_tokens_read(model->file.path, list, &none, &out->added);
    json_decref(list);
    return status == PARE_OK ? check(model, &out->added, size) : status;
}

/* Added tokens that are not special are shown as what they are. */
static pare_status show_added(const pare_slow_tokenizer *tokenizer, pare_decoder *decoder) {
    for (size_t i = 0; i < tokenizer->added.count; i++) {
        const pare_added_token *token = &tokenizer->added.tokens[i];
        if (token->special) continue;
        PARE_TRY(pare_decoder_set(decoder, token->id, PARE_TOKEN_FIXED, token->text, token->bytes));
    }
    return PARE_OK;
}

pare_status pare_slow_tokenizer_init(pare_slow_tokenizer *out, const pare_sentencepiece_model *model,
                                     const pare_tokenizer_config *config, pare_decoder *decoder) {
    uint32_t size;
    *out = (pare_slow_tokenizer){.prefix_once = config->prefix_once};
    pare_status status = pare_sentencepiece_init(&out->model, model);
    if (status == PARE_OK) status = read_added(out, model, config->added, &size);
    if (status == PARE_OK) status = pare_sentencepiece_decoder(model, size, decoder);
    if (status == PARE_OK) status = show_added(out, decoder);
    return status;
}

void pare_slow_tokenizer_free(pare_slow_tokenizer *tokenizer) {
    pare_sentencepiece_free(&tokenizer->model);
    pare_added_tokens_free(&tokenizer->added);
}

int64_t pare_slow_tokenizer_find(const pare_slow_tokenizer *tokenizer, const pare_sentencepiece_model *model,
                                 pare_span text) {
    for (size_t i = 0; i < tokenizer->added.count; i++) {
        const pare_added_token *token = &tokenizer->added.tokens[i];
        if (token->bytes == text.bytes && memcmp(token->text, text.data, text.bytes) == 0) return token->id;
    }
    for (size_t id = 0; id < model->count; id++)
        if (model->pieces[id].text.bytes == text.bytes && !memcmp(model->pieces[id].text.data, text.data, text.bytes))
            return (int64_t)id;
    return -1;
}

pare_status pare_slow_tokenizer_encode(const pare_slow_tokenizer *tokenizer, pare_bpe_work *work, const char *text,
                                       size_t bytes, pare_id_list *out) {
    pare_section_scan scan = {&tokenizer->added, &tokenizer->added.raw, text, bytes, 0, 0, {0}};
    pare_section section;
    pare_sentencepiece later = tokenizer->model; /* shares its tables */
    if (tokenizer->prefix_once) later.add_dummy_prefix = false;
    while (pare_section_next(&scan, &section)) {
        const pare_sentencepiece *model = section.start ? &later : &tokenizer->model;
        if (section.token)
            PARE_TRY(pare_id_list_add(out, section.token->id));
        else
            PARE_TRY(pare_sentencepiece_encode(model, work, text + section.start, section.end - section.start, out));
    }
    return PARE_OK;
}
