/* What experts read, gathered over the tokens that reach them. */
#include "layerwise/experts.h"
#include "model/block_experts.h"
#include "support/memory.h"

#include <math.h>

/* What experts add of the layer's statistics to their own, relative to the share of all tokens that they see. */
static const double layers_share = 0.01;

static const pare_expert_part first_part[] = {PARE_EXPERT_GATE, PARE_EXPERT_DOWN};
static const pare_expert_part last_part[] = {PARE_EXPERT_UP, PARE_EXPERT_DOWN};

/* What is gathered of a group. */
typedef struct gathering {
    uint32_t count;
    unsigned inputs; /* bits */
    bool outputs;
} gathering;

/* Moments of tokens that need not be all of their sequences: one sequence at a time. */
static pare_status add_moments(pare_layerwise *l, const pare_expert_hand *hand, const pare_inputs *inputs,
                               pare_input_moments *moments) {
    int64_t chosen = l->model->config.experts.chosen, length = l->asked.length;
    for (int64_t first = 0, end; first < hand->tokens; first = end) {
        int64_t sequence = hand->places[first] / chosen / length;
        for (end = first + 1; end < hand->tokens && hand->places[end] / chosen / length == sequence; end++)
            ;
        pare_inputs some = {.x = pare_operand_at(l->backend, inputs->x, first * inputs->width),
                            .tokens = end - first,
                            .width = inputs->width};
        PARE_TRY(pare_input_moments_add(l->backend, &some, some.tokens, moments));
    }
    return PARE_OK;
}

static pare_status add_outputs(pare_layerwise *l, const pare_expert_hand *hand, pare_expert_input input,
                               const pare_inputs *inputs, pare_expert_statistics *s) {
    for (pare_expert_part part = first_part[input]; part <= last_part[input]; part++) {
        int64_t rows, columns;
        pare_expert_shape(&l->model->config, part, &rows, &columns);
        PARE_TRY(pare_output_norms_add(l->backend, inputs, hand->weight[part], rows, s->outputs[part]));
    }
    return PARE_OK;
}

/* What these tokens show of an input, which is in the experts' room. */
static pare_status add(pare_layerwise *l, const pare_expert_hand *hand, pare_expert_input input, const gathering *g,
                       pare_expert_statistics *s) {
    const pare_expert_room *room = &l->block.activations->experts;
    bool reads = input == PARE_EXPERT_READS;
    pare_inputs inputs = {.x = reads ? room->x : room->activated,
                          .tokens = hand->tokens,
                          .width = reads ? l->hidden : (int64_t)l->model->config.experts.width};
    pare_input_statistics *to = &s->inputs[input];
    if (g->outputs) PARE_TRY(add_outputs(l, hand, input, &inputs, s));
    if (reads && s->borrowed[input]) return PARE_OK;
    if (to->moments.width) PARE_TRY(add_moments(l, hand, &inputs, &to->moments));
    if (to->gram) PARE_TRY(pare_gram_add(l->backend, &inputs, !to->seen, to->gram));
    to->seen = true;
    return PARE_OK;
}

/* Its own tokens, or all of them, as far as some input is gathered of these. */
static pare_status gather_expert(pare_layerwise *l, const gathering *g, bool all, int64_t tokens,
                                 pare_expert_statistics *s) {
    pare_expert_hand hand;
    unsigned wanted = 0;
    for (int input = 0; input < PARE_EXPERT_INPUTS; input++)
        if (s->borrowed[input] == all) wanted |= g->inputs & 1u << input;
    if (all && !g->outputs) wanted &= ~(1u << PARE_EXPERT_READS);
    if (!wanted) return PARE_OK;
    if (all)
        hand = pare_block_expert_of(&l->block, s->expert, tokens, l->experts->everyone);
    else if (!pare_block_expert(&l->block, s->expert, &hand))
        return PARE_OK;
    if (wanted >> PARE_EXPERT_ACTIVATED & 1)
        PARE_TRY(pare_block_expert_activate(&l->block, &hand));
    else
        pare_block_expert_gather(&l->block, &hand);
    for (int input = 0; input < PARE_EXPERT_INPUTS; input++)
        if (wanted >> input & 1) PARE_TRY(add(l, &hand, (pare_expert_input)input, g, s));
    return PARE_OK;
}

static pare_status gather_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    const gathering *g = context;
    PARE_TRY(pare_layerwise_reach(l, PARE_STAGE_FFN, first, tokens));
    PARE_TRY(pare_block_route(&l->block));
    for (uint32_t i = 0; i < g->count; i++)
        for (int all = 0; all < 2; all++)
            PARE_TRY(gather_expert(l, g, all, tokens, &l->experts->of[i]));
    return PARE_OK;
}

