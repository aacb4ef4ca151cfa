#include "model/gguf_llama4.h"
#include "model/gguf_entries.h"
#include "model/gguf_model.h"
#include "support/json.h"

#include <math.h>

/* Experts of the model that does not norm (Maverick). */
enum { CHUNK = 8192, SEEN_PERIOD = 4, UNNORMED = 128, LAYER_LIMIT = 10000 };
static const double growth = 0.1;
static const char step_key[] = "interleave_moe_layer_step";

/* Every so many-th layer has experts; 0: in another order. */
static uint32_t expert_step(const pare_config *config) {
    uint32_t step = 0;
    for (uint32_t i = 0; i < config->layers && !step; i++)
        if (config->plan[i].routed) step = i + 1;
    for (uint32_t i = 0; step && i < config->layers; i++)
        if (config->plan[i].routed != ((i + 1) % step == 0)) return 0;
    return step;
}

static bool has_chunks(const pare_config *config) {
    for (uint32_t i = 0; i < config->layers; i++)
        if (config->plan[i].window != ((i + 1) % SEEN_PERIOD ? CHUNK : 0)) return false;
    return true;
}

const char *pare_gguf_llama4_misfit(const pare_config *config) {
    const pare_architecture *a = &config->architecture;
    bool grows = fabs(a->query_step - CHUNK) < 1 && fabs(a->query_growth - growth) < 1e-6;
    bool normed = a->head_norm != PARE_HEAD_NORM_NONE;
    if (!expert_step(config)) return "experts in every so many-th layer, at equal distances from the first one on";
    if (!has_chunks(config)) return "chunks of 8192 positions in all layers but every fourth";
    if (!grows) return "queries that grow by a tenth of a logarithm every 8192 positions";
    if (normed && config->experts.count == UNNORMED) return "no norms of queries and keys with 128 experts";
    if (!normed && config->experts.count != UNNORMED) return "norms of queries and keys unless there are 128 experts";
    return NULL;
}

pare_status pare_gguf_config_llama4(const pare_gguf *file, const pare_gguf_architecture *row, json_t *json) {
    char name[PARE_GGUF_NAME_BYTES];
    int64_t step, window;
    pare_gguf_key_name(row, "attention.sliding_window", name);
    PARE_TRY(pare_gguf_whole(file, name, 0, UINT32_MAX, CHUNK, &window));
    if (!window)
        return pare_fail(PARE_UNSUPPORTED, "%s: %s is 0, of a model without chunks; pare reads Llama 4 with them",
                         file->mapping.path, name);
    pare_gguf_key_name(row, step_key, name);
    PARE_TRY(pare_gguf_whole(file, name, 1, LAYER_LIMIT, 1, &step));
    pare_json_put(json, step_key, json_integer(step));
    pare_json_put(json, "attention_chunk_size", json_integer(CHUNK));
    pare_json_put(json, "attn_temperature_tuning", json_true());
    pare_json_put(json, "floor_scale", json_integer(CHUNK));
    pare_json_put(json, "attn_scale", pare_json_real(growth));
    pare_json_put(json, "use_qk_norm",
                  json_boolean(json_integer_value(json_object_get(json, row->family->experts.count_key)) != UNNORMED));
    return PARE_OK;
}

void pare_gguf_put_llama4(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const pare_config *config) {
    pare_gguf_put_size(metadata, row, step_key, expert_step(config));
}
