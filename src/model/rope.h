/* Rotary position embeddings: which part of a head is turned how fast. */
#ifndef PARE_MODEL_ROPE_H
#define PARE_MODEL_ROPE_H

#include "support/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Dynamic: plain up to max_position_embeddings, and nothing here is longer. */
typedef enum pare_rope_kind {
    PARE_ROPE_PLAIN,
    PARE_ROPE_LINEAR,
    PARE_ROPE_DYNAMIC,
    PARE_ROPE_LLAMA3,
    PARE_ROPE_YARN,
    PARE_ROPE_LONGROPE
} pare_rope_kind;

typedef struct pare_rope_config {
    pare_rope_kind kind;
    double theta;
    uint32_t rotated;             /* leading dimensions of each head that are turned, even */
    double share;                 /* partial_rotary_factor, as stated or the family's */
    double factor;                /* linear, dynamic, llama3, yarn */
    double low_frequency_factor;  /* llama3 */
    double high_frequency_factor; /* llama3 */
    double original_positions;    /* llama3, yarn, longrope: original_max_position_embeddings */
    double beta_fast, beta_slow;  /* yarn */
    bool truncate;                /* yarn: bounds are whole dimensions */
    double attention_factor;      /* yarn, longrope: cosines and sines are multiplied by it; 1 for all others */
    double *factors;              /* longrope: [2][rotated / 2] short ones, then long ones; owned by the config */
    bool renews_keys; /* longrope: keys are made again where a text that grows passes the original positions */
} pare_rope_config;

/* A longrope turns all positions by its long factors where a forward reaches beyond the original ones: true if one that
 * reaches so many positions does. */
bool pare_rope_is_beyond(const pare_rope_config *rope, int64_t reach);

/* By how much a llama3 slows a pair down. */
double pare_llama3_factor(const pare_rope_config *rope, int64_t pair);

/* The attention factor of a longrope that states none, whose positions are `factor` times the original ones. */
double pare_longrope_attention(double factor, double original);

/* cosines and sines of every position's angles: float [positions, rotated], rotated/2 cosines then sines (pare_free).
 * beyond: by a longrope's long factors. */
pare_status pare_rotation_new(const pare_rope_config *rope, int64_t positions, bool beyond, float **out);

#endif
