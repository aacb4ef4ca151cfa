/* How much a walk holds, and getting it. */
#include "layerwise/experts.h"
#include "layerwise/latents.h"
#include "repair/held_out.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/peer.h"

#include <string.h>

/* Tokens in a micro-batch unless memory allows fewer: enough for products to run at full speed. */
enum { TOKENS_AT_ONCE = 2048 };
/* Bytes of statistics of experts beyond the first where no limit is set. */
enum { UNLIMITED_EXPERTS = 1 << 30 };

bool pare_layerwise_parallel(const pare_layerwise_request *r) {
    return r->source->model->config.architecture.parallel;
}

static bool reads(const pare_layerwise_request *r, uint32_t layer, pare_input_kind kind) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (pare_input_of((pare_role)role) == kind && (!r->pruned || r->pruned[pare_tensor_id(layer, (pare_role)role)]))
            return true;
    if (kind == PARE_INPUT_QKV && pare_layerwise_prunes_query_down(r, layer)) return true;
    return kind == PARE_INPUT_GATE_UP && pare_layerwise_prunes_experts(r, layer);
}

int64_t pare_layerwise_widest_of(const pare_layerwise_request *r, pare_input_kind kind) {
    const pare_model *model = r->source->model;
    int64_t widest = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        if (reads(r, layer, kind)) widest = pare_larger(widest, pare_input_width(model, layer, kind));
    return widest;
}

int64_t pare_layerwise_widest(const pare_model *model) {
    int64_t widest = model->config.hidden;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
            widest = pare_larger(widest, pare_input_width(model, layer, (pare_input_kind)kind));
    return widest;
}

/* Elements of the Gram matrix of a kind; where kinds come one by one, of all of them, which share a room. */
static uint64_t gram_elements(const pare_layerwise_request *r, pare_input_kind kind) {
    int64_t width = pare_layerwise_widest_of(r, kind);
    for (int other = 0; other < PARE_INPUT_KINDS && r->one_by_one; other++)
        width = pare_larger(width, pare_layerwise_widest_of(r, (pare_input_kind)other));
    return r->needs.gram ? (uint64_t)(width * width) : 0;
}

static uint64_t statistics_bytes(const pare_layerwise_request *r) {
    uint64_t total = 0;
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
        total += 3 * (uint64_t)pare_layerwise_widest_of(r, (pare_input_kind)kind) * sizeof(double);
        if (!kind || !r->one_by_one) total += gram_elements(r, (pare_input_kind)kind) * sizeof(float);
    }
    return total;
}

/* What adds up over the sequences in one run over them, at most (sums.c). */
static uint64_t summed_bytes(const pare_layerwise_request *r) {
    const pare_model *model = r->source->model;
    uint64_t d = model->config.hidden, total = statistics_bytes(r) + model->config.experts.count * sizeof(int64_t);
    uint64_t compared = d * (uint64_t)pare_layerwise_widest(model) * sizeof(float) +
                        pare_input_moments_sum_bytes((int64_t)d, true) + sizeof(double);
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        total += pare_input_moments_sum_bytes(0, true);
    for (int role = 0; role < PARE_MATRIX_ROLES && r->needs.outputs; role++)
        total += (uint64_t)pare_layerwise_widest(model) * sizeof(double);
    return pare_larger_bytes(total + (r->two ? compared : 0), r->own_sums);
}

/* Of the comparison with the dense model, and what follows from it; and of biases. */
static uint64_t target_bytes(const pare_layerwise_request *r) {
    int64_t d = r->source->model->config.hidden, widest = pare_layerwise_widest(r->source->model);
    uint64_t elements = (uint64_t)(d * widest + d * d);
    uint64_t halves = r->held_out ? (uint64_t)(2 * d * d) * sizeof(float) + pare_held_out_bytes(d, d) : 0;
    uint64_t solving = pare_least_squares_bytes(d, r->pruned ? d : widest); /* of maps; of units' outputs, too */
    if (r->pruned) solving = pare_larger_bytes(solving, pare_layerwise_correct_bytes(r, widest));
    return pare_layerwise_intercept_bytes(r) + (r->two ? elements * sizeof(float) + solving + halves : 0);
}

