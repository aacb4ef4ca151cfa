/* Layout of a .safetensors file:
 *
 *   offset  bytes  content
 *   0       8      H, the length of the header, little-endian
 *   8       H      UTF-8 JSON object that begins with '{' and may end in spaces:
 *                    name -> {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [begin, end]}
 *                    and optionally "__metadata__" -> {string: string}
 *   8 + H   rest   data section: elements in row-major order, little-endian. Offsets count from here; sorted, the
 *                  tensors cover the section from its first byte to its last, without gap or overlap.
 */
#include "checkpoint/safetensors.h"
#include "support/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100000000 };

/* One entry of a header. */
typedef struct entry {
    pare_tensor tensor;
    bool bytes; /* of dtype U8 */
} entry;

/* A header being read; what is not yet in `file` is released with it. */
typedef struct reader {
    pare_safetensors *file;
    json_t *header;
    uint64_t data_begin;
    entry *entries;
    size_t count;
    bool accept_bytes;
} reader;

static uint64_t header_length(const unsigned char *data) {
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | data[i];
    return length;
}

/* *header: the parsed object, a reference for the caller. *length: its bytes in the file. */
static pare_status parse_header(const pare_mapping *file, json_t **header, uint64_t *length) {
    *header = NULL;
    if (file->bytes < LENGTH_BYTES)
        return pare_fail(PARE_FORMAT_ERROR, "%s has %llu bytes, too few for a safetensors file; download it again",
                         file->path, (unsigned long long)file->bytes);
    *length = header_length(file->data);
    if (*length > file->bytes - LENGTH_BYTES || *length > HEADER_LIMIT)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: a header of %llu bytes is not possible in a safetensors file of %llu bytes; it is "
                         "truncated or of another kind, download it again",
                         file->path, (unsigned long long)*length, (unsigned long long)file->bytes);
    const char *text = (const char *)file->data + LENGTH_BYTES;
    json_error_t error;
    if (*length && text[0] == '{') *header = json_loadb(text, *length, JSON_REJECT_DUPLICATES, &error);
    if (*header) return PARE_OK;
    if (*length && text[0] == '{' && json_error_code(&error) == json_error_duplicate_key)
        return pare_fail(PARE_FORMAT_ERROR, "%s: the header has the same name twice, the second at its byte %d",
                         file->path, error.position);
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: the header is not JSON (at its byte %d); the file is damaged or of another kind", file->path,
                     *length && text[0] == '{' ? error.position : 0);
}

static pare_status check_metadata(const pare_mapping *file, json_t *metadata) {
    const char *key;
    json_t *value;
    bool sound = json_is_object(metadata);
    json_object_foreach(metadata, key, value) sound = sound && json_is_string(value);
    if (sound) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: __metadata__ in the header is not an object of strings", file->path);
}

bool pare_name_is_plain(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > PARE_NAME_LIMIT) return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
    return true;
}

bool pare_json_natural(const json_t *value, uint64_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static pare_status read_dtype(const reader *from, const json_t *json, entry *out) {
    const char *path = from->file->mapping.path, *name = json_string_value(json_object_get(json, "dtype"));
    if (!name) return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has no dtype", path, out->tensor.name);
    for (pare_dtype dtype = PARE_DTYPE_F32; dtype <= PARE_DTYPE_BF16; dtype++)
        if (strcmp(name, pare_dtype_name(dtype)) == 0) {
            out->tensor.dtype = dtype;
            return PARE_OK;
        }
    out->bytes = from->accept_bytes && strcmp(name, "U8") == 0;
    if (out->bytes) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has dtype %.16s; pare reads F32, F16 and BF16", path,
                     out->tensor.name, pare_name_is_plain(name) ? name : "?");
}

pare_status pare_tensor_read_shape(const char *path, const json_t *shape, size_t element, pare_tensor *tensor) {
    if (!json_is_array(shape)) return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has no shape", path, tensor->name);
    if (json_array_size(shape) > PARE_TENSOR_MAX_RANK)
        return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has %zu dimensions; pare reads at most %d", path,
                         tensor->name, json_array_size(shape), PARE_TENSOR_MAX_RANK);
    tensor->rank = (int)json_array_size(shape);
    tensor->count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        if (!pare_json_natural(json_array_get(shape, (size_t)i), &tensor->shape[i]))
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s: dimension %d of the shape is not a natural number",
                             path, tensor->name, i);
        if (!pare_multiply_size(tensor->count, tensor->shape[i], &tensor->count))
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has a shape too large to be true", path, tensor->name);
    }
    if (!pare_multiply_size(tensor->count, element, &tensor->bytes))
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has a shape too large to be true", path, tensor->name);
    return PARE_OK;
}

static pare_status read_offsets(const reader *from, const json_t *json, pare_tensor *tensor) {
    const pare_mapping *file = &from->file->mapping;
    json_t *offsets = json_object_get(json, "data_offsets");
    uint64_t begin, end;
    if (json_array_size(offsets) != 2 || !pare_json_natural(json_array_get(offsets, 0), &begin) ||
        !pare_json_natural(json_array_get(offsets, 1), &end))
        return pare_fail(PARE_FORMAT_ERROR, "%s: data_offsets of tensor %s are not two natural numbers", file->path,
                         tensor->name);
    uint64_t section = file->bytes - from->data_begin;
    if (begin > end || end > section)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: tensor %s lies at bytes %llu to %llu of a data section of %llu; the file is truncated or "
                         "damaged, download it again",
                         file->path, tensor->name, (unsigned long long)begin, (unsigned long long)end,
                         (unsigned long long)section);
    if (end - begin != tensor->bytes)
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has %llu bytes where its shape and dtype need %llu",
                         file->path, tensor->name, (unsigned long long)(end - begin),
                         (unsigned long long)tensor->bytes);
    tensor->data = file->data + from->data_begin + begin;
    return PARE_OK;
}

