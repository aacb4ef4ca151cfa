/* What can be refused before any work is refused here. */
#include "calibrate/calibration.h"
#include "method/protocol.h"
#include "prune/prune_job.h"
#include "support/file.h"
#include "support/memory.h"

static pare_status choose_range(const pare_prune_job *job, pare_layers span, const char *option,
                                pare_layer_range *out) {
    const pare_prune_options *o = job->options;
    uint32_t layers = job->model->config.layers;
    int32_t begin = span.given ? span.begin : o->layer_begin, end = span.given ? span.end : o->layer_end;
    bool all = !span.given && begin == 0 && end == 0;
    if (begin < 0 || end < begin || end > (int64_t)layers)
        return pare_fail(PARE_BAD_ARGUMENT, "%s %d:%d: the model has layers 0:%u (the end is not included)",
                         span.given ? option : "--layers", begin, end, layers);
    *out = (pare_layer_range){(uint32_t)begin, all ? layers : (uint32_t)end};
    return PARE_OK;
}

static pare_status check_amount(const pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    uint32_t layers = job->model->config.layers;
    int targets = (o->ratio != 0.0) + (o->ratios != NULL) + (o->parameters != 0) + (o->bytes != 0);
    if (targets > 1) return pare_fail(PARE_BAD_ARGUMENT, "give only one of --ratio, --params and --bytes");
    if (o->sparsity.target_count || o->sparsity.skipped_count)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--targets and --skip choose matrices that lose single weights: give --sparsity or "
                         "--pattern, or --layers for units");
    if (o->ratios && o->ratio_count != layers)
        return pare_fail(PARE_BAD_ARGUMENT, "--ratio lists %zu shares, but the model has %u layers: give one for each",
                         o->ratio_count, layers);
    if (o->ratios && job->recipe.mode != PARE_MODE_BLOCK)
        return pare_fail(PARE_BAD_ARGUMENT, "--ratio with a share for each layer needs --mode block");
    if (o->ratios && job->recipe.ranking != PARE_RANK_LOCAL)
        return pare_fail(PARE_BAD_ARGUMENT, "--ratio with a share for each layer needs --select local");
    if (o->iterations > 1000)
        return pare_fail(PARE_BAD_ARGUMENT, "--iterations %u: give a number from 1 to 1000", o->iterations);
    return PARE_OK;
}

/* A part that is not pruned has an empty range. */
static pare_status check_ranges(const pare_prune_job *job) {
    const pare_target *t = &job->target;
    uint32_t layers = job->model->config.layers;
    bool whole = t->attention.begin == 0 && t->ffn.begin == 0 && t->attention.end == layers && t->ffn.end == layers;
    if (t->mode == PARE_MODE_CHANNEL && !whole)
        return pare_fail(PARE_BAD_ARGUMENT, "--mode channel cuts the hidden size of every layer: leave out --layers");
    if (t->mode == PARE_MODE_LAYER && (job->options->attention.given || job->options->ffn.given))
        return pare_fail(PARE_BAD_ARGUMENT, "--mode layer drops whole layers: give --layers, not ranges for attention "
                                            "and FFN");
    if (t->mode == PARE_MODE_BLOCK && t->ranking == PARE_RANK_UNIFORM && !whole)
        return pare_fail(PARE_BAD_ARGUMENT, "--select uniform makes all layers alike: leave out --layers");
    return PARE_OK;
}

pare_status pare_prune_choose_target(pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    const pare_recipe *r = &job->recipe;
    job->target = (pare_target){.mode = r->mode,
                                .ranking = r->ranking,
                                .query_heads = r->query_heads,
                                .ratio = o->ratio,
                                .ratios = o->ratios,
                                .parameters = o->parameters,
                                .bytes = o->bytes,
                                .round_to = o->round_to,
                                .keep_min = r->keep_min,
                                .before = job->model->config.widths,
                                .rise = r->rise};
    job->rounds = o->iterations ? o->iterations : 1;
    job->current = job->model;
    PARE_TRY(choose_range(job, o->attention, "--attention-layers", &job->target.attention));
    return choose_range(job, o->ffn, "--ffn-layers", &job->target.ffn);
}

pare_status pare_units_choose_target(pare_prune_job *job) {
    PARE_TRY(check_amount(job));
    return pare_prune_choose_target(job);
}

pare_status pare_units_set_goal(pare_prune_job *job) {
    PARE_TRY(check_ranges(job));
    return pare_goal_new(job->model, &job->target, 1.0, &job->goal);
}

