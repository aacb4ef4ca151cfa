#include "model/gguf_keys.h"
#include "model/config_layers.h"
#include "model/gguf_entries.h"
#include "model/gguf_experts.h"
#include "model/gguf_latent.h"

#include <string.h>

typedef struct putting {
    pare_gguf_metadata *metadata;
    const pare_config *config;
    const pare_gguf_target *target;
} putting;

static void put_whole(putting *p, const char *key, uint32_t value) {
    pare_gguf_put_size(p->metadata, p->target->row, key, value);
}

static void put_real(putting *p, const char *key, double value) {
    pare_gguf_put_number(p->metadata, p->target->row, key, value);
}

/* One number where all layers are alike, else one for each. */
static void put_widths(putting *p, const char *key, uint32_t (*of)(const pare_widths *widths)) {
    if (!p->target->row->layered) {
        put_whole(p, key, of(&p->config->widths[0]));
        return;
    }
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(p->target->row, key, name);
    pare_gguf_put_list(p->metadata, name, PARE_GGUF_INT32);
    for (uint32_t i = 0; i < p->config->layers; i++)
        pare_gguf_add_i32(p->metadata, (int32_t)of(&p->config->widths[i]));
}

static void put_sizes(putting *p) {
    const pare_config *config = p->config;
    put_whole(p, "vocab_size", config->vocabulary);
    put_whole(p, "context_length", p->target->positions);
    put_whole(p, "embedding_length", config->hidden);
    put_whole(p, "block_count", config->layers);
    if (pare_has_experts(config))
        put_whole(p, "feed_forward_length", pare_gguf_dense_width(config));
    else
        put_widths(p, "feed_forward_length", pare_widths_ffn);
    put_widths(p, "attention.head_count", pare_widths_heads);
    if (config->latent.keys) {
        pare_gguf_put_latent(p->metadata, p->target->row, config);
    } else {
        put_widths(p, "attention.head_count_kv", pare_widths_kv_heads);
        put_whole(p, "attention.key_length", config->head_size);
        put_whole(p, "attention.value_length", config->head_size);
    }
    pare_gguf_put_experts(p->metadata, p->target->row, config);
    bool rms = config->architecture.norm == PARE_NORM_RMS;
    put_real(p, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", config->rms_eps);
}

static const pare_option *option_of(const pare_family *family, const char *key) {
    for (int i = 0; i < PARE_OPTIONS && family->options[i].key; i++)
        if (strcmp(family->options[i].key, key) == 0) return &family->options[i];
    return NULL;
}

static void put_option(putting *p, const pare_gguf_key *key, const pare_option *option) {
    if (option->kind == PARE_OPTION_FLAG || option->kind == PARE_OPTION_NOT) {
        pare_gguf_put_switch(p->metadata, p->target->row, key->gguf, pare_gguf_flag_of(p->config, option));
        return;
    }
    double value = pare_gguf_number_of(p->config, option);
    bool unset = !(value > 0 || value < 0);
    if (unset && option->fallback > 0) value = option->fallback;
    if (value > 0 || value < 0) put_real(p, key->gguf, value);
}

/* Windows are what layers have (config_layers.c), not what the file of the model says. */
static void put_window(putting *p, const pare_gguf_key *key) {
    uint32_t period = pare_gguf_window_period(p->config), window = pare_config_window(p->config);
    bool some = window && pare_gguf_says_windows(p->target->row, p->config);
    if (strcmp(key->config, "sliding_window") == 0 && some) put_whole(p, key->gguf, window);
    if (strcmp(key->config, "sliding_window_pattern") == 0 && some) put_whole(p, key->gguf, period);
    if (strcmp(key->config, "rope_local_base_freq") == 0 && window) put_real(p, key->gguf, p->config->rope[1].theta);
}

static void put_keys(putting *p) {
    const pare_gguf_architecture *row = p->target->row;
    for (int i = 0; i < PARE_GGUF_KEYS && row->keys[i].gguf; i++) {
        const pare_option *option = option_of(p->config->family, row->keys[i].config);
        if (option)
            put_option(p, &row->keys[i], option);
        else
            put_window(p, &row->keys[i]);
    }
}

pare_status pare_gguf_put_config(pare_gguf_metadata *metadata, const pare_config *config,
                                 const pare_gguf_target *target, const char *path) {
    putting p = {.metadata = metadata, .config = config, .target = target};
    put_sizes(&p);
    put_keys(&p);
    return pare_gguf_put_rope(metadata, config, target, path);
}
