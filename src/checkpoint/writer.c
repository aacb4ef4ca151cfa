/* The layout of a safetensors file is at the top of safetensors.c, that of the index at the top of checkpoint.c. */
#include "checkpoint/writer.h"
#include "checkpoint/durable.h"
#include "checkpoint/header.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/view.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/progress.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 1 << 20, HEADER_BYTES_PER_TENSOR = 4096 };

typedef struct planned {
    pare_declaration tensor;
    uint64_t bytes;
    size_t shard;
} planned;

struct pare_writer {
    char *directory, *stem;
    planned *tensors;
    size_t count, shard_count;
    uint64_t total;
    size_t current;    /* tensor whose bytes are due */
    uint64_t supplied; /* of its bytes */
    size_t shard;      /* the open one */
    pare_durable file;
    unsigned char *buffer; /* [BUFFER_BYTES] */
    size_t buffered;
};

static pare_status measure(const pare_declaration *tensor, uint64_t *bytes) {
    *bytes = pare_dtype_size(tensor->dtype);
    bool fine = pare_name_is_plain(tensor->name) && tensor->rank >= 0 && tensor->rank <= PARE_TENSOR_MAX_RANK;
    for (int i = 0; fine && i < tensor->rank; i++)
        fine = pare_multiply_size(*bytes, tensor->shape[i], bytes) && *bytes <= INT64_MAX;
    if (fine) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "a tensor cannot be written under the name %.100s with %d dimensions and that shape", tensor->name,
                     tensor->rank);
}

pare_status pare_declarations_of(const pare_checkpoint *checkpoint, pare_declaration **out) {
    size_t count = pare_checkpoint_count(checkpoint);
    PARE_TRY(pare_alloc(out, count, sizeof **out, "tensor list"));
    for (size_t i = 0; i < count; i++) {
        const pare_tensor *tensor = pare_checkpoint_at(checkpoint, i);
        (*out)[i] = (pare_declaration){.name = tensor->name, .dtype = tensor->dtype, .rank = tensor->rank};
        memcpy((*out)[i].shape, tensor->shape, sizeof tensor->shape);
    }
    return PARE_OK;
}

pare_status pare_writer_need(const pare_declaration *tensors, size_t count, uint64_t *bytes) {
    *bytes = (uint64_t)HEADER_BYTES_PER_TENSOR * (count + 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t size;
        PARE_TRY(measure(&tensors[i], &size));
        if (__builtin_add_overflow(*bytes, size, bytes))
            return pare_fail(PARE_BAD_ARGUMENT, "the tensors to write are too large to be true");
    }
    return PARE_OK;
}

static pare_status plan(pare_writer *writer, const pare_declaration *tensors, size_t count, uint64_t limit) {
    uint64_t filled = 0;
    PARE_TRY(pare_alloc(&writer->tensors, count, sizeof *writer->tensors, "the list of tensors to write"));
    for (size_t i = 0; i < count; i++) {
        planned *next = &writer->tensors[writer->count];
        PARE_TRY(measure(&tensors[i], &next->bytes));
        next->tensor = tensors[i];
        next->tensor.name = pare_format("%s", tensors[i].name);
        writer->count++;
        PARE_TRY(pare_whole());
        if (filled && next->bytes > limit - filled) {
            writer->shard_count++;
            filled = 0;
        }
        next->shard = writer->shard_count;
        filled = next->bytes > limit - filled ? limit : filled + next->bytes;
        writer->total += next->bytes;
    }
    writer->shard_count++;
    return PARE_OK;
}

static char *shard_name(const pare_writer *writer, size_t shard) {
    if (writer->shard_count == 1) return pare_format("%s.safetensors", writer->stem);
    return pare_format("%s-%05zu-of-%05zu.safetensors", writer->stem, shard + 1, writer->shard_count);
}

