#include "model/gguf_general.h"
#include "checkpoint/hub.h"
#include "model/gguf_keys.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/path.h"
#include "text/chat_style.h"
#include "tokenizer/gguf_tokenizer_write.h"
#include "tokenizer/json_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUANTIZATION_VERSION = 2, LABEL_BYTES = 32, PART_BYTES = 128 };

/* "135M", "1.1B": two digits or more, as llama.cpp's files have it. */
static void label_of(uint64_t parameters, char label[LABEL_BYTES]) {
    static const struct {
        double above;
        char unit;
    } units[] = {{1e12, 'T'}, {1e9, 'B'}, {1e6, 'M'}, {0, 'K'}};
    size_t i = 0;
    while (!((double)parameters > units[i].above))
        i++;
    double scaled = (double)parameters / (units[i].above > 0 ? units[i].above : 1e3);
    snprintf(label, LABEL_BYTES, "%.*f%c", scaled < 9.5 ? 1 : 0, scaled, units[i].unit);
}

/* The file of the folder as JSON; NULL: there is none. */
static pare_status load(const char *folder, const char *name, json_t **out) {
    char *path = pare_path_join(folder, name);
    *out = NULL;
    pare_status status = pare_file_exists(path) ? pare_json_load(path, 0, out) : PARE_OK;
    free(path);
    return status;
}

static bool take_part(const char *from, size_t bytes, char out[PART_BYTES]) {
    if (!bytes || bytes >= PART_BYTES) return false;
    memcpy(out, from, bytes);
    out[bytes] = '\0';
    return true;
}

static bool split_id(const char *id, char owner[PART_BYTES], char name[PART_BYTES]) {
    const char *slash = id ? strchr(id, '/') : NULL;
    if (!slash || slash == id || strchr(slash + 1, '/') || strchr(id, '\\') || *id == '.') return false;
    return take_part(id, (size_t)(slash - id), owner) && take_part(slash + 1, strlen(slash + 1), name);
}

/* By where the base lies, or by what it calls itself. */
static void put_base(pare_gguf_metadata *m, const pare_config *config, const pare_gguf_about *about) {
    char owner[PART_BYTES], name[PART_BYTES], url[2 * PART_BYTES + 32];
    const char *named = json_string_value(json_object_get(config->json, "_name_or_path"));
    char *cached = about->base ? pare_hub_id(about->base) : NULL;
    bool known = split_id(cached ? cached : about->id ? about->id : named, owner, name);
    free(cached);
    if (!known && !about->base) return;
    pare_gguf_put_u32(m, "general.base_model.count", 1);
    pare_gguf_put_text(m, "general.base_model.0.name", known ? name : pare_path_name(about->base));
    if (!known) return;
    snprintf(url, sizeof url, "https://huggingface.co/%s/%s", owner, name);
    pare_gguf_put_text(m, "general.base_model.0.organization", owner);
    pare_gguf_put_text(m, "general.base_model.0.repo_url", url);
}

static void put_licence(pare_gguf_metadata *m, const pare_gguf_licence *licence) {
    if (licence->licence) pare_gguf_put_text(m, "general.license", licence->licence);
    if (licence->name) pare_gguf_put_text(m, "general.license.name", licence->name);
    if (licence->link) pare_gguf_put_text(m, "general.license.link", licence->link);
}

