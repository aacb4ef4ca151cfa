#include "tokenizer/tokenizer.h"
#include "support/file.h"
#include "support/memory.h"
#include "tokenizer/json_read.h"
#include "tokenizer/slow_tokenizer.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"

#include <stdlib.h>
#include <sys/stat.h>

struct pare_tokenizer {
    bool is_json;
    pare_slow_tokenizer slow; /* where is_json is false */
    pare_tokenizer_json json; /* where it is true */
    pare_decoder decoder;
    int64_t bos, eos;
    bool adds_bos;
    int64_t behind; /* the id that goes behind every text; -1: none */
    uint32_t rows;  /* ids from here on are refused; 0: none */
};

static pare_status open_slow(pare_tokenizer *tokenizer, const char *path, const pare_tokenizer_config *config) {
    pare_sentencepiece_model model;
    PARE_TRY(pare_sentencepiece_model_open(path, &model));
    pare_status status = pare_slow_tokenizer_init(&tokenizer->slow, &model, config, &tokenizer->decoder);
    if (status == PARE_OK) {
        pare_span bos = config->bos ? (pare_span){config->bos, strlen(config->bos)} : model.bos_piece;
        pare_span eos = config->eos ? (pare_span){config->eos, strlen(config->eos)} : model.eos_piece;
        tokenizer->bos = pare_slow_tokenizer_find(&tokenizer->slow, &model, bos);
        tokenizer->eos = pare_slow_tokenizer_find(&tokenizer->slow, &model, eos);
        if (tokenizer->bos < 0) tokenizer->bos = pare_slow_tokenizer_find(&tokenizer->slow, &model, model.bos_piece);
        if (tokenizer->eos < 0) tokenizer->eos = pare_slow_tokenizer_find(&tokenizer->slow, &model, model.eos_piece);
        if (config->no_bos) tokenizer->bos = -1;
        /* LLaMA's tokenizer puts BOS in front unless its configuration says otherwise. */
        tokenizer->adds_bos = tokenizer->bos >= 0 && (config->has_add_bos ? config->add_bos : true);
        tokenizer->behind = config->add_eos ? tokenizer->eos : -1;
    }
    pare_sentencepiece_model_close(&model);
    return status;
}

/* The id of the configuration's token, else of the first of the usual names that is an added special token. */
static int64_t find_special(const pare_tokenizer_json *tokenizer, const json_t *json, const char *name,
                            const char *const usual[3]) {
    if (name) return pare_tokenizer_json_find(tokenizer, json, name);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < tokenizer->added.count; j++)
            if (tokenizer->added.tokens[j].special && strcmp(tokenizer->added.tokens[j].text, usual[i]) == 0)
                return tokenizer->added.tokens[j].id;
    return -1;
}

/* Gives a tokenizer.json the tokens of the files beside it. */
static pare_status complete_json(const char *path, json_t *json, const pare_extra_tokens *extra) {
    const json_t *vocabulary = json_object_get(json_object_get(json, "model"), "vocab");
    json_t *added = json_object_get(json, "added_tokens");
    if (!json_is_object(json) || !json_is_object(vocabulary)) return PARE_OK; /* refused when it is read */
    if ((!added || json_is_null(added)) && json_object_set_new(json, "added_tokens", added = json_array()) != 0)
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's added tokens");
    if (!json_is_array(added)) return PARE_OK;
    return pare_extra_tokens_join(extra, &(pare_token_lists){path, added, vocabulary, false});
}

static pare_status open_json(pare_tokenizer *tokenizer, const char *path, const pare_tokenizer_config *config) {
    static const char *const usual_bos[3] = {"<s>", "<|begin_of_text|>", "<bos>"};
    static const char *const usual_eos[3] = {"</s>", "<|end_of_text|>", "<|endoftext|>"};
    json_t *json;
    tokenizer->is_json = true;
    PARE_TRY(pare_json_load(path, 0, &json));
    pare_status status = complete_json(path, json, &config->extra);
    if (status == PARE_OK) status = pare_tokenizer_json_init(&tokenizer->json, path, json);
    if (status == PARE_OK) status = pare_json_decoder_read(&tokenizer->json, path, json, &tokenizer->decoder);
    if (status == PARE_OK) {
        const pare_tokenizer_json *t = &tokenizer->json;
        tokenizer->bos = t->template_bos >= 0 ? t->template_bos : find_special(t, json, config->bos, usual_bos);
        tokenizer->eos = find_special(t, json, config->eos, usual_eos);
        tokenizer->behind = t->template_eos;
        tokenizer->adds_bos = t->has_template ? t->template_bos >= 0 : config->add_bos && tokenizer->bos >= 0;
    }
    json_decref(json);
    return status;
}

