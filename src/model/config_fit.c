#include "model/config.h"
#include "model/config_fields.h"
#include "model/config_fit_experts.h"
#include "model/config_inventory.h"
#include "model/config_stated.h"
#include "model/family.h"
#include "model/names.h"
#include "support/file.h"
#include "support/memory.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH_LIMIT = 1 << 24 };

/* A tensor of a layer by the role, or by the fused tensor that holds it: outputs x inputs, stored either way round. */
static pare_status expect_linear(const pare_inventory *from, const char *name, uint64_t rows, uint64_t columns) {
    return from->config->family->transposed ? pare_inventory_matrix(from, name, columns, rows)
                                            : pare_inventory_matrix(from, name, rows, columns);
}

/* *outputs: of a linear layer that reads the hidden state; any number of `unit`s. */
static pare_status measure_outputs(const pare_inventory *from, const char *name, uint32_t unit, uint64_t *outputs) {
    const pare_config *config = from->config;
    const pare_tensor *tensor;
    int out = config->family->transposed ? 1 : 0;
    PARE_TRY(pare_inventory_take(from, name, &tensor));
    *outputs = tensor->rank == 2 ? tensor->shape[out] : 0;
    bool some = *outputs || pare_config_states_layers(config);
    if (some && tensor->shape[1 - out] == config->hidden && *outputs % unit == 0 && *outputs <= WIDTH_LIMIT)
        return PARE_OK;
    char expected[96], rows[64];
    if (unit == 1)
        snprintf(rows, sizeof rows, "FFN width");
    else
        snprintf(rows, sizeof rows, "a multiple of the head size %u", unit);
    if (out)
        snprintf(expected, sizeof expected, "[hidden size %u, %s]", config->hidden, rows);
    else
        snprintf(expected, sizeof expected, "[%s, hidden size %u]", rows, config->hidden);
    return pare_inventory_refuse(from, tensor, expected);
}

/* How the rows of a fused tensor of queries, keys and values are divided, the file must say. */
static pare_status divide_heads(const pare_inventory *from, const char *name, uint32_t layer, uint64_t rows,
                                pare_widths *widths) {
    const pare_config *config = from->config;
    uint32_t stated_heads = pare_config_stated(config, PARE_CONFIG_KEY_HEADS, layer), kv = config->kv_heads;
    uint64_t all = rows / config->head_size;
    if (!kv) kv = pare_config_stated(config, PARE_CONFIG_KEY_KV_HEADS, layer);
    if (!kv) kv = config->family->fallback.kv_heads ? config->family->fallback.kv_heads : stated_heads;
    widths->kv_heads = kv;
    widths->heads = stated_heads;
    if (kv && all == stated_heads + 2 * (uint64_t)kv) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: tensor %s has rows for %llu heads of size %u in all, where the %u query heads, %u key heads "
                     "and %u value heads of config.json are %llu; correct the numbers that are wrong",
                     pare_checkpoint_directory(from->checkpoint), name, (unsigned long long)all, config->head_size,
                     stated_heads, kv, kv, (unsigned long long)(stated_heads + 2 * (uint64_t)kv));
}

/* config.json says all; the matrices that are roles are checked with all others. */
static pare_status measure_latents(const pare_inventory *from, uint32_t layer, pare_widths *widths) {
    const pare_config *config = from->config;
    char name[PARE_NAME_BYTES];
    widths->heads = widths->kv_heads = pare_config_stated(config, PARE_CONFIG_KEY_HEADS, layer);
    if (!config->latent.queries) return PARE_OK;
    pare_query_down_name(config, layer, name);
    return pare_inventory_matrix(from, name, config->latent.queries, config->hidden);
}

