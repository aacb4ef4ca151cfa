/* The layout of the file is at the top of gguf.c. */
#include "checkpoint/gguf_writer.h"
#include "checkpoint/durable.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

enum { BUFFER_BYTES = 1 << 20, SHARE = 32 };

/* What fp16 can hold, which most types have their scales in. */
static const float LARGEST_HALF = 65504;

struct pare_gguf_writer {
    const pare_gguf_declaration *tensors;
    size_t count, current;
    uint64_t elements, supplied; /* of the current tensor */
    pare_durable file;
    unsigned char *buffer; /* [BUFFER_BYTES] */
};

static pare_status measure(const pare_gguf_declaration *tensor, uint64_t *elements, uint64_t *bytes) {
    bool fine = tensor->rank > 0 && tensor->rank <= PARE_GGUF_MAX_RANK;
    *elements = 1;
    for (int i = 0; fine && i < tensor->rank; i++)
        fine = pare_multiply_size(*elements, tensor->shape[i], elements);
    if (!fine || !pare_multiply_size(*elements / tensor->type->elements, tensor->type->bytes, bytes))
        return pare_fail(PARE_BAD_ARGUMENT, "tensor %s has a shape that no GGUF file can have", tensor->name);
    if (tensor->shape[tensor->rank - 1] % tensor->type->elements)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "rows of tensor %s have %llu elements, which are no whole number of %s's blocks of %u",
                         tensor->name, (unsigned long long)tensor->shape[tensor->rank - 1], tensor->type->name,
                         tensor->type->elements);
    return PARE_OK;
}

pare_status pare_gguf_header_make(const pare_gguf_metadata *metadata, const pare_gguf_declaration *tensors,
                                  size_t count, pare_gguf_metadata *header, uint64_t *data) {
    *data = 0;
    pare_gguf_append(header, "GGUF", 4);
    pare_gguf_append_u32(header, PARE_GGUF_VERSION);
    pare_gguf_append_u64(header, count);
    pare_gguf_append_u64(header, metadata->entries);
    pare_gguf_append(header, metadata->bytes, metadata->size);
    for (size_t i = 0; i < count; i++) {
        uint64_t elements, bytes;
        PARE_TRY(measure(&tensors[i], &elements, &bytes));
        pare_gguf_append_text(header, tensors[i].name, strlen(tensors[i].name));
        pare_gguf_append_u32(header, (uint32_t)tensors[i].rank);
        for (int axis = tensors[i].rank; axis-- > 0;)
            pare_gguf_append_u64(header, tensors[i].shape[axis]);
        pare_gguf_append_u32(header, tensors[i].type->id);
        pare_gguf_append_u64(header, *data);
        if (__builtin_add_overflow(*data, bytes, data) || *data > INT64_MAX)
            return pare_fail(PARE_BAD_ARGUMENT, "the tensors to write are too large to be true");
        *data += pare_gguf_padding(*data);
    }
    pare_gguf_append_padding(header);
    return pare_gguf_metadata_check(header);
}

pare_status pare_gguf_writer_need(const pare_gguf_metadata *metadata, const pare_gguf_declaration *tensors,
                                  size_t count, uint64_t *bytes) {
    pare_gguf_metadata header = {0};
    pare_status status = pare_gguf_header_make(metadata, tensors, count, &header, bytes);
    *bytes += header.size;
    pare_gguf_metadata_free(&header);
    return status;
}

/* On to the next tensor that has elements. */
static pare_status settle(pare_gguf_writer *writer) {
    for (; writer->current < writer->count; writer->current++) {
        uint64_t bytes;
        PARE_TRY(measure(&writer->tensors[writer->current], &writer->elements, &bytes));
        if (writer->elements) break;
    }
    return PARE_OK;
}

static pare_status begin(pare_gguf_writer *writer, const char *path, const pare_gguf_metadata *metadata) {
    pare_gguf_metadata header = {0};
    uint64_t data;
    PARE_TRY(pare_gguf_metadata_check(metadata));
    PARE_TRY(pare_alloc(&writer->buffer, BUFFER_BYTES, 1, "the writer's buffer"));
    pare_status status = pare_gguf_header_make(metadata, writer->tensors, writer->count, &header, &data);
    if (status == PARE_OK) status = pare_durable_create(path, header.size + data, &writer->file);
    if (status == PARE_OK) status = pare_durable_write(&writer->file, header.bytes, header.size);
    if (status == PARE_OK) status = settle(writer);
    pare_gguf_metadata_free(&header);
    return status;
}

pare_status pare_gguf_writer_begin(const char *path, const pare_gguf_metadata *metadata,
                                   const pare_gguf_declaration *tensors, size_t count, pare_gguf_writer **out) {
    pare_gguf_writer *writer;
    *out = NULL;
    PARE_TRY(pare_alloc(&writer, 1, sizeof *writer, "a writer"));
    *writer = (pare_gguf_writer){.tensors = tensors, .count = count, .file = {.descriptor = -1}};
    pare_status status = begin(writer, path, metadata);
    if (status == PARE_OK)
        *out = writer;
    else
        pare_gguf_writer_close(writer);
    return status;
}

