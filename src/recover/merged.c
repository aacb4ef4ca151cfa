#include "recover/merged.h"
#include "model/companions.h"
#include "model/config_experts.h"
#include "model/config_write.h"
#include "model/logits.h"
#include "support/file.h"
#include "support/memory.h"
#include "surgery/verify.h"
#include "train/write.h"

#include <stdlib.h>

pare_status pare_merged_copy(const pare_output *output, const char *folder, const char *name) {
    enum { MOST = 1 << 28 };
    char *path = pare_path_join(folder, name), *text;
    pare_status status = PARE_OK;
    if (pare_file_exists(path)) {
        status = pare_file_read(path, MOST, &text, NULL);
        if (status == PARE_OK) {
            status = pare_output_write_text(output, name, text);
            pare_free(text);
        }
    }
    free(path);
    return status;
}

static pare_status write_config(const pare_model *model, const pare_output *output) {
    char *text;
    PARE_TRY(pare_config_restate(&model->config, &text));
    const char *folder;
    if (!text) {
        PARE_TRY(pare_model_companions(model, &folder));
        return pare_merged_copy(output, folder, "config.json");
    }
    pare_status status = pare_output_write_text(output, "config.json", text);
    free(text);
    return status;
}

pare_status pare_merged_write(const pare_trained *trained, const pare_output *output, const pare_runtime *runtime) {
    const char *source = pare_checkpoint_directory(trained->model->checkpoint);
    PARE_TRY(pare_trained_write(trained, pare_output_path(output), runtime));
    PARE_TRY(write_config(trained->model, output));
    PARE_TRY(pare_merged_copy(output, source, "pruning.json"));
    PARE_TRY(pare_merged_copy(output, source, "recipe.json"));
    return pare_output_carry_over(output);
}

static pare_status logits_of(const pare_merged_check *check, const pare_source *source, float **logits) {
    return pare_logits_compute(
        &(pare_logits_request){.source = source, .ids = check->ids, .length = check->length, .limit = check->limit},
        logits);
}

static bool all_are(const pare_model *model, pare_dtype dtype) {
    for (size_t id = 0; id < model->tensor_count; id++)
        if (model->tensors[id]->count && model->tensors[id]->dtype != dtype) return false;
    return true;
}

/* Weights of 16 bits are rounded once when they are merged. */
static double bound_of(const pare_trained *trained) {
    return all_are(trained->model, PARE_DTYPE_F32) ? PARE_VERIFY_BOUND : PARE_VERIFY_BOUND_BF16;
}

/* Both sides are to round alike: what rounds otherwise lets a token choose other experts, and a model that was cut to
 * little is off by more than a bound. The sum of a weight and what was learnt is that of the file, and operands of bf16
 * round it as files of bf16 do. */
static pare_status compare(const pare_trained *trained, const pare_model *written, const pare_merged_check *check,
                           float **expected, float **actual) {
    bool rounded = all_are(trained->model, PARE_DTYPE_BF16);
    pare_backend *backend;
    PARE_TRY(pare_backend_open_cpu(rounded ? PARE_COMPUTE_BF16 : PARE_COMPUTE_FP32, check->threads, &backend));
    pare_source learnt = trained->learnt ? *trained->learnt : trained->source;
    const pare_source stored = {.model = written, .backend = backend};
    learnt.backend = backend;
    pare_status status = logits_of(check, &learnt, expected);
    if (status == PARE_OK) status = logits_of(check, &stored, actual);
    pare_backend_close(backend);
    return status;
}

pare_status pare_merged_verify(const pare_trained *trained, const pare_model *written, const pare_merged_check *check) {
    float *expected = NULL, *actual = NULL;
    pare_status status = compare(trained, written, check, &expected, &actual);
    if (status == PARE_OK)
        status = pare_verify_logits(actual, expected, (size_t)check->length * written->config.vocabulary,
                                    bound_of(trained), pare_checkpoint_directory(written->checkpoint));
    pare_free(expected);
    pare_free(actual);
    return status;
}
