/* Writes the archive whose layout is at the top of archive.c: counts the zeros of all tensors, then writes header,
 * masks and values as they come. */
#include "checkpoint/archive.h"
#include "checkpoint/bitmask.h"
#include "checkpoint/durable.h"
#include "checkpoint/header.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { PIECE = 1 << 20, VALUES_UNIT = 8, LARGEST_ELEMENT = 4 };

static const char stage[] = "writing the archive";

typedef struct writing {
    const pare_checkpoint *model;
    const pare_runtime *runtime;
    const pare_bitmask_kernels *kernels;
    pare_durable file;
    uint64_t *ones;        /* [tensors]: elements that are not zero */
    unsigned char *buffer; /* values of a piece and slack, or its mask */
    uint64_t done, total;  /* bytes that were looked at; each is twice */
} writing;

static uint64_t values_bytes(const pare_tensor *tensor, uint64_t ones) {
    uint64_t bytes = ones * pare_dtype_size(tensor->dtype);
    return (bytes + VALUES_UNIT - 1) / VALUES_UNIT * VALUES_UNIT;
}

/* Names of the parts must be free and short enough to be read back. */
static bool can_be_named(const pare_checkpoint *model, const char *name) {
    char *mask = pare_format("%s.bitmask", name), *values = pare_format("%s.values", name);
    bool fine = mask && values && strlen(mask) <= PARE_NAME_LIMIT && !pare_checkpoint_find(model, mask) &&
                !pare_checkpoint_find(model, values);
    free(mask);
    free(values);
    return fine;
}

static bool gets_smaller(const writing *w, size_t index) {
    const pare_tensor *tensor = pare_checkpoint_at(w->model, index);
    return pare_bitmask_bytes(tensor->count) + values_bytes(tensor, w->ones[index]) < tensor->bytes &&
           can_be_named(w->model, tensor->name);
}

static pare_status advance(writing *w, uint64_t bytes) {
    w->done += bytes;
    return pare_progress_report(w->runtime, stage, w->done, w->total);
}

static pare_status count_tensor(writing *w, size_t index) {
    const pare_tensor *tensor = pare_checkpoint_at(w->model, index);
    const unsigned char *data = tensor->data;
    size_t size = pare_dtype_size(tensor->dtype);
    uint64_t pieces = tensor->count / PIECE + (tensor->count % PIECE != 0), ones = 0;
#pragma omp parallel for reduction(+ : ones) if (pieces > 1)
    for (uint64_t i = 0; i < pieces; i++) {
        uint64_t begin = i * PIECE, left = tensor->count - begin;
        ones += pare_bitmask_count(data + begin * size, size, left < PIECE ? left : PIECE);
    }
    w->ones[index] = ones;
    return advance(w, tensor->bytes);
}

static pare_status count_all(writing *w) {
    size_t count = pare_checkpoint_count(w->model);
    PARE_TRY(pare_alloc(&w->ones, count, sizeof *w->ones, "an archive's tables"));
    for (size_t i = 0; i < count; i++)
        w->total += 2 * pare_checkpoint_at(w->model, i)->bytes;
    PARE_TRY(pare_progress_report(w->runtime, stage, 0, w->total));
    for (size_t i = 0; i < count; i++)
        PARE_TRY(count_tensor(w, i));
    return PARE_OK;
}

/* Adds NAME.bitmask and NAME.values to the header, and NAME to the list in the metadata. */
static void add_sparse(json_t *header, json_t *listed, const pare_tensor *tensor, uint64_t ones, uint64_t *end) {
    char *mask = pare_format("%s.bitmask", tensor->name), *values = pare_format("%s.values", tensor->name);
    uint64_t mask_bytes = pare_bitmask_bytes(tensor->count), bytes = values_bytes(tensor, ones);
    uint64_t stored = bytes / pare_dtype_size(tensor->dtype);
    pare_header_add(header, mask, "U8", &mask_bytes, 1, mask_bytes, end);
    pare_header_add(header, values, pare_dtype_name(tensor->dtype), &stored, 1, bytes, end);
    json_t *shape = json_array();
    for (int i = 0; i < tensor->rank; i++)
        pare_json_append(shape, json_integer((json_int_t)tensor->shape[i]));
    pare_json_put(listed, tensor->name,
                  pare_json_of({"shape", shape}, {"zeros", json_integer((json_int_t)(tensor->count - ones))}));
    free(mask);
    free(values);
}

