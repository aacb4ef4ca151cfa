/* Input norms of one forward, shard by shard where the pass is cut (support/shards.h). */
#include "calibrate/input_norms.h"
#include "model/pass.h"
#include "support/memory.h"

#include <string.h>

/* What each of this rank's shards comes to. */
typedef struct looking {
    const pare_pass *pass;
    const pare_model *model;
    pare_input_norms part[PARE_SHARDS];
} looking;

static pare_input_norms *in_hand(void *context) {
    looking *at = context;
    return &at->part[pare_pass_shard(at->pass)];
}

static bool wants_all(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return true;
}

static pare_status see(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                       int64_t width, bool by_feature) {
    pare_input_norms *norms = in_hand(context);
    return norms->observer.see(norms, layer, kind, x, tokens, width, by_feature);
}

static pare_status see_expert(void *context, const pare_expert_seen *seen) {
    pare_input_norms *norms = in_hand(context);
    return norms->observer.see_expert(norms, seen);
}

static pare_status new_parts(looking *at, const pare_input_norms *norms) {
    const pare_shards shards = pare_pass_shards(at->pass);
    for (int shard = shards.first; shard < shards.last; shard++) {
        PARE_TRY(pare_input_norms_new(at->model, norms->backend, norms->sums != NULL, &at->part[shard]));
        if (norms->expert_squares) PARE_TRY(pare_input_norms_see_experts(at->model, &at->part[shard]));
    }
    return PARE_OK;
}

/* Numbers that lie together. */
typedef struct run {
    double *values; /* NULL: there are none */
    size_t count;
} run;

enum { RUNS = 2 * PARE_INPUT_KINDS + 1 }; /* of a layer */

static run run_at(const pare_model *model, const pare_input_norms *norms, size_t i) {
    uint32_t layer = (uint32_t)(i / RUNS), place = (uint32_t)(i % RUNS);
    pare_input_kind kind = (pare_input_kind)(place % PARE_INPUT_KINDS);
    size_t width = (size_t)pare_input_width(model, layer, kind);
    if (place < PARE_INPUT_KINDS) return (run){norms->squares[layer][kind], width};
    if (place < 2 * PARE_INPUT_KINDS) return (run){norms->sums ? norms->sums[layer][kind] : NULL, width};
    size_t each = (size_t)(norms->hidden + norms->expert_ffn);
    return (run){norms->expert_squares ? norms->expert_squares[layer] : NULL,
                 model->config.widths[layer].experts * each};
}

/* The shards, one after the other. */
static pare_status add_up(looking *at, pare_shard_sums *sums, pare_input_norms *norms) {
    const pare_shards shards = pare_pass_shards(at->pass);
    size_t runs = RUNS * (size_t)norms->layers;
    for (size_t i = 0; i < runs; i++) {
        run to = run_at(at->model, norms, i);
        PARE_TRY(pare_shard_sums_add_double(sums, to.values, to.count));
    }
    PARE_TRY(
        pare_shard_sums_add(sums, &(pare_shard_sum){.kind = PARE_SUM_COUNT, .values = &norms->tokens, .count = 1}));
    for (int shard = shards.first; shard < shards.last; shard++) {
        PARE_TRY(pare_shard_sums_enter(sums, &shards, shard));
        norms->tokens = at->part[shard].tokens;
        for (size_t i = 0; i < runs; i++) {
            run to = run_at(at->model, norms, i), from = run_at(at->model, &at->part[shard], i);
            if (to.values) memcpy(to.values, from.values, to.count * sizeof *to.values);
        }
        pare_shard_sums_leave(sums, &shards, shard);
    }
    return pare_shard_sums_finish(sums, &shards);
}

static pare_status look(looking *at, pare_pass *pass, const pare_source *source, const uint32_t *ids,
                        pare_input_norms *norms) {
    pare_observer observer = {
        .wants = wants_all, .see = see, .see_expert = norms->expert_squares ? see_expert : NULL, .context = at};
    pare_shard_sums sums = {0};
    pare_pass_observe(pass, &observer);
    pare_status status = pare_pass_forward(pass, source, ids, pare_pass_shards(pass).sequences);
    pare_pass_observe(pass, NULL);
    if (status == PARE_OK) status = add_up(at, &sums, norms);
    pare_shard_sums_free(&sums);
    return status;
}

pare_status pare_input_norms_measure(pare_pass *pass, const pare_source *source, const uint32_t *ids,
                                     pare_input_norms *norms) {
    looking at = {.pass = pass, .model = source->model};
    pare_status status = new_parts(&at, norms);
    if (status == PARE_OK) status = look(&at, pass, source, ids, norms);
    for (int shard = 0; shard < PARE_SHARDS; shard++)
        if (at.part[shard].layers) pare_input_norms_free(&at.part[shard]);
    return status;
}
