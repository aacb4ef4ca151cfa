/* pare_prune with whole layers by name: they go first, alone or before what a method removes from those that are left.
 * The method works on a smaller model in the scratch folder; what is recorded speaks of the original's layers. */
#include "prune/prune_job.h"
#include "support/memory.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

typedef struct dropping {
    const pare_model *model;
    pare_prune_options options; /* of the run on what is left, in its numbers of layers */
    bool *gone;                 /* [layers] */
    double *ratios, *shares;    /* of the layers that are left, where there is one for each */
    pare_selection selection;
    pare_temporary_model left;
} dropping;

static pare_status mark_layers(dropping *d, const pare_prune_options *o) {
    uint32_t layers = d->model->config.layers, count = 0;
    PARE_TRY(pare_alloc(&d->gone, layers, sizeof *d->gone, "dropped layers"));
    for (size_t i = 0; i < o->drop_count; i++) {
        int32_t begin = o->drops[i].begin, end = o->drops[i].end;
        if (begin < 0 || end <= begin || end > (int64_t)layers)
            return pare_fail(PARE_BAD_ARGUMENT, "--drop-layers: there is no layer %d; the model has layers 0 to %u",
                             begin >= (int64_t)layers || begin < 0 ? begin : end - 1, layers - 1);
        for (int32_t layer = begin; layer < end; layer++)
            d->gone[layer] = true;
    }
    for (uint32_t i = 0; i < layers; i++)
        count += d->gone[i];
    if (count < layers) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "--drop-layers names all %u layers of the model; one at least must stay",
                     layers);
}

static pare_status select_layers(dropping *d) {
    PARE_TRY(pare_selection_all(d->model, &d->selection));
    for (uint32_t i = 0; i < d->model->config.layers; i++)
        if (d->gone[i]) pare_kept_drop(&d->selection.layer[i]);
    return PARE_OK;
}

/* The number that the first layer left of those from `layer` on gets. */
static int32_t renumbered(const dropping *d, int32_t layer) {
    int32_t number = 0;
    for (int32_t i = 0; i < layer && i < (int32_t)d->model->config.layers; i++)
        number += !d->gone[i];
    return layer > (int32_t)d->model->config.layers ? layer : number;
}

static pare_status move_span(const dropping *d, const char *option, int32_t *begin, int32_t *end) {
    int32_t first = *begin, last = *end;
    if (first == last) return PARE_OK;
    *begin = renumbered(d, first);
    *end = renumbered(d, last);
    if (*begin < *end) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "%s %d:%d: all of these layers are dropped; name others", option, first, last);
}

/* *list: those of the layers that are left; stays as it is, for the run to refuse, if it is not one for each layer. */
static pare_status move_shares(const dropping *d, const double **list, size_t *count, double **out) {
    size_t left = 0;
    if (!*list || *count != d->model->config.layers) return PARE_OK;
    PARE_TRY(pare_alloc(out, *count, sizeof **out, "shares of layers"));
    for (size_t i = 0; i < *count; i++)
        if (!d->gone[i]) (*out)[left++] = (*list)[i];
    *list = *out;
    *count = left;
    return PARE_OK;
}

/* Patterns with numbers in them would mean other layers than those they name. */
static pare_status check_names(const char *option, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (const char *at = names[i]; *at; at++)
            if (isdigit((unsigned char)*at))
                return pare_fail(PARE_BAD_ARGUMENT,
                                 "%s %s: with --drop-layers the layers get other numbers; name modules without "
                                 "numbers, and layers with --layers",
                                 option, names[i]);
    return PARE_OK;
}

static pare_status move_options(dropping *d) {
    pare_prune_options *o = &d->options;
    PARE_TRY(check_names("--targets", o->sparsity.targets, o->sparsity.target_count));
    PARE_TRY(check_names("--skip", o->sparsity.skipped, o->sparsity.skipped_count));
    PARE_TRY(move_span(d, "--layers", &o->layer_begin, &o->layer_end));
    PARE_TRY(move_span(d, "--attention-layers", &o->attention.begin, &o->attention.end));
    PARE_TRY(move_span(d, "--ffn-layers", &o->ffn.begin, &o->ffn.end));
    PARE_TRY(move_shares(d, &o->ratios, &o->ratio_count, &d->ratios));
    return move_shares(d, &o->sparsity.shares, &o->sparsity.share_count, &d->shares);
}