/* Of hidden states: what is between two layers, of one model or two, and where the FFN reads it what enters one. */
static uint64_t streams_of(const pare_layerwise_request *r) {
    return UINT64_C(1) << (r->two + pare_layerwise_parallel(r));
}

static uint64_t hidden_bytes(const pare_layerwise_request *r) {
    return streams_of(r) * pare_stream_bytes(r->sequences * r->length, r->source->model->config.hidden, r->states);
}

/* The largest product that output norms are made of. */
static uint64_t output_norms_bytes(const pare_layerwise_request *r, int64_t tokens) {
    const pare_config *config = &r->source->model->config;
    int64_t most = config->hidden;
    for (uint32_t layer = 0; layer < config->layers; layer++)
        most = pare_larger(most, config->widths[layer].ffn);
    most = pare_larger(most, config->experts.width);
    return r->needs.outputs ? pare_output_norms_bytes(tokens, most) : 0;
}

/* Tensors that are no roles', and change in the walk. */
static bool changes_others(const pare_layerwise_request *r) {
    return pare_layerwise_expert_bytes(r) > 0 || pare_layerwise_latents_bytes(r) > 0;
}

static uint64_t others_bytes(const pare_layerwise_request *r) {
    return changes_others(r) ? r->source->model->tensor_count * sizeof(pare_replacement) : 0;
}

static uint64_t batch_bytes(const pare_layerwise_request *r, int64_t micro) {
    uint64_t tokens = (uint64_t)(micro * r->length), states = tokens * r->source->model->config.hidden;
    uint64_t rooms = r->states == PARE_DTYPE_F32 ? 0 : streams_of(r);
    uint64_t total = pare_walk_bytes(r->source, r->length, micro) + output_norms_bytes(r, micro * r->length) +
                     pare_layerwise_experts_bytes(r, micro) + others_bytes(r);
    if (r->two) total += states * (sizeof(float) + pare_operand_size(r->source->backend));
    return total + rooms * states * sizeof(float);
}

uint64_t pare_layerwise_bytes(const pare_layerwise_memory *m) {
    return m->hidden + m->statistics + m->weights + m->activations + m->repaired;
}

static uint64_t in_memory(const pare_layerwise_memory *m) {
    return pare_layerwise_bytes(m) - m->scratch;
}

int64_t pare_layerwise_most_tokens(const pare_layerwise_request *r) {
    return r->length > TOKENS_AT_ONCE ? r->length : TOKENS_AT_ONCE;
}

int64_t pare_layerwise_half(const pare_layerwise_request *r) {
    return (r->sequences + 1) / 2;
}

static int64_t wanted_batch(const pare_layerwise_request *r) {
    int64_t usual = TOKENS_AT_ONCE / (r->length > 0 ? r->length : 1), wanted = r->micro_batch;
    if (!wanted) wanted = usual < 1 ? 1 : usual;
    pare_shards shards = pare_shards_alone(r->sequences, r->length);
    if (wanted > pare_shard_most(&shards)) wanted = pare_shard_most(&shards);
    if (shards.count == 1 && r->held_out && wanted > r->sequences - pare_layerwise_half(r))
        wanted = r->sequences - pare_layerwise_half(r);
    return wanted < 1 ? 1 : wanted;
}

/* As many experts at once as there is room for; the plan has one. */
static void add_experts(const pare_layerwise_request *r, pare_layerwise_memory *out) {
    uint64_t each = pare_layerwise_expert_bytes(r), all = r->source->model->config.experts.count;
    uint64_t held = in_memory(out), room = UNLIMITED_EXPERTS;
    if (r->limit) room = r->limit > held ? r->limit - held : 0;
    if (!each || r->idle) return;
    uint64_t more = room / each < all - 1 ? room / each : all - 1;
    out->experts = (uint32_t)(1 + more);
    out->statistics += more * each;
}

