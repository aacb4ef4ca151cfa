/* Rotary positions as GGUF files have them: theta and the kind of scaling in the metadata, factors by which pairs are
 * slowed down as tensors: rope_freqs.weight of LLaMA 3, rope_factors_short and rope_factors_long of longrope. */
#include "checkpoint/view.h"
#include "model/config_rope.h"
#include "model/gguf_latent.h"
#include "model/gguf_model.h"
#include "support/json.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_LIMIT = 512, POSITIONS_LIMIT = 1 << 30 };

static const double TURN = 2.0 * 3.14159265358979323846;
/* LLaMA 3's own, which the factors do not tell apart from others of the same ratio. */
static const double LOW_FACTOR = 1, HIGH_FACTOR = 4;

typedef struct reading {
    const pare_checkpoint *checkpoint;
    const pare_gguf *file;
    const pare_gguf_architecture *row;
    int64_t rotated;
    double theta;
    json_t *json;
} reading;

static pare_status real(const reading *r, const char *key, double fallback, double *out) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(r->row, key, name);
    return pare_gguf_real(r->file, name, fallback, out);
}

static pare_status positions(const reading *r, const char *key, double fallback, double *out) {
    PARE_TRY(real(r, key, fallback, out));
    if (*out >= 0 && *out <= POSITIONS_LIMIT) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the metadata entry %s.%s is %g, which is no number of positions",
                     r->file->mapping.path, r->row->name, key, *out);
}

/* *factors: [rotated / 2], NULL where the file has no such tensor. */
static pare_status read_factors(const reading *r, const char *name, float **factors) {
    const pare_tensor *tensor = pare_checkpoint_find(r->checkpoint, name);
    *factors = NULL;
    if (!tensor) return PARE_OK;
    if (tensor->count != (uint64_t)r->rotated / 2 || tensor->count > PAIRS_LIMIT)
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has %llu numbers where %lld pairs are turned",
                         r->file->mapping.path, name, (unsigned long long)tensor->count, (long long)r->rotated / 2);
    PARE_TRY(pare_alloc(factors, tensor->count, sizeof **factors, "rotary factors"));
    pare_tensor_values(tensor, 0, tensor->count, *factors);
    return PARE_OK;
}

static json_t *list_of(const float *factors, int64_t count) {
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++)
        pare_json_append(list, pare_json_real((double)factors[i]));
    return list;
}

/* The original positions that explain the first pair that is blended; 0: none is. */
static double original_of(const reading *r, const float *factors, double factor) {
    for (int64_t pair = 0; pair < r->rotated / 2; pair++) {
        double here = (double)factors[pair];
        if (!(here > 1.001 && here < factor * 0.999)) continue;
        double smooth = (1 / here - 1 / factor) / (1 - 1 / factor);
        double turns = LOW_FACTOR + smooth * (HIGH_FACTOR - LOW_FACTOR);
        return round(turns * TURN / pow(r->theta, -2.0 * (double)pair / (double)r->rotated));
    }
    return 0;
}

/* As LLaMA 3's scaling, if it explains all factors; else as what they are. */
static pare_status put_frequencies(const reading *r, const float *factors) {
    int64_t pairs = r->rotated / 2;
    double factor = 1;
    for (int64_t i = 0; i < pairs; i++) {
        if (!(factors[i] > 0 && factors[i] < 1e6f))
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor rope_freqs.weight has a factor that is not above 0",
                             r->file->mapping.path);
        if ((double)factors[i] > factor) factor = (double)factors[i];
    }
    pare_rope_config rope = {.kind = PARE_ROPE_LLAMA3,
                             .theta = r->theta,
                             .rotated = (uint32_t)r->rotated,
                             .factor = factor,
                             .low_frequency_factor = LOW_FACTOR,
                             .high_frequency_factor = HIGH_FACTOR,
                             .original_positions = original_of(r, factors, factor)};
    bool explained = rope.original_positions >= 1 && rope.original_positions <= POSITIONS_LIMIT;
    for (int64_t i = 0; explained && i < pairs; i++)
        explained = fabs(pare_llama3_factor(&rope, i) / (double)factors[i] - 1) < 1e-5;
    if (explained) {
        pare_json_put(r->json, "rope_scaling", pare_config_rope_scaling(&rope));
        return PARE_OK;
    }
    json_t *scaling = pare_json_of({"rope_type", pare_json_string("longrope")}, {"factor", pare_json_real(factor)},
                                   {"short_factor", list_of(factors, pairs)}, {"long_factor", list_of(factors, pairs)},
                                   {"attention_factor", pare_json_real(1)});
    pare_json_put(r->json, "rope_scaling", scaling);
    return PARE_OK;
}

