/* Wanda++ (arXiv 2503.04992; spec 8.1) in the walk: regional gradients of the block in hand, and, with region_rounds,
 * regional optimisation before them.
 *
 *   round    the drawn sequences go through the block as it is then; their input norms (over the root of the drawn
 *            share, so that they weigh against the gradient as all sequences' do) and regional gradients score its
 *            weights; masks; one step per sequence
 *   after    norms and gradients of all sequences, with the optimised weights in the block, from which the matrices
 *            are then pruned: those weights stand for the dense ones from here on, in errors and repairs too */
#include "layerwise/weights_internal.h"
#include "repair/regional_optimise.h"
#include "support/memory.h"
#include "support/peer.h"

#include <string.h>

static const double decay = 0.99, epsilon = 1e-8;

static bool is_optimised(const pare_weights_job *job) {
    return pare_element_needs_of(job->recipe).regional && job->recipe->element.region_rounds > 0;
}

static int64_t samples_of(const pare_weights_job *job) {
    int64_t samples = job->recipe->element.region_samples;
    return samples < job->sequences ? samples : job->sequences;
}

/* Of one layer's masks. */
static uint64_t mask_bytes(const pare_weights_job *job) {
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

/* Of one layer. */
uint64_t pare_weights_regional_sums_bytes(const pare_weights_job *job) {
    uint64_t elements = 0;
    if (!pare_element_needs_of(job->recipe).regional) return 0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        elements += pare_weights_most_elements(job, role);
    return elements * sizeof(float);
}

uint64_t pare_weights_regional_bytes(const pare_weights_job *job) {
    const pare_model *model = job->source->model;
    const pare_backend *backend = job->source->backend;
    uint64_t sums = pare_weights_regional_sums_bytes(job);
    if (!pare_element_needs_of(job->recipe).regional) return 0;
    uint64_t bytes = pare_regional_room_bytes(model, backend, job->length) + sums;
    if (!is_optimised(job)) return bytes;
    return bytes + sums + mask_bytes(job) + pare_regional_optimise_bytes(model, backend, job->length) +
           (uint64_t)job->sequences * sizeof(int64_t);
}

uint64_t pare_weights_regional_steps(const pare_weights_job *job) {
    if (!pare_element_needs_of(job->recipe).regional) return 0;
    uint64_t rounds = is_optimised(job) ? (uint64_t)job->recipe->element.region_rounds : 0;
    return (uint64_t)job->sequences + rounds * 3 * (uint64_t)samples_of(job);
}

/* Of every layer: a forward and a backward of all sequences, and of each round's a forward for the norms, two for the
 * error, and a backward. */
pare_work pare_weights_regional_work(const pare_weights_job *job) {
    const pare_model *model = job->source->model;
    double rounds = is_optimised(job) ? (double)job->recipe->element.region_rounds : 0.0;
    double drawn = rounds * (double)samples_of(job), all = (double)job->sequences;
    pare_work work = {{0}}, one = pare_work_blocks(model, 1, job->length);
    if (!pare_element_needs_of(job->recipe).regional) return work;
    double blocks = one.amount[PARE_WORK_BLOCKS];
    work.amount[PARE_WORK_BLOCKS] = (2.0 * all + 4.0 * drawn) * blocks;
    work.amount[PARE_WORK_BACKWARD] = 2.0 * (all + 2.0 * drawn) * blocks;
    return work;
}

pare_status pare_weights_regional_new(pare_weight_walk *w) {
    if (!w->l.asked.needs.regional) return PARE_OK;
    PARE_TRY(pare_regional_room_new(w->l.model, w->l.backend, w->job->length, &w->region));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t elements = (size_t)pare_weights_most_elements(w->job, role);
        PARE_TRY(pare_alloc_uninitialized(&w->regional[role], elements, sizeof(float), "regional gradients"));
        if (is_optimised(w->job))
            PARE_TRY(pare_alloc_uninitialized(&w->optimised[role], elements, sizeof(float), "optimised weights"));
    }
    return PARE_OK;
}

void pare_weights_regional_free(pare_weight_walk *w) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_free(w->regional[role]);
        pare_free(w->optimised[role]);
    }
    pare_regional_room_free(&w->region);
}

/* Sequences that stand in the streams of all ranks: all, or drawn ones; and some of this rank's, from `first` on. */
typedef struct stretch {
    pare_weight_walk *w;
    const int64_t *drawn; /* NULL: all */
    int64_t first;
} stretch;

