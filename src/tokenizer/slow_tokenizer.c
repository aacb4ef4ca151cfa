#include "tokenizer/slow_tokenizer.h"
#include "tokenizer/extra_tokens.h"

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

/* {text: id} of all pieces. */
static pare_status list_vocabulary(const pare_sentencepiece_model *model, json_t *vocabulary) {
    pare_buffer text = {0};
    pare_status status = PARE_OK;
    for (size_t id = 0; status == PARE_OK && id < model->count; id++) {
        const pare_span piece = model->pieces[id].text;
        text.bytes = 0;
        status = pare_buffer_append(&text, piece.data, piece.bytes);
        if (status == PARE_OK) status = pare_buffer_append(&text, "", 1);
        if (status == PARE_OK && json_object_set_new(vocabulary, text.data, json_integer((json_int_t)id)) != 0)
            status = no_memory();
    }
    pare_buffer_free(&text);
    return status;
}

/* Whatever the files say of it, an added token is looked for in the text as it stands. */
static pare_status look_in_raw_text(json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_object_set_new(json_array_get(list, i), "normalized", json_false()) != 0) return no_memory();
    return PARE_OK;
}

static pare_status read_added(pare_slow_tokenizer *out, const pare_sentencepiece_model *model,
                              const pare_extra_tokens *extra, uint32_t *size) {
    static const pare_normalizer none = {0};
    json_t *list = json_array(), *vocabulary = json_object();
    pare_status status = list && vocabulary ? list_pieces(model, list) : no_memory();
    if (status == PARE_OK) status = list_vocabulary(model, vocabulary);
    if (status == PARE_OK)
        status = pare_extra_tokens_join(extra, &(pare_token_lists){model->file.path, list, vocabulary, true});
    if (status == PARE_OK) status = look_in_raw_text(list);
    if (status == PARE_OK) status = pare_added_tokens_read(model->file.path, list, &none, &out->added);
    json_decref(list);
    json_decref(vocabulary);
    *size = (uint32_t)model->count;
    for (size_t i = 0; i < out->added.count; i++)
        if (out->added.tokens[i].id >= *size) *size = out->added.tokens[i].id + 1;
    return status;
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
    if (status == PARE_OK) status = read_added(out, model, &config->extra, &size);
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

/* Whether the stretch already begins with what would be put in front of it. */
static bool begins_with_space(const char *text, size_t bytes) {
    return (bytes && *text == ' ') || (bytes >= 3 && memcmp(text, "\xE2\x96\x81", 3) == 0);
}

pare_status pare_slow_tokenizer_encode(const pare_slow_tokenizer *tokenizer, pare_encode_work *work, const char *text,
                                       size_t bytes, pare_id_list *out) {
    pare_section_scan scan = {&tokenizer->added, &tokenizer->added.raw, text, bytes, 0, 0, {0}};
    pare_section section;
    pare_sentencepiece bare = tokenizer->model; /* shares its tables */
    bare.add_dummy_prefix = false;
    while (pare_section_next(&scan, &section)) {
        const char *stretch = text + section.start;
        size_t length = section.end - section.start;
        bool is_bare = tokenizer->prefix_once && (section.start || begins_with_space(stretch, length));
        if (section.token)
            PARE_TRY(pare_id_list_add(out, section.token->id));
        else
            PARE_TRY(pare_sentencepiece_encode(is_bare ? &bare : &tokenizer->model, work, stretch, length, out));
    }
    return PARE_OK;
}