static void put_general(pare_gguf_metadata *m, const pare_gguf_plan *plan, const pare_gguf_about *about, bool pruned) {
    char label[LABEL_BYTES];
    bool packed = false;
    for (size_t i = 0; i < plan->count; i++)
        packed |= !plan->declarations[i].type->plain;
    label_of(pare_model_parameters(plan->model), label);
    pare_gguf_put_text(m, "general.architecture", plan->target.row->name);
    pare_gguf_put_text(m, "general.type", "model");
    pare_gguf_put_text(m, "general.name", about->name);
    if (pruned) pare_gguf_put_text(m, "general.finetune", "pruned");
    pare_gguf_put_text(m, "general.size_label", label);
    put_licence(m, &about->licence);
    put_base(m, &plan->model->config, about);
    if (pruned) {
        pare_gguf_put_list(m, "general.tags", PARE_GGUF_STRING);
        pare_gguf_add_text(m, "pruning", strlen("pruning"));
    }
    pare_gguf_put_u32(m, "general.file_type", plan->form->file_type);
    if (packed) pare_gguf_put_u32(m, "general.quantization_version", QUANTIZATION_VERSION);
}

static pare_status put_json(pare_gguf_metadata *m, const char *key, const json_t *json) {
    char *text;
    if (!json || json_is_null(json)) return PARE_OK;
    PARE_TRY(pare_json_dump(json, key, JSON_COMPACT, &text));
    pare_gguf_put_text(m, key, text);
    pare_free(text);
    return PARE_OK;
}

/* What pruning.json says. */
static pare_status put_pruning(pare_gguf_metadata *m, const json_t *pruning) {
    static const char *const kept[] = {"dropped_layers", "layers", "hidden_channels_kept"};
    const char *version = json_string_value(json_object_get(pruning, "pare"));
    const char *method = json_string_value(json_object_get(pruning, "method"));
    json_t *list = json_object();
    if (version) pare_gguf_put_text(m, "pare.version", version);
    if (method) pare_gguf_put_text(m, "pare.method", method);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const json_t *part = json_object_get(pruning, kept[i]);
        if (part && !json_is_null(part)) pare_json_put(list, kept[i], pare_json_same(part));
    }
    pare_status status = put_json(m, "pare.recipe", json_object_get(pruning, "recipe"));
    if (status == PARE_OK) status = put_json(m, "pare.kept", list);
    json_decref(list);
    return status;
}

/* The token that ends a turn of a chat, where that is another one than the text's. */
static pare_status put_turn(pare_gguf_metadata *m, const char *folder, uint32_t rows) {
    json_t *generation, *ends, *end;
    size_t i;
    int64_t first = -1;
    PARE_TRY(load(folder, "generation_config.json", &generation));
    ends = json_object_get(generation, "eos_token_id");
    json_array_foreach(ends, i, end) {
        if (first < 0) first = json_integer_value(end);
        if (json_integer_value(end) == first || json_integer_value(end) < 0 || json_integer_value(end) >= rows)
            continue;
        pare_gguf_put_u32(m, "tokenizer.ggml.eot_token_id", (uint32_t)json_integer_value(end));
        break;
    }
    json_decref(generation);
    return PARE_OK;
}

static pare_status put_chat(pare_gguf_metadata *m, const char *folder) {
    char *text;
    PARE_TRY(pare_chat_style_template(folder, &text));
    if (text && *text) pare_gguf_put_text(m, "tokenizer.chat_template", text);
    free(text);
    return PARE_OK;
}

pare_status pare_gguf_describe(const pare_gguf_plan *plan, const pare_gguf_about *about, pare_gguf_metadata *out) {
    const pare_config *config = &plan->config;
    json_t *pruning;
    *out = (pare_gguf_metadata){0};
    PARE_TRY(load(about->folder, "pruning.json", &pruning));
    put_general(out, plan, about, pruning != NULL);
    pare_status status = PARE_OK;
    if (pruning) status = put_pruning(out, pruning);
    json_decref(pruning);
    PARE_TRY(status);
    PARE_TRY(pare_gguf_put_config(out, config, &plan->target, pare_checkpoint_directory(plan->model->checkpoint)));
    PARE_TRY(pare_gguf_put_tokenizer(out, about->folder, config->vocabulary));
    PARE_TRY(put_turn(out, about->folder, config->vocabulary));
    PARE_TRY(put_chat(out, about->folder));
    return pare_gguf_metadata_check(out);
}
