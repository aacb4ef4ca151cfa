#include "support/file.h"
#include "support/memory.h"
#include "support/path.h"
#include "tokenizer/bpe_files.h"
#include "tokenizer/json_read.h"
#include "tokenizer/tiktoken.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_state.h"

#include <stdlib.h>
#include <sys/stat.h>

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
        if (tokenizer->bos >= 0 && (config->has_add_bos ? config->add_bos : true))
            tokenizer->front[tokenizer->front_count++] = (uint32_t)tokenizer->bos;
        tokenizer->behind = config->add_eos ? tokenizer->eos : -1;
    }
    pare_sentencepiece_model_close(&model);
    return status;
}

/* The id of the configuration's token, else of the first of the usual names that is an added special token. */
static int64_t find_special(const pare_tokenizer_json *tokenizer, const json_t *vocabulary, const char *name,
                            const char *const usual[3]) {
    if (name) return pare_tokenizer_json_find(tokenizer, vocabulary, name);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < tokenizer->added.count; j++)
            if (tokenizer->added.tokens[j].special && strcmp(tokenizer->added.tokens[j].text, usual[i]) == 0)
                return tokenizer->added.tokens[j].id;
    return -1;
}

/* Gives a tokenizer.json the tokens of the files beside it. */
static pare_status complete_json(const char *path, json_t *json, const json_t *vocabulary,
                                 const pare_extra_tokens *extra) {
    json_t *added = json_object_get(json, "added_tokens");
    if (!json_is_object(json) || !json_object_size(vocabulary)) return PARE_OK; /* refused when it is read */
    if ((!added || json_is_null(added)) && json_object_set_new(json, "added_tokens", added = json_array()) != 0)
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's added tokens");
    if (!json_is_array(added)) return PARE_OK;
    return pare_extra_tokens_join(extra, &(pare_token_lists){path, added, vocabulary, false});
}

/* json: a tokenizer.json, or what stands for one. */
static pare_status use_json(pare_tokenizer *tokenizer, const char *path, json_t *json,
                            const pare_tokenizer_config *config) {
    static const char *const usual_bos[3] = {"<s>", "<|begin_of_text|>", "<bos>"};
    static const char *const usual_eos[3] = {"</s>", "<|end_of_text|>", "<|endoftext|>"};
    json_t *vocabulary;
    tokenizer->is_json = true;
    PARE_TRY(pare_json_vocabulary(json, &vocabulary));
    pare_status status = complete_json(path, json, vocabulary, &config->extra);
    if (status == PARE_OK) status = pare_tokenizer_json_init(&tokenizer->json, path, json);
    if (status == PARE_OK) status = pare_json_decoder_read(&tokenizer->json, path, json, &tokenizer->decoder);
    if (status == PARE_OK) {
        const pare_tokenizer_json *t = &tokenizer->json;
        tokenizer->bos = t->front_count ? t->front[0] : find_special(t, vocabulary, config->bos, usual_bos);
        tokenizer->eos = find_special(t, vocabulary, config->eos, usual_eos);
        tokenizer->behind = t->template_eos;
        memcpy(tokenizer->front, t->front, sizeof t->front);
        tokenizer->front_count = t->front_count;
        if (!t->has_template && config->add_bos && tokenizer->bos >= 0)
            tokenizer->front[tokenizer->front_count++] = (uint32_t)tokenizer->bos;
    }
    json_decref(vocabulary);
    return status;
}

static pare_status open_json(pare_tokenizer *tokenizer, const char *path, const pare_tokenizer_config *config) {
    json_t *json;
    PARE_TRY(pare_json_load(path, 0, &json));
    pare_status status = use_json(tokenizer, path, json, config);
    json_decref(json);
    return status;
}

static pare_status open_tiktoken(pare_tokenizer *tokenizer, const char *path, const pare_tokenizer_config *config) {
    json_t *json;
    PARE_TRY(pare_tiktoken_read(path, &json));
    pare_status status = use_json(tokenizer, path, json, config);
    json_decref(json);
    return status;
}

/* path: of the vocab.json, beside which merges.txt lies. */
static pare_status open_bpe_files(pare_tokenizer *tokenizer, const char *path, const char *directory,
                                  const pare_tokenizer_config *config) {
    json_t *json;
    PARE_TRY(pare_bpe_files_read(directory, config->style, config->add_prefix_space, &json));
    pare_status status = use_json(tokenizer, path, json, config);
    if (config->add_eos) tokenizer->behind = tokenizer->eos;
    json_decref(json);
    return status;
}

/* What a folder's tokenizer is read from, the first of these that it has. */
static const char *const file_names[] = {"tokenizer.json", "tokenizer.model", "vocab.json"};

enum { FILE_NAMES = sizeof file_names / sizeof *file_names };

bool pare_tokenizer_exists(const char *directory) {
    bool found = false;
    for (size_t i = 0; !found && i < FILE_NAMES; i++)
        found = pare_folder_has(directory, file_names[i]);
    return found;
}