static pare_status measure_attention(const pare_inventory *from, uint32_t layer, pare_widths *widths) {
    const pare_config *config = from->config;
    uint32_t h = config->head_size;
    char name[PARE_NAME_BYTES];
    uint64_t rows;
    const pare_fused *fused = pare_family_fused(config->family, PARE_ROLE_Q);
    if (pare_config_states_none(config, PARE_CONFIG_KEY_HEADS, layer)) return PARE_OK;
    if (config->latent.keys) return measure_latents(from, layer, widths);
    pare_layer_tensor_name(config, layer, PARE_ROLE_Q, name);
    PARE_TRY(measure_outputs(from, name, h, &rows));
    if (fused) {
        PARE_TRY(divide_heads(from, name, layer, rows, widths));
    } else {
        widths->heads = (uint32_t)(rows / h);
        pare_layer_tensor_name(config, layer, PARE_ROLE_K, name);
        PARE_TRY(measure_outputs(from, name, h, &rows));
        widths->kv_heads = (uint32_t)(rows / h);
        pare_layer_tensor_name(config, layer, PARE_ROLE_V, name);
        PARE_TRY(expect_linear(from, name, (uint64_t)widths->kv_heads * h, config->hidden));
    }
    if (widths->heads % widths->kv_heads == 0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: layer %u has %u query heads, which is no multiple of its %u key/value heads",
                     pare_checkpoint_directory(from->checkpoint), layer, widths->heads, widths->kv_heads);
}

static pare_status measure_ffn(const pare_inventory *from, uint32_t layer, pare_widths *widths) {
    const pare_config *config = from->config;
    pare_role first = config->architecture.ungated ? PARE_ROLE_UP : PARE_ROLE_GATE;
    const pare_fused *fused = pare_family_fused(config->family, first);
    char name[PARE_NAME_BYTES];
    uint64_t rows;
    if (pare_config_states_none(config, PARE_CONFIG_KEY_FFN, layer)) return PARE_OK;
    if (config->plan[layer].routed && !config->experts.shared) return PARE_OK;
    pare_layer_tensor_name(config, layer, first, name);
    PARE_TRY(measure_outputs(from, name, fused ? 2 : 1, &rows));
    widths->ffn = (uint32_t)(fused ? rows / 2 : rows);
    if (fused || first == PARE_ROLE_UP) return PARE_OK;
    pare_layer_tensor_name(config, layer, PARE_ROLE_UP, name);
    return expect_linear(from, name, widths->ffn, config->hidden);
}

/* Rows of the fused tensor that holds a role. */
static uint64_t fused_rows(const pare_config *config, const pare_fused *fused, const pare_widths *widths) {
    uint64_t total = 0;
    for (int i = 0; i < fused->count; i++)
        total += (uint64_t)pare_config_span(config, widths, pare_roles[fused->parts[i]].rows);
    return total;
}

/* A norm of queries or keys with weights for every head: one tensor [heads, head size], or one of a head each. */
static pare_status expect_head_norms(const pare_inventory *from, uint32_t layer, pare_role role, uint32_t heads) {
    uint32_t h = from->config->head_size;
    char name[PARE_NAME_BYTES];
    pare_layer_tensor_name(from->config, layer, role, name);
    if (!pare_role_is_by_head(from->config, role)) return pare_inventory_matrix(from, name, heads, h);
    for (uint32_t head = 0; head < heads; head++) {
        pare_head_tensor_name(from->config, layer, role, head, name);
        PARE_TRY(pare_inventory_vector(from, name, h));
    }
    return PARE_OK;
}

/* A half of no width need not have its tensors: those without elements, and the norm of what it would read. */
static bool is_absent(const pare_inventory *from, const pare_widths *widths, pare_role role, bool empty,
                      const char *name) {
    bool spared =
        empty ? pare_widths_lack(widths, role) : pare_widths_lack_norm(&from->config->architecture, widths, role);
    return spared && !pare_checkpoint_find(from->checkpoint, name);
}

/* Everything but what the measures went by. */
static pare_status check_layer(const pare_inventory *from, uint32_t layer, const pare_widths *widths) {
    const pare_config *config = from->config;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        if (!pare_has_role(&config->architecture, role)) continue;
        const pare_fused *fused = pare_family_fused(config->family, role);
        char name[PARE_NAME_BYTES];
        int64_t rows, columns;
        pare_layer_tensor_name(config, layer, role, name);
        pare_config_role_shape(config, widths, role, &rows, &columns);
        if (is_absent(from, widths, role, !rows || !columns, name)) continue;
        if (pare_role_is_matrix(role) && fused)
            PARE_TRY(expect_linear(from, name, fused_rows(config, fused, widths), config->hidden));
        else if (pare_role_is_matrix(role))
            PARE_TRY(expect_linear(from, name, (uint64_t)rows, (uint64_t)columns));
        else if (pare_role_is_owned_by_heads(config, role))
            PARE_TRY(expect_head_norms(from, layer, role, (uint32_t)(columns / config->head_size)));
        else
            PARE_TRY(pare_inventory_vector(from, name, fused ? fused_rows(config, fused, widths) : (uint64_t)columns));
    }
    return PARE_OK;
}

