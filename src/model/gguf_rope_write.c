/* Rotary positions as GGUF files have them (gguf_rope.c reads them). */
#include "model/gguf_entries.h"
#include "model/gguf_keys.h"
#include "model/gguf_latent.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

/* What llama.cpp takes for YaRN's bounds. */
static const double BETA_FAST = 32, BETA_SLOW = 1;

static bool is_near(double a, double b) {
    return fabs(a - b) <= 1e-6 * fabs(b);
}

/* Cosines grow with the factor as YaRN's paper has it, eq. 22; of models with latents the scores do instead. */
static bool is_usual_yarn(const pare_rope_config *rope, bool latents) {
    return rope->truncate && is_near(rope->beta_fast, BETA_FAST) && is_near(rope->beta_slow, BETA_SLOW) &&
           is_near(rope->attention_factor, latents ? 1 : 1 + 0.1 * log(rope->factor));
}

static pare_status put_scaling(pare_gguf_metadata *metadata, const pare_config *config, const pare_gguf_target *target,
                               const char *path) {
    const pare_rope_config *rope = &config->rope[0];
    bool latents = config->latent.keys;
    const char *kind = rope->kind == PARE_ROPE_LINEAR ? "linear" : rope->kind == PARE_ROPE_YARN ? "yarn" : "longrope";
    char name[PARE_GGUF_NAME_BYTES];
    if (rope->kind == PARE_ROPE_YARN && !is_usual_yarn(rope, latents))
        return pare_fail(PARE_UNSUPPORTED,
                         "%s cannot be written as GGUF: its YaRN has constants of its own, and llama.cpp has the "
                         "usual ones; write a folder instead",
                         path);
    pare_gguf_key_name(target->row, "rope.scaling.type", name);
    pare_gguf_put_text(metadata, name, kind);
    if (rope->kind != PARE_ROPE_LONGROPE)
        pare_gguf_put_number(metadata, target->row, "rope.scaling.factor", rope->factor);
    if (rope->kind != PARE_ROPE_LINEAR)
        pare_gguf_put_size(metadata, target->row, "rope.scaling.original_context_length",
                           (uint32_t)rope->original_positions);
    if (rope->kind == PARE_ROPE_LONGROPE)
        pare_gguf_put_number(metadata, target->row, "rope.scaling.attn_factor", rope->attention_factor);
    if (rope->kind == PARE_ROPE_YARN && latents) /* a tenth, by what files were before */
        pare_gguf_put_number(metadata, target->row, "rope.scaling.yarn_log_multiplier",
                             0.1 * pare_gguf_latent_mscale(config));
    return PARE_OK;
}

pare_status pare_gguf_put_rope(pare_gguf_metadata *metadata, const pare_config *config, const pare_gguf_target *target,
                               const char *path) {
    const pare_rope_config *rope = &config->rope[0];
    if (config->architecture.positions != PARE_POSITIONS_ROTARY) return PARE_OK;
    pare_gguf_put_size(metadata, target->row, "rope.dimension_count", rope->rotated);
    pare_gguf_put_number(metadata, target->row, "rope.freq_base", rope->theta);
    bool named = rope->kind == PARE_ROPE_LINEAR || rope->kind == PARE_ROPE_YARN || rope->kind == PARE_ROPE_LONGROPE;
    return named ? put_scaling(metadata, config, target, path) : PARE_OK;
}

static pare_status add(pare_gguf_factors out[PARE_GGUF_FACTORS], size_t *count, const char *name, uint32_t pairs) {
    pare_gguf_factors *factors = &out[*count];
    *factors = (pare_gguf_factors){.name = name, .count = pairs};
    PARE_TRY(pare_alloc(&factors->values, pairs, sizeof *factors->values, "rotary factors"));
    ++*count;
    return PARE_OK;
}

pare_status pare_gguf_factors_make(const pare_config *config, pare_gguf_factors out[PARE_GGUF_FACTORS], size_t *count) {
    static const char *const names[PARE_GGUF_FACTORS] = {"rope_factors_short.weight", "rope_factors_long.weight"};
    const pare_rope_config *rope = &config->rope[0];
    uint32_t pairs = rope->rotated / 2;
    *count = 0;
    if (rope->kind == PARE_ROPE_LLAMA3) {
        PARE_TRY(add(out, count, "rope_freqs.weight", pairs));
        for (uint32_t i = 0; i < pairs; i++)
            out[0].values[i] = (float)pare_llama3_factor(rope, i);
    }
    for (size_t part = 0; rope->kind == PARE_ROPE_LONGROPE && part < PARE_GGUF_FACTORS; part++) {
        pare_status status = add(out, count, names[part], pairs);
        if (status != PARE_OK) {
            pare_gguf_factors_free(out, *count);
            *count = 0;
            return status;
        }
        for (uint32_t i = 0; i < pairs; i++)
            out[part].values[i] = (float)rope->factors[part * pairs + i];
    }
    return PARE_OK;
}

void pare_gguf_factors_free(pare_gguf_factors factors[PARE_GGUF_FACTORS], size_t count) {
    for (size_t i = 0; i < count; i++)
        pare_free(factors[i].values);
}
