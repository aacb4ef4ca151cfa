/* The training of one stage. */
#include "reconstruct/rebuilding.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/product.h"
#include "support/progress.h"
#include "support/random.h"

#include <math.h>
#include <string.h>

static const double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;

int64_t pare_rebuilding_elements(const pare_rebuilding *b, int64_t sequences) {
    return sequences * b->asked->length * b->hidden;
}

float *pare_rebuilding_states(const pare_stream *stream, const pare_rebuilding *b, int64_t sequence) {
    return pare_stream_load(stream, sequence * b->asked->length, 1, NULL);
}

int64_t pare_rebuilding_count(const pare_rebuilding *b, int64_t first) {
    int64_t left = b->asked->sequences - first;
    return left < b->batch ? left : b->batch;
}

static const float *metric_of(const pare_rebuilding *b, uint32_t layer, pare_part part) {
    return b->asked->metric ? b->asked->metric[layer][part] : NULL;
}

/* e: [tokens, d]. *felt <- F e relative to F's mean diagonal, in b->felt, or e itself; returns the sum of e^T F e, in
 * the order of the elements. */
static double feel(const pare_rebuilding *b, const float *metric, const float *e, int64_t elements,
                   const float **felt) {
    double sum = 0.0, trace = 0.0;
    int64_t d = b->hidden;
    *felt = e;
    for (int64_t i = 0; metric && i < d; i++)
        trace += (double)metric[i * d + i];
    if (trace > 0.0) {
        float scale = (float)((double)d / trace);
        pare_product(elements / d, d, d, scale, (pare_rows){e, d}, (pare_rows){metric, d}, 0.0f, b->felt, d);
        *felt = b->felt;
    }
    for (int64_t i = 0; i < elements; i++)
        sum += (double)e[i] * (double)(*felt)[i];
    return sum;
}

/* made <- made - from */
static void subtract(const float *from, int64_t n, float *made) {
    for (int64_t i = 0; i < n; i++)
        made[i] -= from[i];
}

static pare_status run_part(pare_block *block, pare_part part, bool whole, const float *x, float *out) {
    if (whole) return pare_block_forward(block, x, out);
    return part == PARE_PART_ATTENTION ? pare_block_attention_forward(block, x, out)
                                       : pare_block_ffn_forward(block, x, out);
}

/* What is done to the states of sequences [first, first + count), as many as go at a time; *part: what of a sum comes
 * of them. */
typedef pare_status (*batch_fn)(pare_rebuilding *b, void *context, int64_t first, int64_t count, double *part);

static int owner_of(const pare_rebuilding *b, int64_t from, int64_t first) {
    return (int)((first - from) / b->batch % pare_peer_count());
}

static pare_status run_own(pare_rebuilding *b, int64_t from, batch_fn run, void *context, double *parts) {
    for (int64_t s = from; s < b->asked->sequences; s += b->batch) {
        double *part = &parts[(s - from) / b->batch];
        *part = -0.0; /* adds nothing to another rank's */
        if (owner_of(b, from, s) != pare_peer_rank()) continue;
        PARE_TRY(pare_interrupted());
        PARE_TRY(run(b, context, s, pare_rebuilding_count(b, s), part));
    }
    return PARE_OK;
}

/* All sequences from `from` on, batch by batch: each is one rank's (support/peer.h), whose states in `made` (or NULL)
 * then are all ranks'. *sum: of the batches, in their order. */
static pare_status run_all(pare_rebuilding *b, int64_t from, const pare_stream *made, batch_fn run, void *context,
                           double *sum) {
    size_t count = (size_t)((b->asked->sequences - from + b->batch - 1) / b->batch);
    double *parts;
    *sum = 0.0;
    PARE_TRY(pare_alloc(&parts, count, sizeof *parts, "sums of errors"));
    pare_status status = run_own(b, from, run, context, parts);
    for (int64_t s = from; made && s < b->asked->sequences && status == PARE_OK; s += b->batch)
        status = pare_peer_broadcast(pare_rebuilding_states(made, b, s),
                                     (size_t)pare_rebuilding_elements(b, pare_rebuilding_count(b, s)) * sizeof(float),
                                     owner_of(b, from, s));
    if (status == PARE_OK) status = pare_peer_reduce(parts, count);
    for (size_t i = 0; i < count; i++)
        *sum += parts[i];
    pare_free(parts);
    return status;
}

