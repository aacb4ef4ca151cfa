/* Layout of params.json: one object, or {"model": one}, with the keys of `known` below. dim, n_layers and n_heads are
 * always there; n_kv_heads is n_heads and head_dim is dim / n_heads where they are not. */
#include "checkpoint/meta_params.h"
#include "checkpoint/header_read.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 20, LAYER_LIMIT = 10000, WIDTH_LIMIT = 1 << 24, HEAD_SIZE_LIMIT = 1024 };

static const char *const known[] = {"dim",
                                    "n_layers",
                                    "n_heads",
                                    "n_kv_heads",
                                    "head_dim",
                                    "hidden_dim",
                                    "vocab_size",
                                    "multiple_of",
                                    "ffn_dim_multiplier",
                                    "norm_eps",
                                    "rope_theta",
                                    "use_scaled_rope",
                                    "rope_scaling_factor",
                                    "sliding_window",
                                    "max_seq_len",
                                    "max_position_embeddings",
                                    "max_batch_size",
                                    "tied_embeddings"};

/* null, false, 0 and {} ask for nothing. */
static bool is_nothing(const json_t *value) {
    return json_is_null(value) || json_is_false(value) || (json_is_number(value) && json_number_value(value) == 0.0) ||
           (json_is_object(value) && !json_object_size(value));
}

static pare_status check_keys(const pare_meta_params *params) {
    const char *key;
    json_t *value;
    json_object_foreach(params->json, key, value) {
        bool found = is_nothing(value);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(known[i], key) == 0;
        if (!found)
            return pare_fail(PARE_UNSUPPORTED,
                             "%s has the key %s, which is none of those of LLaMA and Mistral that pare knows; take the "
                             "model's Hugging Face folder",
                             params->path, pare_name_is_plain(key) ? key : "?");
    }
    return PARE_OK;
}

/* fallback 0: the key has to be there. */
static pare_status read_number(const pare_meta_params *params, const char *key, uint32_t most, uint32_t fallback,
                               uint32_t *out) {
    const json_t *value = json_object_get(params->json, key);
    uint64_t number;
    *out = fallback;
    if ((!value || json_is_null(value)) && fallback) return PARE_OK;
    if (!pare_json_natural(value, &number) || number == 0 || number > most)
        return pare_fail(PARE_FORMAT_ERROR, "%s: %s must be a whole number from 1 to %u", params->path, key, most);
    *out = (uint32_t)number;
    return PARE_OK;
}

static pare_status parse(pare_meta_params *out) {
    char *text;
    size_t bytes;
    PARE_TRY(pare_file_read(out->path, FILE_LIMIT, &text, &bytes));
    out->file = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    pare_free(text);
    json_t *inner = json_object_get(out->file, "model");
    out->json = json_is_object(inner) ? inner : out->file;
    if (json_is_object(out->json)) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s is not a JSON object without repeated keys; download it again", out->path);
}

static pare_status read_params(pare_meta_params *out) {
    PARE_TRY(parse(out));
    PARE_TRY(check_keys(out));
    PARE_TRY(read_number(out, "dim", WIDTH_LIMIT, 0, &out->width));
    PARE_TRY(read_number(out, "n_layers", LAYER_LIMIT, 0, &out->layers));
    PARE_TRY(read_number(out, "n_heads", WIDTH_LIMIT, 0, &out->heads));
    PARE_TRY(read_number(out, "n_kv_heads", WIDTH_LIMIT, out->heads, &out->kv_heads));
    uint32_t derived = out->width % out->heads == 0 ? out->width / out->heads : 0;
    PARE_TRY(read_number(out, "head_dim", HEAD_SIZE_LIMIT, derived, &out->head_size));
    if (out->head_size % 2 == 0 && out->head_size <= HEAD_SIZE_LIMIT) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: heads of %u numbers; it must be an even number of at most %d", out->path,
                     out->head_size, HEAD_SIZE_LIMIT);
}

pare_status pare_meta_params_read(const char *folder, pare_meta_params *out) {
    *out = (pare_meta_params){.path = pare_path_join(folder, "params.json")};
    pare_status status = out->path ? read_params(out) : pare_whole();
    if (status != PARE_OK) pare_meta_params_free(out);
    return status;
}

void pare_meta_params_free(pare_meta_params *params) {
    json_decref(params->file);
    free(params->path);
    *params = (pare_meta_params){0};
}
