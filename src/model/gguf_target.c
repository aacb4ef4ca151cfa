#include "model/gguf_target.h"
#include "model/config_experts.h"
#include "model/config_layers.h"
#include "model/config_write.h"
#include "model/gguf_experts.h"
#include "model/gguf_latent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REASON_BYTES = 200 };

bool pare_gguf_says(const pare_gguf_architecture *row, const char *config_key) {
    for (int i = 0; i < PARE_GGUF_KEYS && row->keys[i].gguf; i++)
        if (strcmp(row->keys[i].config, config_key) == 0) return true;
    return false;
}

uint32_t pare_gguf_window_period(const pare_config *config) {
    uint32_t period = 0;
    for (uint32_t i = 0; i < config->layers && !period; i++)
        if (!config->plan[i].window) period = i + 1;
    if (!period) return config->layers + 1;
    for (uint32_t i = 0; i < config->layers; i++)
        if ((config->plan[i].window == 0) != ((i + 1) % period == 0)) return 0;
    return period;
}

bool pare_gguf_says_windows(const pare_gguf_architecture *row, const pare_config *config) {
    if (row->llama4) return true;
    if (!pare_gguf_says(row, "sliding_window")) return false;
    return pare_gguf_says(row, "sliding_window_pattern") || pare_gguf_window_period(config) <= config->layers;
}

double pare_gguf_number_of(const pare_config *config, const pare_option *option) {
    double value;
    memcpy(&value, (const char *)&config->architecture + option->field, sizeof value);
    if (option->kind == PARE_OPTION_INVERSE) return value > 0 ? 1 / value : 1;
    if (option->kind == PARE_OPTION_ROOT) return value > 0 ? 1 / (value * value) : 0;
    return value;
}

bool pare_gguf_flag_of(const pare_config *config, const pare_option *option) {
    bool value;
    memcpy(&value, (const char *)&config->architecture + option->field, sizeof value);
    return option->kind == PARE_OPTION_NOT ? !value : value;
}

/* Bits of biases that an option of the family turns on together with these. */
static uint32_t complete(const pare_family *family, uint32_t roles) {
    for (int i = 0; i < PARE_OPTIONS && family->options[i].key; i++) {
        const pare_option *option = &family->options[i];
        if (option->kind == PARE_OPTION_ROLES && (roles & option->roles)) roles |= option->roles;
    }
    return roles;
}

static uint32_t possible(const pare_family *family) {
    uint32_t roles = family->architecture.roles;
    for (int i = 0; i < PARE_OPTIONS && family->options[i].key; i++)
        if (family->options[i].kind == PARE_OPTION_ROLES || family->options[i].kind == PARE_OPTION_NORMED)
            roles |= family->options[i].roles;
    return roles;
}

static bool is_set(double number) {
    return (number > 0 || number < 0) && !(number >= 1 && number <= 1);
}

/* True if another family's block is that of this one; what differs may be roles. */
static bool computes_as(const pare_config *config, const pare_family *family) {
    const pare_architecture *a = &config->architecture, *b = &family->architecture;
    bool plain = !is_set(a->embedding_scale) && !is_set(a->residual_scale) && !is_set(a->logit_scale) &&
                 !is_set(a->logit_cap) && !is_set(a->attention_cap) && !is_set(a->qkv_clip);
    double usual = 1 / sqrt((double)config->head_size);
    plain = plain && (!is_set(a->attention_scale) || fabs(a->attention_scale / usual - 1) < 1e-6);
    return plain && a->ends == b->ends && a->slots == b->slots && a->norm == b->norm && a->norm_unit == b->norm_unit &&
           a->no_final_norm == b->no_final_norm && a->norm_after_add == b->norm_after_add &&
           a->parallel == b->parallel && a->head_norm == b->head_norm && a->chunked == b->chunked &&
           a->ungated == b->ungated && a->activation == b->activation && a->positions == b->positions &&
           a->interleaved == b->interleaved && a->bidirectional == b->bidirectional &&
           config->rope[0].rotated == config->head_size;
}

/* Layers without rotation: none, or those that the family has where its file is silent. */
static bool rotates_as(const pare_config *config, const pare_family *family) {
    uint32_t period = family == config->family ? family->layers.no_rope_period : 0;
    for (uint32_t i = 0; i < config->layers; i++) {
        bool none = config->plan[i].rotation < 0;
        if (none != (period && (i + 1) % period == 0)) return false;
    }
    return true;
}

/* Gemma's attention is scaled by a rule, not by a number in the file. */
static bool scales_as(const pare_config *config, const pare_gguf_architecture *row) {
    if (!row->pre_scaled) return true;
    uint32_t heads = config->widths[0].heads;
    double width = config->layers == row->largest ? (double)(config->hidden / (heads ? heads : 1)) : config->head_size;
    double scale = config->architecture.attention_scale;
    return fabs((scale > 0 ? scale * sqrt(width) : 1) - 1) < 1e-6;
}

