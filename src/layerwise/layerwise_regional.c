/* Wanda++ (arXiv 2503.04992; spec 8.1) in the walk: regional gradients of the block in hand, and, with region_rounds,
 * regional optimisation before them.
 *
 *   round    the drawn sequences go through the block as it is then; their input norms (over the root of the drawn
 *            share, so that they weigh against the gradient as all sequences' do) and regional gradients score its
 *            weights; masks; one step per sequence
 *   after    norms and gradients of all sequences, with the optimised weights in the block, from which the matrices
 *            are then pruned: those weights stand for the dense ones from here on, in errors and repairs too */
#include "layerwise/layerwise_internal.h"
#include "repair/regional_optimise.h"
#include "support/memory.h"

#include <string.h>

static const double decay = 0.99, epsilon = 1e-8;

static bool is_optimised(const pare_layerwise_job *job) {
    return pare_element_needs_of(job->recipe).regional && job->recipe->element.region_rounds > 0;
}

static int64_t samples_of(const pare_layerwise_job *job) {
    int64_t samples = job->recipe->element.region_samples;
    return samples < job->sequences ? samples : job->sequences;
}

/* Of one layer's masks. */
static uint64_t mask_bytes(const pare_layerwise_job *job) {
    const pare_model *model = job->source->model;
    uint64_t most = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        uint64_t words = 0;
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            int64_t rows, columns;
            pare_tensor_matrix(model->tensors[pare_tensor_id(layer, (pare_role)role)], &rows, &columns);
            words += (uint64_t)(rows * ((columns + 63) / 64));
        }
        most = words > most ? words : most;
    }
    return most * sizeof(uint64_t);
}

uint64_t pare_layerwise_regional_bytes(const pare_layerwise_job *job) {
    const pare_model *model = job->source->model;
    const pare_backend *backend = job->source->backend;
    uint64_t elements = 0;
    if (!pare_element_needs_of(job->recipe).regional) return 0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        elements += pare_layerwise_most_elements(job, role);
    uint64_t bytes = pare_regional_room_bytes(model, backend, job->length) + elements * sizeof(float);
    if (!is_optimised(job)) return bytes;
    return bytes + elements * sizeof(float) + mask_bytes(job) +
           pare_regional_optimise_bytes(model, backend, job->length) + (uint64_t)job->sequences * sizeof(int64_t);
}

uint64_t pare_layerwise_regional_steps(const pare_layerwise_job *job) {
    if (!pare_element_needs_of(job->recipe).regional) return 0;
    uint64_t rounds = is_optimised(job) ? (uint64_t)job->recipe->element.region_rounds : 0;
    return (uint64_t)job->sequences + rounds * 3 * (uint64_t)samples_of(job);
}

pare_status pare_layerwise_regional_new(pare_layerwise *l) {
    if (!l->needs.regional) return PARE_OK;
    PARE_TRY(pare_regional_room_new(l->model, l->backend, l->job->length, &l->region));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t elements = (size_t)pare_layerwise_most_elements(l->job, role);
        PARE_TRY(pare_alloc_uninitialized(&l->regional[role], elements, sizeof(float), "regional gradients"));
        if (is_optimised(l->job))
            PARE_TRY(pare_alloc_uninitialized(&l->optimised[role], elements, sizeof(float), "optimised weights"));
    }
    return PARE_OK;
}

void pare_layerwise_regional_free(pare_layerwise *l) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_free(l->regional[role]);
        pare_free(l->optimised[role]);
    }
    pare_regional_room_free(&l->region);
}

/* Sequences that stand in the stream: all, or drawn ones. */
typedef struct stretch {
    pare_layerwise *l;
    const int64_t *drawn; /* NULL: all */
} stretch;

static pare_status load(void *context, int64_t sequence, float *x) {
    const stretch *s = context;
    pare_layerwise *l = s->l;
    int64_t length = l->job->length, at = s->drawn ? s->drawn[sequence] : sequence;
    const float *states = pare_stream_load(&l->stream, at * length, length, x);
    if (states != x) memcpy(x, states, (size_t)(length * l->hidden) * sizeof *x);
    return pare_layerwise_step(l);
}

static pare_regional_inputs inputs_of(stretch *s, int64_t sequences) {
    return (pare_regional_inputs){.sequences = sequences, .length = s->l->job->length, .load = load, .context = s};
}

/* Of l->block, for the matrices that are pruned. */
static pare_status gather_gradients(pare_layerwise *l, stretch *s, int64_t sequences) {
    pare_regional_inputs inputs = inputs_of(s, sequences);
    float *wanted[PARE_MATRIX_ROLES];
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        wanted[role] = l->job->pruned[pare_tensor_id(l->block.layer, (pare_role)role)] ? l->regional[role] : NULL;
    return pare_regional_gradient(&l->block, &inputs, &l->region, wanted);
}

