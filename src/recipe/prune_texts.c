#include "calibrate/calibration.h"
#include "evaluate/perplexity.h"
#include "recipe/prune_job.h"
#include "surgery/mask.h"

#include <math.h>

static json_t *result_json(double nll) {
    return json_pack("{s:f,s:f}", "perplexity", exp(nll), "nll", nll);
}

static pare_status evaluate_text(pare_prune_job *job, const char *name, float **mask) {
    const pare_prune_options *o = job->options;
    const pare_tokenizer *tokenizer;
    pare_windows windows;
    PARE_TRY(pare_calibration_tokenizer(job->model, name, &tokenizer));
    PARE_TRY(pare_windows_stream(tokenizer, name, NULL, o->window ? o->window : 128, o->max_windows, &windows));
    pare_source masked = {.model = job->model, .backend = job->backend, .column_scale = mask};
    pare_evaluation evaluation = {.model = job->model,
                                  .backend = job->backend,
                                  .runtime = job->runtime,
                                  .windows = &windows,
                                  .name = name,
                                  .stage = "evaluating the dense model"};
    double before = 0.0, after = 0.0;
    pare_status status = pare_calibration_check(job->model, name, &windows);
    if (status == PARE_OK) status = pare_perplexity(&evaluation, &before);
    evaluation.source = &masked;
    evaluation.stage = "evaluating the pruned model";
    if (status == PARE_OK) status = pare_perplexity(&evaluation, &after);
    if (status == PARE_OK)
        json_array_append_new(job->texts, json_pack("{s:o,s:i,s:o,s:o}", "file", pare_json_name(name), "windows",
                                                    (int)windows.count, "before", result_json(before), "after",
                                                    result_json(after)));
    pare_windows_free(&windows);
    return status;
}

pare_status pare_prune_evaluate_texts(pare_prune_job *job) {
    float **mask;
    if (!job->options->text_count) return PARE_OK;
    job->texts = json_array();
    PARE_TRY(pare_mask_new(job->model, &job->selection, &mask));
    pare_status status = PARE_OK;
    for (size_t i = 0; i < job->options->text_count && status == PARE_OK; i++)
        status = evaluate_text(job, job->options->texts[i], mask);
    pare_mask_free(job->model, mask);
    return status;
}
