#include "checkpoint/header_read.h"
#include "support/little_endian.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100000000 };

/* A header being read into `out`. */
typedef struct reader {
    const pare_mapping *file;
    json_t *header;
    pare_header_list *out;
} reader;

/* *header: the parsed object, a reference for the caller. *length: its bytes in the file. */
static pare_status parse_header(const pare_mapping *file, json_t **header, uint64_t *length) {
    *header = NULL;
    if (file->bytes < LENGTH_BYTES)
        return pare_fail(PARE_FORMAT_ERROR, "%s has %llu bytes, too few for a safetensors file; download it again",
                         file->path, (unsigned long long)file->bytes);
    *length = pare_little_endian(file->data, LENGTH_BYTES);
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

/* Bits of an element; 0: a dtype that is not known. */
static uint64_t dtype_bits(const char *name) {
    static const struct {
        const char *name;
        uint64_t bits;
    } rows[] = {{"F32", 32}, {"F16", 16},    {"BF16", 16},       {"F64", 64},       {"BOOL", 8},    {"U8", 8},
                {"I8", 8},   {"U16", 16},    {"I16", 16},        {"U32", 32},       {"I32", 32},    {"U64", 64},
                {"I64", 64}, {"F8_E4M3", 8}, {"F8_E5M2", 8},     {"F8_E8M0", 8},    {"F6_E2M3", 6}, {"F6_E3M2", 6},
                {"F4", 4},   {"C64", 64},    {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(name, rows[i].name) == 0) return rows[i].bits;
    return 0;
}

pare_status pare_shape_read(const char *path, const char *name, const json_t *json, int most, uint64_t *shape,
                            int *rank, uint64_t *count) {
    if (!json_is_array(json)) return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has no shape", path, name);
    if (json_array_size(json) > (size_t)most)
        return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has %zu dimensions; pare reads at most %d", path, name,
                         json_array_size(json), most);
    *rank = (int)json_array_size(json);
    *count = 1;
    for (int i = 0; i < *rank; i++) {
        if (!pare_json_natural(json_array_get(json, (size_t)i), &shape[i]))
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s: dimension %d of the shape is not a natural number",
                             path, name, i);
        if (!pare_multiply_size(*count, shape[i], count))
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has a shape too large to be true", path, name);
    }
    return PARE_OK;
}

static pare_status read_dtype(const char *path, const json_t *json, pare_header_entry *entry) {
    const char *dtype = json_string_value(json_object_get(json, "dtype"));
    if (!dtype) return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has no dtype", path, entry->name);
    snprintf(entry->dtype, sizeof entry->dtype, "%s", pare_name_is_plain(dtype) ? dtype : "?");
    return PARE_OK;
}

static pare_status read_offsets(const reader *from, const json_t *json, pare_header_entry *entry) {
    const pare_mapping *file = from->file;
    json_t *offsets = json_object_get(json, "data_offsets");
    uint64_t end;
    if (json_array_size(offsets) != 2 || !pare_json_natural(json_array_get(offsets, 0), &entry->begin) ||
        !pare_json_natural(json_array_get(offsets, 1), &end))
        return pare_fail(PARE_FORMAT_ERROR, "%s: data_offsets of tensor %s are not two natural numbers", file->path,
                         entry->name);
    uint64_t section = file->bytes - from->out->data_begin;
    if (entry->begin > end || end > section)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: tensor %s lies at bytes %llu to %llu of a data section of %llu; the file is truncated or "
                         "damaged, download it again",
                         file->path, entry->name, (unsigned long long)entry->begin, (unsigned long long)end,
                         (unsigned long long)section);
    entry->bytes = end - entry->begin;
    return PARE_OK;
}

static pare_status check_bytes(const char *path, const pare_header_entry *entry) {
    uint64_t bits = dtype_bits(entry->dtype), all;
    if (!bits) return PARE_OK;
    if (!pare_multiply_size(entry->count, bits, &all))
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has a shape too large to be true", path, entry->name);
    uint64_t needed = all / 8 + (all % 8 != 0);
    if (entry->bytes == needed) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has %llu bytes where its shape and dtype need %llu", path,
                     entry->name, (unsigned long long)entry->bytes, (unsigned long long)needed);
}

static pare_status read_entry(const reader *from, const char *name, const json_t *json, pare_header_entry *entry) {
    const char *path = from->file->path;
    if (!pare_name_is_plain(name))
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: the header has a tensor whose name is empty, longer than %d bytes or "
                         "has control characters",
                         path, PARE_NAME_LIMIT);
    entry->name = pare_format("%s", name);
    if (!entry->name) return pare_whole();
    if (!json_is_object(json) || json_object_size(json) != 3)
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s is not described by dtype, shape and data_offsets alone",
                         path, name);
    PARE_TRY(read_dtype(path, json, entry));
    PARE_TRY(pare_shape_read(path, name, json_object_get(json, "shape"), PARE_HEADER_MAX_RANK, entry->shape,
                             &entry->rank, &entry->count));
    PARE_TRY(read_offsets(from, json, entry));
    return check_bytes(path, entry);
}

static pare_status read_entries(const reader *from) {
    pare_header_list *out = from->out;
    PARE_TRY(pare_alloc(&out->entries, json_object_size(from->header), sizeof *out->entries, "tensor descriptions"));
    const char *name;
    json_t *json;
    json_object_foreach(from->header, name, json) {
        if (strcmp(name, "__metadata__") == 0)
            PARE_TRY(check_metadata(from->file, json));
        else
            PARE_TRY(read_entry(from, name, json, &out->entries[out->count++]));
    }
    return PARE_OK;
}

/* An empty tensor comes before the one that begins at the same place. */
static int compare_places(const void *left, const void *right) {
    const pare_header_entry *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static pare_status check_coverage(const reader *from) {
    const pare_header_list *list = from->out;
    uint64_t expected = 0, section = from->file->bytes - list->data_begin;
    for (size_t i = 0; i < list->count; i++) {
        const pare_header_entry *entry = &list->entries[i];
        if (entry->begin != expected)
            return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s begins at byte %llu of the data section, %s",
                             from->file->path, entry->name, (unsigned long long)entry->begin,
                             entry->begin < expected ? "inside another tensor"
                                                     : "after bytes that belong to no tensor");
        expected += entry->bytes;
    }
    if (expected == section) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the last %llu bytes belong to no tensor; the file is damaged",
                     from->file->path, (unsigned long long)(section - expected));
}

pare_status pare_header_read(const pare_mapping *file, pare_header_list *out) {
    *out = (pare_header_list){0};
    reader from = {.file = file, .out = out};
    uint64_t length = 0;
    pare_status status = parse_header(file, &from.header, &length);
    out->data_begin = LENGTH_BYTES + length;
    if (status == PARE_OK) status = read_entries(&from);
    if (status == PARE_OK) {
        qsort(out->entries, out->count, sizeof *out->entries, compare_places);
        status = check_coverage(&from);
    }
    if (status == PARE_OK) out->metadata = json_incref(json_object_get(from.header, "__metadata__"));
    json_decref(from.header);
    if (status != PARE_OK) pare_header_list_free(out);
    return status;
}

void pare_header_list_free(pare_header_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->entries[i].name);
    pare_free(list->entries);
    json_decref(list->metadata);
    *list = (pare_header_list){0};
}
