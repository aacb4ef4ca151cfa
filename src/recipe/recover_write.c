/* The folder that a recovery leaves, its check, and its appearance. */
#include "model/pass.h"
#include "recipe/recover_job.h"
#include "recover/write.h"
#include "report/files.h"
#include "support/file.h"
#include "support/memory.h"
#include "surgery/verify.h"

#include <stdlib.h>
#include <unistd.h>

/* A file of the input that goes along as it is, if it is there. */
static pare_status copy_text(const pare_recover_job *job, const char *name) {
    enum { MOST = 1 << 28 };
    char *path = pare_path_join(pare_checkpoint_directory(job->model->checkpoint), name), *text;
    pare_status status = PARE_OK;
    if (pare_file_exists(path)) {
        status = pare_file_read(path, MOST, &text, NULL);
        if (status == PARE_OK) {
            status = pare_output_write_text(job->output, name, text);
            pare_free(text);
        }
    }
    free(path);
    return status;
}

static pare_status write_weights(const pare_recover_job *job) {
    const char *folder = pare_output_path(job->output);
    if (job->options->adapter)
        return pare_lora_write_adapter(job->trained, &job->settings.lora,
                                       pare_checkpoint_directory(job->model->checkpoint), folder);
    PARE_TRY(pare_trained_write(job->trained, folder, job->runtime));
    PARE_TRY(copy_text(job, "config.json"));
    PARE_TRY(copy_text(job, "pruning.json"));
    return pare_output_carry_over(job->output);
}

static pare_status write_record(const pare_recover_job *job) {
    char *text;
    PARE_TRY(pare_json_text(pare_recover_record(job), &text));
    pare_status status = pare_output_write_text(job->output, "recovery.json", text);
    pare_free(text);
    return status;
}

/* One file of the loss curve: in the output, or staged beside the prefix. Frees the text. */
static pare_status write_curve(const pare_recover_job *job, char *text, const char *ending, pare_staged *staged) {
    const char *prefix = job->options->curve;
    if (!text) return pare_fail(PARE_OUT_OF_MEMORY, "there is not enough memory for the loss curve");
    char *name = pare_format("%s.%s", prefix ? prefix : "loss", ending);
    pare_status status =
        prefix ? pare_staged_write_text(text, name, staged) : pare_output_write_text(job->output, name, text);
    free(name);
    free(text);
    return status;
}

pare_status pare_recover_write(pare_recover_job *job) {
    const pare_curve *curve = &job->trainer.curve;
    char *title = pare_format("Training of %s", job->options->output);
    pare_status status = write_weights(job);
    if (status == PARE_OK) status = write_record(job);
    if (status == PARE_OK) status = write_curve(job, pare_curve_csv(curve), "csv", &job->csv);
    if (status == PARE_OK) status = write_curve(job, pare_curve_svg(curve, title), "svg", &job->svg);
    free(title);
    return status;
}

/* What is compared, through the same backend that the training had. */
typedef struct comparison {
    const pare_recover_job *job;
    uint32_t ids[32];
    int64_t length;
} comparison;

static comparison comparison_of(const pare_recover_job *job) {
    comparison c = {.job = job};
    const pare_example *first = &job->examples.list[0];
    int64_t most = sizeof c.ids / sizeof *c.ids;
    c.length = first->count < most ? first->count : most;
    for (int64_t i = 0; i < c.length; i++)
        c.ids[i] = job->examples.ids[first->start + (size_t)i];
    return c;
}

/* logits: float [length, vocabulary], freed by the caller. */
static pare_status logits_of(const comparison *c, const pare_model *model, const pare_source *source,
                             const pare_adapters *adapters, float **logits) {
    pare_pass_shape shape = {.sequences = 1,
                             .length = c->length,
                             .composed = pare_source_is_composed(source),
                             .rank = adapters ? adapters->rank : 0};
    pare_pass *pass;
    PARE_TRY(pare_alloc_uninitialized(logits, (size_t)c->length * model->config.vocabulary, sizeof(float), "logits"));
    PARE_TRY(pare_pass_new(model, c->job->backend, &shape, &pass));
    if (adapters) pare_pass_adapt(pass, adapters);
    pare_status status = pare_pass_forward(pass, source, c->ids, 1);
    if (status == PARE_OK) status = pare_pass_logits(pass, source, 0, c->length, *logits);
    pare_pass_free(pass);
    return status;
}

/* Weights of 16 bits are rounded once when they are merged. */
static double bound_of(const pare_recover_job *job) {
    bool exact = job->backend->operand == PARE_DTYPE_F32;
    for (size_t id = 0; id < job->model->tensor_count; id++)
        exact = exact && job->model->tensors[id]->dtype == PARE_DTYPE_F32;
    return exact ? PARE_VERIFY_BOUND : PARE_VERIFY_BOUND_BF16;
}

static pare_status compare(const pare_recover_job *job) {
    comparison c = comparison_of(job);
    pare_source stored = {.model = job->written, .backend = job->backend};
    float *expected = NULL, *actual = NULL;
    pare_status status = logits_of(&c, job->model, &job->trained->source, job->trained->adapters, &expected);
    if (status == PARE_OK) status = logits_of(&c, job->written, &stored, NULL, &actual);
    if (status == PARE_OK)
        status = pare_verify_logits(actual, expected, (size_t)c.length * job->model->config.vocabulary, bound_of(job),
                                    pare_output_path(job->output));
    pare_free(expected);
    pare_free(actual);
    return status;
}

/* An adapter must come back with the same bits. */
static pare_status compare_adapter(const pare_recover_job *job) {
    pare_lora_options options;
    pare_trained *read;
    PARE_TRY(pare_lora_read_adapter(job->model, job->backend, pare_output_path(job->output), &options, &read));
    bool same = read->count == job->trained->count;
    for (size_t i = 0; same && i < read->count; i++)
        same = !(read->value[i] < job->trained->value[i] || read->value[i] > job->trained->value[i]);
    pare_trained_free(read);
    return same ? PARE_OK
                : pare_fail(PARE_CHECK_FAILED,
                            "the adapter written to %s does not hold what was trained; nothing was kept - please "
                            "report this",
                            pare_output_path(job->output));
}

pare_status pare_recover_verify(pare_recover_job *job) {
    if (job->trained->adapters) job->trained->adapters->dropout = 0.0f;
    if (job->options->adapter) return compare_adapter(job);
    PARE_TRY(pare_model_open(pare_output_path(job->output), &job->written));
    return compare(job);
}

static void remove_progress(const pare_recover_job *job) {
    if (!job->state) return;
    char *temporary = pare_format("%s.new", job->state);
    unlink(job->state);
    unlink(temporary);
    rmdir(job->progress);
    free(temporary);
}

pare_status pare_recover_commit(pare_recover_job *job) {
    pare_output *output = job->output;
    PARE_TRY(pare_report_files(pare_output_path(output), &job->files, &job->bytes_after));
    PARE_TRY(pare_interrupted());
    job->output = NULL;
    PARE_TRY(pare_output_commit(output));
    PARE_TRY(pare_staged_place(&job->csv));
    PARE_TRY(pare_staged_place(&job->svg));
    remove_progress(job);
    return PARE_OK;
}