/* The file to read: `path` itself, or one of file_names in it. */
static pare_status find_file(const char *path, char **file, char **directory) {
    struct stat entry;
    if (stat(path, &entry) == 0 && S_ISDIR(entry.st_mode)) {
        for (size_t i = 0; i < FILE_NAMES; i++) {
            *file = pare_path_join(path, file_names[i]);
            if (pare_file_exists(*file)) {
                *directory = pare_format("%s", path);
                return pare_whole();
            }
            free(*file);
            *file = NULL;
            PARE_TRY(pare_whole());
        }
        return pare_fail(PARE_FILE_ERROR,
                         "%s has neither tokenizer.json nor tokenizer.model nor vocab.json with merges.txt; copy there "
                         "what the model came with",
                         path);
    }
    const char *slash = strrchr(path, '/');
    *file = pare_format("%s", path);
    *directory = slash ? pare_format("%.*s", (int)(slash - path) + 1, path) : pare_format(".");
    return pare_whole();
}

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), bytes = strlen(ending);
    return length >= bytes && strcmp(path + length - bytes, ending) == 0;
}

static bool is_bpe_file(const char *path) {
    const char *name = pare_path_name(path);
    return strcmp(name, "vocab.json") == 0 || strcmp(name, "merges.txt") == 0;
}

/* *json: a tokenizer.json with all tokens, and what it is called; NULL: the folder has a tokenizer.model in its place.
 */
static pare_status load_document(const char *file, const char *directory, json_t **json) {
    pare_tokenizer_config config;
    json_t *vocabulary = NULL;
    bool bare = is_bpe_file(file);
    *json = NULL;
    if (!bare && !ends_with(file, ".json")) return PARE_OK;
    PARE_TRY(pare_tokenizer_config_read(directory, bare, &config));
    pare_status status = bare ? pare_bpe_files_read(directory, config.style, config.add_prefix_space, json)
                              : pare_json_load(file, 0, json);
    if (status == PARE_OK) status = pare_json_vocabulary(*json, &vocabulary);
    if (status == PARE_OK) status = complete_json(file, *json, vocabulary, &config.extra);
    json_decref(vocabulary);
    pare_tokenizer_config_free(&config);
    if (status == PARE_OK) return PARE_OK;
    json_decref(*json);
    *json = NULL;
    return status;
}

static pare_status open_file(pare_tokenizer *tokenizer, const char *file, const char *directory) {
    pare_tokenizer_config config;
    bool bare_bpe = is_bpe_file(file);
    PARE_TRY(pare_tokenizer_config_read(directory, bare_bpe, &config));
    pare_status status = bare_bpe                   ? open_bpe_files(tokenizer, file, directory, &config)
                         : ends_with(file, ".json") ? open_json(tokenizer, file, &config)
                         : pare_tiktoken_is(file)   ? open_tiktoken(tokenizer, file, &config)
                                                    : open_slow(tokenizer, file, &config);
    pare_tokenizer_config_free(&config);
    return status;
}

pare_status pare_tokenizer_open(const char *path, pare_tokenizer **out) {
    pare_tokenizer *tokenizer = NULL;
    char *file = NULL, *directory = NULL;
    *out = NULL;
    pare_status status = find_file(path, &file, &directory);
    if (status == PARE_OK) status = pare_alloc(&tokenizer, 1, sizeof *tokenizer, "the tokenizer");
    if (status == PARE_OK) status = open_file(tokenizer, file, directory);
    free(file);
    free(directory);
    if (status == PARE_OK)
        *out = tokenizer;
    else
        pare_tokenizer_close(tokenizer);
    return status;
}

pare_status pare_tokenizer_open_documents(const char *path, json_t *json, const json_t *settings,
                                          pare_tokenizer **out) {
    pare_tokenizer_config config;
    *out = NULL;
    PARE_TRY(pare_tokenizer_config_take(path, settings, &config));
    pare_status status = pare_alloc(out, 1, sizeof **out, "the tokenizer");
    if (status == PARE_OK) status = use_json(*out, path, json, &config);
    pare_tokenizer_config_free(&config);
    if (status == PARE_OK) return PARE_OK;
    pare_tokenizer_close(*out);
    *out = NULL;
    return status;
}

pare_status pare_tokenizer_document(const char *folder, json_t **json) {
    char *file = NULL, *directory = NULL;
    *json = NULL;
    pare_status status = find_file(folder, &file, &directory);
    if (status == PARE_OK) status = load_document(file, directory, json);
    free(file);
    free(directory);
    return status;
}

void pare_tokenizer_close(pare_tokenizer *tokenizer) {
    if (!tokenizer) return;
    pare_slow_tokenizer_free(&tokenizer->slow);
    pare_tokenizer_json_free(&tokenizer->json);
    pare_decoder_free(&tokenizer->decoder);
    pare_free(tokenizer);
}
