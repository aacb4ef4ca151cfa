#include "checkpoint/mxfp4.h"
#include "support/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blocks_end[] = "_blocks", scales_end[] = "_scales";

enum { END = sizeof blocks_end - 1, SHAPE_BYTES = 128 };

static bool ends_in(const char *name, const char *end) {
    size_t length = strlen(name);
    return length > END && strcmp(name + length - END, end) == 0;
}

bool pare_mxfp4_is_part(const char *name) {
    return ends_in(name, blocks_end) || ends_in(name, scales_end);
}

/* A tensor of U8 and the file that it is in. */
typedef struct half {
    const pare_tensor *tensor; /* NULL: there is none */
    size_t file;
} half;

/* The other half of a pair, whose names differ in their ends. */
static half other_half(const pare_safetensors *files, size_t count, const char *name, const char *end) {
    size_t stem = strlen(name) - END;
    for (size_t f = 0; f < count; f++)
        for (size_t i = 0; i < files[f].mask_count; i++) {
            const pare_tensor *tensor = &files[f].masks[i];
            bool same = strncmp(tensor->name, name, stem) == 0 && strcmp(tensor->name + stem, end) == 0;
            if (same) return (half){tensor, f};
        }
    return (half){NULL, 0};
}

static void format_shape(const pare_tensor *tensor, int rank, char text[SHAPE_BYTES]) {
    int used = snprintf(text, SHAPE_BYTES, "[");
    for (int i = 0; i < rank; i++)
        used += snprintf(text + used, (size_t)(SHAPE_BYTES - used), "%s%llu", i ? ", " : "",
                         (unsigned long long)tensor->shape[i]);
    snprintf(text + used, (size_t)(SHAPE_BYTES - used), "]");
}

static pare_status refuse_shape(const char *path, const pare_tensor *tensor, const char *expected) {
    char found[SHAPE_BYTES];
    format_shape(tensor, tensor->rank, found);
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has shape %s where MXFP4 weights have %s", path, tensor->name,
                     found, expected);
}

static pare_status check_pair(const pare_safetensors *files, size_t file, const pare_tensor *blocks, half scales) {
    char expected[SHAPE_BYTES];
    const char *path = files[file].mapping.path;
    if (!scales.tensor)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: tensor %s has no %.*s%s beside it, which holds its exponents; download the model again",
                         path, blocks->name, (int)(strlen(blocks->name) - END), blocks->name, scales_end);
    if (blocks->rank != 4 || blocks->shape[3] != PARE_MXFP4_BLOCK / 2)
        return refuse_shape(path, blocks, "[experts, outputs, inputs / 32, 16]");
    const pare_tensor *s = scales.tensor;
    if (s->rank == 3 && memcmp(s->shape, blocks->shape, 3 * sizeof *s->shape) == 0) return PARE_OK;
    format_shape(blocks, 3, expected);
    return refuse_shape(files[scales.file].mapping.path, s, expected);
}

/* In the order in which it is used, [experts, inputs, outputs]; it lies as [experts, outputs, inputs]. */
static pare_status add_joined(pare_safetensors *file, const pare_tensor *blocks, const pare_tensor *scales,
                              pare_view *view) {
    uint64_t outputs = blocks->shape[1], inputs = blocks->shape[2] * PARE_MXFP4_BLOCK;
    pare_tensor *tensor = &file->tensors[file->count];
    *tensor = (pare_tensor){.dtype = PARE_DTYPE_BF16,
                            .rank = 3,
                            .shape = {blocks->shape[0], inputs, outputs},
                            .count = blocks->count * 2,
                            .bytes = blocks->count * 2 * pare_dtype_size(PARE_DTYPE_BF16),
                            .data = blocks->data,
                            .view = view};
    int64_t all = (int64_t)(inputs * outputs);
    *view = (pare_view){.block = all ? all : 1,
                        .block_step = all,
                        .part = (int64_t)outputs,
                        .part_step = 1,
                        .row_step = (int64_t)inputs,
                        .column_step = 1,
                        .exponents = scales->data};
    tensor->name = pare_format("%.*s", (int)(strlen(blocks->name) - END), blocks->name);
    if (tensor->name) file->count++;
    return pare_whole();
}

static int by_place(const void *a, const void *b) {
    return pare_tensor_compare_places(a, b);
}

static pare_status join_file(pare_safetensors *files, size_t count, size_t file, pare_view **next) {
    pare_safetensors *f = &files[file];
    for (size_t i = 0; i < f->mask_count; i++) {
        const pare_tensor *tensor = &f->masks[i];
        if (ends_in(tensor->name, blocks_end)) {
            half scales = other_half(files, count, tensor->name, scales_end);
            PARE_TRY(check_pair(files, file, tensor, scales));
            PARE_TRY(add_joined(f, tensor, scales.tensor, (*next)++));
        } else if (!other_half(files, count, tensor->name, blocks_end).tensor) {
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s: tensor %s has dtype U8 and no %.*s%s beside it, whose exponents it could hold; pare "
                             "reads weights that are quantised in no other way, take the original model",
                             f->mapping.path, tensor->name, (int)(strlen(tensor->name) - END), tensor->name,
                             blocks_end);
        }
    }
    qsort(f->tensors, f->count, sizeof *f->tensors, by_place);
    return PARE_OK;
}

pare_status pare_mxfp4_join(pare_safetensors *files, size_t count, pare_view **views) {
    size_t total = 0;
    pare_status status = PARE_OK;
    *views = NULL;
    for (size_t f = 0; f < count; f++)
        total += files[f].mask_count;
    if (!total) return PARE_OK;
    PARE_TRY(pare_alloc(views, total, sizeof **views, "tensor descriptions"));
    pare_view *next = *views;
    for (size_t f = 0; f < count && status == PARE_OK; f++)
        if (files[f].mask_count) status = join_file(files, count, f, &next);
    return status;
}
