#include "model/gguf_latent.h"
#include "model/gguf_model.h"
#include "support/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far above any known model. */
enum { SIZE_LIMIT = 1 << 30, LAYER_LIMIT = 10000 };

static pare_status refuse_type(const pare_gguf *file, const char *what) {
    return pare_fail(PARE_UNSUPPORTED, "%s is no language model (general.type is %.60s)", file->mapping.path, what);
}

static pare_status refuse_architecture(const pare_gguf *file, const char *name) {
    return pare_fail(PARE_UNSUPPORTED,
                     "%s: general.architecture is %.60s, which pare does not read from GGUF files; \"pare help "
                     "models\" lists those that it reads",
                     file->mapping.path, name ? name : "missing");
}

/* Of several rows that have the name, the one that fits the file; else the last one, which says what is wrong. */
static const pare_gguf_architecture *find_row(const pare_gguf *file, const char *name) {
    const pare_gguf_architecture *row, *found = NULL;
    for (size_t i = 0; (row = pare_gguf_architecture_at(i)); i++) {
        if (strcmp(row->name, name) != 0) continue;
        found = row;
        if (pare_gguf_fits_row(file, row)) break;
    }
    return found;
}

pare_status pare_gguf_architecture_read(const pare_gguf *file, const pare_gguf_architecture **out) {
    char *name = NULL, *type;
    *out = NULL;
    PARE_TRY(pare_gguf_string(file, "general.type", &type));
    pare_status status = type && strcmp(type, "model") != 0 ? refuse_type(file, type) : PARE_OK;
    free(type);
    if (status == PARE_OK) status = pare_gguf_string(file, "general.architecture", &name);
    if (status == PARE_OK) {
        *out = name ? find_row(file, name) : NULL;
        if (!*out) status = refuse_architecture(file, name);
    }
    free(name);
    return status;
}

typedef struct building {
    const pare_checkpoint *checkpoint;
    const pare_gguf *file;
    const pare_gguf_architecture *row;
    json_t *json;
} building;

static const pare_gguf_entry *find(const building *b, const char *key) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(b->row, key, name);
    return pare_gguf_find(b->file, name);
}

static pare_status whole(const building *b, const char *key, int64_t fallback, int64_t *out) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(b->row, key, name);
    return pare_gguf_whole(b->file, name, 0, SIZE_LIMIT, fallback, out);
}

static pare_status refuse_list(const building *b, const char *name) {
    return pare_fail(PARE_UNSUPPORTED, "%s: %s is a list, which a model of this architecture does not have",
                     b->file->mapping.path, name);
}

/* One number for each layer. */
static pare_status put_list(const building *b, const char *key, const char *as) {
    char name[PARE_GGUF_NAME_BYTES];
    const pare_gguf_entry *entry;
    pare_gguf_key_name(b->row, key, name);
    PARE_TRY(pare_gguf_list(b->file, name, false, &entry));
    if (!b->row->layered || entry->count > LAYER_LIMIT || !pare_gguf_is_whole(entry)) return refuse_list(b, name);
    json_t *list = json_array();
    for (uint64_t i = 0; i < entry->count; i++)
        pare_json_append(list, json_integer(pare_gguf_whole_at(entry, i)));
    pare_json_put(b->json, as, list);
    return PARE_OK;
}

static pare_status put_size(const building *b, const pare_gguf_size *size) {
    const char *as = pare_family_key(b->row->family, size->key);
    const pare_gguf_entry *entry = find(b, size->gguf);
    int64_t value;
    if (!entry || !*as) return PARE_OK;
    if (entry->array) return put_list(b, size->gguf, as);
    PARE_TRY(whole(b, size->gguf, 0, &value));
    pare_json_put(b->json, as, json_integer(value));
    return PARE_OK;
}

static pare_status missing(const building *b, const char *key) {
    return pare_fail(PARE_FORMAT_ERROR, "%s has no metadata entry %s.%s, without which its tensors mean nothing",
                     b->file->mapping.path, b->row->name, key);
}

double pare_gguf_shortest(double value) {
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if ((float)atof(text) == (float)value) return atof(text);
    }
    return value;
}