/* Activation, flags and numbers that the file does not say are those that the family has where config.json is silent.
 */
static bool has_usual_switches(const pare_config *config, const pare_gguf_architecture *row) {
    const pare_family *family = row->family;
    if (family != config->family) return true;
    bool usual = family->fixed_activation || config->architecture.activation == family->fallback.activation;
    for (int i = 0; i < PARE_OPTIONS && family->options[i].key; i++) {
        const pare_option *option = &family->options[i];
        bool flag = option->kind == PARE_OPTION_FLAG || option->kind == PARE_OPTION_NOT;
        bool number = option->kind == PARE_OPTION_NUMBER || option->kind == PARE_OPTION_INVERSE;
        if (pare_gguf_says(row, option->key)) continue;
        if (flag) usual &= pare_gguf_flag_of(config, option) == (option->fallback > 0);
        if (number) usual &= fabs(pare_gguf_number_of(config, option) - option->fallback) <= 1e-6;
    }
    return usual;
}

static bool refuse(char reason[REASON_BYTES], const pare_gguf_architecture *row, const char *what) {
    snprintf(reason, REASON_BYTES, "llama.cpp's architecture %s has %s", row->name, what);
    return false;
}

/* Whether the row can hold the model; else why not. */
static bool fits(const pare_config *config, const pare_gguf_architecture *row, char reason[REASON_BYTES]) {
    const pare_family *family = row->family;
    bool own = pare_gguf_is_own(row, config->family) && !row->layered;
    bool uniform = pare_has_experts(config) || pare_config_is_even(config);
    if (!own && (row->experts || !computes_as(config, family))) return false;
    if (row->experts && !pare_has_experts(config)) return refuse(reason, row, "experts");
    const char *misfit = pare_gguf_experts_misfit(config, row);
    if (!misfit) misfit = pare_gguf_latent_misfit(config);
    if (misfit) return refuse(reason, row, misfit);
    if (row->own_keys && config->widths[0].kv_heads != config->widths[0].heads)
        return refuse(reason, row, "keys of its own for every head");
    if (row->own_head && config->tied) return refuse(reason, row, "a head that is not the embedding");
    if (!uniform && !row->layered) return refuse(reason, row, "the same widths in all layers");
    uint32_t roles = row->biases ? possible(family) : family->architecture.roles;
    if ((config->architecture.roles & ~roles) != 0)
        return refuse(reason, row, "none of the biases that this model has");
    if (!has_usual_switches(config, row)) return refuse(reason, row, "other switches than this model");
    if (row->tied_heads && (uint64_t)config->widths[0].heads * config->head_size != config->hidden)
        return refuse(reason, row, "as many heads as make up the hidden size");
    if (!rotates_as(config, family)) return refuse(reason, row, "no layers without rotation in these places");
    if (!scales_as(config, row)) return refuse(reason, row, "attention of another scale than this model");
    uint32_t period = pare_gguf_window_period(config);
    bool periodic = period && (!row->window_period || period == row->window_period);
    if (pare_gguf_says(row, "sliding_window") && period != 1 && !periodic)
        return refuse(reason, row, "windows in other layers than this model");
    return true;
}

pare_status pare_gguf_target_find(const pare_config *config, const char *path, pare_gguf_target *out) {
    char reason[REASON_BYTES] = "llama.cpp has no architecture for it that pare writes";
    const pare_gguf_architecture *row;
    *out = (pare_gguf_target){.positions = config->stated_positions};
    if (config->experts.jitter > 0)
        snprintf(
            reason, REASON_BYTES,
            "llama.cpp's architecture phimoe has RMS norms and one softmax in place of layer norms and sparsemixer");
    for (int own = 1; own >= 0 && !out->row; own--)
        for (size_t i = 0; (row = pare_gguf_architecture_at(i)) && !out->row; i++) {
            bool asked = own ? pare_gguf_is_own(row, config->family)
                             : row->family == &pare_family_llama && !pare_has_experts(config);
            if (asked && fits(config, row, reason)) out->row = row;
        }
    if (!out->row)
        return pare_fail(PARE_UNSUPPORTED, "%s (%s) cannot be written as GGUF: %s; write a folder instead", path,
                         config->model_type, reason);
    out->roles = complete(out->row->family, config->architecture.roles);
    uint32_t window = pare_config_window(config);
    if (window && !pare_gguf_says_windows(out->row, config) && (!out->positions || window < out->positions))
        out->positions = window;
    return PARE_OK;
}
