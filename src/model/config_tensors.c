#include "model/config.h"
#include "model/config_fields.h"
#include "support/memory.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH_LIMIT = 1 << 24 };

typedef struct inventory {
    const pare_checkpoint *checkpoint;
    bool *known; /* [tensors]: has a place in a LLaMA */
} inventory;

/* *tensor: NULL if absent. */
static pare_status take(const inventory *from, const char *name, const pare_tensor **tensor) {
    *tensor = pare_checkpoint_find(from->checkpoint, name);
    const char *promised = *tensor ? NULL : pare_checkpoint_promise(from->checkpoint, name);
    if (promised)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has no tensor %s, though model.safetensors.index.json puts it into %s; download that "
                         "shard again",
                         pare_checkpoint_directory(from->checkpoint), name, promised);
    if (!*tensor)
        return pare_fail(PARE_FORMAT_ERROR, "%s has no tensor %s, which its config.json asks for",
                         pare_checkpoint_directory(from->checkpoint), name);
    from->known[*tensor - pare_checkpoint_at(from->checkpoint, 0)] = true;
    return PARE_OK;
}

static void format_shape(char *text, size_t size, const pare_tensor *tensor) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < tensor->rank && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%llu", i ? ", " : "", (unsigned long long)tensor->shape[i]);
    if (used < size) snprintf(text + used, size - used, "]");
}

static pare_status refuse_shape(const inventory *from, const pare_tensor *tensor, const char *expected) {
    char found[128];
    format_shape(found, sizeof found, tensor);
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has shape %s where %s is expected",
                     pare_checkpoint_file(from->checkpoint, tensor->file), tensor->name, found, expected);
}

static pare_status expect_vector(const inventory *from, const char *name, uint64_t length) {
    const pare_tensor *tensor;
    PARE_TRY(take(from, name, &tensor));
    if (tensor->rank == 1 && tensor->shape[0] == length) return PARE_OK;
    char expected[64];
    snprintf(expected, sizeof expected, "[%llu]", (unsigned long long)length);
    return refuse_shape(from, tensor, expected);
}

static pare_status expect_matrix(const inventory *from, const char *name, uint64_t rows, uint64_t columns) {
    const pare_tensor *tensor;
    PARE_TRY(take(from, name, &tensor));
    if (tensor->rank == 2 && tensor->shape[0] == rows && tensor->shape[1] == columns) return PARE_OK;
    char expected[64];
    snprintf(expected, sizeof expected, "[%llu, %llu]", (unsigned long long)rows, (unsigned long long)columns);
    return refuse_shape(from, tensor, expected);
}

/* *width: rows / unit of a matrix whose columns are the hidden size. */
static pare_status measure_rows(const inventory *from, const char *name, const pare_config *config, uint32_t unit,
                                uint32_t *width) {
    const pare_tensor *tensor;
    PARE_TRY(take(from, name, &tensor));
    uint64_t rows = tensor->shape[0];
    *width = (uint32_t)(rows / unit);
    if (tensor->rank == 2 && tensor->shape[1] == config->hidden && rows && rows % unit == 0 && rows <= WIDTH_LIMIT)
        return PARE_OK;
    char expected[96];
    if (unit == 1)
        snprintf(expected, sizeof expected, "[FFN width, hidden size %u]", config->hidden);
    else
        snprintf(expected, sizeof expected, "[a multiple of the head size %u, hidden size %u]", unit, config->hidden);
    return refuse_shape(from, tensor, expected);
}

enum { NAME_BYTES = 96 };

static const char *layer_tensor(char name[NAME_BYTES], uint32_t layer, const char *part) {
    snprintf(name, NAME_BYTES, "model.layers.%u.%s.weight", layer, part);
    return name;
}

static pare_status measure_layer(const inventory *from, const pare_config *config, uint32_t layer,
                                 pare_widths *widths) {
    char name[NAME_BYTES];
    uint32_t d = config->hidden, h = config->head_size;
    PARE_TRY(expect_vector(from, layer_tensor(name, layer, "input_layernorm"), d));
    PARE_TRY(expect_vector(from, layer_tensor(name, layer, "post_attention_layernorm"), d));
    PARE_TRY(measure_rows(from, layer_tensor(name, layer, "self_attn.q_proj"), config, h, &widths->heads));
    PARE_TRY(measure_rows(from, layer_tensor(name, layer, "self_attn.k_proj"), config, h, &widths->kv_heads));
    PARE_TRY(measure_rows(from, layer_tensor(name, layer, "mlp.gate_proj"), config, 1, &widths->ffn));
    PARE_TRY(expect_matrix(from, layer_tensor(name, layer, "self_attn.v_proj"), (uint64_t)widths->kv_heads * h, d));
    PARE_TRY(expect_matrix(from, layer_tensor(name, layer, "self_attn.o_proj"), d, (uint64_t)widths->heads * h));
    PARE_TRY(expect_matrix(from, layer_tensor(name, layer, "mlp.up_proj"), widths->ffn, d));
    PARE_TRY(expect_matrix(from, layer_tensor(name, layer, "mlp.down_proj"), d, widths->ffn));
    if (widths->heads % widths->kv_heads == 0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: layer %u has %u query heads, which is no multiple of its %u key/value heads",
                     pare_checkpoint_directory(from->checkpoint), layer, widths->heads, widths->kv_heads);
}

