/* Rotary position embedding: angle of pair i at position p is p * theta^(-2i/rotated), with the frequency changes that
 * configurations ask for: none, linear interpolation, LLaMA-3's by wavelength, YaRN's by dimension (Peng et al. 2023),
 * LongRoPE's list of factors (Ding et al. 2024). */
#include "model/rope.h"
#include "support/memory.h"

#include <math.h>

static const double TURN = 2.0 * 3.14159265358979323846;

/* Long waves are slowed down by `factor`, short ones kept, and those between blended. */
static double llama3_frequency(const pare_rope_config *rope, double frequency) {
    double wavelength = TURN / frequency;
    double turns = rope->original_positions / wavelength;
    if (turns > rope->high_frequency_factor) return frequency;
    if (turns < rope->low_frequency_factor) return frequency / rope->factor;
    double smooth = (turns - rope->low_frequency_factor) / (rope->high_frequency_factor - rope->low_frequency_factor);
    return (1.0 - smooth) * frequency / rope->factor + smooth * frequency;
}

double pare_llama3_factor(const pare_rope_config *rope, int64_t pair) {
    double turns = rope->original_positions * pow(rope->theta, -2.0 * (double)pair / rope->rotated) / TURN;
    if (turns > rope->high_frequency_factor) return 1;
    if (turns < rope->low_frequency_factor) return rope->factor;
    double smooth = (turns - rope->low_frequency_factor) / (rope->high_frequency_factor - rope->low_frequency_factor);
    return 1 / ((1 - smooth) / rope->factor + smooth);
}

/* Ding et al. 2024, as transformers computes it. */
double pare_longrope_attention(double factor, double original) {
    return factor <= 1 ? 1 : sqrt(1 + log(factor) / log(original));
}

/* The dimension whose pair makes so many turns within the original positions. */
static double yarn_dimension(const pare_rope_config *rope, double turns) {
    return rope->rotated * log(rope->original_positions / (turns * TURN)) / (2.0 * log(rope->theta));
}

/* Pairs below a bound keep their frequency, those above another are slowed down, and those between blended. */
static double yarn_frequency(const pare_rope_config *rope, int64_t pair, double frequency) {
    double low = yarn_dimension(rope, rope->beta_fast), high = yarn_dimension(rope, rope->beta_slow);
    if (rope->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    if (low < 0) low = 0;
    if (high > rope->rotated - 1) high = rope->rotated - 1;
    if (low == high) high += 0.001;
    double ramp = ((double)pair - low) / (high - low);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    return frequency / rope->factor * ramp + frequency * (1 - ramp);
}

/* long_factors: of a longrope. */
static double scaled_frequency(const pare_rope_config *rope, int64_t pair, bool long_factors) {
    double frequency = pow(rope->theta, -2.0 * (double)pair / (double)rope->rotated);
    switch (rope->kind) {
    case PARE_ROPE_PLAIN:
    case PARE_ROPE_DYNAMIC:
        return frequency;
    case PARE_ROPE_LINEAR:
        return frequency / rope->factor;
    case PARE_ROPE_LLAMA3:
        return llama3_frequency(rope, frequency);
    case PARE_ROPE_YARN:
        return yarn_frequency(rope, pair, frequency);
    case PARE_ROPE_LONGROPE:
        return frequency / rope->factors[pair + (long_factors ? rope->rotated / 2 : 0)];
    }
    return frequency;
}

bool pare_rope_is_beyond(const pare_rope_config *rope, int64_t reach) {
    return rope->kind == PARE_ROPE_LONGROPE && (double)reach > rope->original_positions;
}

pare_status pare_rotation_new(const pare_rope_config *rope, int64_t positions, bool beyond, float **out) {
    int64_t rotated = rope->rotated, half = rotated / 2;
    PARE_TRY(pare_alloc_uninitialized(out, (size_t)(positions * rotated), sizeof(float), "rotary embedding"));
    for (int64_t i = 0; i < half; i++) {
        double frequency = scaled_frequency(rope, i, beyond);
        for (int64_t p = 0; p < positions; p++) {
            double angle = (double)p * frequency;
            (*out)[p * rotated + i] = (float)(rope->attention_factor * cos(angle));
            (*out)[p * rotated + half + i] = (float)(rope->attention_factor * sin(angle));
        }
    }
    return PARE_OK;
}
