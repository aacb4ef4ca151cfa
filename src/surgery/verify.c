#include "surgery/verify.h"
#include "model/logits.h"
#include "model/patches.h"
#include "support/finite.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"
#include "surgery/convert.h"
#include "surgery/cut.h"
#include "surgery/mask.h"
#include "surgery/rescale.h"

#include <math.h>

/* One forward after the other, reported as the halves of one stage. */
typedef struct checking {
    const pare_runtime *runtime;
    const pare_backend *backend;
    const uint32_t *ids;
    int64_t length;
    uint64_t layers; /* of the dense model */
    uint64_t halves; /* that are done */
} checking;

static pare_status report_block(void *context, uint64_t done, uint64_t total) {
    const checking *c = context;
    uint64_t position = c->halves * c->layers + done * c->layers / total;
    return pare_progress_report(c->runtime, "checking what was written", position, 2 * c->layers);
}

/* mask: NULL for none. */
static pare_status logits_of(checking *c, const pare_model *model, const pare_mask *mask, float **logits) {
    pare_source source = {.model = model, .backend = c->backend};
    if (mask) pare_mask_apply(mask, &source);
    pare_logits_request request = {
        .source = &source, .ids = c->ids, .length = c->length, .step = report_block, .context = c};
    pare_status status = pare_logits_compute(&request, logits);
    c->halves++;
    return status;
}

/* Opens a backend whose masked pass fits the memory limit: fp32, which shows the smallest mistake, or bf16 with half
 * the composed weights where that is too much. */
static pare_status open_backend(const pare_model *dense, int64_t length, const pare_runtime *runtime,
                                pare_backend **out) {
    int threads = runtime ? runtime->threads : 0;
    pare_pass_shape shape = {.sequences = 1, .length = length, .composed = true, .limit = pare_runtime_limit(runtime)};
    pare_pass_memory memory;
    PARE_TRY(pare_backend_open_cpu(PARE_COMPUTE_FP32, threads, out));
    if (pare_pass_measure(dense, *out, &shape, &memory) == PARE_OK) return PARE_OK;
    pare_backend_close(*out);
    return pare_backend_open_cpu(PARE_COMPUTE_BF16, threads, out);
}

pare_status pare_verify_logits(const float *written, const float *expected, size_t count, double bound,
                               const char *directory) {
    double largest = 0.0, difference = 0.0;
    if (!pare_all_finite(expected, (int64_t)count))
        return pare_fail(
            PARE_NUMERIC_ERROR,
            "the model computes NaN or infinity with the weights that would be written to %s: some are too "
            "large to compute with",
            directory);
    for (size_t i = 0; i < count; i++) {
        double apart = fabs((double)written[i] - (double)expected[i]);
        if (apart > difference || isnan(apart)) difference = apart; /* a NaN stays */
        if (fabs((double)expected[i]) > largest) largest = fabs((double)expected[i]);
    }
    if (difference <= bound * largest) return PARE_OK;
    return pare_fail(
        PARE_CHECK_FAILED,
        "the model written to %s does not compute what it should (logits differ by %g, the largest is %g); "
        "nothing was kept - please report this",
        directory, difference, largest);
}

/* Weights of 16 bits are rounded once more where norms are folded into them, or scaled. */
static bool rounds(const pare_model *dense, const pare_selection *selection) {
    pare_dtype dtype = dense->tensors[pare_tensor_id(0, PARE_ROLE_O)]->dtype;
    bool changed = pare_convert_rounds(dense, pare_cut_family(dense, selection));
    return dtype != PARE_DTYPE_F32 && (changed || pare_rescale_is_used(dense, selection));
}

pare_status pare_verify_model(const pare_model *dense, const pare_mask *mask, const pare_model *written, double least,
                              const uint32_t *ids, int64_t length, const pare_runtime *runtime) {
    pare_backend *backend;
    float *expected = NULL, *actual = NULL;
    PARE_TRY(open_backend(dense, length, runtime, &backend));
    double bound = backend->operand == PARE_DTYPE_BF16 ? PARE_VERIFY_BOUND_BF16 : PARE_VERIFY_BOUND;
    bound = least > bound ? least : bound;
    checking c = {.runtime = runtime, .backend = backend, .ids = ids, .length = length, .layers = dense->config.layers};
    pare_status status = logits_of(&c, dense, mask, &expected);
    if (status == PARE_OK) status = logits_of(&c, written, NULL, &actual);
    if (status == PARE_OK)
        status = pare_verify_logits(actual, expected, (size_t)length * dense->config.vocabulary, bound,
                                    pare_checkpoint_directory(written->checkpoint));
    pare_free(expected);
    pare_free(actual);
    pare_backend_close(backend);
    return status;
}

pare_status pare_verify_written(const pare_model *dense, const pare_selection *selection, const pare_repaired *repaired,
                                const char *directory, const uint32_t *ids, int64_t length,
                                const pare_runtime *runtime) {
    pare_model *written;
    pare_mask mask;
    PARE_TRY(pare_model_open(directory, &written));
    pare_status status = pare_model_share_album(written, dense);
    if (status == PARE_OK) status = pare_mask_new(dense, selection, repaired, &mask);
    if (status == PARE_OK) {
        double least = rounds(dense, selection) ? PARE_VERIFY_BOUND_BF16 : 0;
        status = pare_verify_model(dense, &mask, written, least, ids, length, runtime);
        pare_mask_free(&mask);
    }
    pare_model_close(written);
    return status;
}
