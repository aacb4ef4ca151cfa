/* How much a repair of experts holds, what it has to do, and getting the room. */
#include "layerwise/expert_repair_internal.h"
#include "support/memory.h"
#include "support/order.h"

static bool fits(const pare_expert_repair *job) {
    return job->down || job->router || job->final_norm;
}

pare_layerwise_request pare_expert_request(const pare_expert_repair *job) {
    return (pare_layerwise_request){.source = job->source,
                                    .runtime = job->runtime,
                                    .ids = job->ids,
                                    .sequences = job->sequences,
                                    .length = job->length,
                                    .limit = job->limit,
                                    .scratch = job->scratch,
                                    .stage = "repairing",
                                    .doing = "repairing experts with",
                                    .advice = ", lower --samples or --length, or use --compensate none",
                                    .idle = !fits(job),
                                    .one_by_one = true,
                                    .two = fits(job),
                                    .states = PARE_DTYPE_F32,
                                    .damping = job->damping,
                                    .channels = {NULL, job->source->model->config.hidden}};
}

/* Tensors that are put in place of the stored ones. */
static uint64_t repaired_bytes(const pare_expert_repair *job, const pare_widths *kept) {
    const pare_model *model = job->source->model;
    const pare_config *c = &model->config;
    uint64_t total = 0;
    for (uint32_t layer = 0; layer < c->layers; layer++) {
        if (!c->widths[layer].experts || kept[layer].experts == c->widths[layer].experts) continue;
        if (job->router)
            total += pare_repaired_bytes(model, pare_tensor_id_router(c, layer), kept[layer].experts, c->hidden);
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
            bool changed = job->groups || (job->down && part == PARE_EXPERT_DOWN);
            uint64_t each =
                pare_repaired_bytes(model, pare_tensor_id_expert(c, layer, 0, part), c->experts.width, c->hidden);
            if (job->groups && c->experts.biased)
                each += pare_repaired_bytes(model, pare_tensor_id_expert_bias(c, layer, 0, part), 1,
                                            part == PARE_EXPERT_DOWN ? c->hidden : c->experts.width);
            if (changed) total += kept[layer].experts * each;
        }
    }
    if (job->final_norm) total += pare_repaired_bytes(model, pare_tensor_id_final_norm(model), 1, c->hidden);
    return total;
}

static uint64_t merge_bytes(const pare_config *c) {
    uint64_t f = c->experts.width, n = f * c->hidden;
    return ((3 * PARE_EXPERT_PARTS + 1) * n + 3 * (2 * f + c->hidden)) * sizeof(float) +
           f * f * (sizeof(float) + sizeof(double)) + f * sizeof(uint32_t);
}

/* Of routers; not what goes with the tokens of a micro-batch. */
static uint64_t router_bytes(const pare_expert_repair *job) {
    const pare_config *c = &job->source->model->config;
    uint64_t d = c->hidden;
    return (d * d + 2 * c->experts.count * d) * sizeof(float) + pare_least_squares_bytes(c->experts.count, (int64_t)d);
}

/* In the run over the tokens. */
static uint64_t router_added_bytes(const pare_config *c) {
    uint64_t d = c->hidden;
    return (d * d + c->experts.count * d) * sizeof(float);
}

static uint64_t router_token_bytes(const pare_expert_repair *job) {
    uint64_t operand = pare_operand_size(job->source->backend);
    return job->source->model->config.experts.count * (2 * sizeof(float) + operand);
}

pare_status pare_expert_repair_measure(const pare_expert_repair *job, const pare_widths *kept,
                                       pare_layerwise_memory *memory) {
    pare_layerwise_request request = pare_expert_request(job);
    *memory = (pare_layerwise_memory){.repaired = repaired_bytes(job, kept)};
    if (job->groups) memory->weights += merge_bytes(&job->source->model->config);
    if (job->router) memory->weights += router_bytes(job);
    if (job->router) memory->statistics += (uint64_t)pare_layerwise_most_tokens(&request) * router_token_bytes(job);
    if (job->down) memory->weights += pare_expert_fit_sums_bytes(&request);
    if (job->down) memory->statistics += pare_expert_fit_token_bytes(&request);
    if (job->final_norm) memory->weights += pare_layerwise_finish_bytes(job->source->model, false);
    request.own_sums = pare_larger_bytes(job->down ? pare_expert_fit_added_bytes(&job->source->model->config) : 0,
                                         job->router ? router_added_bytes(&job->source->model->config) : 0);
    return pare_layerwise_plan(&request, memory);
}