static pare_status put_eps(const building *b) {
    static const char *const keys[] = {"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"};
    char name[PARE_GGUF_NAME_BYTES];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double value;
        if (!find(b, keys[i])) continue;
        pare_gguf_key_name(b->row, keys[i], name);
        PARE_TRY(pare_gguf_real(b->file, name, 0, &value));
        pare_json_put(b->json, pare_family_key(b->row->family, PARE_CONFIG_KEY_EPS),
                      pare_json_real(pare_gguf_shortest(value)));
        return PARE_OK;
    }
    return missing(b, keys[0]);
}

/* Numbers and flags that only some architectures have. */
static pare_status put_keys(const building *b) {
    for (int i = 0; i < PARE_GGUF_KEYS && b->row->keys[i].gguf; i++) {
        const pare_gguf_key *key = &b->row->keys[i];
        const pare_gguf_entry *entry = find(b, key->gguf);
        char name[PARE_GGUF_NAME_BYTES];
        bool flag;
        double value;
        if (!entry) continue;
        pare_gguf_key_name(b->row, key->gguf, name);
        if (entry->array) return refuse_list(b, name);
        if (entry->kind == PARE_GGUF_BOOL) {
            PARE_TRY(pare_gguf_flag(b->file, name, false, &flag));
            pare_json_put(b->json, key->config, json_boolean(flag));
            continue;
        }
        PARE_TRY(pare_gguf_real(b->file, name, 0, &value));
        bool integer = pare_gguf_is_whole(entry);
        if (integer && value < 1) continue; /* none: a window of 0 */
        pare_json_put(b->json, key->config,
                      integer ? json_integer(pare_gguf_whole_at(entry, 0)) : pare_json_real(pare_gguf_shortest(value)));
    }
    return PARE_OK;
}

/* Without a window's width there is none, whatever the family's pattern is. */
static void put_windows(const building *b) {
    const pare_gguf_entry *width = find(b, "attention.sliding_window");
    for (int i = 0; i < PARE_GGUF_KEYS && b->row->keys[i].gguf; i++)
        if (strcmp(b->row->keys[i].config, "sliding_window_pattern") == 0 &&
            (!width || pare_gguf_real_at(width, 0) < 1))
            pare_json_put(b->json, b->row->keys[i].config, json_integer(1));
}

static const pare_tensor *end_of(const building *b, pare_end end) {
    char name[PARE_GGUF_NAME_BYTES];
    return pare_gguf_end_name(end, name) ? pare_checkpoint_find(b->checkpoint, name) : NULL;
}

static bool has_any(const building *b, uint32_t roles) {
    const pare_gguf_layer first = {0};
    char name[PARE_GGUF_NAME_BYTES];
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if ((roles & pare_role_bit(role)) && pare_gguf_role_name(b->row, first, role, name) &&
            pare_checkpoint_find(b->checkpoint, name))
            return true;
    return false;
}

/* Which of the tensors that a family may have are there. */
static void put_options(const building *b) {
    for (int i = 0; i < PARE_OPTIONS && b->row->family->options[i].key; i++) {
        const pare_option *option = &b->row->family->options[i];
        if (option->kind == PARE_OPTION_ROLES || option->kind == PARE_OPTION_NORMED)
            pare_json_put(b->json, option->key, json_boolean(has_any(b, option->roles)));
    }
}

static pare_status put_ends(const building *b) {
    const pare_tensor *embedding = end_of(b, PARE_END_EMBEDDING);
    if (!pare_checkpoint_count(b->checkpoint))
        return pare_fail(PARE_UNSUPPORTED, "%s has no tensors: it holds a tokenizer alone", b->file->mapping.path);
    if (!embedding || embedding->rank != 2)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has no tensor token_embd.weight: it holds no model, or not the whole of one",
                         b->file->mapping.path);
    pare_json_put(b->json, "vocab_size", pare_json_count(embedding->shape[0]));
    pare_json_put(b->json, "tie_word_embeddings", json_boolean(!end_of(b, PARE_END_HEAD)));
    pare_json_put(b->json, "torch_dtype", pare_json_string(pare_dtype_torch_name(embedding->dtype)));
    return PARE_OK;
}

