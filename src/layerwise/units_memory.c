/* How much a repair of units holds beside the walk, and getting it. */
#include "layerwise/experts.h"
#include "layerwise/units_internal.h"
#include "model/expert_tensors.h"
#include "select/obs.h"
#include "support/memory.h"
#include "support/order.h"

bool pare_repair_fits_readers(const pare_repair_job *job) {
    return job->options.beta > 0.0 && !job->options.probe;
}

static bool needs_two_streams(const pare_repair_job *job) {
    const pare_repair_options *o = &job->options;
    return !o->probe && (o->alpha > 0.0 || o->beta > 0.0 || o->final_norm);
}

/* Of a layer, when it was repaired. */
pare_widths pare_repair_widths(const pare_repair_job *job, const pare_selection *selection, uint32_t layer) {
    const pare_repair_options *o = &job->options;
    pare_widths left = pare_kept_widths(&selection->layer[layer]);
    if (o->choose[PARE_STAGE_FFN]) left.ffn = o->widths[layer].ffn;
    if (o->choose[PARE_STAGE_FFN]) left.expert_ffn = o->widths[layer].expert_ffn;
    if (!o->choose[PARE_STAGE_ATTENTION]) return left;
    left.heads = o->widths[layer].heads;
    left.kv_heads = o->widths[layer].kv_heads;
    return left;
}

static bool chooses(const pare_repair_options *o) {
    return o->choose[PARE_STAGE_ATTENTION] || o->choose[PARE_STAGE_FFN];
}

static bool narrows_experts(const pare_repair_job *job, const pare_selection *selection) {
    for (uint32_t layer = 0; layer < selection->layers; layer++)
        if (pare_units_narrow_experts(job, selection, layer)) return true;
    return false;
}

/* The widest input of any matrix of which units go. */
static int64_t widest_of(const pare_repair_job *job, const pare_selection *selection) {
    const pare_model *model = job->source->model;
    int64_t widest = pare_layerwise_widest(model);
    return narrows_experts(job, selection) ? pare_larger(widest, model->config.experts.width) : widest;
}

pare_layerwise_request pare_repair_request(const pare_repair_job *job, const pare_selection *selection) {
    const pare_repair_options *o = &job->options;
    return (pare_layerwise_request){.source = job->source,
                                    .runtime = job->runtime,
                                    .ids = job->ids,
                                    .sequences = job->sequences,
                                    .length = job->length,
                                    .micro_batch = job->micro_batch,
                                    .limit = job->limit,
                                    .scratch = job->scratch,
                                    .state = job->state,
                                    .key = job->key,
                                    .stage = "repairing",
                                    .doing = "repairing",
                                    .advice = pare_reads_pictures(&job->source->model->config)
                                                  ? ", lower --samples, or use --compensate none"
                                                  : ", lower --samples or --length, or use --compensate none",
                                    .one_by_one = true,
                                    .two = needs_two_streams(job),
                                    .states = PARE_DTYPE_F32,
                                    .needs = {.gram = !o->keep_outputs || o->beta > 0.0 || chooses(o)},
                                    .expert_inputs = narrows_experts(job, selection) ? 1u << PARE_EXPERT_ACTIVATED : 0,
                                    .channels = {selection->hidden_channel, selection->hidden},
                                    .reader_share = o->beta,
                                    .output_share = o->alpha,
                                    .damping = o->reader_damping,
                                    .intercepts = o->biases,
                                    .held_out = o->held_out && pare_repair_fits_readers(job)};
}

/* Down projections of a layer's experts. */
static uint64_t expert_bytes(const pare_repair_job *job, const pare_selection *selection, uint32_t layer) {
    const pare_model *model = job->source->model;
    const pare_config *config = &model->config;
    if (!pare_units_narrow_experts(job, selection, layer)) return 0;
    return config->widths[layer].experts *
           pare_repaired_bytes(model, pare_tensor_id_expert(config, layer, 0, PARE_EXPERT_DOWN), config->hidden,
                               pare_repair_widths(job, selection, layer).expert_ffn);
}

/* Of what is changed in a layer. */
static uint64_t layer_bytes(const pare_repair_job *job, const pare_selection *selection, uint32_t layer) {
    const pare_widths left = pare_repair_widths(job, selection, layer);
    const pare_layerwise_request request = pare_repair_request(job, selection);
    uint64_t total = 0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (pare_has_role(&job->source->model->config.architecture, (pare_role)role) &&
            (pare_repair_fits_readers(job) || !pare_stage_reads(pare_input_of((pare_role)role)))) {
            total += pare_repaired_bytes_at(job->source->model, layer, (pare_role)role, &left, selection->hidden);
            total += pare_layerwise_bias_bytes(&request, layer, (pare_role)role);
        }
    return total + expert_bytes(job, selection, layer);
}

