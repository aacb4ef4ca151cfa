/* Perplexities before and after: of the model as it was opened, and of the files that were written (of the model with
 * its adapters, where only these were written). */
#include "calibrate/calibration.h"
#include "evaluate/perplexity.h"
#include "recover/recover_job.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <math.h>

static pare_status read_windows(const pare_recover_job *job, const char *name, pare_windows *windows) {
    const pare_tokenizer *tokenizer;
    PARE_TRY(pare_calibration_tokenizer(job->model, name, &tokenizer));
    PARE_TRY(pare_windows_stream(tokenizer, name, NULL, job->settings.window, job->options->max_windows, windows));
    if (!job->texts) pare_runtime_note(job->runtime, windows->note);
    pare_status status = pare_calibration_check(job->model, name, windows);
    if (status != PARE_OK) pare_windows_free(windows);
    return status;
}

/* evaluation: of which model, and how it is called. */
static pare_status measure(pare_recover_job *job, size_t index, pare_evaluation evaluation, double *nll,
                           uint32_t *count) {
    pare_windows windows;
    evaluation.name = job->options->texts[index];
    evaluation.backend = job->backend;
    evaluation.runtime = job->runtime;
    evaluation.windows = &windows;
    PARE_TRY(read_windows(job, evaluation.name, &windows));
    pare_status status = pare_perplexity(&evaluation, nll);
    *count = windows.count;
    pare_windows_free(&windows);
    return status;
}

pare_status pare_recover_evaluate_before(void *context) {
    pare_recover_job *job = context;
    size_t texts = job->options->text_count;
    pare_evaluation evaluation = {.model = job->model, .stage = "evaluating before"};
    uint32_t count;
    PARE_TRY(pare_alloc(&job->before, texts, sizeof *job->before, "perplexities"));
    for (size_t i = 0; i < texts; i++)
        PARE_TRY(measure(job, i, evaluation, &job->before[i], &count));
    return PARE_OK;
}

/* A perplexity too large for a number is null. */
static json_t *result_json(double nll) {
    return json_pack("{s:o?,s:f}", "perplexity", json_real(exp(nll)), "nll", nll);
}

static pare_status add_text(pare_recover_job *job, size_t index, pare_evaluation evaluation) {
    double after;
    uint32_t count;
    PARE_TRY(measure(job, index, evaluation, &after, &count));
    json_array_append_new(job->texts, json_pack("{s:o,s:i,s:o,s:o}", "file", pare_json_name(job->options->texts[index]),
                                                "windows", (int)count, "before", result_json(job->before[index]),
                                                "after", result_json(after)));
    return PARE_OK;
}

pare_status pare_recover_evaluate_after(void *context) {
    pare_recover_job *job = context;
    pare_evaluation evaluation = {.model = job->written ? job->written : job->model, .stage = "evaluating after"};
    if (!job->options->text_count) return PARE_OK;
    job->texts = json_array();
    if (!job->written) evaluation.adapters = job->trained->adapters;
    for (size_t i = 0; i < job->options->text_count; i++)
        PARE_TRY(add_text(job, i, evaluation));
    return PARE_OK;
}