static bool has_amount(const pare_prune_options *o) {
    return o->ratio != 0.0 || o->ratios || o->parameters || o->bytes || o->sparsity.given;
}

static pare_status check_options(const pare_prune_options *o) {
    const char *scores = o->scores ? "--scores" : o->densities ? "--densities" : o->archive ? "--archive" : NULL;
    if (o->resume)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--resume does not go with --drop-layers: drop layers first, in a run of their own, then "
                         "prune what is left with --resume");
    if (has_amount(o)) return PARE_OK;
    if (o->method || o->recipe || o->setting_count)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--drop-layers alone needs no method: leave out --method and its choices, or say how much it "
                         "shall remove besides with --ratio, --params, --sparsity or --pattern");
    if (!scores) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "%s has nothing to hold where --drop-layers alone chooses: leave it out",
                     scores);
}

static void dropping_end(dropping *d) {
    pare_temporary_model_free(&d->left);
    pare_selection_free(&d->selection);
    pare_free(d->gone);
    pare_free(d->ratios);
    pare_free(d->shares);
}

static pare_status dropping_begin(const pare_model *model, const pare_prune_options *options, dropping *d) {
    *d = (dropping){.model = model, .options = *options};
    PARE_TRY(check_options(options));
    PARE_TRY(mark_layers(d, options));
    PARE_TRY(select_layers(d));
    PARE_TRY(move_options(d));
    return PARE_OK;
}

static bool applies(const pare_prune_job *job) {
    return job->drops != NULL;
}

static pare_status choose_target(pare_prune_job *job) {
    uint32_t layers = job->model->config.layers;
    job->recipe = (pare_recipe){.name = "drop-layers", .mode = PARE_MODE_LAYER};
    job->goal.bytes = pare_selection_bytes(job->model, job->drops);
    job->goal.ratio = (double)(layers - pare_selection_layers(job->drops)) / layers;
    job->rounds = 1;
    job->current = job->model;
    return PARE_OK;
}

static pare_status take(pare_prune_job *job) {
    pare_selection all;
    PARE_TRY(pare_selection_all(job->model, &all));
    pare_status status = pare_selection_compose(&all, job->drops, &job->selection);
    if (status == PARE_OK) status = pare_selection_compose(&all, job->drops, &job->composed);
    pare_selection_free(&all);
    job->result.loss = NAN;
    return status;
}

static json_t *recipe(const pare_prune_job *job) {
    (void)job;
    return json_pack("{s:s}", "mode", "layer");
}

const pare_procedure pare_named_layers = {
    .applies = applies, .choose_target = choose_target, .run = take, .recipe = recipe};

static pare_status begin(dropping *d, const pare_runtime *runtime, pare_prune_job *job) {
    if (!has_amount(&d->options)) {
        PARE_TRY(pare_prune_begin(d->model, &d->options, runtime, job));
        job->drops = &d->selection;
        return PARE_OK;
    }
    const char *scratch = runtime ? runtime->scratch : NULL;
    PARE_TRY(pare_prune_check_output(d->model, &d->options, runtime));
    PARE_TRY(pare_temporary_model_new(d->model, &d->selection, NULL, scratch, runtime, &d->left));
    PARE_TRY(pare_prune_begin(d->left.model, &d->options, runtime, job));
    job->origin = d->model;
    job->dropped = &d->selection;
    return PARE_OK;
}

pare_status pare_prune_dropped(pare_run *heir, const pare_model *model, const pare_prune_options *options,
                               const pare_runtime *runtime, char **report) {
    dropping d;
    pare_prune_job job = {0};
    pare_memory_peak_reset();
    PARE_TRY(pare_prune_check_dropped(model, options));
    pare_status status = dropping_begin(model, options, &d);
    if (status == PARE_OK) status = begin(&d, runtime, &job);
    if (status == PARE_OK)
        status = pare_prune_finish(&job, heir, report);
    else
        pare_prune_end(&job);
    dropping_end(&d);
    return status;
}

pare_status pare_prune_check_dropped(const pare_model *model, const pare_prune_options *options) {
    dropping d;
    pare_prune_options rest = *options;
    pare_status status = dropping_begin(model, options, &d);
    rest.drops = NULL;
    rest.drop_count = 0;
    if (status == PARE_OK && has_amount(options)) status = pare_prune_check(model, &rest);
    dropping_end(&d);
    return status;
}
