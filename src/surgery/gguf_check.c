#include "surgery/gguf_check.h"
#include "calibrate/check_window.h"
#include "model/companions.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/vectorize.h"
#include "surgery/verify.h"
#include "tokenizer/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 16 };

/* How far all numbers of a matrix may be from the model's, relative to their size, by the bits of a type. On numbers
 * from a normal distribution 8 bits leave 0.005, 6 0.02, 5 0.04 and 4 0.08; those with long tails twice as much. */
static double bound_of(const pare_ggml_type *type) {
    if (type->plain) return type->dtype == PARE_DTYPE_F32 ? 0 : type->dtype == PARE_DTYPE_F16 ? 1e-3 : 1e-2;
    double bits = 8.0 * type->bytes / type->elements;
    return bits > 8 ? 0.05 : bits > 6 ? 0.15 : 0.4;
}

/* By its bits, which loops compare side by side. */
static inline uint32_t is_zero(const float *value) {
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    return bits << 1 == 0;
}

/* Over some numbers of a tensor: squares of the model's, and of how far the file's are from them; zeros. */
typedef struct sums {
    double size, apart;
    uint64_t zeros, lost;
} sums;

static inline void add_one(float expected, float actual, double *size, double *apart) {
    double a = (double)expected, difference = (double)actual - a;
    *size += a * a;
    *apart += difference * difference;
}

PARE_VECTORIZE static void add_numbers(const float *restrict expected, const float *restrict actual, size_t count,
                                       sums *restrict out) {
    enum { LANES = 8 };
    double size[LANES] = {0}, apart[LANES] = {0};
    uint32_t zeros = 0, lost = 0;
    for (size_t i = 0; i < count; i++) {
        zeros += is_zero(&expected[i]);
        lost += is_zero(&expected[i]) & ~is_zero(&actual[i]);
    }
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            add_one(expected[i + k], actual[i + k], &size[k], &apart[k]);
    for (size_t i = whole; i < count; i++)
        add_one(expected[i], actual[i], &size[i - whole], &apart[i - whole]);
    for (int k = 0; k < LANES; k++) {
        out->size += size[k];
        out->apart += apart[k];
    }
    out->zeros += zeros;
    out->lost += lost;
}

static sums sums_of_piece(const pare_tensor *expected, const pare_tensor *actual, uint64_t piece) {
    enum { STEP = 4096 };
    sums all = {0};
    uint64_t end = (piece + 1) * PIECE < expected->count ? (piece + 1) * PIECE : expected->count;
    for (uint64_t at = piece * PIECE; at < end; at += STEP) {
        float ours[STEP], theirs[STEP];
        size_t n = end - at < STEP ? end - at : STEP;
        pare_tensor_values(expected, at, n, ours);
        pare_tensor_values(actual, at, n, theirs);
        add_numbers(ours, theirs, n, &all);
    }
    return all;
}

/* Pieces are added in their order, whatever threads there are. */
static pare_status compare(const pare_tensor *expected, const pare_tensor *actual, const pare_ggml_type *type,
                           pare_gguf_zeros *zeros) {
    sums *pieces, all = {0};
    if (actual->count != expected->count)
        return pare_fail(PARE_CHECK_FAILED,
                         "tensor %s of the file has another shape than the model's; please report this", actual->name);
    uint64_t count = (expected->count + PIECE - 1) / PIECE;
    PARE_TRY(pare_alloc(&pieces, count, sizeof *pieces, "sums over a tensor"));
#pragma omp parallel for schedule(dynamic) if (count > 1)
    for (uint64_t i = 0; i < count; i++)
        pieces[i] = sums_of_piece(expected, actual, i);
    for (uint64_t i = 0; i < count; i++) {
        all.size += pieces[i].size;
        all.apart += pieces[i].apart;
        all.zeros += pieces[i].zeros;
        all.lost += pieces[i].lost;
    }
    pare_free(pieces);
    zeros->numbers += expected->count;
    zeros->all += all.zeros;
    zeros->lost += all.lost;
    if (sqrt(all.apart) <= bound_of(type) * sqrt(all.size) + 1e-30 || (all.apart <= all.size * 1e-12)) return PARE_OK;
    return pare_fail(PARE_CHECK_FAILED,
                     "tensor %s of the file is not the model's (apart by %g of their size in %s); nothing was kept - "
                     "please report this",
                     actual->name, sqrt(all.apart / all.size), type->name);
}

/* The type that a tensor of the file was declared with: the least exact one. */
static const pare_ggml_type *type_of(const pare_tensor *tensor) {
    const pare_ggml_type *type = pare_ggml_type_named(pare_tensor_type_name(tensor));
    return type ? type : pare_ggml_type_named("F32");
}

