#include "robust/robust.h"
#include "support/memory.h"
#include "support/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

pare_status pare_robust_change_parse(const char *name, pare_robust_change *out) {
    static const struct {
        const char *name;
        pare_robust_kind kind;
        pare_perturb_kind weights;
    } all[] = {{"bf16", PARE_ROBUST_WEIGHTS, PARE_PERTURB_BF16},
               {"fp16", PARE_ROBUST_WEIGHTS, PARE_PERTURB_FP16},
               {"seed", PARE_ROBUST_SEED, PARE_PERTURB_BF16},
               {"threads", PARE_ROBUST_THREADS, PARE_PERTURB_BF16},
               {"calib-shuffle", PARE_ROBUST_SHUFFLE, PARE_PERTURB_BF16}};
    static const char noise[] = "noise=";
    *out = (pare_robust_change){.name = name};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].name, name) != 0) continue;
        out->kind = all[i].kind;
        out->perturbation.kind = all[i].weights;
        return PARE_OK;
    }
    if (strncmp(name, noise, sizeof noise - 1) == 0) {
        char *end;
        out->perturbation =
            (pare_perturbation){.kind = PARE_PERTURB_NOISE, .epsilon = strtod(name + sizeof noise - 1, &end)};
        bool number = end != name + sizeof noise - 1 && !*end;
        if (number && out->perturbation.epsilon > 0 && out->perturbation.epsilon <= 1) return PARE_OK;
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--perturb %s: give a relative size above 0 and up to 1, such as noise=1e-3", name);
    }
    return pare_fail(PARE_BAD_ARGUMENT, "--perturb '%s': choose bf16, fp16, noise=S, seed, threads or calib-shuffle",
                     name);
}

static pare_status copy_scores(const pare_prune_job *job, pare_robust_outcome *out) {
    pare_score_result copy;
    out->scored = job->asked->recipe.choice == PARE_CHOOSE_SCORES && job->asked->target.rounds == 1;
    if (!out->scored) return PARE_OK;
    PARE_TRY(pare_score_copy(job->model, &job->result, &copy));
    pare_free(copy.trace);
    out->scores = copy.scores;
    return PARE_OK;
}

static pare_status copy_perplexities(const pare_prune_job *job, pare_robust_outcome *out) {
    size_t count = job->texts ? job->asked->evaluation.text_count : 0;
    PARE_TRY(pare_alloc(&out->dense, count, sizeof *out->dense, "perplexities"));
    PARE_TRY(pare_alloc(&out->nll, count, sizeof *out->nll, "perplexities"));
    for (size_t i = 0; i < count; i++) {
        out->dense[i] = job->texts[i].before.nll;
        out->nll[i] = job->texts[i].after.nll;
    }
    return PARE_OK;
}

static void take_projections(pare_prune_job *job, pare_robust_outcome *out) {
    if (!out->scored) return;
    out->projections = job->result.projections;
    job->result.projections = (pare_projection_scores){0};
}

static pare_status keep(pare_prune_job *job, pare_robust_outcome *out) {
    pare_selection all;
    out->recipe = job->asked->recipe;
    out->batches = job->asked->calibration.batches;
    PARE_TRY(pare_selection_all(job->model, &all));
    pare_status status = pare_selection_compose(&all, &job->composed, &out->selection);
    pare_selection_free(&all);
    if (status == PARE_OK) status = pare_windows_copy(&job->windows, &out->calibration);
    if (status == PARE_OK) status = copy_scores(job, out);
    if (status == PARE_OK) take_projections(job, out);
    return status == PARE_OK ? copy_perplexities(job, out) : status;
}

pare_status pare_robust_run(const pare_robust_request *request, pare_robust_outcome *out) {
    pare_job varied = *request->job;
    pare_runtime runtime = request->runtime ? *request->runtime : (pare_runtime){0};
    pare_prune_job job;
    *out = (pare_robust_outcome){0};
    varied.seed = request->seed;
    varied.cache = request->cache;
    runtime.plan = NULL;
    if (request->threads) runtime.threads = request->threads;
    pare_status status = pare_prune_begin(request->model, &varied, &runtime, &job);
    job.given = (pare_prune_given){
        .calibration = request->calibration, .texts = request->texts, .projections = request->projections};
    if (status == PARE_OK) status = pare_prune_run(&job);
    if (status == PARE_OK) status = keep(&job, out);
    pare_prune_end(&job);
    if (status != PARE_OK) pare_robust_outcome_free(out);
    return status;
}

void pare_robust_outcome_free(pare_robust_outcome *outcome) {
    pare_selection_free(&outcome->selection);
    pare_unit_scores_free(&outcome->scores);
    pare_projection_scores_free(&outcome->projections);
    pare_windows_free(&outcome->calibration);
    pare_free(outcome->dense);
    pare_free(outcome->nll);
    *outcome = (pare_robust_outcome){0};
}

static void swap_windows(uint32_t *a, uint32_t *b, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        uint32_t id = a[i];
        a[i] = b[i];
        b[i] = id;
    }
}

pare_status pare_robust_shuffle(const pare_windows *from, uint32_t batches, uint64_t seed, pare_windows *out) {
    uint32_t each = from->count / (batches ? batches : 1);
    pare_random random = {.seed = seed};
    PARE_TRY(pare_windows_copy(from, out));
    for (uint32_t batch = 0; batch < batches; batch++) {
        uint32_t *ids = out->ids + (size_t)batch * each * out->length;
        for (uint32_t i = each; i > 1; i--)
            swap_windows(ids + (size_t)(i - 1) * out->length, ids + pare_random_below(&random, i) * out->length,
                         out->length);
    }
    return PARE_OK;
}