static pare_status check_values(const pare_gguf_declaration *tensor, const float *values, uint64_t count) {
    bool wide = tensor->type->plain && tensor->type->dtype != PARE_DTYPE_F16;
    float most = wide ? INFINITY : LARGEST_HALF, largest = 0;
    for (uint64_t i = 0; i < count; i++) {
        float size = fabsf(values[i]);
        if (!(size <= 0x1.fffffep127f))
            return pare_fail(PARE_NUMERIC_ERROR, "tensor %s has a number that is not finite", tensor->name);
        largest = size > largest ? size : largest;
    }
    if (largest <= most) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "tensor %s has a number of size %g, which %s cannot hold (at most %g); write it as bf16 or f32",
                     tensor->name, (double)largest, tensor->type->name, (double)most);
}

/* In pieces that threads share, each whole blocks at a place of its own. */
static pare_status encode(pare_gguf_writer *writer, const pare_ggml_type *type, const float *values, uint64_t blocks) {
    uint64_t most = BUFFER_BYTES / type->bytes;
    for (uint64_t done = 0, take; done < blocks; done += take) {
        take = blocks - done < most ? blocks - done : most;
        const float *from = values + done * type->elements;
        int64_t share = (int64_t)(take + SHARE - 1) / SHARE;
#pragma omp parallel for schedule(dynamic)
        for (int64_t at = 0; at < (int64_t)take; at += share) {
            int64_t n = (int64_t)take - at < share ? (int64_t)take - at : share;
            type->encode(from + at * type->elements, (size_t)n, writer->buffer + at * type->bytes);
        }
        PARE_TRY(pare_durable_write(&writer->file, writer->buffer, take * type->bytes));
    }
    return PARE_OK;
}

/* The same of whole rows. */
static pare_status encode_rows(pare_gguf_writer *writer, const pare_gguf_declaration *tensor, const float *values,
                               uint64_t rows) {
    const pare_ggml_type *type = tensor->type;
    uint64_t columns = tensor->shape[tensor->rank - 1], blocks = columns / type->elements, bytes = blocks * type->bytes;
    uint64_t most = BUFFER_BYTES / bytes, before = writer->supplied / columns;
    if (!most)
        return pare_fail(PARE_UNSUPPORTED, "tensor %s has rows of %llu elements, too long to be weighed", tensor->name,
                         (unsigned long long)columns);
    for (uint64_t done = 0, take; done < rows; done += take) {
        take = rows - done < most ? rows - done : most;
#pragma omp parallel for schedule(dynamic)
        for (int64_t row = 0; row < (int64_t)take; row++) {
            uint64_t at = done + (uint64_t)row, list = tensor->alike ? (before + at) / tensor->alike : 0;
            type->weighed(values + at * columns, tensor->importance + list * columns, blocks,
                          writer->buffer + (uint64_t)row * bytes);
        }
        PARE_TRY(pare_durable_write(&writer->file, writer->buffer, take * bytes));
    }
    return PARE_OK;
}

/* Zeros up to the next multiple of the alignment. */
static pare_status pad(pare_gguf_writer *writer, const pare_ggml_type *type) {
    static const unsigned char zeros[PARE_GGUF_ALIGNMENT];
    return pare_durable_write(&writer->file, zeros, pare_gguf_padding(writer->elements / type->elements * type->bytes));
}

pare_status pare_gguf_writer_write(pare_gguf_writer *writer, const float *values, uint64_t count) {
    if (!count) return PARE_OK;
    if (writer->current == writer->count)
        return pare_fail(PARE_CHECK_FAILED, "more numbers are to be written than were declared");
    const pare_gguf_declaration *tensor = &writer->tensors[writer->current];
    bool weighed = tensor->importance && tensor->type->weighed;
    uint64_t unit = weighed ? tensor->shape[tensor->rank - 1] : tensor->type->elements;
    if (count > writer->elements - writer->supplied || count % unit)
        return pare_fail(PARE_CHECK_FAILED, "tensor %s has %llu numbers to go, but %llu are to be written",
                         tensor->name, (unsigned long long)(writer->elements - writer->supplied),
                         (unsigned long long)count);
    PARE_TRY(check_values(tensor, values, count));
    PARE_TRY(weighed ? encode_rows(writer, tensor, values, count / unit)
                     : encode(writer, tensor->type, values, count / unit));
    writer->supplied += count;
    if (writer->supplied < writer->elements) return PARE_OK;
    PARE_TRY(pad(writer, tensor->type));
    writer->supplied = 0;
    writer->current++;
    return settle(writer);
}

pare_status pare_gguf_writer_finish(pare_gguf_writer *writer) {
    if (writer->current < writer->count)
        return pare_fail(PARE_CHECK_FAILED, "tensor %s still lacks %llu numbers", writer->tensors[writer->current].name,
                         (unsigned long long)(writer->elements - writer->supplied));
    return pare_durable_finish(&writer->file);
}

void pare_gguf_writer_close(pare_gguf_writer *writer) {
    if (!writer) return;
    pare_durable_drop(&writer->file);
    pare_free(writer->buffer);
    pare_free(writer);
}
