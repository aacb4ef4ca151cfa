/* pare_model_describe: what is in a checkpoint. */
#include "checkpoint/scan.h"
#include "model/config_experts.h"
#include "model/model.h"
#include "report/describe_block.h"
#include "report/manifest.h"
#include "support/path.h"

#include <string.h>

static json_t *rope_json(const pare_rope_config *rope) {
    json_t *json =
        pare_json_of({"kind", pare_json_string(pare_rope_name(rope->kind))}, {"theta", pare_json_real(rope->theta)});
    bool factor = rope->kind != PARE_ROPE_PLAIN && rope->kind != PARE_ROPE_LONGROPE;
    if (factor) pare_json_put(json, "factor", pare_json_real(rope->factor));
    if (rope->share < 1) pare_json_put(json, "partial_rotary_factor", pare_json_real(rope->share));
    return json;
}

/* Some layers turn by the setting of those with a window. */
static bool uses_rope(const pare_config *config, int rope) {
    for (uint32_t i = 0; i < config->layers; i++)
        if (config->plan[i].rotation == rope) return true;
    return false;
}

static json_t *files_json(const pare_checkpoint *checkpoint) {
    json_t *files = json_array();
    for (size_t i = 0; i < pare_checkpoint_file_count(checkpoint); i++) {
        const char *name = pare_path_name(pare_checkpoint_file(checkpoint, i));
        pare_json_append(files,
                         pare_json_of({"name", pare_json_name(name)},
                                      {"bytes", pare_json_count(pare_checkpoint_mapping(checkpoint, i)->bytes)}));
    }
    return files;
}

static bool uniform(const pare_config *config) {
    for (uint32_t i = 1; i < config->layers; i++)
        if (memcmp(&config->widths[i], &config->widths[0], sizeof config->widths[0]) != 0) return false;
    return true;
}

static json_t *widths_json(const pare_config *config) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        pare_json_append(list, pare_json_of({"layer", json_integer(i)}, {"query_heads", json_integer(w->heads)},
                                            {"kv_heads", json_integer(w->kv_heads)}, {"ffn", json_integer(w->ffn)}));
        if (w->experts) pare_json_put(json_array_get(list, i), "experts", json_integer(w->experts));
    }
    return list;
}

/* Tensors per type: dtypes of safetensors have the names that ggml has for them. */
static json_t *dtypes_json(const pare_model *model) {
    json_t *json = json_object();
    for (size_t i = 0; pare_ggml_type_at(i); i++) {
        const char *name = pare_ggml_type_at(i)->name;
        uint64_t count = 0;
        for (size_t id = 0; id < model->tensor_count; id++)
            count += !pare_tensor_is_absent(model->tensors[id]) &&
                     strcmp(pare_tensor_type_name(model->tensors[id]), name) == 0;
        if (count) pare_json_put(json, name, pare_json_count(count));
    }
    return json;
}

static json_t *tensor_json(const pare_tensor *tensor, uint64_t zeros) {
    json_t *shape = json_array();
    for (int i = 0; i < tensor->rank; i++)
        pare_json_append(shape, pare_json_count(tensor->shape[i]));
    return pare_json_of({"name", pare_json_string(tensor->name)}, {"shape", shape},
                        {"dtype", pare_json_string(pare_tensor_type_name(tensor))},
                        {"parameters", pare_json_count(tensor->count)}, {"zeros", pare_json_count(zeros)},
                        {"sparsity", pare_json_real(tensor->count ? (double)zeros / (double)tensor->count : 0.0)});
}

static pare_status add_tensors(const pare_model *model, json_t *json) {
    const pare_checkpoint *checkpoint = model->checkpoint;
    json_t *tensors = json_array();
    uint64_t zeros = 0, elements = 0;
    pare_scan scan;
    pare_json_put(json, "tensors", tensors);
    PARE_TRY(pare_checkpoint_scan(checkpoint, NULL, &scan));
    for (size_t i = 0; i < pare_checkpoint_count(checkpoint); i++) {
        const pare_tensor *tensor = pare_checkpoint_at(checkpoint, i);
        pare_json_append(tensors, tensor_json(tensor, scan.zeros[i]));
        zeros += scan.zeros[i];
        elements += tensor->count;
    }
    pare_json_put(json, "sparsity", pare_json_real(elements ? (double)zeros / (double)elements : 0.0));
    pare_json_put(json, "sha256", pare_json_string(scan.digest));
    pare_scan_free(&scan);
    return PARE_OK;
}

