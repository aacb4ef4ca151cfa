#include "tokenizer/tokenizer.h"
#include "support/memory.h"
#include "tokenizer/tokenizer_state.h"

/* The token's text as its files have it, or as it is decoded. */
static pare_status refuse_id(const pare_tokenizer *tokenizer, uint32_t id) {
    const pare_added_tokens *added = tokenizer->is_json ? &tokenizer->json.added : &tokenizer->slow.added;
    const char *text = "";
    for (size_t i = 0; i < added->count; i++)
        if (added->tokens[i].id == id) text = added->tokens[i].text;
    return pare_fail(
        PARE_FORMAT_ERROR,
        "the text has the token %u (\"%.40s\"), but the model's embedding has only %u rows: remove it from "
        "the text, or resize the embedding in the program that added the token",
        id, text, tokenizer->rows);
}

static pare_status check_rows(const pare_tokenizer *tokenizer, const pare_id_list *list) {
    for (size_t i = 0; tokenizer->rows && i < list->count; i++)
        if (list->ids[i] >= tokenizer->rows) return refuse_id(tokenizer, list->ids[i]);
    return PARE_OK;
}

pare_status pare_tokenizer_limit(pare_tokenizer *tokenizer, uint32_t rows) {
    tokenizer->rows = rows;
    for (size_t i = 0; i < tokenizer->front_count; i++)
        if (tokenizer->front[i] >= rows) return refuse_id(tokenizer, tokenizer->front[i]);
    return tokenizer->behind >= (int64_t)rows ? refuse_id(tokenizer, (uint32_t)tokenizer->behind) : PARE_OK;
}

pare_status pare_tokenizer_encode(const pare_tokenizer *tokenizer, const char *text, size_t bytes, uint32_t **ids,
                                  size_t *count) {
    pare_encode_work work = {0};
    pare_id_list list = {0};
    *ids = NULL;
    *count = 0;
    pare_status status = pare_id_list_reserve(&list, bytes / 3);
    if (status == PARE_OK && tokenizer->is_json)
        status = pare_tokenizer_json_encode(&tokenizer->json, &work, text, bytes, &list);
    else if (status == PARE_OK)
        status = pare_slow_tokenizer_encode(&tokenizer->slow, &work, text, bytes, &list);
    if (status == PARE_OK) status = check_rows(tokenizer, &list);
    pare_encode_work_free(&work);
    if (status != PARE_OK) {
        pare_id_list_free(&list);
        return status;
    }
    *ids = list.ids;
    *count = list.count;
    return PARE_OK;
}

void pare_ids_free(uint32_t *ids) {
    pare_free(ids);
}

void pare_text_free(char *text) {
    pare_free(text);
}

pare_text_stream pare_tokenizer_stream(const pare_tokenizer *tokenizer) {
    return (pare_text_stream){.decoder = &tokenizer->decoder};
}

pare_status pare_tokenizer_decode(const pare_tokenizer *tokenizer, const uint32_t *ids, size_t count, char **text,
                                  size_t *bytes) {
    pare_text_stream stream = pare_tokenizer_stream(tokenizer);
    pare_buffer out = {0};
    *text = NULL;
    pare_status status = pare_buffer_reserve(&out, 1);
    for (size_t i = 0; status == PARE_OK && i < count; i++)
        status = pare_text_stream_put(&stream, ids[i], &out);
    if (status == PARE_OK) status = pare_text_stream_end(&stream, &out);
    if (status == PARE_OK) status = pare_buffer_append(&out, "", 1); /* the NUL that ends it */
    if (status != PARE_OK) {
        pare_buffer_free(&out);
        return status;
    }
    *text = out.data;
    if (bytes) *bytes = out.bytes - 1;
    return PARE_OK;
}

uint32_t pare_tokenizer_size(const pare_tokenizer *tokenizer) {
    return tokenizer->decoder.count;
}

int64_t pare_tokenizer_bos(const pare_tokenizer *tokenizer) {
    return tokenizer->bos;
}

int64_t pare_tokenizer_eos(const pare_tokenizer *tokenizer) {
    return tokenizer->eos;
}

size_t pare_tokenizer_front(const pare_tokenizer *tokenizer, const uint32_t **ids) {
    *ids = tokenizer->front;
    return tokenizer->front_count;
}

int64_t pare_tokenizer_behind(const pare_tokenizer *tokenizer) {
    return tokenizer->behind;
}

bool pare_tokenizer_adds_bos(const pare_tokenizer *tokenizer) {
    return tokenizer->front_count > 0;
}