/* The id in the file's model, which may be of another family, of what is `id` in this one. */
static size_t id_in(const pare_model *model, const pare_model *written, size_t id) {
    uint32_t layer;
    pare_role role;
    return pare_tensor_id_split(model, id, &layer, &role) ? pare_tensor_id_in(&written->config, layer, role) : id;
}

/* The norm in front of a half that has no unit in the file either. */
static bool is_spared(const pare_model *model, const pare_model *written, size_t id) {
    uint32_t layer;
    pare_role role;
    return pare_tensor_id_split(model, id, &layer, &role) &&
           pare_tensor_is_absent(pare_model_tensor(written, layer, role)) &&
           pare_widths_lack_norm(&written->config.architecture, &written->config.widths[layer], role);
}

static pare_status check_tensors(const pare_model *model, const pare_model *written, const pare_runtime *runtime,
                                 pare_gguf_zeros *zeros) {
    pare_status status = PARE_OK;
    for (size_t id = 0; id < model->tensor_count && status == PARE_OK; id++) {
        const pare_tensor *expected = model->tensors[id], *actual;
        actual = written->tensors[id_in(model, written, id)];
        if (!expected->count || is_spared(model, written, id)) continue;
        status = compare(expected, actual, type_of(actual), zeros);
        if (status == PARE_OK)
            status = pare_progress_report(runtime, "checking what was written", id + 1, model->tensor_count);
    }
    return status;
}

/* The file's configuration with the model's own weights: what types round off has no part in it. */
static pare_status check_configuration(const pare_gguf_plan *plan, pare_model *written, const pare_runtime *runtime) {
    const pare_model *model = plan->model;
    pare_windows window;
    const pare_tensor **kept = written->tensors;
    const pare_tensor **tensors;
    PARE_TRY(pare_alloc(&tensors, written->tensor_count, sizeof *tensors, "tensor list"));
    memcpy(tensors, kept, written->tensor_count * sizeof *tensors);
    for (size_t id = 0; id < model->tensor_count; id++)
        if (model->tensors[id]->count) tensors[id_in(model, written, id)] = model->tensors[id];
    written->tensors = tensors;
    pare_status status = pare_check_window(model, NULL, 0, &window);
    if (status == PARE_OK) {
        uint32_t most = plan->target.positions;
        int64_t length = most && window.length > most ? most : window.length;
        status = pare_verify_model(model, NULL, written, 0, window.ids, length, runtime);
        pare_windows_free(&window);
    }
    written->tensors = kept;
    pare_free(tensors);
    return status;
}

/* Words, digits, punctuation, spaces and other scripts: what tokenizers cut in different ways. */
static const char sample[] =
    "Hello, World! It's 2024's 1234567890th day; we'll \"see\"  what   happens...\n\n\tThe end? "
    "(x_1 += 3.14e-5) caf\xC3\xA9 na\xC3\xAFve \xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C "
    "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xF0\x9F\x98\x80 CamelCase HTTP/2 \r\n done ";

static pare_status check_tokenizer(const pare_model *model, const pare_model *written) {
    const pare_tokenizer *ours, *theirs;
    uint32_t *expected = NULL, *actual = NULL;
    size_t expected_count = 0, actual_count = 0;
    PARE_TRY(pare_model_tokenizer(model, &ours));
    PARE_TRY(pare_model_tokenizer(written, &theirs));
    pare_status status = pare_tokenizer_encode(ours, sample, sizeof sample - 1, &expected, &expected_count);
    if (status == PARE_OK) status = pare_tokenizer_encode(theirs, sample, sizeof sample - 1, &actual, &actual_count);
    bool same = status == PARE_OK && expected_count == actual_count &&
                memcmp(expected, actual, expected_count * sizeof *expected) == 0;
    pare_ids_free(expected);
    pare_ids_free(actual);
    if (status != PARE_OK || same) return status;
    return pare_fail(PARE_UNSUPPORTED,
                     "the tokenizer of %s treats text in a way that a GGUF file cannot say: with the file's, a sample "
                     "becomes other tokens; write a folder instead",
                     pare_checkpoint_directory(model->checkpoint));
}

pare_status pare_gguf_check(const pare_gguf_plan *plan, const char *path, const pare_runtime *runtime,
                            pare_gguf_zeros *zeros) {
    pare_model *written;
    const char *folder;
    *zeros = (pare_gguf_zeros){0};
    PARE_TRY(pare_model_companions(plan->model, &folder));
    PARE_TRY(pare_model_open(path, &written));
    pare_status status = check_tensors(plan->model, written, runtime, zeros);
    if (status == PARE_OK) status = check_configuration(plan, written, runtime);
    if (status == PARE_OK && pare_tokenizer_exists(folder)) status = check_tokenizer(plan->model, written);
    pare_model_close(written);
    return status;
}