/* Of the held-out ones of the sequences from s on: what they read is in the stream, what is put out in b->made. */
static double energy_of(const pare_rebuilding *b, const float *metric, const float *states, int64_t s, int64_t count) {
    int64_t skipped = s < b->trained ? pare_rebuilding_elements(b, b->trained - s) : 0;
    int64_t elements = pare_rebuilding_elements(b, count) - skipped;
    const float *felt;
    if (elements <= 0) return 0.0;
    memcpy(b->x, b->made + skipped, (size_t)elements * sizeof *b->x);
    subtract(states + skipped, elements, b->x);
    return feel(b, metric, b->x, elements, &felt);
}

typedef struct dense_stage {
    pare_block *block;
    pare_part part;
    bool whole;
} dense_stage;

static pare_status pass_dense_batch(pare_rebuilding *b, void *context, int64_t first, int64_t count, double *part) {
    const dense_stage *dense = context;
    float *states = pare_rebuilding_states(&b->dense, b, first);
    dense->block->batch = count;
    PARE_TRY(run_part(dense->block, dense->part, dense->whole, states, b->made));
    *part = energy_of(b, metric_of(b, b->sub.block.layer, dense->part), states, first, count);
    memcpy(states, b->made, (size_t)pare_rebuilding_elements(b, count) * sizeof *states);
    return PARE_OK;
}

pare_status pare_rebuilding_pass_dense(pare_rebuilding *b, pare_block *block, pare_part part, bool whole,
                                       double *energy) {
    dense_stage dense = {block, part, whole};
    return run_all(b, 0, &b->dense, pass_dense_batch, &dense, energy);
}

static pare_status mix_batch(pare_rebuilding *b, void *context, int64_t first, int64_t count, double *part) {
    const dense_stage *dense = context;
    const float *behind = pare_rebuilding_states(&b->dense, b, first);
    float *target = pare_rebuilding_states(&b->mixed, b, first), share = (float)b->asked->dense_share;
    (void)part;
    dense->block->batch = count;
    PARE_TRY(run_part(dense->block, dense->part, dense->whole, pare_rebuilding_states(&b->pruned, b, first), b->made));
    for (int64_t i = 0; i < pare_rebuilding_elements(b, count); i++)
        target[i] = share * behind[i] + (1.0f - share) * b->made[i];
    return PARE_OK;
}

/* The targets, where a share of them is what the dense stage makes of the smaller model's own states. The dense stream
 * is behind the stage by now. */
static pare_status mix(pare_rebuilding *b, pare_block *block, pare_part part) {
    dense_stage dense = {block, part, b->sub.whole};
    double nothing;
    return b->asked->dense_share < 1.0 ? run_all(b, 0, &b->mixed, mix_batch, &dense, &nothing) : PARE_OK;
}

static const pare_stream *targets(const pare_rebuilding *b) {
    return b->asked->dense_share < 1.0 ? &b->mixed : &b->dense;
}

static pare_status pass_pruned_batch(pare_rebuilding *b, void *context, int64_t first, int64_t count, double *part) {
    float *states = pare_rebuilding_states(&b->pruned, b, first);
    (void)context, (void)part;
    PARE_TRY(pare_sub_block_forward(&b->sub, count, states, b->made));
    memcpy(states, b->made, (size_t)pare_rebuilding_elements(b, count) * sizeof *states);
    return PARE_OK;
}

static pare_status pass_pruned(pare_rebuilding *b) {
    double nothing;
    return run_all(b, 0, &b->pruned, pass_pruned_batch, NULL, &nothing);
}

static pare_status judge_batch(pare_rebuilding *b, void *context, int64_t first, int64_t count, double *part) {
    int64_t elements = pare_rebuilding_elements(b, count);
    const float *felt, *const *metric = context;
    PARE_TRY(pare_sub_block_forward(&b->sub, count, pare_rebuilding_states(&b->pruned, b, first), b->made));
    subtract(pare_rebuilding_states(targets(b), b, first), elements, b->made);
    *part = feel(b, *metric, b->made, elements, &felt);
    return PARE_OK;
}

/* Of the held-out sequences: what the stage puts out beside the target. */
static pare_status held_out_error(pare_rebuilding *b, const float *metric, double *error) {
    PARE_TRY(run_all(b, b->trained, NULL, judge_batch, &metric, error));
    if (isfinite(*error)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "layer %u puts out NaN or infinity while it is reconstructed; its weights or its inputs are not "
                     "finite, or too large for this --compute",
                     b->sub.block.layer);
}