static uint64_t repaired_bytes(const pare_repair_job *job, const pare_selection *selection) {
    const pare_model *model = job->source->model;
    uint64_t total = 0, d = selection->hidden;
    if (job->options.probe) return 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        if (!selection->layer[layer].dropped) total += layer_bytes(job, selection, layer);
    if (job->options.final_norm) total += pare_repaired_bytes(model, pare_tensor_id_final_norm(model), 1, d);
    if (job->options.head && !model->config.tied)
        total += pare_repaired_bytes(model, pare_tensor_id_head(model), model->config.vocabulary, d);
    return total;
}

/* Columns that a choice of units removes in one round: the query heads of a KV group, or a share of the channels. */
static int64_t most_at_once(const pare_repair_job *job) {
    const pare_config *config = &job->source->model->config;
    int64_t most = 1;
    for (uint32_t i = 0; i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        most = pare_larger(most, (int64_t)pare_widths_shared(w) * config->head_size);
        most = pare_larger(most, (int64_t)(job->options.fraction * (double)w->ffn));
        most = pare_larger(most, (int64_t)(job->options.fraction * (double)w->expert_ffn));
    }
    return most;
}

/* Elements of the largest matrix of any layer. */
static size_t matrix_elements(const pare_repair_job *job, const pare_selection *selection) {
    return (size_t)(widest_of(job, selection) * (int64_t)job->source->model->config.hidden);
}

static int slots(const pare_repair_job *job) {
    return pare_repair_fits_readers(job) ? PARE_SLOTS : 1;
}

static bool has_signals(const pare_repair_job *job) {
    const pare_repair_options *o = &job->options;
    for (uint32_t layer = 0; o->signals && layer < job->source->model->config.layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++)
            if (o->signals[layer][stage].metric) return true;
    return false;
}

pare_status pare_repair_measure(const pare_repair_job *job, const pare_selection *selection, bool metric,
                                pare_layerwise_memory *out) {
    const pare_model *model = job->source->model;
    const pare_repair_options *o = &job->options;
    pare_layerwise_request request = pare_repair_request(job, selection);
    int64_t d = model->config.hidden, widest = widest_of(job, selection);
    uint64_t elements = matrix_elements(job, selection), needed = pare_least_squares_bytes(d, widest);
    uint64_t counted = request.two ? pare_least_squares_bytes(d, pare_layerwise_widest(model)) : 0; /* by the walk */
    if (chooses(o))
        needed = pare_larger_bytes(needed, pare_obs_bytes(d, widest, metric || has_signals(job), most_at_once(job)));
    *out = (pare_layerwise_memory){.repaired = repaired_bytes(job, selection)};
    out->statistics = needed > counted ? needed - counted : 0;
    out->weights = (uint64_t)slots(job) * elements * (sizeof(float) + pare_operand_size(job->source->backend));
    out->weights += (pare_repair_fits_readers(job) ? 2 : 1) * elements * sizeof(float);
    if (request.two) out->weights += pare_layerwise_finish_bytes(model, o->head);
    if (pare_units_fit_jointly(job, selection)) {
        request.own_sums = pare_expert_fit_added_bytes(&model->config);
        out->weights += pare_expert_fit_sums_bytes(&request);
        out->statistics += pare_expert_fit_token_bytes(&request);
    }
    return pare_layerwise_plan(&request, out);
}

static pare_status allocate(pare_unit_walk *u) {
    size_t elements = matrix_elements(u->job, u->selection), operand = pare_operand_size(u->l.backend);
    PARE_TRY(pare_alloc_uninitialized(&u->weights, elements, sizeof(float), "weights in hand"));
    if (pare_repair_fits_readers(u->job))
        PARE_TRY(pare_alloc_uninitialized(&u->result, elements, sizeof(float), "fitted readers"));
    for (int i = 0; i < slots(u->job); i++) {
        PARE_TRY(pare_alloc_uninitialized(&u->slot[i].stored, elements, sizeof(float), "fitted weights"));
        PARE_TRY(pare_alloc_uninitialized(&u->slot[i].operand, elements, operand, "fitted weights"));
    }
    return pare_units_fit_jointly(u->job, u->selection) ? pare_expert_fit_new(&u->l, &u->joint) : PARE_OK;
}

pare_status pare_units_set_up(const pare_repair_job *job, pare_selection *selection, pare_repaired *repaired,
                              pare_unit_walk *out) {
    pare_layerwise_memory plan;
    pare_layerwise_request request = pare_repair_request(job, selection);
    *repaired = (pare_repaired){0};
    *out = (pare_unit_walk){.job = job, .selection = selection};
    PARE_TRY(pare_repair_measure(job, selection, false, &plan));
    PARE_TRY(pare_layerwise_new(&request, &plan, repaired, &out->l));
    pare_status status = allocate(out);
    if (status == PARE_OK) return PARE_OK;
    pare_units_clear(out);
    pare_repaired_free(repaired);
    return status;
}

void pare_units_clear(pare_unit_walk *u) {
    pare_free(u->weights);
    pare_free(u->result);
    for (int i = 0; i < PARE_SLOTS; i++) {
        pare_free(u->slot[i].stored);
        pare_free(u->slot[i].operand);
    }
    pare_expert_fit_free(&u->joint);
    pare_layerwise_free(&u->l);
    *u = (pare_unit_walk){0};
}
