/* What can be refused before any work is refused here. */
#include "calibrate/calibration.h"
#include "recipe/prune_job.h"
#include "support/file.h"
#include "support/memory.h"
#include "surgery/cut.h"

static pare_status choose_target(pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    uint32_t layers = job->model->config.layers;
    bool all = o->layer_begin == 0 && o->layer_end == 0;
    if (o->layer_begin < 0 || o->layer_end < 0)
        return pare_fail(PARE_BAD_ARGUMENT, "--layers %d:%d: the model has layers 0:%u (the end is not included)",
                         o->layer_begin, o->layer_end, layers);
    if (o->ratio != 0.0 && o->parameters)
        return pare_fail(PARE_BAD_ARGUMENT, "give either --ratio or --params, not both");
    job->target = (pare_target){.ratio = o->ratio,
                                .parameters = o->parameters,
                                .layer_begin = (uint32_t)o->layer_begin,
                                .layer_end = all ? layers : (uint32_t)o->layer_end,
                                .round_to = o->round_to};
    PARE_TRY(pare_alloc(&job->widths, layers, sizeof *job->widths, "widths"));
    return pare_widths_after(job->model, &job->target, job->widths);
}

/* A selection of as many units as will be kept, before it is known which: for all that depends on sizes only. */
static pare_status select_sizes(const pare_prune_job *job, pare_selection *sizes) {
    PARE_TRY(pare_selection_all(job->model, sizes));
    pare_status status = PARE_OK;
    for (uint32_t i = 0; i < sizes->layers && status == PARE_OK; i++) {
        status = pare_kept_set_groups(job->model, i, NULL, job->widths[i].kv_heads, &sizes->layer[i]);
        if (status == PARE_OK) status = pare_kept_set_channels(NULL, job->widths[i].ffn, &sizes->layer[i]);
    }
    if (status != PARE_OK) pare_selection_free(sizes);
    return status;
}

/* What the output will be like, and how much room it takes beside some small files. */
static pare_status measure_output(pare_prune_job *job, uint64_t *bytes) {
    enum { SMALL_FILES = 1 << 20 };
    pare_selection sizes;
    PARE_TRY(select_sizes(job, &sizes));
    pare_status status = pare_cut_config(job->model, &sizes, &job->config, &job->kind);
    *bytes = pare_selection_bytes(job->model, &sizes) + SMALL_FILES;
    pare_selection_free(&sizes);
    return status;
}

static pare_status check_readable(const char *path) {
    pare_mapping mapping;
    PARE_TRY(pare_mapping_open(path, &mapping));
    pare_mapping_close(&mapping);
    return PARE_OK;
}

/* The calibration options with nothing left open where the model writes its own text. */
static pare_status choose_calibration(pare_prune_job *job) {
    enum { SAMPLES = 10, LENGTH = 128 };
    pare_calibration_options *c = &job->calibration;
    uint32_t positions = job->model->config.max_positions;
    *c = job->options->calibration;
    job->calibrated = job->recipe.signal != PARE_SIGNAL_NONE;
    if (!job->calibrated) return PARE_OK;
    if (c->length) PARE_TRY(pare_calibration_check_length(job->model, "--length", c->length));
    if (!pare_calibration_is_self(c->source)) return check_readable(c->source);
    if (!c->samples) c->samples = SAMPLES;
    if (!c->length) c->length = LENGTH < positions ? LENGTH : positions;
    return PARE_OK;
}

static pare_status check_texts(const pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    if (o->text_count) PARE_TRY(pare_calibration_check_length(job->model, "--window", pare_prune_window(o)));
    for (size_t i = 0; i < o->text_count; i++)
        if (!pare_calibration_is_self(o->texts[i])) PARE_TRY(check_readable(o->texts[i]));
    return PARE_OK;
}

pare_status pare_prune_prepare(pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    const char *directory = pare_checkpoint_directory(job->model->checkpoint);
    if (o->seed > INT64_MAX) /* JSON's integers end there */
        return pare_fail(PARE_BAD_ARGUMENT, "--seed %llu: give a number below 2^63", (unsigned long long)o->seed);
    PARE_TRY(pare_recipe_resolve(o, &job->recipe));
    PARE_TRY(choose_target(job));
    uint64_t needed;
    PARE_TRY(measure_output(job, &needed));
    PARE_TRY(choose_calibration(job));
    PARE_TRY(check_texts(job));
    if (!o->dry_run && !o->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    if (o->scores) PARE_TRY(pare_staged_check(o->scores, directory, o->dry_run ? NULL : o->output));
    if (o->dry_run) return PARE_OK;
    return pare_output_begin(o->output, directory, o->force, needed, &job->output);
}
