/* How much a repair holds, and getting it. */
#include "repair/repair_internal.h"
#include "select/obs.h"
#include "support/memory.h"
#include "support/order.h"

/* Tokens in a micro-batch unless memory allows fewer: enough for products to run at full speed. */
enum { TOKENS_AT_ONCE = 8192 };

bool pare_repair_fits_readers(const pare_repair_job *job) {
    return job->options.beta > 0.0 && !job->options.probe;
}

static bool needs_two_streams(const pare_repair_job *job) {
    const pare_repair_options *o = &job->options;
    return !o->probe && (o->alpha > 0.0 || o->beta > 0.0 || o->final_norm);
}

static int64_t widest_input(const pare_config *config) {
    int64_t widest = config->hidden;
    for (uint32_t i = 0; i < config->layers; i++) {
        widest = pare_larger(widest, (int64_t)config->widths[i].heads * config->head_size);
        widest = pare_larger(widest, config->widths[i].ffn);
    }
    return widest;
}

static uint32_t kept_units(const pare_repair_job *job, const pare_selection *selection, uint32_t layer,
                           pare_role role) {
    const pare_repair_options *o = &job->options;
    const pare_kept *kept = &selection->layer[layer];
    if (role >= PARE_ROLE_GATE) return o->choose[PARE_STAGE_FFN] ? o->widths[layer].ffn : kept->ffn;
    bool query = role == PARE_ROLE_Q || role == PARE_ROLE_O;
    if (!o->choose[PARE_STAGE_ATTENTION]) return query ? kept->heads : kept->kv_heads;
    return query ? o->widths[layer].heads : o->widths[layer].kv_heads;
}

static uint64_t repaired_bytes(const pare_repair_job *job, const pare_selection *selection) {
    const pare_model *model = job->source->model;
    uint64_t total = 0, d = selection->hidden, h = model->config.head_size;
    if (job->options.probe) return 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES && !selection->layer[layer].dropped; role++) {
            bool output = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
            if (!output && !pare_repair_fits_readers(job)) continue;
            uint64_t units = kept_units(job, selection, layer, (pare_role)role) * (role >= PARE_ROLE_GATE ? 1 : h);
            total += pare_repaired_bytes(model, pare_tensor_id(layer, (pare_role)role), units, d);
        }
    if (job->options.final_norm) total += pare_repaired_bytes(model, pare_tensor_id_final_norm(model), 1, d);
    if (job->options.head && !model->config.tied)
        total += pare_repaired_bytes(model, pare_tensor_id_head(model), model->config.vocabulary, d);
    return total;
}

/* Elements of a slot: the largest matrix of any layer. */
static int64_t slot_elements(const pare_model *model) {
    return widest_input(&model->config) * model->config.hidden;
}

static int slots(const pare_repair_job *job) {
    return pare_repair_fits_readers(job) ? PARE_SLOTS : 1;
}

static bool has_metric(const pare_repair_job *job) {
    const pare_repair_options *o = &job->options;
    for (uint32_t layer = 0; o->signals && layer < job->source->model->config.layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++)
            if (o->signals[layer][stage].metric) return true;
    return false;
}

/* Columns that a choice of units removes in one round: the query heads of a KV group, or a share of the channels. */
static int64_t most_at_once(const pare_repair_job *job) {
    const pare_config *config = &job->source->model->config;
    int64_t most = 1;
    for (uint32_t i = 0; i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        most = pare_larger(most, (int64_t)pare_widths_shared(w) * config->head_size);
        most = pare_larger(most, (int64_t)(job->options.fraction * (double)w->ffn));
    }
    return most;
}

/* Everything that depends on the micro-batch goes to `activations`. */
static void measure_batch(const pare_repair_job *job, int64_t micro, pare_repair_memory *out) {
    const pare_model *model = job->source->model;
    uint64_t operand = pare_operand_size(job->source->backend), d = model->config.hidden;
    uint64_t tokens = (uint64_t)(micro * job->length);
    out->micro_batch = micro;
    out->activations = pare_walk_bytes(job->source, job->length, micro) + tokens * d * (sizeof(float) + operand);
}

static void measure_fixed(const pare_repair_job *job, const pare_selection *selection, pare_repair_memory *out) {
    const pare_model *model = job->source->model;
    const pare_repair_options *o = &job->options;
    int64_t d = model->config.hidden, widest = widest_input(&model->config);
    bool readers = pare_repair_fits_readers(job);
    uint64_t fit = pare_least_squares_bytes(d, widest), choice = 0;
    if (o->choose[0] || o->choose[1]) choice = pare_obs_bytes(d, widest, has_metric(job), most_at_once(job));
    *out = (pare_repair_memory){.repaired = repaired_bytes(job, selection)};
    out->hidden = (uint64_t)(job->sequences * job->length * d) * sizeof(float);
    if (needs_two_streams(job)) out->hidden *= 2;
    out->moments = (uint64_t)(widest * widest + 2 * d * widest) * sizeof(float) + (fit > choice ? fit : choice);
    if (readers) out->moments += (uint64_t)(d * widest + d * d) * sizeof(float);
    uint64_t element = sizeof(float) + pare_operand_size(job->source->backend);
    out->weights = (uint64_t)slots(job) * (uint64_t)slot_elements(model) * element;
}