/* The file to read: `path` itself, or tokenizer.json or tokenizer.model in it. */
static pare_status find_file(const char *path, char **file, char **directory) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model"};
    struct stat entry;
    if (stat(path, &entry) == 0 && S_ISDIR(entry.st_mode)) {
        for (size_t i = 0; i < 2; i++) {
            *file = pare_path_join(path, names[i]);
            if (pare_file_exists(*file)) {
                *directory = pare_format("%s", path);
                return pare_whole();
            }
            free(*file);
            *file = NULL;
            PARE_TRY(pare_whole());
        }
        return pare_fail(PARE_FILE_ERROR, "%s has neither tokenizer.json nor tokenizer.model; copy one of them there",
                         path);
    }
    const char *slash = strrchr(path, '/');
    *file = pare_format("%s", path);
    *directory = slash ? pare_format("%.*s", (int)(slash - path) + 1, path) : pare_format(".");
    return pare_whole();
}

static bool is_json_name(const char *path) {
    size_t length = strlen(path);
    return length >= 5 && strcmp(path + length - 5, ".json") == 0;
}

pare_status pare_tokenizer_open(const char *path, pare_tokenizer **out) {
    pare_tokenizer *tokenizer = NULL;
    pare_tokenizer_config config = {0};
    char *file = NULL, *directory = NULL;
    *out = NULL;
    pare_status status = find_file(path, &file, &directory);
    if (status == PARE_OK) status = pare_alloc(&tokenizer, 1, sizeof *tokenizer, "the tokenizer");
    if (status == PARE_OK) status = pare_tokenizer_config_read(directory, &config);
    if (status == PARE_OK)
        status = is_json_name(file) ? open_json(tokenizer, file, &config) : open_slow(tokenizer, file, &config);
    pare_tokenizer_config_free(&config);
    free(file);
    free(directory);
    if (status == PARE_OK)
        *out = tokenizer;
    else
        pare_tokenizer_close(tokenizer);
    return status;
}

void pare_tokenizer_close(pare_tokenizer *tokenizer) {
    if (!tokenizer) return;
    pare_slow_tokenizer_free(&tokenizer->slow);
    pare_tokenizer_json_free(&tokenizer->json);
    pare_decoder_free(&tokenizer->decoder);
    pare_free(tokenizer);
}

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
    if (tokenizer->adds_bos && tokenizer->bos >= (int64_t)rows) return refuse_id(tokenizer, (uint32_t)tokenizer->bos);
    return tokenizer->behind >= (int64_t)rows ? refuse_id(tokenizer, (uint32_t)tokenizer->behind) : PARE_OK;
}

pare_status pare_tokenizer_encode(const pare_tokenizer *tokenizer, const char *text, size_t bytes, uint32_t **ids,
                                  size_t *count) {
    pare_bpe_work work = {0};
    pare_id_list list = {0};
    *ids = NULL;
    *count = 0;
    pare_status status = pare_id_list_reserve(&list, bytes / 3);
    if (status == PARE_OK && tokenizer->is_json)
        status = pare_tokenizer_json_encode(&tokenizer->json, &work, text, bytes, &list);
    else if (status == PARE_OK)
        status = pare_slow_tokenizer_encode(&tokenizer->slow, &work, text, bytes, &list);
    if (status == PARE_OK) status = check_rows(tokenizer, &list);
    pare_bpe_work_free(&work);
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

int64_t pare_tokenizer_behind(const pare_tokenizer *tokenizer) {
    return tokenizer->behind;
}

bool pare_tokenizer_adds_bos(const pare_tokenizer *tokenizer) {
    return tokenizer->adds_bos;
}
