#include "model/gguf_latent.h"
#include "model/gguf_entries.h"
#include "model/gguf_model.h"
#include "support/json.h"

#include <math.h>
#include <stdio.h>

/* Files by whose number of layers llama.cpp takes them for ones whose queries have no latent. */
enum { LITE_LAYERS = 27, SMALLER_LAYERS = 26, KANANA_LAYERS = 48, KANANA_VOCABULARY = 128256 };

void pare_gguf_latent_name(uint32_t layer, pare_gguf_latent_part part, char name[PARE_GGUF_NAME_BYTES]) {
    static const char *const names[PARE_GGUF_LATENT_PARTS] = {"attn_q_a", "attn_k_b", "attn_v_b"};
    snprintf(name, PARE_GGUF_NAME_BYTES, "blk.%u.%s.weight", layer, names[part]);
}

double pare_gguf_latent_mscale(const pare_config *config) {
    const pare_rope_config *rope = &config->rope[0];
    double usual = 1 / sqrt((double)config->head_size), scale = config->architecture.attention_scale;
    if (!(scale > 0) || !(rope->factor > 1)) return 0;
    double mscale = (sqrt(scale / usual) - 1) / (0.1 * log(rope->factor));
    return fabs(mscale) > 1e-9 ? mscale : 0;
}

const char *pare_gguf_latent_misfit(const pare_config *config) {
    const pare_rope_config *rope = &config->rope[0];
    uint32_t layers = config->layers;
    bool lite = layers == LITE_LAYERS || layers == SMALLER_LAYERS ||
                (layers == KANANA_LAYERS && config->vocabulary == KANANA_VOCABULARY);
    if (!config->latent.keys) return NULL;
    if (config->latent.queries && lite) return "queries without a latent where there are so many layers";
    if (!config->architecture.interleaved) return "pairs of neighbours that are turned (rope_interleave true)";
    bool yarn =
        rope->kind == PARE_ROPE_YARN && fabs(rope->attention_factor - 1) < 1e-6 && pare_gguf_latent_mscale(config) > 0;
    if (rope->kind == PARE_ROPE_PLAIN || yarn) return NULL;
    return "rotary positions that are plain, or YaRN's with mscale and mscale_all_dim alike";
}

void pare_gguf_put_latent(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const pare_config *config) {
    const pare_latent *l = &config->latent;
    pare_gguf_put_size(metadata, row, "attention.head_count_kv", 1);
    pare_gguf_put_size(metadata, row, "attention.key_length", l->keys + l->rotated);
    pare_gguf_put_size(metadata, row, "attention.value_length", l->keys);
    pare_gguf_put_size(metadata, row, "attention.key_length_mla", config->head_size);
    pare_gguf_put_size(metadata, row, "attention.value_length_mla", l->value);
    pare_gguf_put_size(metadata, row, "attention.kv_lora_rank", l->keys);
    /* 0 where there is none: llama.cpp asks for the key, but for some numbers of layers. */
    pare_gguf_put_size(metadata, row, "attention.q_lora_rank", l->queries);
}

enum { RANK_LIMIT = 1 << 20 };

static pare_status read_size(const pare_gguf *file, const pare_gguf_architecture *row, const char *key, int64_t least,
                             int64_t *out) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(row, key, name);
    if (least && !pare_gguf_find(file, name))
        return pare_fail(PARE_UNSUPPORTED,
                         "%s has no metadata entry %s: files of before April 2025 have other tensors for such "
                         "attention; convert the model again",
                         file->mapping.path, name);
    return pare_gguf_whole(file, name, least, RANK_LIMIT, 0, out);
}

pare_status pare_gguf_config_latent(const pare_gguf *file, const pare_gguf_architecture *row, json_t *json) {
    int64_t queries, keys, head, value, rotated, heads;
    if (!pare_gguf_has_latents(row)) return PARE_OK;
    PARE_TRY(read_size(file, row, "attention.head_count", 1, &heads));
    PARE_TRY(read_size(file, row, "attention.q_lora_rank", 0, &queries));
    PARE_TRY(read_size(file, row, "attention.kv_lora_rank", 1, &keys));
    PARE_TRY(read_size(file, row, "attention.key_length_mla", 1, &head));
    PARE_TRY(read_size(file, row, "attention.value_length_mla", 1, &value));
    PARE_TRY(read_size(file, row, "rope.dimension_count", 1, &rotated));
    if (rotated >= head)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: of keys of %lld dimensions (%s.attention.key_length_mla) %lld are turned "
                         "(rope.dimension_count), which leaves none",
                         file->mapping.path, (long long)head, row->name, (long long)rotated);
    pare_json_put(json, "num_key_value_heads", json_integer(heads));
    pare_json_put(json, "q_lora_rank", queries ? json_integer(queries) : json_null());
    pare_json_put(json, "kv_lora_rank", json_integer(keys));
    pare_json_put(json, "qk_rope_head_dim", json_integer(rotated));
    pare_json_put(json, "qk_nope_head_dim", json_integer(head - rotated));
    pare_json_put(json, "v_head_dim", json_integer(value));
    return PARE_OK;
}