/* What enters the matrices of l->block for these sequences. */
static pare_status gather_norms(pare_layerwise *l, stretch *s, int64_t sequences) {
    PARE_TRY(pare_layerwise_watch(l, l->block.layer, PARE_ALL_INPUTS));
    pare_block block = pare_regional_block(&l->block, &l->region);
    block.observer = &l->observer;
    for (int64_t n = 0; n < sequences; n++) {
        PARE_TRY(load(s, n, l->region.x));
        PARE_TRY(pare_block_forward(&block, l->region.x, NULL));
    }
    return PARE_OK;
}

static pare_status choose(pare_layerwise *l, float *const weights[PARE_MATRIX_ROLES],
                          pare_element_mask masks[PARE_MATRIX_ROLES]) {
    uint32_t layer = l->block.layer;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (!weights[role]) continue;
        pare_element_target target = pare_matrix_target(l, pare_tensor_id(layer, (pare_role)role));
        PARE_TRY(pare_matrix_score(l, layer, (pare_role)role, l->job->recipe->salience, weights[role], l->scores));
        PARE_TRY(pare_element_select(l->scores, &target, &masks[role]));
    }
    return PARE_OK;
}

static pare_status score_round(pare_layerwise *l, stretch *s, float *const weights[PARE_MATRIX_ROLES],
                               pare_element_mask masks[PARE_MATRIX_ROLES]) {
    int64_t samples = samples_of(l->job);
    if (l->needs.norms) PARE_TRY(gather_norms(l, s, samples));
    PARE_TRY(gather_gradients(l, s, samples));
    return choose(l, weights, masks);
}

/* Scores ask for norms alone: nothing else is gathered in a round. */
static pare_status prune_round(void *context, const pare_regional_round *round, float *const weights[PARE_MATRIX_ROLES],
                               pare_element_mask masks[PARE_MATRIX_ROLES]) {
    pare_layerwise *l = context;
    const pare_block block = l->block;
    const pare_element_needs needs = l->needs;
    stretch drawn = {l, round->drawn};
    l->block = *round->block;
    l->needs = (pare_element_needs){.norms = needs.norms, .regional = true};
    pare_status status = score_round(l, &drawn, weights, masks);
    pare_layerwise_forget(l);
    l->block = block;
    l->needs = needs;
    return status;
}

/* The dense weights of the layer, and room for masks. */
static pare_status begin(pare_layerwise *l, float *weights[PARE_MATRIX_ROLES],
                         pare_element_mask masks[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(l->block.layer, (pare_role)role);
        int64_t rows, columns;
        weights[role] = NULL;
        if (!l->job->pruned[id]) continue;
        pare_tensor_matrix(l->model->tensors[id], &rows, &columns);
        PARE_TRY(pare_element_mask_new(rows, columns, &masks[role]));
        weights[role] = l->optimised[role];
        pare_source_rows(l->job->source, id, 0, rows, weights[role]);
    }
    return PARE_OK;
}

/* The optimised weights into the block. */
static void install(pare_layerwise *l, float *const weights[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (!weights[role]) continue;
        int64_t count = (int64_t)l->model->tensors[pare_tensor_id(l->block.layer, (pare_role)role)]->count;
        l->backend->operations->to_operand(l->backend, weights[role], count, l->operands[role]);
        l->block.weights.matrix[role] = l->operands[role];
    }
}

static pare_status optimise(pare_layerwise *l, double *errors) {
    float *weights[PARE_MATRIX_ROLES];
    pare_element_mask masks[PARE_MATRIX_ROLES] = {0};
    stretch all = {l, NULL};
    pare_regional_inputs inputs = inputs_of(&all, l->job->sequences);
    pare_regional_optimise request = {.dense = &l->dense_block,
                                      .inputs = &inputs,
                                      .room = &l->region,
                                      .rounds = l->recipe->region_rounds,
                                      .samples = samples_of(l->job),
                                      .rate = l->recipe->region_rate,
                                      .decay = decay,
                                      .epsilon = epsilon,
                                      .seed = l->job->seed,
                                      .prune = prune_round,
                                      .context = l};
    pare_status status = begin(l, weights, masks);
    if (status == PARE_OK) status = pare_regional_optimise_run(&request, weights, masks, errors);
    if (status == PARE_OK) install(l, weights);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_element_mask_free(&masks[role]);
    return status;
}

static pare_status optimise_block(pare_layerwise *l) {
    double *errors;
    size_t rounds = (size_t)l->recipe->region_rounds;
    PARE_TRY(pare_alloc(&errors, rounds, sizeof *errors, "block errors"));
    pare_status status = optimise(l, errors);
    l->region_first = errors[0];
    l->region_last = errors[rounds - 1];
    pare_free(errors);
    return status;
}

pare_status pare_layerwise_regional(pare_layerwise *l, uint32_t layer) {
    stretch all = {l, NULL};
    if (!l->needs.regional || !pare_layerwise_prunes(l, layer, PARE_ALL_INPUTS)) return PARE_OK;
    if (is_optimised(l->job)) PARE_TRY(optimise_block(l));
    return gather_gradients(l, &all, l->job->sequences);
}

void pare_layerwise_take_optimised(const pare_layerwise *l, pare_role role, int64_t count, float *weights) {
    if (l->optimised[role]) memcpy(weights, l->optimised[role], (size_t)count * sizeof *weights);
}
