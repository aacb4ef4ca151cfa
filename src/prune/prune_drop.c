/* A job with whole layers by name: they go first, alone or before what a method removes from those that are left.
 * The method works on a smaller model in the scratch folder; what is recorded speaks of the original's layers. */
#include "prune/prune_job.h"
#include "support/memory.h"

#include <ctype.h>

typedef struct dropping {
    const pare_model *model;
    pare_job job;            /* of what is left, in its numbers of layers */
    bool *gone;              /* [layers] */
    double *ratios, *shares; /* of the layers that are left, where there is one for each */
    pare_selection selection;
    pare_temporary_model left;
} dropping;

static pare_status mark_layers(dropping *d, const pare_job_target *o) {
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

static pare_status renumber(dropping *d) {
    pare_job_target *o = &d->job.target;
    PARE_TRY(check_names("--targets", o->sparsity.targets, o->sparsity.target_count));
    PARE_TRY(check_names("--skip", o->sparsity.skipped, o->sparsity.skipped_count));
    PARE_TRY(move_span(d, "--layers", &o->layers.begin, &o->layers.end));
    PARE_TRY(move_span(d, "--attention-layers", &o->attention.begin, &o->attention.end));
    PARE_TRY(move_span(d, "--ffn-layers", &o->ffn.begin, &o->ffn.end));
    PARE_TRY(move_shares(d, &o->ratios, &o->ratio_count, &d->ratios));
    return move_shares(d, &o->sparsity.shares, &o->sparsity.share_count, &d->shares);
}

static void dropping_end(dropping *d) {
    pare_temporary_model_free(&d->left);
    pare_selection_free(&d->selection);
    pare_free(d->gone);
    pare_free(d->ratios);
    pare_free(d->shares);
}

static pare_status dropping_begin(const pare_model *model, const pare_job *asked, dropping *d) {
    *d = (dropping){.model = model, .job = *asked};
    PARE_TRY(mark_layers(d, &asked->target));
    PARE_TRY(select_layers(d));
    return renumber(d);
}

static pare_status begin(dropping *d, const pare_runtime *runtime, pare_prune_job *job) {
    if (d->job.target.drops_alone) {
        PARE_TRY(pare_prune_begin(d->model, &d->job, runtime, job));
        job->drops = &d->selection;
        return PARE_OK;
    }
    const char *scratch = runtime ? runtime->scratch : NULL;
    PARE_TRY(pare_prune_check_output(d->model, &d->job, runtime));
    PARE_TRY(pare_temporary_model_new(d->model, &d->selection, NULL, scratch, runtime, &d->left));
    PARE_TRY(pare_prune_begin(d->left.model, &d->job, runtime, job));
    job->origin = d->model;
    job->dropped = &d->selection;
    return PARE_OK;
}

pare_status pare_prune_try_dropped(const pare_model *model, const pare_job *asked) {
    dropping d;
    pare_job rest = *asked;
    pare_status status = dropping_begin(model, asked, &d);
    rest.target.drops = NULL;
    rest.target.drop_count = 0;
    rest.outputs.dry = true;
    rest.outputs.folder = NULL;
    if (status == PARE_OK && !asked->target.drops_alone) status = pare_prune_try(model, &rest);
    dropping_end(&d);
    return status;
}

static pare_status run_dropped(pare_prune_heir *heir, const pare_model *model, const pare_job *asked,
                               const pare_runtime *runtime, char **report) {
    dropping d;
    pare_prune_job job = {0};
    PARE_TRY(pare_prune_try_dropped(model, asked));
    pare_status status = dropping_begin(model, asked, &d);
    if (status == PARE_OK) status = begin(&d, runtime, &job);
    if (status == PARE_OK)
        status = pare_prune_finish(&job, heir, report);
    else
        pare_prune_end(&job);
    dropping_end(&d);
    return status;
}

pare_status pare_prune_for(pare_prune_heir *heir, const pare_model *model, const pare_job *asked,
                           const pare_runtime *runtime, char **report) {
    pare_prune_job job;
    pare_memory_peak_reset();
    if (asked->target.drop_count) return run_dropped(heir, model, asked, runtime, report);
    pare_status status = pare_prune_begin(model, asked, runtime, &job);
    if (status == PARE_OK) return pare_prune_finish(&job, heir, report);
    pare_prune_end(&job);
    return status;
}