static pare_status read_entry(const reader *from, const char *name, json_t *json, entry *out) {
    const char *path = from->file->mapping.path;
    if (!pare_name_is_plain(name))
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: the header has a tensor whose name is empty, longer than %d bytes or "
                         "has control characters",
                         path, PARE_NAME_LIMIT);
    out->tensor.name = pare_format("%s", name);
    if (!json_is_object(json) || json_object_size(json) != 3)
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s is not described by dtype, shape and data_offsets alone",
                         path, name);
    PARE_TRY(read_dtype(from, json, out));
    size_t element = out->bytes ? 1 : pare_dtype_size(out->tensor.dtype);
    PARE_TRY(pare_tensor_read_shape(path, json_object_get(json, "shape"), element, &out->tensor));
    return read_offsets(from, json, &out->tensor);
}

static pare_status read_entries(reader *from) {
    PARE_TRY(pare_alloc(&from->entries, json_object_size(from->header), sizeof *from->entries, "tensor descriptions"));
    const char *name;
    json_t *json;
    json_object_foreach(from->header, name, json) {
        if (strcmp(name, "__metadata__") == 0)
            PARE_TRY(check_metadata(&from->file->mapping, json));
        else
            PARE_TRY(read_entry(from, name, json, &from->entries[from->count++]));
    }
    return PARE_OK;
}

int pare_tensor_compare_places(const pare_tensor *a, const pare_tensor *b) {
    if (a->data != b->data) return (uintptr_t)a->data < (uintptr_t)b->data ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int compare_entries(const void *left, const void *right) {
    return pare_tensor_compare_places(&((const entry *)left)->tensor, &((const entry *)right)->tensor);
}

static pare_status check_coverage(const reader *from) {
    const pare_mapping *file = &from->file->mapping;
    const unsigned char *section = file->data + from->data_begin, *expected = section;
    for (size_t i = 0; i < from->count; i++) {
        const pare_tensor *tensor = &from->entries[i].tensor;
        const unsigned char *begin = tensor->data;
        if (begin != expected)
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s begins at byte %llu of the data section, %s", file->path,
                             tensor->name, (unsigned long long)(begin - section),
                             begin < expected ? "inside another tensor" : "after bytes that belong to no tensor");
        expected = begin + tensor->bytes;
    }
    uint64_t covered = (uint64_t)(expected - file->data);
    if (covered != file->bytes)
        return pare_fail(PARE_FORMAT_ERROR, "%s: the last %llu bytes belong to no tensor; the file is damaged",
                         file->path, (unsigned long long)(file->bytes - covered));
    return PARE_OK;
}

/* Deals the entries to the two lists of the file, which own their names from then on. */
static pare_status deal_entries(reader *from) {
    pare_safetensors *file = from->file;
    PARE_TRY(pare_alloc(&file->tensors, from->count, sizeof *file->tensors, "tensor descriptions"));
    if (from->accept_bytes) PARE_TRY(pare_alloc(&file->masks, from->count, sizeof *file->masks, "tensor descriptions"));
    for (size_t i = 0; i < from->count; i++)
        if (from->entries[i].bytes)
            file->masks[file->mask_count++] = from->entries[i].tensor;
        else
            file->tensors[file->count++] = from->entries[i].tensor;
    from->count = 0;
    return PARE_OK;
}

static void free_names(const pare_tensor *tensors, size_t count) {
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)tensors[i].name);
}

static void release(reader *from) {
    for (size_t i = 0; i < from->count; i++)
        free_names(&from->entries[i].tensor, 1);
    pare_free(from->entries);
    json_decref(from->header);
}

static pare_status read_file(const char *path, bool accept_bytes, pare_safetensors *out) {
    *out = (pare_safetensors){0};
    reader from = {.file = out, .accept_bytes = accept_bytes};
    uint64_t length = 0;
    pare_status status;
    PARE_TRY_GOTO(status, pare_mapping_open(path, &out->mapping), done);
    PARE_TRY_GOTO(status, parse_header(&out->mapping, &from.header, &length), done);
    from.data_begin = LENGTH_BYTES + length;
    PARE_TRY_GOTO(status, read_entries(&from), done);
    qsort(from.entries, from.count, sizeof *from.entries, compare_entries);
    PARE_TRY_GOTO(status, check_coverage(&from), done);
    PARE_TRY_GOTO(status, deal_entries(&from), done);
    if (accept_bytes) out->metadata = json_incref(json_object_get(from.header, "__metadata__"));
done:
    release(&from);
    if (status != PARE_OK) pare_safetensors_close(out);
    return status;
}

pare_status pare_safetensors_open(const char *path, pare_safetensors *out) {
    return read_file(path, false, out);
}

pare_status pare_safetensors_open_masks(const char *path, pare_safetensors *out) {
    return read_file(path, true, out);
}

void pare_safetensors_forget(pare_safetensors *file) {
    free_names(file->tensors, file->count);
    free_names(file->masks, file->mask_count);
    pare_free(file->tensors);
    pare_free(file->masks);
    json_decref(file->metadata);
    file->tensors = file->masks = NULL;
    file->count = file->mask_count = 0;
    file->metadata = NULL;
}

void pare_safetensors_close(pare_safetensors *file) {
    pare_safetensors_forget(file);
    pare_scratch_close(&file->image);
    pare_mapping_close(&file->mapping);
    *file = (pare_safetensors){0};
}
