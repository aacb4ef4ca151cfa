/* An importance matrix as a GGUF file (imatrix.c), whole in memory: it has a few numbers for every thousand of the
 * model's. */
#include "checkpoint/gguf_writer.h"
#include "checkpoint/imatrix.h"
#include "support/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TENSOR_NAME_BYTES = 192 };

typedef struct drawing {
    const pare_imatrix_row *rows; /* [count] */
    size_t count;
    char (*names)[TENSOR_NAME_BYTES];    /* [2 count] sums and tokens of each */
    pare_gguf_declaration *declarations; /* likewise */
    pare_gguf_metadata metadata;
} drawing;

static pare_status declare(drawing *d, size_t at, const char *suffix, uint64_t elements) {
    const char *name = d->rows[at / 2].name;
    const uint32_t matrices = d->rows[at / 2].matrices;
    if (snprintf(d->names[at], TENSOR_NAME_BYTES, "%s%s", name, suffix) >= TENSOR_NAME_BYTES)
        return pare_fail(PARE_BAD_ARGUMENT, "the name %s is too long for an importance matrix", name);
    d->declarations[at] = (pare_gguf_declaration){
        .name = d->names[at], .type = pare_ggml_type_named("F32"), .rank = 1, .shape = {elements}};
    if (!matrices) return PARE_OK;
    d->declarations[at].rank = 2;
    d->declarations[at].shape[0] = matrices;
    d->declarations[at].shape[1] = elements;
    return PARE_OK;
}

static pare_status declare_all(drawing *d) {
    PARE_TRY(pare_alloc(&d->names, 2 * d->count, sizeof *d->names, "names of an importance matrix"));
    PARE_TRY(pare_alloc(&d->declarations, 2 * d->count, sizeof *d->declarations, "an importance matrix"));
    for (size_t i = 0; i < d->count; i++) {
        PARE_TRY(declare(d, 2 * i, ".in_sum2", (uint64_t)d->rows[i].width));
        PARE_TRY(declare(d, 2 * i + 1, ".counts", 1));
    }
    return PARE_OK;
}

/* The data section begins at a multiple of the alignment. */
static pare_status append_row(pare_gguf_metadata *out, const pare_imatrix_row *row, float tokens) {
    int64_t matrices = row->matrices ? row->matrices : 1;
    for (int64_t i = 0; i < matrices * row->width; i++) {
        float sum = (float)row->squares[i];
        if (!isfinite(sum))
            return pare_fail(PARE_NUMERIC_ERROR,
                             "the squares of input %lld of %s add up to %g, which no importance matrix can hold",
                             (long long)(i % row->width), row->name, row->squares[i]);
        pare_gguf_append_f32(out, sum);
    }
    pare_gguf_append_padding(out);
    for (int64_t i = 0; i < matrices; i++)
        pare_gguf_append_f32(out, row->tokens ? (float)row->tokens[i] : tokens);
    pare_gguf_append_padding(out);
    return PARE_OK;
}

static pare_status draw(drawing *d, const char *dataset, uint32_t chunks, uint32_t length, pare_gguf_metadata *out) {
    uint64_t data;
    pare_gguf_put_text(&d->metadata, "general.type", "imatrix");
    pare_gguf_put_list(&d->metadata, "imatrix.datasets", PARE_GGUF_STRING);
    pare_gguf_text name = {dataset, strlen(dataset)};
    if (pare_gguf_is_text(name)) pare_gguf_add_text(&d->metadata, name.bytes, name.length);
    pare_gguf_put_u32(&d->metadata, "imatrix.chunk_count", chunks);
    pare_gguf_put_u32(&d->metadata, "imatrix.chunk_size", length);
    PARE_TRY(pare_gguf_metadata_check(&d->metadata));
    PARE_TRY(declare_all(d));
    PARE_TRY(pare_gguf_header_make(&d->metadata, d->declarations, 2 * d->count, out, &data));
    for (size_t i = 0; i < d->count; i++)
        PARE_TRY(append_row(out, &d->rows[i], (float)((double)chunks * length)));
    return pare_gguf_metadata_check(out);
}

pare_status pare_imatrix_image(const pare_imatrix_row *rows, size_t count, const char *dataset, uint32_t chunks,
                               uint32_t length, pare_gguf_metadata *out) {
    drawing d = {.rows = rows, .count = count};
    *out = (pare_gguf_metadata){0};
    pare_status status = draw(&d, dataset, chunks, length, out);
    pare_gguf_metadata_free(&d.metadata);
    pare_free(d.declarations);
    pare_free(d.names);
    if (status != PARE_OK) pare_gguf_metadata_free(out);
    return status;
}