/* Numbers, whatever dtypes they are stored as. */
static bool equal_values(const pare_tensor *a, const pare_tensor *b) {
    enum { STEP = 4096 };
    float here[STEP], there[STEP];
    if (a->count != b->count) return false;
    if (a->dtype == b->dtype && !a->view && !b->view)
        return a->data == b->data || memcmp(a->data, b->data, a->bytes) == 0;
    for (uint64_t i = 0; i < a->count; i += STEP) {
        size_t n = a->count - i < STEP ? (size_t)(a->count - i) : STEP;
        pare_tensor_values(a, i, n, here);
        pare_tensor_values(b, i, n, there);
        if (memcmp(here, there, n * sizeof *here) != 0) return false;
    }
    return true;
}

/* A tied model has its one matrix under either name, or under both: then they are tied only if they are the same, as in
 * transformers 5. */
static pare_status measure_head(const pare_inventory *from, pare_config *config) {
    char embedding_name[PARE_NAME_BYTES], head_name[PARE_NAME_BYTES];
    pare_end_tensor_name(config, PARE_END_EMBEDDING, embedding_name);
    pare_end_tensor_name(config, PARE_END_HEAD, head_name);
    const pare_tensor *embedding = pare_checkpoint_find(from->checkpoint, embedding_name);
    const pare_tensor *head = pare_checkpoint_find(from->checkpoint, head_name);
    config->embedding_in_head = config->tied && head && !embedding;
    if (!config->embedding_in_head && pare_has_end(&config->architecture, PARE_END_EMBEDDING))
        PARE_TRY(pare_inventory_matrix(from, embedding_name, config->vocabulary, config->embedding_width));
    if (config->tied && !head) return PARE_OK;
    PARE_TRY(pare_inventory_matrix(from, head_name, config->vocabulary, config->head_width));
    if (config->tied && embedding) config->tied = equal_values(embedding, head);
    return PARE_OK;
}

/* A model that reads pictures stores its convolution as [d, channels, height, width], and what belongs to tokens behind
 * a batch of one. */
static pare_status expect_shape(const pare_inventory *from, pare_end end, uint64_t rows, uint64_t columns) {
    const pare_config *config = from->config;
    const pare_vision *v = &config->vision;
    const pare_tensor *tensor;
    char name[PARE_NAME_BYTES], expected[96];
    bool convolution = end == PARE_END_PROJECT_IN;
    pare_end_tensor_name(config, end, name);
    if (!pare_reads_pictures(config) || (!convolution && !(config->family->bare_ends & pare_end_bit(end))))
        return rows ? pare_inventory_matrix(from, name, rows, columns) : pare_inventory_vector(from, name, columns);
    uint64_t tokens = rows ? rows : 1;
    const pare_tensor shape =
        convolution ? (pare_tensor){.rank = 4, .shape = {rows, v->channels, v->patch_height, v->patch_width}}
                    : (pare_tensor){.rank = 3, .shape = {1, tokens, columns}};
    PARE_TRY(pare_inventory_take(from, name, &tensor));
    if (tensor->rank == shape.rank && memcmp(tensor->shape, shape.shape, (size_t)shape.rank * sizeof *shape.shape) == 0)
        return PARE_OK;
    pare_shape_format(expected, sizeof expected, &shape);
    return pare_inventory_refuse(from, tensor, expected);
}

static pare_status measure_ends(const pare_inventory *from, pare_config *config) {
    uint64_t d = config->hidden, e = config->embedding_width;
    const struct {
        pare_end end;
        uint64_t rows, columns; /* rows 0: a vector */
    } shapes[] = {{PARE_END_FINAL_NORM, 0, d},
                  {PARE_END_FINAL_NORM_BIAS, 0, d},
                  {PARE_END_EMBEDDING_NORM, 0, e},
                  {PARE_END_EMBEDDING_NORM_BIAS, 0, e},
                  {PARE_END_PROJECT_IN, d, e},
                  {PARE_END_PROJECT_OUT, config->head_width, d},
                  {PARE_END_PROJECT_IN_BIAS, 0, d},
                  {PARE_END_CLASS_TOKEN, 0, d},
                  {PARE_END_DISTILLATION_TOKEN, 0, d},
                  {PARE_END_HEAD_BIAS, 0, config->vocabulary},
                  {PARE_END_POSITIONS, (uint64_t)config->stated_positions + config->architecture.position_offset, d}};
    PARE_TRY(measure_head(from, config));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (!pare_has_end(&config->architecture, shapes[i].end)) continue;
        PARE_TRY(expect_shape(from, shapes[i].end, shapes[i].rows, shapes[i].columns));
    }
    return PARE_OK;
}

