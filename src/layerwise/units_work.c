/* What a repair of units has to do. */
#include "layerwise/units_internal.h"
#include "select/obs.h"
#include "support/order.h"

/* An output matrix, and how many of its columns stay, and are left at the least on the way; unit: columns that go
 * together. */
typedef struct output_shape {
    int64_t width, kept, least, unit;
    pare_stage stage;
} output_shape;

static output_shape attention_of(const pare_model *model, const pare_widths *before, const pare_widths *after) {
    int64_t h = model->config.head_size;
    return (output_shape){.width = before->heads * h,
                          .kept = after->heads * h,
                          .unit = (int64_t)pare_widths_shared(before) * h,
                          .stage = PARE_STAGE_ATTENTION};
}

static output_shape ffn_of(const pare_widths *before, const pare_widths *after) {
    return (output_shape){.width = before->ffn, .kept = after->ffn, .unit = 1, .stage = PARE_STAGE_FFN};
}

/* Where all of the curve is wanted, or several levels are. */
static int64_t least_of(const pare_repair_job *job, uint32_t layer, const output_shape *out) {
    const pare_unit_levels *levels = job->options.levels;
    const pare_level_part *part = levels ? &levels->part[layer][out->stage] : NULL;
    if (job->options.probe) return 0;
    return part && part->count ? pare_smaller(part->width[part->count - 1] * out->unit, out->kept) : out->kept;
}

/* The choice of what stays, and the fit of that. */
static void add_output(const pare_repair_job *job, const output_shape *out, bool metric, bool two, pare_work *work) {
    const pare_repair_options *o = &job->options;
    int64_t d = job->source->model->config.hidden;
    bool goes = out->kept < out->width || o->probe || o->levels, crossed = two && o->alpha > 0.0;
    pare_obs_shape shape = {.rows = d,
                            .width = out->width,
                            .kept = out->least,
                            .unit = out->unit,
                            .fraction = out->stage == PARE_STAGE_FFN ? o->fraction : 0.0,
                            .metric = metric,
                            .cross = crossed};
    pare_work choice = pare_obs_work(&shape), fit = pare_least_squares_work(d, out->width, out->kept);
    bool chooses = goes && o->choose[out->stage], fits = (goes || crossed) && !o->probe && !o->keep_outputs;
    if (chooses) pare_work_add(work, &choice, 1.0);
    if (fits && (!chooses || o->levels)) pare_work_add(work, &fit, 1.0); /* else the choice is the fit */
}

/* Each expert runs up to its activations for its tokens, and its matrix is chosen from and fitted. */
static void add_experts(const pare_repair_job *job, const pare_selection *selection, uint32_t experts, uint32_t kept,
                        pare_work *work) {
    const pare_config *c = &job->source->model->config;
    double reached = (double)job->sequences * (double)job->length * c->experts.chosen, f = c->experts.width;
    const pare_obs_shape shape = {
        .rows = c->hidden, .width = c->experts.width, .kept = kept, .unit = 1, .fraction = job->options.fraction};
    pare_work choice = pare_obs_work(&shape), fit = pare_least_squares_work(c->hidden, c->experts.width, kept);
    const pare_layerwise_request request = pare_repair_request(job, selection);
    pare_work joint = pare_expert_fit_work(&request, experts);
    work->amount[PARE_WORK_BLOCKS] += reached * 4.0 * f * c->hidden;
    work->amount[PARE_WORK_PRODUCTS] += reached * 2.0 * f * f;
    pare_work_add(work, job->options.choose[PARE_STAGE_FFN] ? &choice : &fit, experts); /* the choice is the fit */
    if (pare_units_fit_jointly(job, selection)) pare_work_add(work, &joint, 1.0);
}

pare_work pare_repair_work(const pare_repair_job *job, const pare_selection *selection, bool metric) {
    const pare_model *model = job->source->model;
    pare_layerwise_request request = pare_repair_request(job, selection);
    pare_walk_shape walk = {.request = &request, .readers = pare_repair_fits_readers(job)};
    pare_work work = pare_layerwise_work(&walk), finish = pare_layerwise_finish_work(&request, job->options.head);
    if (!job->options.probe) pare_work_add(&work, &finish, 1.0);
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        const pare_widths *before = &model->config.widths[layer], after = pare_repair_widths(job, selection, layer);
        output_shape attention = attention_of(model, before, &after), ffn = ffn_of(before, &after);
        attention.least = least_of(job, layer, &attention);
        ffn.least = least_of(job, layer, &ffn);
        add_output(job, &attention, metric, request.two, &work);
        add_output(job, &ffn, metric, request.two, &work);
        if (pare_units_narrow_experts(job, selection, layer))
            add_experts(job, selection, before->experts, after.expert_ffn, &work);
    }
    return work;
}