/* to <- own to + share from */
static void mix(double own, double *to, double share, const double *from, int64_t n) {
    for (int64_t i = 0; to && i < n; i++)
        to[i] = own * to[i] + (share > 0.0 ? share * from[i] : 0.0);
}

static void mix_statistics(double own, pare_input_statistics *to, double share, const pare_input_statistics *from) {
    int64_t width = to->moments.width, count = from->moments.width;
    mix(own, to->moments.squares, share, from->moments.squares, width);
    mix(own, to->moments.sums, share, from->moments.sums, width);
    mix(own, to->moments.within, share, from->moments.within, width);
    if (width)
        to->moments.tokens =
            llround(own * (double)to->moments.tokens + share * (double)(count ? from->moments.tokens : 0));
}

static void mix_gram(double own, float *to, double share, const float *from, int64_t width) {
#pragma omp parallel for schedule(static) if (width > 256)
    for (int64_t i = 0; i < width * width; i++)
        to[i] = (float)((own > 0.0 ? own * (double)to[i] : 0.0) + (share > 0.0 ? share * (double)from[i] : 0.0));
}

/* From sums over what was seen to what the header says. */
static void settle(const pare_layerwise *l, pare_expert_input input, pare_expert_statistics *s) {
    static const pare_input_statistics none = {0};
    const pare_input_statistics *layer = &l->statistics[PARE_INPUT_GATE_UP];
    pare_input_statistics *to = &s->inputs[input];
    bool reads = input == PARE_EXPERT_READS, borrowed = s->borrowed[input];
    double all = (double)(l->shards.sequences * l->asked.length);
    double part = (double)(s->tokens > 0 ? s->tokens : 1) / all;
    double own = !borrowed ? 1.0 : reads ? 0.0 : part, share = !reads ? 0.0 : borrowed ? part : layers_share * part;
    int64_t width = reads ? l->hidden : (int64_t)l->model->config.experts.width;
    mix_statistics(own, to, share, reads ? layer : &none);
    if (to->gram) mix_gram(to->seen ? own : 0.0, to->gram, share, layer->gram, width);
    to->moments.sequences = l->shards.sequences;
    for (pare_expert_part p = first_part[input]; p <= last_part[input] && borrowed; p++) {
        int64_t rows, columns;
        pare_expert_shape(&l->model->config, p, &rows, &columns);
        mix(part, s->outputs[p], 0.0, NULL, rows);
    }
}

static pare_status begin(pare_layerwise *l, uint32_t expert, unsigned inputs, const pare_element_needs *needs,
                         pare_expert_statistics *s) {
    const pare_config *config = &l->model->config;
    int64_t widths[PARE_EXPERT_INPUTS] = {l->hidden, config->experts.width};
    s->expert = expert;
    s->tokens = l->experts->tokens[expert];
    for (int input = 0; input < PARE_EXPERT_INPUTS; input++) {
        if (!(inputs >> input & 1)) continue;
        pare_input_statistics *to = &s->inputs[input];
        s->borrowed[input] = s->tokens < widths[input];
        if (needs->norms) PARE_TRY(pare_input_moments_new(widths[input], needs->variance, &to->moments));
        if (needs->gram) to->gram = s->gram_room[input];
        for (pare_expert_part p = first_part[input]; p <= last_part[input] && needs->outputs; p++) {
            int64_t rows, columns;
            pare_expert_shape(config, p, &rows, &columns);
            PARE_TRY(pare_alloc(&s->outputs[p], (size_t)rows, sizeof(double), "output norms"));
        }
    }
    return PARE_OK;
}

pare_status pare_layerwise_experts_watch(pare_layerwise *l, uint32_t first, uint32_t count, unsigned inputs,
                                         const pare_element_needs *needs) {
    gathering g = {.count = count, .inputs = inputs, .outputs = needs->outputs};
    for (uint32_t i = 0; i < count; i++)
        PARE_TRY(begin(l, first + i, inputs, needs, &l->experts->of[i]));
    for (uint32_t i = 0; i < count; i++)
        PARE_TRY(pare_layerwise_sum_expert(l, &l->experts->of[i]));
    PARE_TRY(pare_layerwise_batches(l, gather_batch, &g));
    for (uint32_t i = 0; i < count; i++)
        for (int input = 0; input < PARE_EXPERT_INPUTS; input++)
            if (inputs >> input & 1) settle(l, (pare_expert_input)input, &l->experts->of[i]);
    return PARE_OK;
}