/* One of this rank's. */
static void read_states(const pare_weight_walk *w, int64_t sequence, float *x) {
    int64_t length = w->job->length;
    const float *states = pare_stream_load(&w->l.pruned.now, sequence * length, length, x);
    if (states != x) memcpy(x, states, (size_t)(length * w->l.hidden) * sizeof *x);
}

static pare_status load_own(void *context, int64_t sequence, float *x) {
    const stretch *s = context;
    read_states(s->w, s->first + sequence, x);
    return pare_layerwise_step(&s->w->l);
}

/* From the rank that has it, to all. */
static pare_status load_any(void *context, int64_t sequence, float *x) {
    const stretch *s = context;
    const pare_layerwise *l = &s->w->l;
    const pare_shards *shards = &l->shards;
    int64_t at = s->drawn ? s->drawn[sequence] : sequence;
    int owner = pare_shards_rank(shards, at);
    bool several = pare_shards_own(shards) < shards->sequences;
    if (owner == pare_peer_rank()) read_states(s->w, at - pare_shard_begin(shards, shards->first), x);
    if (several) PARE_TRY(pare_peer_broadcast(x, (size_t)(s->w->job->length * l->hidden) * sizeof *x, owner));
    return pare_layerwise_step(&s->w->l);
}

static pare_regional_inputs inputs_of(stretch *s, int64_t sequences) {
    return (pare_regional_inputs){.sequences = sequences, .length = s->w->job->length, .load = load_any, .context = s};
}