/* The header of a shard, freed with json_decref; *data: the bytes of its data section. */
static json_t *make_header(const pare_writer *writer, size_t shard, uint64_t *data) {
    json_t *header = pare_json_of({"__metadata__", pare_json_of({"format", pare_json_string("pt")})});
    *data = 0;
    for (size_t i = 0; i < writer->count; i++) {
        const planned *item = &writer->tensors[i];
        if (item->shard == shard)
            pare_header_add(header, item->tensor.name, pare_dtype_name(item->tensor.dtype), item->tensor.shape,
                            item->tensor.rank, item->bytes, data);
    }
    return header;
}

static pare_status open_shard(pare_writer *writer, size_t shard) {
    uint64_t data;
    json_t *header = make_header(writer, shard, &data);
    char *name = shard_name(writer, shard), *path = pare_path_join(writer->directory, name);
    writer->shard = shard;
    pare_status status = pare_header_create(path, header, data, &writer->file);
    free(path);
    free(name);
    json_decref(header);
    return status;
}

static pare_status flush(pare_writer *writer) {
    size_t bytes = writer->buffered;
    writer->buffered = 0;
    return pare_durable_write(&writer->file, writer->buffer, bytes);
}

static pare_status finish_shard(pare_writer *writer) {
    PARE_TRY(flush(writer));
    return pare_durable_finish(&writer->file);
}

/* Moves on to the next tensor that has bytes, through the files between. */
static pare_status settle(pare_writer *writer) {
    for (; writer->current < writer->count; writer->current++) {
        const planned *item = &writer->tensors[writer->current];
        if (item->shard != writer->shard) {
            PARE_TRY(finish_shard(writer));
            PARE_TRY(open_shard(writer, item->shard));
        }
        if (item->bytes) break;
    }
    return PARE_OK;
}

/* *map: tensor name -> shard, freed with json_decref. Also finds names that were declared twice. */
static pare_status make_weight_map(const pare_writer *writer, json_t **map) {
    *map = json_object();
    for (size_t i = 0; i < writer->count; i++) {
        const planned *item = &writer->tensors[i];
        char *name = shard_name(writer, item->shard);
        bool twice = json_object_get(*map, item->tensor.name) != NULL;
        pare_json_put(*map, item->tensor.name, pare_json_string(name));
        free(name);
        if (twice) return pare_fail(PARE_BAD_ARGUMENT, "tensor %s is to be written twice", item->tensor.name);
    }
    return PARE_OK;
}

static pare_status write_index(const pare_writer *writer) {
    json_t *map;
    pare_status status = make_weight_map(writer, &map);
    json_t *index = pare_json_of({"metadata", pare_json_of({"total_size", json_integer((json_int_t)writer->total)})},
                                 {"weight_map", map});
    char *text = NULL, *path = pare_format("%s/%s.safetensors.index.json", writer->directory, writer->stem);
    if (status == PARE_OK)
        status = pare_json_dump(index, "the index of the weights", JSON_INDENT(2) | JSON_SORT_KEYS, &text);
    if (status == PARE_OK) status = pare_durable_write_text(path, text);
    json_decref(index);
    free(path);
    pare_free(text);
    return status;
}

pare_status pare_writer_begin_named(const char *directory, const char *stem, const pare_declaration *tensors,
                                    size_t count, uint64_t shard_bytes, pare_writer **out) {
    pare_writer *writer;
    json_t *map = NULL;
    *out = NULL;
    PARE_TRY(pare_alloc(&writer, 1, sizeof *writer, "a writer"));
    writer->directory = pare_format("%s", directory);
    writer->stem = pare_format("%s", stem);
    pare_status status;
    PARE_TRY_GOTO(status, pare_whole(), done);
    PARE_TRY_GOTO(status, pare_alloc(&writer->buffer, BUFFER_BYTES, 1, "the writer's buffer"), done);
    PARE_TRY_GOTO(status, plan(writer, tensors, count, shard_bytes ? shard_bytes : PARE_SHARD_BYTES), done);
    PARE_TRY_GOTO(status, make_weight_map(writer, &map), done);
    PARE_TRY_GOTO(status, open_shard(writer, 0), done);
    status = settle(writer);
done:
    json_decref(map);
    if (status == PARE_OK)
        *out = writer;
    else
        pare_writer_close(writer);
    return status;
}