static pare_status put_tokens(const building *b) {
    static const char *const keys[][2] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                          {"tokenizer.ggml.eos_token_id", "eos_token_id"},
                                          {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t id;
        PARE_TRY(pare_gguf_whole(b->file, keys[i][0], 0, UINT32_MAX, -1, &id));
        if (id >= 0) pare_json_put(b->json, keys[i][1], json_integer(id));
    }
    return PARE_OK;
}

/* The largest head count, for files that do not say how wide a head is. */
static int64_t heads_of(const building *b) {
    const pare_gguf_entry *entry = find(b, "attention.head_count");
    int64_t most = 0;
    for (uint64_t i = 0; entry && pare_gguf_is_whole(entry) && i < entry->count; i++)
        most = pare_gguf_whole_at(entry, i) > most ? pare_gguf_whole_at(entry, i) : most;
    return most;
}

/* key_length, else the part of a head that is turned where whole heads are, else hidden / heads. */
static pare_status put_heads(const building *b, int64_t *rotated) {
    const pare_family *family = b->row->family;
    int64_t hidden, head, heads = heads_of(b);
    PARE_TRY(whole(b, "embedding_length", 0, &hidden));
    if (!heads) return missing(b, "attention.head_count");
    PARE_TRY(whole(b, "attention.key_length", hidden / heads, &head));
    if (pare_gguf_has_latents(b->row)) return whole(b, "rope.dimension_count", 0, rotated);
    if (!find(b, "attention.key_length") && !(family->rope.share > 0))
        PARE_TRY(whole(b, "rope.dimension_count", head, &head));
    PARE_TRY(whole(b, "rope.dimension_count", head, rotated));
    const char *key = pare_family_key(family, PARE_CONFIG_KEY_HEAD_DIM);
    pare_json_put(b->json, *key ? key : "head_dim", json_integer(head));
    if (family->rope.share > 0 && head > 0)
        pare_json_put(b->json, "partial_rotary_factor", pare_json_real((double)*rotated / (double)head));
    if (b->row->pre_scaled) {
        int64_t layers;
        PARE_TRY(whole(b, "block_count", 0, &layers));
        pare_json_put(b->json, "query_pre_attn_scalar",
                      json_integer(layers == b->row->largest ? hidden / heads : head));
    }
    return PARE_OK;
}

static pare_status build(const building *b) {
    const pare_family *family = b->row->family;
    int64_t rotated;
    pare_json_put(b->json, "architectures", pare_json_list_of(pare_json_string(family->class_name)));
    pare_json_put(b->json, "model_type", pare_json_string(family->types[0]));
    for (size_t i = 0; i < pare_gguf_size_count; i++)
        PARE_TRY(put_size(b, &pare_gguf_sizes[i]));
    if (!find(b, "block_count")) return missing(b, "block_count");
    if (!find(b, "embedding_length")) return missing(b, "embedding_length");
    PARE_TRY(put_eps(b));
    PARE_TRY(put_heads(b, &rotated));
    PARE_TRY(pare_gguf_config_latent(b->file, b->row, b->json));
    PARE_TRY(pare_gguf_config_experts(b->file, b->row, b->json));
    PARE_TRY(put_ends(b));
    PARE_TRY(put_keys(b));
    put_windows(b);
    put_options(b);
    PARE_TRY(put_tokens(b));
    PARE_TRY(pare_gguf_config_rope(b->checkpoint, b->row, rotated, b->json));
    return pare_json_check(b->json, b->file->mapping.path);
}

pare_status pare_gguf_config(const pare_checkpoint *checkpoint, const pare_gguf_architecture *architecture,
                             json_t **out) {
    building b = {
        .checkpoint = checkpoint, .file = pare_checkpoint_gguf(checkpoint), .row = architecture, .json = json_object()};
    *out = NULL;
    pare_status status = build(&b);
    if (status == PARE_OK)
        *out = b.json;
    else
        json_decref(b.json);
    return status;
}