/* Those of the block's matrices that are pruned. */
static void find_wanted(const pare_weight_walk *w, const pare_block *block, float *wanted[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        wanted[role] = w->job->pruned[pare_tensor_id(block->layer, (pare_role)role)] ? w->regional[role] : NULL;
}

/* Of sequences that were drawn: every rank's. */
static pare_status gather_drawn(const pare_weight_walk *w, const pare_block *block, stretch *s, int64_t sequences) {
    pare_regional_inputs inputs = inputs_of(s, sequences);
    float *wanted[PARE_MATRIX_ROLES];
    find_wanted(w, block, wanted);
    return pare_regional_gradient(block, &inputs, &s->w->region, wanted);
}

static pare_status begin_sums(pare_layerwise *l, float *const wanted[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (!wanted[role]) continue;
        int64_t count = (int64_t)l->model->tensors[pare_tensor_id(l->block.layer, (pare_role)role)]->count;
        memset(wanted[role], 0, (size_t)count * sizeof *wanted[role]);
        PARE_TRY(pare_layerwise_sum_matrix(l, wanted[role], count, NULL));
    }
    return PARE_OK;
}

/* Of all sequences, shard by shard. */
static pare_status gather_all(pare_weight_walk *w) {
    pare_layerwise *l = &w->l;
    const pare_shards *shards = &l->shards;
    float *wanted[PARE_MATRIX_ROLES];
    find_wanted(w, &l->block, wanted);
    PARE_TRY(begin_sums(l, wanted));
    for (int shard = shards->first; shard < shards->last; shard++) {
        int64_t begin = pare_shard_begin(shards, shard);
        stretch own = {.w = w, .first = begin - pare_shard_begin(shards, shards->first)};
        pare_regional_inputs inputs = inputs_of(&own, pare_shard_begin(shards, shard + 1) - begin);
        inputs.load = load_own;
        PARE_TRY(pare_shard_sums_enter(&l->sums, shards, shard));
        PARE_TRY(pare_regional_gradient_add(&l->block, &inputs, &w->region, wanted));
        pare_shard_sums_leave(&l->sums, shards, shard);
    }
    PARE_TRY(pare_shard_sums_finish(&l->sums, shards));
    pare_shard_sums_clear(&l->sums);
    pare_regional_gradient_finish(&l->block, shards->sequences, wanted);
    return PARE_OK;
}

/* What enters the matrices of a block for these sequences. */
static pare_status gather_norms(pare_weight_walk *w, const pare_block *dense, stretch *s, int64_t sequences) {
    const pare_element_needs norms = {.norms = true};
    PARE_TRY(pare_layerwise_watch(&w->l, dense->layer, PARE_ALL_INPUTS, &norms));
    pare_block block = pare_regional_block(dense, &w->region);
    block.observer = &w->l.observer;
    for (int64_t n = 0; n < sequences; n++) {
        PARE_TRY(load_any(s, n, w->region.x));
        PARE_TRY(pare_block_forward(&block, w->region.x, NULL));
    }
    return PARE_OK;
}

static pare_status choose(pare_weight_walk *w, uint32_t layer, float *const weights[PARE_MATRIX_ROLES],
                          pare_element_mask masks[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (!weights[role]) continue;
        pare_element_target target = pare_matrix_target(w, pare_tensor_id(layer, (pare_role)role));
        pare_matrix_place place = pare_matrix_place_of(w, layer, (pare_role)role);
        PARE_TRY(pare_matrix_score(w, &place, w->job->recipe->salience, weights[role], w->scores));
        PARE_TRY(pare_element_select(w->scores, &target, &masks[role]));
    }
    return PARE_OK;
}

static pare_status score_round(pare_weight_walk *w, const pare_regional_round *round,
                               float *const weights[PARE_MATRIX_ROLES], pare_element_mask masks[PARE_MATRIX_ROLES]) {
    stretch drawn = {.w = w, .drawn = round->drawn};
    int64_t samples = samples_of(w->job);
    if (w->l.asked.needs.norms) PARE_TRY(gather_norms(w, round->block, &drawn, samples));
    PARE_TRY(gather_drawn(w, round->block, &drawn, samples));
    return choose(w, round->block->layer, weights, masks);
}

/* Scores ask for norms alone: nothing else is gathered in a round. */
static pare_status prune_round(void *context, const pare_regional_round *round, float *const weights[PARE_MATRIX_ROLES],
                               pare_element_mask masks[PARE_MATRIX_ROLES]) {
    pare_weight_walk *w = context;
    pare_status status = score_round(w, round, weights, masks);
    pare_layerwise_forget(&w->l);
    return status;
}

/* The dense weights of the layer, and room for masks. */
static pare_status begin(pare_weight_walk *w, float *weights[PARE_MATRIX_ROLES],
                         pare_element_mask masks[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(w->l.block.layer, (pare_role)role);
        int64_t rows, columns;
        weights[role] = NULL;
        if (!w->job->pruned[id]) continue;
        pare_tensor_matrix(w->l.model->tensors[id], &rows, &columns);
        PARE_TRY(pare_element_mask_new(rows, columns, &masks[role]));
        weights[role] = w->optimised[role];
        pare_source_rows(w->job->source, id, 0, rows, weights[role]);
    }
    return PARE_OK;
}

/* The optimised weights into the block. */
static void install(pare_weight_walk *w, float *const weights[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (!weights[role]) continue;
        int64_t count = (int64_t)w->l.model->tensors[pare_tensor_id(w->l.block.layer, (pare_role)role)]->count;
        w->l.backend->operations->to_operand(w->l.backend, weights[role], count, w->l.operands[role]);
        w->l.block.weights.matrix[role] = w->l.operands[role];
    }
}

static pare_status optimise(pare_weight_walk *w, double *errors) {
    float *weights[PARE_MATRIX_ROLES];
    pare_element_mask masks[PARE_MATRIX_ROLES] = {0};
    stretch all = {.w = w};
    pare_regional_inputs inputs = inputs_of(&all, w->job->sequences);
    pare_regional_optimise request = {.dense = &w->l.dense_block,
                                      .inputs = &inputs,
                                      .room = &w->region,
                                      .rounds = w->recipe->region_rounds,
                                      .samples = samples_of(w->job),
                                      .rate = w->recipe->region_rate,
                                      .decay = decay,
                                      .epsilon = epsilon,
                                      .seed = w->job->seed,
                                      .prune = prune_round,
                                      .context = w};
    pare_status status = begin(w, weights, masks);
    if (status == PARE_OK) status = pare_regional_optimise_run(&request, weights, masks, errors);
    if (status == PARE_OK) install(w, weights);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_element_mask_free(&masks[role]);
    return status;
}

static pare_status optimise_block(pare_weight_walk *w) {
    double *errors;
    size_t rounds = (size_t)w->recipe->region_rounds;
    PARE_TRY(pare_alloc(&errors, rounds, sizeof *errors, "block errors"));
    pare_status status = optimise(w, errors);
    w->region_first = errors[0];
    w->region_last = errors[rounds - 1];
    pare_free(errors);
    return status;
}

pare_status pare_weights_regional(pare_weight_walk *w, uint32_t layer) {
    if (!w->l.asked.needs.regional || !pare_layerwise_concerns(&w->l, layer, PARE_ALL_INPUTS)) return PARE_OK;
    if (is_optimised(w->job)) PARE_TRY(optimise_block(w));
    return gather_all(w);
}

void pare_weights_take_optimised(const pare_weight_walk *w, pare_role role, int64_t count, float *weights) {
    if (w->optimised[role]) memcpy(weights, w->optimised[role], (size_t)count * sizeof *weights);
}