static pare_status apply_protocol(pare_prune_job *job) {
    pare_calibration_options *c = &job->calibration;
    const char *name = job->options->protocol;
    if (!name) return PARE_OK;
    const pare_protocol *protocol = pare_protocol_find(name);
    if (!protocol) return pare_fail(PARE_BAD_ARGUMENT, "--protocol %s: choose llm-pruner, moreau-head or paper", name);
    if (!c->samples) c->samples = protocol->samples;
    if (!c->length) c->length = protocol->length;
    c->stream = c->stream || protocol->stream;
    return PARE_OK;
}

uint32_t pare_prune_batches(const pare_prune_job *job) {
    const pare_protocol *protocol = job->options->protocol ? pare_protocol_find(job->options->protocol) : NULL;
    bool steps = pare_signal_has(job->recipe.signal, PARE_TRAIT_STEPS);
    return protocol && protocol->redrawn && steps ? (uint32_t)job->recipe.moreau.steps : 1;
}

/* The calibration options with nothing left open where the model writes its own text. */
pare_status pare_windows_choose(pare_prune_job *job) {
    enum { LENGTH = 128 };
    pare_calibration_options *c = &job->calibration;
    uint32_t positions = job->model->config.max_positions;
    *c = job->options->calibration;
    job->calibrated = pare_recipe_needs_data(&job->recipe);
    if (!job->calibrated) return PARE_OK;
    PARE_TRY(apply_protocol(job));
    if (c->length) PARE_TRY(pare_calibration_check_length(job->model, "--length", c->length));
    if (!pare_calibration_is_self(c->source) && !job->given.calibration) PARE_TRY(pare_file_check(c->source));
    bool layerwise = pare_recipe_repairs(&job->recipe) || job->procedure->zeroes;
    job->usual_samples = pare_recipe_usual_samples(&job->recipe);
    if (layerwise) c->stream = true;
    if (!pare_calibration_is_self(c->source)) return PARE_OK;
    if (!c->samples) c->samples = job->usual_samples;
    if (!c->length) c->length = LENGTH < positions ? LENGTH : positions;
    return PARE_OK;
}

pare_status pare_prune_check_texts(const pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    if (o->text_count) PARE_TRY(pare_calibration_check_length(job->model, "--window", pare_prune_window(o)));
    for (size_t i = 0; i < o->text_count; i++)
        if (!pare_calibration_is_self(o->texts[i])) PARE_TRY(pare_file_check(o->texts[i]));
    return PARE_OK;
}

pare_status pare_prune_prepare(void *context) {
    pare_prune_job *job = context;
    enum { SMALL_FILES = 1 << 20 };
    const pare_prune_options *o = job->options;
    const char *directory = pare_checkpoint_directory(job->origin->checkpoint);
    if (o->seed > INT64_MAX) /* JSON's integers end there */
        return pare_fail(PARE_BAD_ARGUMENT, "--seed %llu: give a number below 2^63", (unsigned long long)o->seed);
    if (!job->drops) PARE_TRY(pare_recipe_resolve(o, &job->recipe));
    job->procedure = pare_procedure_of(job);
    PARE_TRY(job->procedure->choose_target(job));
    if (job->procedure->choose_data) PARE_TRY(job->procedure->choose_data(job));
    PARE_TRY(pare_prune_check_texts(job));
    if (!o->dry_run && !o->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    if (o->resume && !o->output)
        return pare_fail(PARE_BAD_ARGUMENT, "--resume keeps the progress beside OUT: give -o OUT");
    if (o->scores && job->procedure->zeroes)
        return pare_fail(PARE_BAD_ARGUMENT, "--scores lists the scores of units: for single weights take --densities");
    if (o->densities && !job->procedure->zeroes)
        return pare_fail(PARE_BAD_ARGUMENT, "--densities shows masks of single weights: give --sparsity or --pattern");
    if (o->scores && job->recipe.choice == PARE_CHOOSE_OBS)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--scores: %s removes units one after the other and has no score for each; "
                         "leave out --scores, or take another method",
                         job->recipe.name);
    if (o->archive && !job->procedure->zeroes)
        return pare_fail(PARE_BAD_ARGUMENT, "--archive packs zeros: give --sparsity or --pattern with it");
    pare_prune_name_paths(job);
    uint64_t bytes = job->goal.bytes * (o->archive ? 2 : 1) + SMALL_FILES;
    return pare_run_open(&job->run, o->dry_run ? NULL : o->output, directory, o->force, bytes);
}