/* {"tokens"}, with "beyond_embedding" where the embedding has fewer rows; {"problem"} where there is none to be used.
 */
static json_t *tokenizer_json(const pare_model *model) {
    const pare_tokenizer *tokenizer;
    pare_status status = pare_model_tokenizer(model, &tokenizer);
    if (status == PARE_OUT_OF_MEMORY) return NULL; /* nothing is wrong with it */
    if (status != PARE_OK) return pare_json_of({"problem", pare_json_string(pare_message())});
    uint32_t tokens = pare_tokenizer_size(tokenizer), rows = model->config.vocabulary;
    json_t *json = pare_json_of({"tokens", pare_json_count(tokens)});
    if (tokens > rows) pare_json_put(json, "beyond_embedding", json_integer(tokens - rows));
    return json;
}

static json_t *pictures_json(const pare_config *c) {
    const pare_vision *v = &c->vision;
    return pare_json_of({"channels", json_integer(v->channels)}, {"height", json_integer(v->height)},
                        {"width", json_integer(v->width)}, {"patch_height", json_integer(v->patch_height)},
                        {"patch_width", json_integer(v->patch_width)}, {"classes", json_integer(c->vocabulary)});
}

static json_t *describe(const pare_model *model) {
    const pare_config *c = &model->config;
    const char *architecture = json_string_value(json_array_get(json_object_get(c->json, "architectures"), 0));
    json_t *json = json_object();
    pare_json_put(json, "path", pare_json_name(pare_checkpoint_directory(model->checkpoint)));
    pare_json_put(json, "architecture", pare_json_string(architecture ? architecture : c->model_type));
    pare_json_put(json, "model_type", pare_json_string(c->model_type));
    pare_json_put(json, "family", pare_describe_family(c->family));
    pare_json_put(json, "block", pare_describe_block(c));
    pare_json_put(json, "attention", pare_describe_attention(c));
    if (c->latent.keys) pare_json_put(json, "latents", pare_describe_latents(c));
    if (pare_has_experts(c)) pare_json_put(json, "experts", pare_describe_experts(c));
    pare_json_put(json, "layers", json_integer(c->layers));
    pare_json_put(json, "hidden", json_integer(c->hidden));
    if (pare_reads_pictures(c))
        pare_json_put(json, "pictures", pictures_json(c));
    else
        pare_json_put(json, "vocabulary", json_integer(c->vocabulary));
    pare_json_put(json, "head_size", json_integer(c->head_size));
    pare_json_put(json, "tied", json_boolean(c->tied));
    if (uses_rope(c, 0)) pare_json_put(json, "rope", rope_json(&c->rope[0]));
    pare_json_put(json, "max_positions", json_integer(c->stated_positions));
    if (uses_rope(c, 1)) pare_json_put(json, "windowed_rope", rope_json(&c->rope[1]));
    if (c->plan[0].window) pare_json_put(json, "sliding_window", json_integer(c->plan[0].window));
    pare_json_put(json, "parameters", pare_json_count(pare_model_parameters(model)));
    pare_json_put(json, "bytes", pare_json_count(pare_model_bytes(model)));
    pare_json_put(json, "dtypes", dtypes_json(model));
    pare_json_put(json, "files", files_json(model->checkpoint));
    pare_json_put(json, "archive", json_boolean(pare_checkpoint_is_archive(model->checkpoint)));
    if (!pare_reads_pictures(c)) pare_json_put(json, "tokenizer", tokenizer_json(model));
    pare_json_put(json, "widths", widths_json(c));
    pare_json_put(json, "uniform", json_boolean(uniform(c)));
    return json;
}

bool pare_model_reads_pictures(const pare_model *model) {
    return pare_reads_pictures(&model->config);
}

pare_status pare_model_describe(const pare_model *model, bool tensors, char **text) {
    *text = NULL;
    json_t *json = describe(model);
    pare_status status = tensors ? add_tensors(model, json) : PARE_OK;
    if (status != PARE_OK) {
        json_decref(json);
        return status;
    }
    return pare_json_text(json, text);
}
