/* Rotary position embedding: angle of pair i at position p is p * theta^(-2i/head), with the frequency changes that
 * configurations ask for (none, linear interpolation, LLaMA-3's by wavelength). */
#include "model/model.h"
#include "support/memory.h"

#include <math.h>

static double scaled_frequency(const pare_rope_config *rope, double frequency) {
    if (rope->kind == PARE_ROPE_PLAIN || rope->kind == PARE_ROPE_DYNAMIC) return frequency;
    if (rope->kind == PARE_ROPE_LINEAR) return frequency / rope->factor;
    /* LLaMA-3: long waves are slowed down by `factor`, short ones kept, and those between blended. */
    double wavelength = 2.0 * 3.14159265358979323846 / frequency;
    double turns = rope->original_positions / wavelength;
    if (turns > rope->high_frequency_factor) return frequency;
    if (turns < rope->low_frequency_factor) return frequency / rope->factor;
    double smooth = (turns - rope->low_frequency_factor) / (rope->high_frequency_factor - rope->low_frequency_factor);
    return (1.0 - smooth) * frequency / rope->factor + smooth * frequency;
}

pare_status pare_rotation_new(const pare_config *config, int64_t positions, float **out) {
    int64_t head = config->head_size, half = head / 2;
    PARE_TRY(pare_alloc_uninitialized(out, (size_t)(positions * head), sizeof(float), "rotary embedding"));
    for (int64_t i = 0; i < half; i++) {
        double frequency = scaled_frequency(&config->rope, pow(config->rope.theta, -2.0 * (double)i / (double)head));
        for (int64_t p = 0; p < positions; p++) {
            (*out)[p * head + i] = (float)cos((double)p * frequency);
            (*out)[p * head + half + i] = (float)sin((double)p * frequency);
        }
    }
    return PARE_OK;
}
