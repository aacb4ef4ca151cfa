#include "tokenizer/bpe_style.h"
#include "support/file.h"
#include "tokenizer/json_read.h"

#include <stdlib.h>
#include <string.h>

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const char *const gpt2_types[] = {"gpt2",       "opt",         "gpt_neo", "gptj",  "phi", "codegen",
                                         "starcoder2", "gpt_bigcode", "dbrx",    "jais2", NULL};
static const char *const neox_types[] = {"gpt_neox", "mpt", "olmo", "olmoe", "mamba", "mamba2", "rwkv", NULL};
static const char *const qwen2_types[] = {"qwen2",     "qwen2_moe",  "qwen2_vl", "qwen2_5_vl",   "qwen3",
                                          "qwen3_moe", "qwen3_next", "qwen3_vl", "qwen3_vl_moe", NULL};
static const char *const qwen3_5_types[] = {"qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text", NULL};
static const char *const no_types[] = {NULL};

static const char end_of_text[] = "<|endoftext|>";

static const pare_bpe_style styles[] = {
    {"GPT2Tokenizer", gpt2_types, NULL, false, end_of_text, end_of_text, NULL},
    {"CodeGenTokenizer", no_types, NULL, false, end_of_text, end_of_text, NULL},
    {"GPTNeoXTokenizer", neox_types, NULL, true, end_of_text, end_of_text, "<|padding|>"},
    {"Qwen2Tokenizer", qwen2_types,
     CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES, true, NULL,
     end_of_text, end_of_text},
    {"Qwen3_5Tokenizer", qwen3_5_types,
     CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES, true,
     NULL, end_of_text, end_of_text},
};

enum { STYLES = sizeof styles / sizeof *styles };

/* Classes that say nothing of their own: they read a tokenizer.json. */
static bool is_general(const char *name) {
    static const char *const names[] = {"PreTrainedTokenizer", "TokenizersBackend", "AutoTokenizer"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0) return true;
    return false;
}

static const pare_bpe_style *of_class(const char *name) {
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, "Fast") == 0) length -= 4;
    for (size_t i = 0; i < STYLES; i++)
        if (strlen(styles[i].class_name) == length && strncmp(name, styles[i].class_name, length) == 0)
            return styles + i;
    return NULL;
}

static const pare_bpe_style *of_model_type(const char *type) {
    for (size_t i = 0; type && i < STYLES; i++)
        for (const char *const *known = styles[i].model_types; *known; known++)
            if (strcmp(*known, type) == 0) return styles + i;
    return NULL;
}

static pare_status choose(const char *directory, const json_t *config, const json_t *model,
                          const pare_bpe_style **out) {
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    const char *type = json_string_value(json_object_get(model, "model_type"));
    if (!name || is_general(name)) name = json_string_value(json_object_get(model, "tokenizer_class"));
    *out = name && !is_general(name) ? of_class(name) : of_model_type(type);
    if (*out) return PARE_OK;
    if (name && !is_general(name))
        return pare_fail(PARE_UNSUPPORTED,
                         "%s has vocab.json and merges.txt for a %.60s, and pare reads these two of GPT2Tokenizer, "
                         "GPTNeoXTokenizer and Qwen2Tokenizer only: write a tokenizer.json with transformers "
                         "(save_pretrained)",
                         directory, name);
    return pare_fail(
        PARE_UNSUPPORTED,
        "%s has vocab.json and merges.txt, but nothing says how text is split before it is merged: name the "
        "tokenizer_class in tokenizer_config.json, as GPT2Tokenizer, or write a tokenizer.json with "
        "transformers (save_pretrained)",
        directory);
}

pare_status pare_bpe_style_find(const char *directory, const json_t *config, const pare_bpe_style **out) {
    char *path = pare_path_join(directory, "config.json");
    json_t *model = NULL;
    pare_status status = pare_whole();
    if (status == PARE_OK && pare_file_exists(path)) status = pare_json_load(path, JSON_DECODE_INT_AS_REAL, &model);
    if (status == PARE_OK) status = choose(directory, config, model, out);
    json_decref(model);
    free(path);
    return status;
}

pare_status pare_bpe_style_complete(const pare_bpe_style *style, json_t *config) {
    const struct {
        const char *key, *token;
    } tokens[] = {{"bos_token", style->bos},
                  {"eos_token", style->unknown},
                  {"unk_token", style->unknown},
                  {"pad_token", style->pad}};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        if (!tokens[i].token || json_object_get(config, tokens[i].key)) continue;
        if (json_object_set_new(config, tokens[i].key, json_string(tokens[i].token)) != 0)
            return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's settings");
    }
    return PARE_OK;
}