pare_status pare_writer_begin(const char *directory, const pare_declaration *tensors, size_t count,
                              uint64_t shard_bytes, pare_writer **out) {
    return pare_writer_begin_named(directory, "model", tensors, count, shard_bytes, out);
}

pare_status pare_writer_write_elements(pare_writer *writer, const pare_tensor *tensor, uint64_t first, uint64_t count) {
    size_t size = pare_dtype_size(tensor->dtype);
    uint64_t step = tensor->view ? PARE_VIEW_ROW_BYTES / size : count;
    char gathered[PARE_VIEW_ROW_BYTES];
    for (uint64_t done = 0, take; done < count; done += take) {
        take = count - done < step ? count - done : step;
        PARE_TRY(pare_writer_write(writer, pare_tensor_elements(tensor, first + done, take, gathered), take * size));
    }
    return PARE_OK;
}

const pare_declaration *pare_writer_current(const pare_writer *writer) {
    return writer->current < writer->count ? &writer->tensors[writer->current].tensor : NULL;
}

pare_status pare_writer_write(pare_writer *writer, const void *data, size_t bytes) {
    if (bytes == 0) return PARE_OK;
    const planned *item = &writer->tensors[writer->current];
    if (writer->current == writer->count)
        return pare_fail(PARE_CHECK_FAILED, "%zu bytes more than were declared are to be written to %s", bytes,
                         writer->directory);
    if (bytes > item->bytes - writer->supplied)
        return pare_fail(PARE_CHECK_FAILED, "tensor %s has %llu bytes to go, but %zu are to be written",
                         item->tensor.name, (unsigned long long)(item->bytes - writer->supplied), bytes);
    if (bytes > BUFFER_BYTES - writer->buffered) PARE_TRY(flush(writer));
    if (bytes > BUFFER_BYTES) {
        PARE_TRY(pare_durable_write(&writer->file, data, bytes));
    } else {
        memcpy(writer->buffer + writer->buffered, data, bytes);
        writer->buffered += bytes;
    }
    writer->supplied += bytes;
    if (writer->supplied < item->bytes) return PARE_OK;
    writer->supplied = 0;
    writer->current++;
    return settle(writer);
}

pare_status pare_writer_finish(pare_writer *writer) {
    if (writer->current < writer->count) {
        const planned *item = &writer->tensors[writer->current];
        return pare_fail(PARE_CHECK_FAILED, "tensor %s still lacks %llu bytes", item->tensor.name,
                         (unsigned long long)(item->bytes - writer->supplied));
    }
    PARE_TRY(finish_shard(writer));
    return writer->shard_count > 1 ? write_index(writer) : PARE_OK;
}

void pare_writer_close(pare_writer *writer) {
    if (!writer) return;
    pare_durable_drop(&writer->file);
    for (size_t i = 0; i < writer->count; i++)
        free((void *)(uintptr_t)writer->tensors[i].tensor.name);
    pare_free(writer->tensors);
    pare_free(writer->buffer);
    free(writer->directory);
    free(writer->stem);
    pare_free(writer);
}

pare_status pare_writer_run(const char *directory, const pare_declaration *tensors, size_t count,
                            const pare_writing *writing, const pare_runtime *runtime) {
    pare_writer *writer;
    PARE_TRY(pare_writer_begin(directory, tensors, count, 0, &writer));
    pare_status status = PARE_OK;
    for (size_t i = 0; i < count && status == PARE_OK; i++) {
        status = writing->write(writing->context, writer, i);
        if (status == PARE_OK) status = pare_progress_report(runtime, writing->stage, i + 1, count);
    }
    if (status == PARE_OK) status = pare_writer_finish(writer);
    pare_writer_close(writer);
    return status;
}