/* So much of a limit is not there. */
static pare_status refuse(const pare_layerwise_request *r, const pare_layerwise_memory *out) {
    return pare_fail(PARE_OUT_OF_MEMORY,
                     "%s %lld sequences of %lld tokens takes %.1f MiB, but the limit is %.1f MiB; raise --memory%s",
                     r->doing, (long long)r->sequences, (long long)r->length, (double)in_memory(out) / 1048576.0,
                     (double)r->limit / 1048576.0, r->advice);
}

/* What a rank holds: hidden states of its own sequences, and sums of its own shards. How the work is cut does not
 * depend on that, so that the same comes out for any number of ranks. */
static pare_status take_share(const pare_layerwise_request *r, pare_layerwise_memory *out) {
    pare_shards shards = pare_shards_of(r->sequences, r->length);
    if (pare_peer_count() == 1 || r->idle) return PARE_OK;
    out->hidden = out->hidden / (uint64_t)r->sequences * (uint64_t)pare_shards_own(&shards);
    out->statistics += pare_shard_sums_more_bytes(&shards, summed_bytes(r));
    if (out->scratch) out->scratch = out->hidden + out->repaired;
    return r->limit && in_memory(out) > r->limit ? refuse(r, out) : PARE_OK;
}

pare_status pare_layerwise_plan(const pare_layerwise_request *r, pare_layerwise_memory *out) {
    pare_shards shards = pare_shards_alone(r->sequences, r->length);
    if (!r->idle) out->hidden = hidden_bytes(r);
    if (!r->idle) out->statistics += statistics_bytes(r) + target_bytes(r) + pare_layerwise_expert_bytes(r);
    if (!r->idle) out->statistics += pare_layerwise_latents_bytes(r);
    if (!r->idle) out->statistics += pare_shard_sums_bytes(&shards, summed_bytes(r));
    for (int file = 0; file <= (r->scratch != NULL); file++) {
        out->scratch = file ? out->hidden + out->repaired : 0;
        for (int64_t micro = wanted_batch(r);; micro = (micro + 1) / 2) {
            out->micro_batch = micro;
            out->activations = r->idle ? 0 : batch_bytes(r, micro);
            if (!r->limit || in_memory(out) <= r->limit) {
                add_experts(r, out);
                return take_share(r, out);
            }
            if (micro <= 1 || r->micro_batch) break;
        }
    }
    return refuse(r, out);
}

static pare_status new_states(const pare_layerwise *l, const char *scratch, pare_layer_states *out) {
    const pare_layerwise_request *r = &l->asked;
    size_t states = (size_t)(l->micro_batch * r->length * l->hidden);
    bool converted = r->states != PARE_DTYPE_F32;
    PARE_TRY(pare_stream_new(l->tokens, l->hidden, r->states, scratch, &out->now));
    if (converted) PARE_TRY(pare_alloc_uninitialized(&out->room, states, sizeof(float), "hidden states"));
    if (!pare_layerwise_parallel(r)) return PARE_OK;
    PARE_TRY(pare_stream_new(l->tokens, l->hidden, r->states, scratch, &out->input));
    return converted ? pare_alloc_uninitialized(&out->input_room, states, sizeof(float), "hidden states") : PARE_OK;
}

static pare_status new_target(pare_layerwise *l, const char *scratch) {
    size_t d = (size_t)l->hidden, states = (size_t)(l->micro_batch * l->asked.length) * d;
    size_t widest = (size_t)pare_layerwise_widest(l->model);
    if (!l->asked.two) return PARE_OK;
    PARE_TRY(new_states(l, scratch, &l->dense));
    PARE_TRY(pare_alloc_uninitialized(&l->reference, states, pare_operand_size(l->backend), "targets"));
    PARE_TRY(pare_alloc_uninitialized(&l->difference, states, sizeof(float), "targets"));
    PARE_TRY(pare_alloc_uninitialized(&l->map, d * d, sizeof(float), "targets"));
    if (l->asked.held_out) PARE_TRY(pare_alloc_uninitialized(&l->half_gram, d * d, sizeof(float), "targets"));
    if (l->asked.held_out) PARE_TRY(pare_alloc_uninitialized(&l->half_cross, d * d, sizeof(float), "targets"));
    return pare_alloc_uninitialized(&l->cross, d * widest, sizeof(float), "targets");
}