/* Numbers, whatever dtypes they are stored as. */
static bool equal_values(const pare_tensor *a, const pare_tensor *b) {
    enum { STEP = 4096 };
    float here[STEP], there[STEP];
    if (a->count != b->count) return false;
    if (a->dtype == b->dtype) return memcmp(a->data, b->data, a->bytes) == 0;
    size_t size_a = pare_dtype_size(a->dtype), size_b = pare_dtype_size(b->dtype);
    for (uint64_t i = 0; i < a->count; i += STEP) {
        size_t n = a->count - i < STEP ? (size_t)(a->count - i) : STEP;
        pare_to_float(here, (const char *)a->data + i * size_a, a->dtype, n);
        pare_to_float(there, (const char *)b->data + i * size_b, b->dtype, n);
        if (memcmp(here, there, n * sizeof *here) != 0) return false;
    }
    return true;
}

static const char embedding_name[] = "model.embed_tokens.weight", head_name[] = "lm_head.weight";

/* A tied model has its one matrix under either name, or under both: then they are tied only if they are the same, as in
 * transformers 5. */
static pare_status measure_ends(const inventory *from, pare_config *config) {
    const pare_tensor *embedding = pare_checkpoint_find(from->checkpoint, embedding_name);
    const pare_tensor *head = pare_checkpoint_find(from->checkpoint, head_name);
    config->embedding_in_head = config->tied && head && !embedding;
    if (!config->embedding_in_head) PARE_TRY(expect_matrix(from, embedding_name, config->vocabulary, config->hidden));
    PARE_TRY(expect_vector(from, "model.norm.weight", config->hidden));
    if (config->tied && !head) return PARE_OK;
    PARE_TRY(expect_matrix(from, head_name, config->vocabulary, config->hidden));
    if (config->tied && embedding) config->tied = equal_values(embedding, head);
    return PARE_OK;
}

static pare_status refuse_strangers(const inventory *from) {
    for (size_t i = 0; i < pare_checkpoint_count(from->checkpoint); i++) {
        const pare_tensor *tensor = pare_checkpoint_at(from->checkpoint, i);
        if (from->known[i] || fnmatch("*.rotary_emb.inv_freq", tensor->name, 0) == 0) continue;
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: tensor %s has no place in a LLaMA of the kind that config.json describes; leaving it out "
                         "could change the model's results",
                         pare_checkpoint_file(from->checkpoint, tensor->file), tensor->name);
    }
    return PARE_OK;
}

/* True if layers differ in what `width_of` tells, so that no number can be right for all. */
static bool differs(const pare_config *config, uint32_t (*width_of)(const pare_widths *)) {
    for (uint32_t i = 1; i < config->layers; i++)
        if (width_of(&config->widths[i]) != width_of(&config->widths[0])) return true;
    return false;
}

/* Both come from the same rows: one of head_dim and the number of heads is wrong. */
static pare_status refuse_heads(pare_fields fields, const char *key, const pare_config *config, uint32_t real) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: %s is %lld and head_dim is %u, but the tensors have %llu rows for them, which is %u heads of "
                     "that size; correct the one that is wrong",
                     fields.path, key, (long long)json_integer_value(pare_field(fields, key)), config->head_size,
                     (unsigned long long)real * config->head_size, real);
}

static pare_status check_width(pare_fields fields, const char *key, const pare_config *config,
                               uint32_t (*width_of)(const pare_widths *)) {
    const json_t *value = pare_field(fields, key);
    bool given = pare_field(fields, "head_dim"), list = json_is_array(value);
    if (!value || (!list && given && differs(config, width_of))) return PARE_OK;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        const json_t *stated = list ? json_array_get(value, layer) : value;
        uint32_t real = width_of(&config->widths[layer]);
        if (json_is_integer(stated) && json_integer_value(stated) == (json_int_t)real) continue;
        if (!list && given && width_of != pare_widths_ffn) return refuse_heads(fields, key, config, real);
        char expected[128];
        snprintf(expected, sizeof expected, "the tensors of layer %u have %u%s", layer, real,
                 list ? "" : ": correct it, or give head_dim if layers differ");
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, expected);
    }
    return PARE_OK;
}

static pare_status check_widths(pare_fields fields, const pare_config *config) {
    PARE_TRY(check_width(fields, "num_attention_heads", config, pare_widths_heads));
    PARE_TRY(check_width(fields, "num_key_value_heads", config, pare_widths_kv_heads));
    return check_width(fields, "intermediate_size", config, pare_widths_ffn);
}

static pare_status measure(const pare_checkpoint *checkpoint, pare_config *config) {
    inventory from = {.checkpoint = checkpoint};
    pare_status status;
    PARE_TRY_GOTO(status,
                  pare_alloc(&from.known, pare_checkpoint_count(checkpoint), sizeof *from.known, "tensor names"), done);
    PARE_TRY_GOTO(status, pare_alloc(&config->widths, config->layers, sizeof *config->widths, "widths per layer"),
                  done);
    PARE_TRY_GOTO(status, measure_ends(&from, config), done);
    for (uint32_t layer = 0; layer < config->layers; layer++)
        PARE_TRY_GOTO(status, measure_layer(&from, config, layer, &config->widths[layer]), done);
    status = refuse_strangers(&from);
done:
    pare_free(from.known);
    return status;
}

pare_status pare_config_fit(const pare_checkpoint *checkpoint, pare_config *config) {
    char *path = pare_path_join(pare_checkpoint_directory(checkpoint), "config.json");
    pare_status status = measure(checkpoint, config);
    if (status == PARE_OK) status = check_widths((pare_fields){.path = path, .object = config->json}, config);
    free(path);
    return status;
}