static uint64_t in_memory(const pare_repair_memory *m) {
    return m->hidden + m->moments + m->weights + m->activations + m->repaired - m->scratch;
}

pare_status pare_repair_measure(const pare_repair_job *job, const pare_selection *selection, pare_repair_memory *out) {
    int64_t most = TOKENS_AT_ONCE / (job->length > 0 ? job->length : 1), wanted = job->micro_batch;
    measure_fixed(job, selection, out);
    if (!wanted) wanted = most < 1 ? 1 : most;
    if (wanted > job->sequences) wanted = job->sequences;
    for (int file = 0; file <= (job->scratch != NULL); file++) {
        out->scratch = file ? out->hidden + out->repaired : 0;
        for (int64_t micro = wanted;; micro = (micro + 1) / 2) {
            measure_batch(job, micro, out);
            if (!job->limit || in_memory(out) <= job->limit) return PARE_OK;
            if (micro <= 1 || job->micro_batch) break;
        }
    }
    return pare_fail(
        PARE_OUT_OF_MEMORY,
        "repairing %lld sequences of %lld tokens takes %.1f MiB, but the limit is %.1f MiB; raise --memory, "
        "lower --samples or --length, or use --compensate none",
        (long long)job->sequences, (long long)job->length, (double)in_memory(out) / 1048576.0,
        (double)job->limit / 1048576.0);
}

static pare_status allocate_streams(pare_repair *r, const pare_repair_memory *plan) {
    const char *scratch = plan->scratch ? r->job->scratch : NULL;
    PARE_TRY(pare_scratch_open(&r->hidden_memory, plan->hidden, scratch, "hidden states"));
    r->pruned = r->hidden_memory.data;
    if (needs_two_streams(r->job)) r->dense = r->pruned + r->tokens * r->hidden;
    return pare_repaired_new(r->model, plan->repaired, scratch, r->repaired);
}

static pare_status allocate_buffers(pare_repair *r) {
    size_t d = (size_t)r->hidden, widest = (size_t)r->widest, operand = pare_operand_size(r->backend);
    size_t tokens = (size_t)(r->micro_batch * r->job->length);
    bool readers = pare_repair_fits_readers(r->job);
    PARE_TRY(pare_alloc_uninitialized(&r->gram, widest * widest, sizeof(float), "Gram matrix"));
    PARE_TRY(pare_alloc_uninitialized(&r->cross, d * widest, sizeof(float), "cross products"));
    PARE_TRY(pare_alloc_uninitialized(&r->weights, d * widest, sizeof(float), "weights in hand"));
    PARE_TRY(pare_alloc_uninitialized(&r->norm, d, sizeof(float), "norm"));
    PARE_TRY(pare_alloc_uninitialized(&r->difference, tokens * d, sizeof(float), "targets"));
    PARE_TRY(pare_alloc_uninitialized(&r->residual, tokens * d, operand, "targets"));
    if (readers) {
        PARE_TRY(pare_alloc_uninitialized(&r->result, d * widest, sizeof(float), "fitted readers"));
        PARE_TRY(pare_alloc_uninitialized(&r->map, d * d, sizeof(float), "map of readers"));
    }
    for (int i = 0; i < slots(r->job); i++) {
        size_t elements = (size_t)slot_elements(r->model);
        PARE_TRY(pare_alloc_uninitialized(&r->slot[i].stored, elements, sizeof(float), "fitted weights"));
        PARE_TRY(pare_alloc_uninitialized(&r->slot[i].operand, elements, operand, "fitted weights"));
    }
    return PARE_OK;
}

pare_status pare_repair_set_up(const pare_repair_job *job, pare_selection *selection, pare_repaired *repaired,
                               pare_repair *out) {
    pare_repair_memory plan;
    *repaired = (pare_repaired){0};
    *out = (pare_repair){.job = job,
                         .source = job->source,
                         .model = job->source->model,
                         .backend = job->source->backend,
                         .tokens = job->sequences * job->length,
                         .hidden = job->source->model->config.hidden,
                         .selection = selection,
                         .repaired = repaired,
                         .channels = {selection->hidden_channel, selection->hidden}};
    PARE_TRY(pare_repair_measure(job, selection, &plan));
    out->micro_batch = plan.micro_batch;
    out->widest = widest_input(&out->model->config);
    pare_status status = allocate_streams(out, &plan);
    if (status == PARE_OK) status = pare_walk_new(job->source, job->length, plan.micro_batch, &out->walk);
    if (status == PARE_OK) status = allocate_buffers(out);
    if (status == PARE_OK) return PARE_OK;
    pare_repair_clear(out);
    pare_repaired_free(repaired);
    return status;
}

void pare_repair_clear(pare_repair *r) {
    void *all[] = {r->gram, r->cross, r->weights, r->result, r->map, r->norm, r->difference, r->residual};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    for (int i = 0; i < PARE_SLOTS; i++) {
        pare_free(r->slot[i].stored);
        pare_free(r->slot[i].operand);
    }
    pare_walk_free(&r->walk);
    pare_scratch_close(&r->hidden_memory);
    *r = (pare_repair){0};
}
