#include "layerwise/experts.h"
#include "layerwise/latents.h"
#include "model/expert_tensors.h"

static pare_status sum_single(pare_layerwise *l, float *values, int64_t count, bool *seen, float *half) {
    return pare_shard_sums_add(
        &l->sums, &(pare_shard_sum){
                      .kind = PARE_SUM_SINGLE, .values = values, .count = (size_t)count, .seen = seen, .half = half});
}

pare_status pare_layerwise_sum_matrix(pare_layerwise *l, float *values, int64_t count, bool *seen) {
    return sum_single(l, values, count, seen, NULL);
}

/* Of a kind of inputs; halves: with what the first half of the sequences comes to. */
static pare_status sum_kind(pare_layerwise *l, pare_input_kind kind, bool halves) {
    pare_input_statistics *s = &l->statistics[kind];
    pare_intercept *i = &l->intercept;
    int64_t width = pare_input_width(l->model, l->block.layer, kind);
    bool means = halves && pare_layerwise_intercepts(&l->asked, l->block.layer, kind);
    PARE_TRY(
        pare_input_moments_sum(&s->moments, means ? i->half_inputs : NULL, means ? &i->half_tokens : NULL, &l->sums));
    return s->gram ? sum_single(l, s->gram, width * width, &s->seen, halves ? l->half_gram : NULL) : PARE_OK;
}

static pare_status sum_output(pare_layerwise *l, pare_role role) {
    int64_t rows, columns;
    pare_tensor_matrix(l->model->tensors[pare_tensor_id(l->block.layer, role)], &rows, &columns);
    return pare_shard_sums_add_double(&l->sums, l->outputs[role], (size_t)rows);
}

static pare_status sum_outputs(pare_layerwise *l) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (l->outputs[role]) PARE_TRY(sum_output(l, (pare_role)role));
    double *down = l->latents ? l->latents->down_outputs : NULL;
    return down ? pare_shard_sums_add_double(&l->sums, down, l->model->config.latent.queries) : PARE_OK;
}

pare_status pare_layerwise_sum_latent(pare_layerwise *l, pare_latent_input input) {
    pare_input_statistics *of = &l->latents->inputs[input];
    const pare_latent *latent = &l->model->config.latent;
    pare_role role = pare_latent_role(input);
    int64_t width = input == PARE_LATENT_QUERIES ? latent->queries : latent->keys;
    PARE_TRY(pare_input_moments_sum(&of->moments, NULL, NULL, &l->sums));
    if (of->gram) PARE_TRY(sum_single(l, of->gram, width * width, &of->seen, NULL));
    return l->outputs[role] ? sum_output(l, role) : PARE_OK;
}

/* Tokens that reach each of the layer's experts. */
static pare_status sum_reached(pare_layerwise *l) {
    if (!l->experts || !(l->watched >> PARE_INPUT_GATE_UP & 1)) return PARE_OK;
    return pare_shard_sums_add(&l->sums, &(pare_shard_sum){.kind = PARE_SUM_COUNT,
                                                           .values = l->experts->tokens,
                                                           .count = l->model->config.experts.count});
}

pare_status pare_layerwise_sum_expert(pare_layerwise *l, pare_expert_statistics *s) {
    const int64_t widths[PARE_EXPERT_INPUTS] = {l->hidden, l->model->config.experts.width};
    for (int input = 0; input < PARE_EXPERT_INPUTS; input++) {
        pare_input_statistics *of = &s->inputs[input];
        int64_t width = widths[input];
        PARE_TRY(pare_input_moments_sum(&of->moments, NULL, NULL, &l->sums));
        if (of->gram) PARE_TRY(sum_single(l, of->gram, width * width, &of->seen, NULL));
    }
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        int64_t rows, columns;
        if (!s->outputs[part]) continue;
        pare_expert_shape(&l->model->config, part, &rows, &columns);
        PARE_TRY(pare_shard_sums_add_double(&l->sums, s->outputs[part], (size_t)rows));
    }
    return PARE_OK;
}

pare_status pare_layerwise_sum_inputs(pare_layerwise *l) {
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        if (l->watched >> kind & 1) PARE_TRY(sum_kind(l, (pare_input_kind)kind, false));
    PARE_TRY(sum_outputs(l));
    return sum_reached(l);
}

/* True if readers are fitted by halves of the sequences that are kept here. */
static bool keeps_halves(const pare_layerwise *l) {
    return l->asked.held_out && l->shards.count > 1;
}

pare_status pare_layerwise_sum_products(pare_layerwise *l, float *gram, bool *seen) {
    int64_t d = l->hidden;
    l->halved = keeps_halves(l);
    PARE_TRY(sum_single(l, gram, d * d, seen, l->halved ? l->half_gram : NULL));
    return sum_single(l, l->cross, d * d, seen, l->halved ? l->half_cross : NULL);
}

pare_status pare_layerwise_sum_comparison(pare_layerwise *l, pare_input_kind kind, bool targeted, double *energy) {
    bool halves = targeted && pare_stage_reads(kind) && keeps_halves(l);
    bool means = targeted && pare_layerwise_intercepts(&l->asked, l->block.layer, kind);
    int64_t width = pare_input_width(l->model, l->block.layer, kind);
    pare_intercept *i = &l->intercept;
    if (l->watched >> kind & 1) PARE_TRY(sum_kind(l, kind, halves));
    PARE_TRY(sum_outputs(l));
    PARE_TRY(sum_reached(l));
    PARE_TRY(pare_shard_sums_add_double(&l->sums, energy, 1));
    l->crossed = false;
    l->halved = halves;
    if (means) PARE_TRY(pare_input_moments_sum(&i->reference, halves ? i->half_reference : NULL, NULL, &l->sums));
    if (!targeted) return PARE_OK;
    return sum_single(l, l->cross, l->hidden * width, &l->crossed, halves ? l->half_cross : NULL);
}
