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

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100000000, NAME_LIMIT = 512 };

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
    if (length == 0 || length > NAME_LIMIT) return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
    return true;
}

static bool read_natural(const json_t *value, uint64_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static pare_status read_dtype(const pare_mapping *file, const json_t *entry, pare_tensor *tensor) {
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    if (!name) return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has no dtype", file->path, tensor->name);
    for (pare_dtype dtype = PARE_DTYPE_F32; dtype <= PARE_DTYPE_BF16; dtype++)
        if (strcmp(name, pare_dtype_name(dtype)) == 0) {
            tensor->dtype = dtype;
            return PARE_OK;
        }
    return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has dtype %.16s; pare reads F32, F16 and BF16", file->path,
                     tensor->name, pare_name_is_plain(name) ? name : "?");
}

static pare_status read_shape(const pare_mapping *file, const json_t *entry, pare_tensor *tensor) {
    json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has no shape", file->path, tensor->name);
    if (json_array_size(shape) > PARE_TENSOR_MAX_RANK)
        return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has %zu dimensions; pare reads at most %d", file->path,
                         tensor->name, json_array_size(shape), PARE_TENSOR_MAX_RANK);
    tensor->rank = (int)json_array_size(shape);
    tensor->count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        if (!read_natural(json_array_get(shape, (size_t)i), &tensor->shape[i]))
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s: dimension %d of the shape is not a natural number",
                             file->path, tensor->name, i);
        if (!pare_multiply_size(tensor->count, tensor->shape[i], &tensor->count))
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has a shape too large to be true", file->path,
                             tensor->name);
    }
    if (!pare_multiply_size(tensor->count, pare_dtype_size(tensor->dtype), &tensor->bytes))
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has a shape too large to be true", file->path, tensor->name);
    return PARE_OK;
}

static pare_status read_offsets(const pare_mapping *file, uint64_t data_begin, const json_t *entry,
                                pare_tensor *tensor) {
    json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t begin, end;
    if (json_array_size(offsets) != 2 || !read_natural(json_array_get(offsets, 0), &begin) ||
        !read_natural(json_array_get(offsets, 1), &end))
        return pare_fail(PARE_FORMAT_ERROR, "%s: data_offsets of tensor %s are not two natural numbers", file->path,
                         tensor->name);
    uint64_t section = file->bytes - data_begin;
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
    tensor->data = file->data + data_begin + begin;
    return PARE_OK;
}

static pare_status read_entry(const pare_mapping *file, uint64_t data_begin, const char *name, json_t *entry,
                              pare_tensor *tensor) {
    if (!pare_name_is_plain(name))
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: the header has a tensor whose name is empty, longer than %d bytes or "
                         "has control characters",
                         file->path, NAME_LIMIT);
    tensor->name = pare_format("%s", name);
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s is not described by dtype, shape and data_offsets alone",
                         file->path, name);
    PARE_TRY(read_dtype(file, entry, tensor));
    PARE_TRY(read_shape(file, entry, tensor));
    return read_offsets(file, data_begin, entry, tensor);
}

static pare_status read_entries(pare_safetensors *file, json_t *header, uint64_t data_begin) {
    PARE_TRY(pare_alloc(&file->tensors, json_object_size(header), sizeof *file->tensors, "tensor descriptions"));
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            PARE_TRY(check_metadata(&file->mapping, entry));
            continue;
        }
        pare_tensor *tensor = &file->tensors[file->count++];
        PARE_TRY(read_entry(&file->mapping, data_begin, name, entry, tensor));
    }
    return PARE_OK;
}

/* Empty tensors come before the one that begins at the same place. */
static int compare_offsets(const void *left, const void *right) {
    const pare_tensor *a = left, *b = right;
    if (a->data != b->data) return (uintptr_t)a->data < (uintptr_t)b->data ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static pare_status check_coverage(const pare_safetensors *file, uint64_t data_begin) {
    const unsigned char *section = file->mapping.data + data_begin, *expected = section;
    for (size_t i = 0; i < file->count; i++) {
        const pare_tensor *tensor = &file->tensors[i];
        const unsigned char *begin = tensor->data;
        if (begin != expected)
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s begins at byte %llu of the data section, %s",
                             file->mapping.path, tensor->name, (unsigned long long)(begin - section),
                             begin < expected ? "inside another tensor" : "after bytes that belong to no tensor");
        expected = begin + tensor->bytes;
    }
    uint64_t covered = (uint64_t)(expected - file->mapping.data);
    if (covered != file->mapping.bytes)
        return pare_fail(PARE_FORMAT_ERROR, "%s: the last %llu bytes belong to no tensor; the file is damaged",
                         file->mapping.path, (unsigned long long)(file->mapping.bytes - covered));
    return PARE_OK;
}

pare_status pare_safetensors_open(const char *path, pare_safetensors *out) {
    *out = (pare_safetensors){0};
    json_t *header = NULL;
    uint64_t length = 0;
    pare_status status;
    PARE_TRY_GOTO(status, pare_mapping_open(path, &out->mapping), done);
    PARE_TRY_GOTO(status, parse_header(&out->mapping, &header, &length), done);
    PARE_TRY_GOTO(status, read_entries(out, header, LENGTH_BYTES + length), done);
    qsort(out->tensors, out->count, sizeof *out->tensors, compare_offsets);
    status = check_coverage(out, LENGTH_BYTES + length);
done:
    json_decref(header);
    if (status != PARE_OK) pare_safetensors_close(out);
    return status;
}

void pare_safetensors_close(pare_safetensors *file) {
    for (size_t i = 0; i < file->count; i++)
        free((void *)(uintptr_t)file->tensors[i].name);
    pare_free(file->tensors);
    pare_mapping_close(&file->mapping);
    *file = (pare_safetensors){0};
}