/* What transformers keeps in files of earlier versions and computes itself: angles, and masks of what comes later. */
static bool is_buffer(const char *name) {
    static const char *const patterns[] = {"*.rotary_emb.inv_freq", "*attn.bias", "*attn.masked_bias",
                                           "*attention.bias", "*attention.masked_bias"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, 0) == 0) return true;
    return false;
}

/* What a model that reads pictures may have beside its classifier, which reads none of it. */
static bool is_beside_classifier(const pare_config *config, const char *name) {
    bool pooler = fnmatch("*pooler.dense.*", name, 0) == 0, mask = fnmatch("*embeddings.mask_token", name, 0) == 0;
    return pare_reads_pictures(config) && (pooler || mask);
}

/* A wrapper's other parts go along as they are; a head is none of them, wherever it is. */
static bool is_elsewhere(const pare_config *config, const char *name) {
    char head[PARE_NAME_BYTES];
    snprintf(head, sizeof head, "%s.", pare_family_end(config->family, PARE_END_HEAD));
    if (config->text == config->json || strncmp(name, config->root, strlen(config->root)) == 0) return false;
    const char *found = strstr(name, head);
    return !found || (found != name && found[-1] != '.');
}

static pare_status refuse_strangers(const pare_inventory *from) {
    for (size_t i = 0; i < pare_checkpoint_count(from->checkpoint); i++) {
        const pare_tensor *tensor = pare_checkpoint_at(from->checkpoint, i);
        if (from->known[i] || is_buffer(tensor->name) || is_elsewhere(from->config, tensor->name) ||
            is_beside_classifier(from->config, tensor->name) || pare_name_predicts(from->config, tensor->name))
            continue;
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: tensor %s has no place in a %s of the kind that config.json describes; leaving it out "
                         "could change the model's results",
                         pare_checkpoint_file(from->checkpoint, tensor->file), tensor->name,
                         from->config->family == &pare_family_llama ? "LLaMA" : from->config->family->class_name);
    }
    return PARE_OK;
}

static pare_status measure(const pare_checkpoint *checkpoint, pare_config *config) {
    pare_inventory from = {.checkpoint = checkpoint, .config = config};
    pare_status status;
    PARE_TRY_GOTO(status,
                  pare_alloc(&from.known, pare_checkpoint_count(checkpoint), sizeof *from.known, "tensor names"), done);
    PARE_TRY_GOTO(status, pare_alloc(&config->widths, config->layers, sizeof *config->widths, "widths per layer"),
                  done);
    PARE_TRY_GOTO(status, measure_ends(&from, config), done);
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        pare_widths *widths = &config->widths[layer];
        PARE_TRY_GOTO(status, measure_attention(&from, layer, widths), done);
        PARE_TRY_GOTO(status, measure_ffn(&from, layer, widths), done);
        PARE_TRY_GOTO(status, pare_config_fit_experts(&from, layer, widths), done);
        PARE_TRY_GOTO(status, check_layer(&from, layer, widths), done);
    }
    status = refuse_strangers(&from);
done:
    pare_free(from.known);
    return status;
}

pare_status pare_config_fit(const pare_checkpoint *checkpoint, pare_config *config) {
    const char *model = pare_checkpoint_directory(checkpoint);
    char *path = pare_checkpoint_gguf(checkpoint) ? pare_format("%s", model)
                                                  : pare_path_join(model, config->made ? "params.json" : "config.json");
    pare_names_find_root(checkpoint, config);
    pare_status status = measure(checkpoint, config);
    if (status == PARE_OK)
        status = pare_config_check_widths((pare_fields){.path = path, .object = config->text}, config);
    free(path);
    return status;
}