static void add_router(const pare_expert_repair *job, uint32_t experts, pare_work *work) {
    const pare_config *c = &job->source->model->config;
    double n = (double)job->sequences * (double)job->length, d = c->hidden;
    pare_work solve = pare_least_squares_work(experts, c->hidden, c->hidden);
    work->amount[PARE_WORK_BLOCKS] += n * 4.0 * d * c->experts.count;
    work->amount[PARE_WORK_PRODUCTS] += n * 2.0 * d * (d + experts);
    pare_work_add(work, &solve, 1.0);
}

/* A merge multiplies all pairs of channels, and assigns them: some cubes of their number. */
static void add_merge(const pare_config *c, uint32_t gone, pare_work *work) {
    double f = c->experts.width, d = c->hidden;
    work->amount[PARE_WORK_SINGLE] += gone * 2.0 * PARE_EXPERT_PARTS * f * f * d;
    work->amount[PARE_WORK_DOUBLE] += gone * 4.0 * f * f * f;
}

pare_work pare_expert_repair_work(const pare_expert_repair *job, const pare_widths *kept) {
    const pare_layerwise_request request = pare_expert_request(job);
    const pare_config *c = &job->source->model->config;
    pare_walk_shape shape = {.request = &request};
    pare_work work = pare_layerwise_work(&shape);
    for (uint32_t layer = 0; layer < c->layers; layer++) {
        uint32_t all = c->widths[layer].experts, left = kept[layer].experts;
        if (!all || left == all) continue;
        pare_work down = pare_expert_fit_work(&request, left);
        if (job->down) pare_work_add(&work, &down, 1.0);
        if (job->router) add_router(job, left, &work);
        if (job->groups) add_merge(c, all - left, &work);
    }
    return work;
}

static pare_status new_router(pare_expert_walk *w) {
    const pare_layerwise *l = &w->l;
    size_t tokens = (size_t)(l->micro_batch * l->asked.length), d = (size_t)l->hidden;
    size_t experts = l->model->config.experts.count;
    static const char what[] = "repair of routers";
    PARE_TRY(pare_alloc_uninitialized(&w->logits, 2 * tokens * experts, sizeof(float), what));
    PARE_TRY(pare_alloc_uninitialized(&w->wanted, tokens * experts, pare_operand_size(l->backend), what));
    PARE_TRY(pare_alloc_uninitialized(&w->router_gram, d * d, sizeof(float), what));
    PARE_TRY(pare_alloc_uninitialized(&w->router_cross, experts * d, sizeof(float), what));
    return pare_alloc_uninitialized(&w->rows, experts * d, sizeof(float), what);
}

pare_status pare_expert_walk_new(pare_expert_walk *w) {
    const pare_expert_repair *job = w->job;
    const pare_model *model = w->l.model;
    PARE_TRY(pare_mask_new(model, job->selection, NULL, &w->mask));
    PARE_TRY(pare_alloc(&w->replacement, model->tensor_count, sizeof *w->replacement, "repair of experts"));
    w->pruned = *job->source;
    w->pruned.experts_off = (const bool *const *)w->mask.experts_off;
    w->pruned.replacement = w->replacement;
    if (job->down) PARE_TRY(pare_expert_fit_new(&w->l, &w->down));
    return job->router ? new_router(w) : PARE_OK;
}

void pare_expert_walk_free(pare_expert_walk *w) {
    void *all[] = {w->logits, w->wanted, w->router_gram, w->router_cross, w->rows, w->replacement};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_expert_fit_free(&w->down);
    pare_mask_free(&w->mask);
}
