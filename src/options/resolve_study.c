/* What pare_robust is asked for: a job for every method and ratio, refused before the first one runs. */
#include "options/resolve_study.h"
#include "prune/prune.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 3 };
static const char *const usual_methods[] = {"taylor", "moreau", "moreau-gs", "best"};
static const char *const usual_changes[] = {"bf16", "fp16"};
static const double usual_ratio = 0.2, usual_size = 1e-3;

/* What stands in the place of lists that were not given. */
typedef struct asked {
    const pare_robust_options *options;
    const char *const *methods, *const *changes;
    const double *ratios;
} asked;

static asked read_lists(const pare_robust_options *o, pare_study *out) {
    out->methods = o->methods ? o->method_count : sizeof usual_methods / sizeof *usual_methods;
    out->ratios = o->ratios ? o->ratio_count : 1;
    out->change_count = o->changes ? o->change_count : sizeof usual_changes / sizeof *usual_changes;
    return (asked){.options = o,
                   .methods = o->methods ? o->methods : usual_methods,
                   .changes = o->changes ? o->changes : usual_changes,
                   .ratios = o->ratios ? o->ratios : &usual_ratio};
}

/* The options of one run; the target is the study's. */
static pare_prune_options options_of(const asked *a, const char *method, double ratio) {
    pare_prune_options options = *a->options->prune;
    options.method = method;
    options.recipe = NULL;
    options.ratio = ratio;
    options.ratios = NULL;
    options.ratio_count = 0;
    options.parameters = options.bytes = 0;
    options.output = options.scores = NULL;
    options.recover = NULL;
    options.dry_run = true;
    options.resume = false;
    return options;
}

static bool removes_elements(const pare_prune_options *options) {
    const pare_recipe *preset = pare_recipe_find(options->method);
    const pare_key *mode = PARE_KEY_OF(mode);
    bool chosen = preset && preset->mode == PARE_MODE_ELEMENT;
    for (size_t i = 0; i < options->setting_count; i++)
        if (pare_key_find(options->settings[i].key) == mode)
            chosen = strcmp(options->settings[i].value, mode->choices[PARE_MODE_ELEMENT]) == 0;
    return chosen;
}

static pare_status resolve_run(const asked *a, const pare_model *model, const char *method, double ratio,
                               pare_job *job) {
    pare_prune_options options = options_of(a, method, ratio);
    if (removes_elements(&options))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s removes single weights: runs are compared by the units they keep, so give methods "
                         "and modes that remove units",
                         method);
    pare_status status = pare_job_resolve(&options, job);
    if (status == PARE_OK && job->calibration.imatrix)
        status = pare_fail(PARE_BAD_ARGUMENT,
                           "%s is an importance matrix of one model, and the others are changed: name a text",
                           job->calibration.of.source);
    if (status == PARE_OK) status = pare_job_try(model, job);
    if (status == PARE_OK) return status;
    char why[1024]; /* where there is no memory, too */
    snprintf(why, sizeof why, "%s", pare_message());
    return pare_fail(status, "%s at ratio %g: %s", method, ratio, why);
}

static pare_status resolve_runs(const asked *a, const pare_model *model, pare_study *out) {
    PARE_TRY(pare_alloc(&out->jobs, out->methods * out->ratios, sizeof *out->jobs, "methods"));
    for (size_t m = 0; m < out->methods; m++)
        for (size_t i = 0; i < out->ratios; i++)
            PARE_TRY(resolve_run(a, model, a->methods[m], a->ratios[i], &out->jobs[m * out->ratios + i]));
    return PARE_OK;
}

static pare_status resolve_changes(const asked *a, pare_study *out) {
    PARE_TRY(pare_alloc(&out->changes, out->change_count, sizeof *out->changes, "changes"));
    for (size_t i = 0; i < out->change_count; i++)
        PARE_TRY(pare_robust_change_parse(a->changes[i], &out->changes[i]));
    return PARE_OK;
}

/* Of all weights, and with nothing else that a run does. */
static pare_status resolve_gradient(const asked *a, const char *method, pare_study *out) {
    pare_prune_options options = options_of(a, method, a->ratios[0]);
    options.displace = PARE_DISPLACE_ALL;
    options.text_count = 0;
    return pare_job_resolve(&options, &out->gradients[out->gradient_count++]);
}

/* The plain gradient and the smoothed one, then the methods that are neither. */
static pare_status resolve_gradients(const asked *a, pare_study *out) {
    static const char *const first[] = {"taylor", "smoothgrad"};
    enum { FIRST = sizeof first / sizeof *first };
    PARE_TRY(pare_alloc(&out->gradients, FIRST + out->methods, sizeof *out->gradients, "methods"));
    for (size_t i = 0; i < FIRST; i++)
        PARE_TRY(resolve_gradient(a, first[i], out));
    for (size_t m = 0; m < out->methods; m++) {
        bool known = false;
        for (size_t i = 0; i < FIRST; i++)
            known = known || pare_recipe_find(a->methods[m]) == pare_recipe_find(first[i]);
        if (!known) PARE_TRY(resolve_gradient(a, a->methods[m], out));
    }
    return PARE_OK;
}

static pare_status check_options(const pare_robust_options *o) {
    PARE_TRY(PARE_OPTIONS_CHECK(pare_robust_options, o));
    PARE_TRY(PARE_OPTIONS_CHECK(pare_prune_options, o->prune));
    if (!o->prune->salience) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "pare_robust compares methods: leave out the salience %s",
                     o->prune->salience->name ? o->prune->salience->name : "of one's own");
}

pare_status pare_study_resolve(const pare_model *model, const pare_robust_options *o, pare_study *out) {
    *out = (pare_study){0};
    PARE_TRY(check_options(o));
    asked a = read_lists(o, out);
    out->seed = o->prune->seed;
    out->seeds = o->seeds ? o->seeds : 1;
    out->ranks = o->ranks || o->plot;
    out->plot = o->plot;
    out->csv = o->csv;
    out->size = o->lipschitz_size > 0 ? o->lipschitz_size : usual_size;
    out->draws = o->lipschitz_draws ? o->lipschitz_draws : DRAWS;
    if (!out->methods || !out->ratios || !out->change_count)
        return pare_fail(PARE_BAD_ARGUMENT, "give at least one method, one ratio and one change");
    PARE_TRY(resolve_changes(&a, out));
    PARE_TRY(resolve_runs(&a, model, out));
    return o->lipschitz ? resolve_gradients(&a, out) : PARE_OK;
}

void pare_study_free(pare_study *study) {
    for (size_t i = 0; study->jobs && i < study->methods * study->ratios; i++)
        pare_job_free(&study->jobs[i]);
    for (size_t i = 0; i < study->gradient_count; i++)
        pare_job_free(&study->gradients[i]);
    pare_free(study->jobs);
    pare_free(study->gradients);
    pare_free(study->changes);
    *study = (pare_study){0};
}