static void draw_batch(pare_rebuilding *b, pare_random *random, int64_t count) {
    int64_t elements = pare_rebuilding_elements(b, 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t s = (int64_t)pare_random_below(random, (uint64_t)b->trained);
        memcpy(b->x + i * elements, pare_rebuilding_states(&b->pruned, b, s), (size_t)elements * sizeof(float));
        memcpy(b->target + i * elements, pare_rebuilding_states(targets(b), b, s), (size_t)elements * sizeof(float));
    }
}

/* One step: the gradient of the mean of e^T F e over the batch's tokens and channels is 2 F e of each of them. */
static pare_status step(pare_rebuilding *b, const float *metric, pare_adamw *optimizer, int64_t count, double rate) {
    int64_t elements = pare_rebuilding_elements(b, count);
    float scale = 2.0f / (float)elements;
    const float *felt;
    PARE_TRY(pare_sub_block_forward(&b->sub, count, b->x, b->made));
    subtract(b->target, elements, b->made);
    feel(b, metric, b->made, elements, &felt);
    for (int64_t i = 0; i < elements; i++)
        b->made[i] = felt[i] * scale;
    PARE_TRY(pare_sub_block_backward(&b->sub, b->x, b->made));
    PARE_TRY(pare_sub_block_step(&b->sub, optimizer, rate));
    b->done += b->done < b->total;
    return pare_progress_report(b->asked->runtime, "reconstructing", b->done, b->total);
}

static pare_status train(pare_rebuilding *b, const float *metric, pare_random *random) {
    const pare_reconstruction *r = b->asked;
    int64_t count = b->batch < b->trained ? b->batch : b->trained;
    pare_adamw optimizer;
    PARE_TRY(pare_adamw_new(pare_sub_block_numbers(&b->sub), beta1, beta2, epsilon, 0.0, &optimizer));
    pare_status status = PARE_OK;
    for (uint32_t i = 0; i < r->steps && status == PARE_OK; i++) {
        draw_batch(b, random, count);
        status = step(b, metric, &optimizer, count, r->rate * (1.0 - (double)i / (double)r->steps));
    }
    pare_adamw_free(&optimizer);
    return status;
}

/* How much of the change is taken: the half of it, and the half of that, as long as the held-out sequences say that
 * less is better; none, where they say so of all. */
static pare_status take_share(pare_rebuilding *b, const float *metric, double before, pare_rebuilt *rebuilt) {
    enum { HALVINGS = 4 };
    double best = before, error = before;
    float share = 1.0f, taken = 0.0f;
    pare_sub_block_finish(&b->sub);
    for (int i = 0; i <= HALVINGS; i++, share *= 0.5f) {
        pare_sub_block_take(&b->sub, share);
        PARE_TRY(held_out_error(b, metric, &error));
        if (taken > 0.0f && !(error < best)) break;
        if (!(error < best)) continue;
        best = error;
        taken = share;
    }
    pare_sub_block_take(&b->sub, taken);
    rebuilt->after = best;
    rebuilt->share = taken;
    return PARE_OK;
}

static pare_status learn(pare_rebuilding *b, pare_part part, double energy) {
    uint32_t layer = b->sub.block.layer;
    const float *metric = metric_of(b, layer, part);
    pare_rebuilt *rebuilt = &b->rebuilt[layer][part];
    pare_random random = {.seed = b->asked->seed, .stream = (uint64_t)0x7265636f << 32 | layer << 1 | (uint64_t)part};
    double before;
    PARE_TRY(held_out_error(b, metric, &before));
    *rebuilt = (pare_rebuilt){.after = before};
    if (b->sub.count) {
        PARE_TRY(train(b, metric, &random));
        PARE_TRY(take_share(b, metric, before, rebuilt));
    }
    rebuilt->before = energy > 0 ? before / energy : 0;
    rebuilt->after = energy > 0 ? rebuilt->after / energy : 0;
    return PARE_OK;
}

pare_status pare_rebuilding_stage(pare_rebuilding *b, pare_block *dense, pare_part part, bool kept) {
    double energy;
    pare_sub_block_choose(&b->sub, part);
    PARE_TRY(pare_rebuilding_pass_dense(b, dense, part, b->sub.whole, &energy));
    if (!kept) {
        PARE_TRY(mix(b, dense, part));
        PARE_TRY(learn(b, part, energy));
    }
    return pass_pruned(b);
}