static pare_status new_grams(pare_layerwise *l) {
    for (int kind = 0; kind < PARE_INPUT_KINDS && l->asked.needs.gram; kind++) {
        size_t elements = (size_t)gram_elements(&l->asked, (pare_input_kind)kind);
        if (kind && l->asked.one_by_one)
            l->gram_room[kind] = l->gram_room[0];
        else
            PARE_TRY(pare_alloc_uninitialized(&l->gram_room[kind], elements, sizeof(float), "Gram matrix"));
    }
    return PARE_OK;
}

static pare_status new_channels(pare_layerwise *l) {
    if (!l->asked.channels.index) return PARE_OK;
    return pare_alloc_uninitialized(&l->channels, 3 * (size_t)l->hidden, sizeof(float), "hidden channels");
}

static pare_status new_others(pare_layerwise *l) {
    const pare_source *source = l->asked.source;
    size_t count = l->model->tensor_count;
    if (!changes_others(&l->asked)) return PARE_OK;
    PARE_TRY(pare_alloc(&l->replacement, count, sizeof *l->replacement, "changed tensors"));
    if (source->replacement) memcpy(l->replacement, source->replacement, count * sizeof *l->replacement);
    l->others = *source;
    l->others.replacement = l->replacement;
    return PARE_OK;
}

static pare_status allocate(pare_layerwise *l, const pare_layerwise_memory *plan) {
    const char *scratch = plan->scratch ? l->asked.scratch : NULL;
    PARE_TRY(pare_repaired_new(l->model, plan->repaired, scratch, l->repaired));
    if (l->asked.idle) return PARE_OK;
    PARE_TRY(new_others(l));
    PARE_TRY(pare_layerwise_experts_new(l, plan->experts));
    PARE_TRY(pare_layerwise_latents_new(l));
    PARE_TRY(new_states(l, scratch, &l->pruned));
    PARE_TRY(pare_walk_new(l->asked.source, l->asked.length, l->micro_batch, &l->walk));
    PARE_TRY(new_target(l, scratch));
    PARE_TRY(new_channels(l));
    PARE_TRY(pare_layerwise_intercept_new(l));
    return new_grams(l);
}

pare_status pare_layerwise_new(const pare_layerwise_request *request, const pare_layerwise_memory *plan,
                               pare_repaired *repaired, pare_layerwise *out) {
    pare_shards shards = pare_shards_of(request->sequences, request->length);
    int64_t first = pare_shard_begin(&shards, shards.first), own = pare_shards_own(&shards);
    *repaired = (pare_repaired){0};
    *out = (pare_layerwise){.asked = *request,
                            .shards = shards,
                            .model = request->source->model,
                            .backend = request->source->backend,
                            .tokens = own * request->length,
                            .hidden = request->source->model->config.hidden,
                            .micro_batch = plan->micro_batch,
                            .repaired = repaired};
    out->asked.sequences = own;
    if (first) out->asked.ids += first * request->length;
    out->observer = pare_layerwise_observer(out);
    pare_residency_open(out->model, &out->residency);
    pare_status status = allocate(out, plan);
    if (status == PARE_OK) return PARE_OK;
    pare_layerwise_free(out);
    pare_repaired_free(repaired);
    return status;
}

static void free_states(pare_layer_states *side) {
    pare_stream_free(&side->now);
    pare_stream_free(&side->input);
    pare_free(side->room);
    pare_free(side->input_room);
}

void pare_layerwise_free(pare_layerwise *l) {
    pare_residency_close(&l->residency);
    pare_layerwise_forget(l);
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        if (!kind || !l->asked.one_by_one) pare_free(l->gram_room[kind]);
    void *all[] = {l->channels, l->reference, l->difference, l->map, l->cross, l->half_gram, l->half_cross};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_layerwise_intercept_free(l);
    pare_layerwise_experts_free(l);
    pare_layerwise_latents_free(l);
    pare_free(l->replacement);
    pare_shard_sums_free(&l->sums);
    free_states(&l->pruned);
    free_states(&l->dense);
    pare_walk_free(&l->walk);
    *l = (pare_layerwise){0};
}