static pare_status create(writing *w, const char *path) {
    json_t *metadata = pare_json_of({"format", pare_json_string("pt")}), *header = json_object(),
           *listed = json_object();
    pare_json_put(header, "__metadata__", metadata);
    uint64_t data = 0;
    for (size_t i = 0; i < pare_checkpoint_count(w->model); i++) {
        const pare_tensor *tensor = pare_checkpoint_at(w->model, i);
        if (gets_smaller(w, i))
            add_sparse(header, listed, tensor, w->ones[i], &data);
        else
            pare_header_add(header, tensor->name, pare_dtype_name(tensor->dtype), tensor->shape, tensor->rank,
                            tensor->bytes, &data);
    }
    json_t *sparse = pare_json_of({"version", json_integer(1)}, {"tensors", listed});
    char *text;
    pare_status status = pare_json_dump(sparse, "the header of an archive", JSON_COMPACT, &text);
    if (status == PARE_OK) pare_json_put(metadata, "pare_sparse", pare_json_string(text));
    if (status == PARE_OK) status = pare_header_create(path, header, data, &w->file);
    pare_free(text);
    json_decref(sparse);
    json_decref(header);
    return status;
}

typedef enum part { PART_WHOLE, PART_MASK, PART_VALUES } part;

/* *values: those of the piece, for PART_VALUES. */
static pare_status write_piece(writing *w, part which, const unsigned char *data, size_t size, uint64_t n,
                               uint64_t *values) {
    *values = 0;
    if (which == PART_WHOLE) return pare_durable_write(&w->file, data, n * size);
    if (which == PART_MASK) {
        w->kernels->make(w->buffer, data, size, n);
        return pare_durable_write(&w->file, w->buffer, pare_bitmask_bytes(n));
    }
    *values = w->kernels->compress(w->buffer, data, size, n);
    return pare_durable_write(&w->file, w->buffer, *values * size);
}

static pare_status write_part(writing *w, part which, const pare_tensor *tensor, uint64_t *values) {
    const unsigned char *data = tensor->data;
    size_t size = pare_dtype_size(tensor->dtype);
    *values = 0;
    for (uint64_t at = 0; at < tensor->count; at += PIECE) {
        uint64_t n = tensor->count - at < PIECE ? tensor->count - at : PIECE, found;
        PARE_TRY(write_piece(w, which, data + at * size, size, n, &found));
        *values += found;
        PARE_TRY(advance(w, which == PART_MASK ? 0 : n * size));
    }
    return PARE_OK;
}

static pare_status write_tensor(writing *w, size_t index) {
    static const unsigned char zeros[VALUES_UNIT];
    const pare_tensor *tensor = pare_checkpoint_at(w->model, index);
    uint64_t values;
    if (!gets_smaller(w, index)) return write_part(w, PART_WHOLE, tensor, &values);
    PARE_TRY(write_part(w, PART_MASK, tensor, &values));
    PARE_TRY(write_part(w, PART_VALUES, tensor, &values));
    if (values != w->ones[index])
        return pare_fail(PARE_CHECK_FAILED, "tensor %s of %s changed while its archive was written", tensor->name,
                         pare_checkpoint_file(w->model, tensor->file));
    uint64_t used = values * pare_dtype_size(tensor->dtype);
    return pare_durable_write(&w->file, zeros, values_bytes(tensor, values) - used);
}

/* The whole file under a temporary name. */
static pare_status write_file(writing *w, const char *path, uint64_t *bytes) {
    PARE_TRY(
        pare_alloc_uninitialized(&w->buffer, PIECE * LARGEST_ELEMENT + PARE_BITMASK_SLACK, 1, "an archive's buffer"));
    PARE_TRY(count_all(w));
    PARE_TRY(create(w, path));
    if (bytes) *bytes = w->file.expected;
    pare_status status = PARE_OK;
    for (size_t i = 0; i < pare_checkpoint_count(w->model) && status == PARE_OK; i++)
        status = write_tensor(w, i);
    if (status == PARE_OK) status = pare_durable_finish(&w->file);
    pare_durable_drop(&w->file);
    if (status != PARE_OK) unlink(path);
    return status;
}

static pare_status put_in_place(const char *temporary, const char *path, const char *folder) {
    if (pare_durable_appear(temporary, path)) return pare_durable_sync_folder(folder);
    int error = errno;
    unlink(temporary);
    return pare_fail(PARE_FILE_ERROR, "cannot write %s: %s", path, strerror(error));
}

pare_status pare_archive_write(const pare_checkpoint *model, const char *folder, const pare_runtime *runtime,
                               uint64_t *bytes) {
    writing w = {.model = model, .runtime = runtime, .kernels = pare_bitmask_best()};
    char *path = pare_path_join(folder, PARE_ARCHIVE_NAME);
    uint32_t suffix = 0;
    pare_status status = PARE_OK;
    if (pare_file_exists(path))
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: it exists; remove it first", path);
    else if (getrandom(&suffix, sizeof suffix, 0) != (ssize_t)sizeof suffix)
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: no random numbers for a temporary name", path);
    char *temporary = pare_format("%s-%08x", path, suffix);
    if (status == PARE_OK) status = pare_whole();
    if (status == PARE_OK) status = write_file(&w, temporary, bytes);
    if (status == PARE_OK) status = put_in_place(temporary, path, folder);
    pare_free(w.ones);
    pare_free(w.buffer);
    free(temporary);
    free(path);
    return status;
}
