#include "surgery/gguf_check.h"
#include "calibrate/check_window.h"
#include "model/companions.h"
#include "support/memory.h"
#include "support/progress.h"
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

static bool is_zero(float value) {
    return !(value < 0 || value > 0);
}

static void tally(const float *expected, const float *actual, uint64_t count, pare_gguf_zeros *zeros) {
    for (uint64_t i = 0; i < count; i++) {
        zeros->lost += is_zero(expected[i]) && !is_zero(actual[i]);
        zeros->all += is_zero(expected[i]);
    }
    zeros->numbers += count;
}

static pare_status compare(const pare_tensor *expected, const pare_tensor *actual, const pare_ggml_type *type,
                           float *room, pare_gguf_zeros *zeros) {
    double apart = 0, size = 0;
    if (actual->count != expected->count)
        return pare_fail(PARE_CHECK_FAILED,
                         "tensor %s of the file has another shape than the model's; please report this", actual->name);
    for (uint64_t at = 0, n; at < expected->count; at += n) {
        n = expected->count - at < PIECE ? expected->count - at : PIECE;
        pare_tensor_values(expected, at, n, room);
        pare_tensor_values(actual, at, n, room + PIECE);
        tally(room, room + PIECE, n, zeros);
        for (uint64_t i = 0; i < n; i++) {
            double a = (double)room[i], difference = (double)room[PIECE + i] - a;
            apart += difference * difference;
            size += a * a;
        }
    }
    if (sqrt(apart) <= bound_of(type) * sqrt(size) + 1e-30 || (apart <= size * 1e-12)) return PARE_OK;
    return pare_fail(PARE_CHECK_FAILED,
                     "tensor %s of the file is not the model's (apart by %g of their size in %s); nothing was kept - "
                     "please report this",
                     actual->name, sqrt(apart / size), type->name);
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

static pare_status check_tensors(const pare_model *model, const pare_model *written, const pare_runtime *runtime,
                                 pare_gguf_zeros *zeros) {
    float *room;
    PARE_TRY(pare_alloc_uninitialized(&room, 2 * (size_t)PIECE, sizeof *room, "numbers to compare"));
    pare_status status = PARE_OK;
    for (size_t id = 0; id < model->tensor_count && status == PARE_OK; id++) {
        const pare_tensor *expected = model->tensors[id], *actual;
        uint32_t layer;
        pare_role role;
        size_t other = id;
        if (pare_tensor_is_absent(expected)) continue;
        if (pare_tensor_id_split(model, id, &layer, &role)) other = pare_tensor_id_in(&written->config, layer, role);
        actual = written->tensors[other];
        status = compare(expected, actual, type_of(actual), room, zeros);
        if (status == PARE_OK)
            status = pare_progress_report(runtime, "checking what was written", id + 1, model->tensor_count);
    }
    pare_free(room);
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
        if (!pare_tensor_is_absent(model->tensors[id])) tensors[id_in(model, written, id)] = model->tensors[id];
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