static pare_status put_longrope(const reading *r, const float *shorter, const float *longer) {
    double original, all, attention;
    int64_t pairs = r->rotated / 2;
    PARE_TRY(positions(r, "context_length", 0, &all));
    PARE_TRY(positions(r, "rope.scaling.original_context_length", all, &original));
    double ratio = original >= 1 ? all / original : 1;
    double usual = original > 1 ? pare_longrope_attention(ratio, original) : 1;
    PARE_TRY(real(r, "rope.scaling.attn_factor", usual, &attention));
    json_t *scaling = pare_json_of({"rope_type", pare_json_string("longrope")},
                                   {"short_factor", list_of(shorter, pairs)}, {"long_factor", list_of(longer, pairs)});
    if (fabs(attention / usual - 1) > 1e-5) pare_json_put(scaling, "attention_factor", pare_json_real(attention));
    pare_json_put(r->json, "rope_scaling", scaling);
    pare_json_put(r->json, "original_max_position_embeddings", json_integer((json_int_t)original));
    return PARE_OK;
}

/* The file has a tenth. Cosines stay as they are, and scores grow. */
static pare_status put_mscale(const reading *r, json_t *scaling) {
    double multiplier;
    PARE_TRY(real(r, "rope.scaling.yarn_log_multiplier", 0, &multiplier));
    if (!(multiplier > 0))
        return pare_fail(
            PARE_UNSUPPORTED,
            "%s: its positions are YaRN's, and the metadata entry %s.rope.scaling.yarn_log_multiplier is "
            "missing or not above 0, without which llama.cpp and transformers do not agree on the scale of "
            "attention",
            r->file->mapping.path, r->row->name);
    double mscale = pare_gguf_shortest(10 * multiplier);
    pare_json_put(scaling, "mscale", pare_json_real(mscale));
    pare_json_put(scaling, "mscale_all_dim", pare_json_real(mscale));
    return PARE_OK;
}

static pare_status put_named(const reading *r, const char *kind) {
    double factor, linear, original;
    PARE_TRY(real(r, "rope.scale_linear", 1, &linear));
    PARE_TRY(real(r, "rope.scaling.factor", linear, &factor));
    bool yarn = strcmp(kind, "yarn") == 0;
    if (!yarn && strcmp(kind, "linear") != 0 && strcmp(kind, "none") != 0)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: %s.rope.scaling.type is %.40s; pare knows none, linear, yarn and "
                         "longrope",
                         r->file->mapping.path, r->row->name, kind);
    if (strcmp(kind, "none") == 0 || (!yarn && !(factor > 1))) return PARE_OK;
    pare_rope_config rope = {.kind = yarn ? PARE_ROPE_YARN : PARE_ROPE_LINEAR, .factor = factor};
    json_t *scaling = pare_config_rope_scaling(&rope);
    pare_json_put(r->json, "rope_scaling", scaling);
    if (!yarn) return PARE_OK;
    PARE_TRY(positions(r, "rope.scaling.original_context_length", 0, &original));
    if (original >= 1) pare_json_put(scaling, "original_max_position_embeddings", json_integer((json_int_t)original));
    return pare_gguf_has_latents(r->row) ? put_mscale(r, scaling) : PARE_OK;
}

static pare_status put_scaling(const reading *r) {
    float *factors[3] = {NULL, NULL, NULL};
    char name[PARE_GGUF_NAME_BYTES], *kind = NULL;
    pare_gguf_key_name(r->row, "rope.scaling.type", name);
    pare_status status = pare_gguf_string(r->file, name, &kind);
    if (status == PARE_OK) status = read_factors(r, "rope_freqs.weight", &factors[0]);
    if (status == PARE_OK) status = read_factors(r, "rope_factors_short.weight", &factors[1]);
    if (status == PARE_OK) status = read_factors(r, "rope_factors_long.weight", &factors[2]);
    if (status == PARE_OK) {
        if (factors[1] && factors[2])
            status = put_longrope(r, factors[1], factors[2]);
        else if (factors[0])
            status = put_frequencies(r, factors[0]);
        else
            status = put_named(r, kind ? kind : "linear");
    }
    for (int i = 0; i < 3; i++)
        pare_free(factors[i]);
    free(kind);
    return status;
}

pare_status pare_gguf_config_rope(const pare_checkpoint *checkpoint, const pare_gguf_architecture *architecture,
                                  int64_t rotated, json_t *json) {
    double usual = architecture->family->rope.theta > 0 ? architecture->family->rope.theta : 10000;
    reading r = {.checkpoint = checkpoint,
                 .file = pare_checkpoint_gguf(checkpoint),
                 .row = architecture,
                 .rotated = rotated,
                 .json = json};
    PARE_TRY(real(&r, "rope.freq_base", usual, &r.theta));
    pare_json_put(json, "rope_theta", pare_json_real(r.theta));
    return put_scaling(&r);
}
