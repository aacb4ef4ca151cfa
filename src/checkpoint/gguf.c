/* Layout of a GGUF file; all numbers are little-endian.
 *
 *   bytes  content
 *   4      "GGUF"
 *   4      version, 2 or 3
 *   8      T, the number of tensors
 *   8      M, the number of metadata entries
 *   M x    name: string
 *          4: kind of value (pare_gguf_kind)
 *          value: a number; a truth value, 1 byte, 0 or 1; a string; an array: 4: kind of its elements, 8: their
 *          number n, n values
 *   T x    name: string
 *          4: number of dimensions, 8 x that: sizes, the innermost first
 *          4: type (ggml_types.c)
 *          8: offset in the data section
 *   rest   data section, from the next multiple of the alignment on (general.alignment, 32 without it): tensors in
 * their order, each at the next multiple of the alignment behind the one before
 *
 * A string is 8 bytes of length and its bytes, UTF-8, without a NUL.
 */
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_cursor.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MAGIC_BYTES = 4, HEADER_BYTES = 24, KEY_LIMIT = 65535, NAME_LIMIT = 512, ARRAY_DEPTH = 4, ENTRY_BYTES = 13 };
enum { TENSOR_BYTES = 8 + 4 + 8 + 4 + 8, ALIGNMENT_LIMIT = 1 << 20 };

static const char magic[MAGIC_BYTES] = {'G', 'G', 'U', 'F'};

bool pare_gguf_is(const char *path) {
    char found[MAGIC_BYTES];
    return pare_file_begin(path, found, sizeof found) == sizeof found && memcmp(found, magic, sizeof magic) == 0;
}

/* *texts: [count] strings. The count was checked against the file, which has 8 bytes or more for each. */
static pare_status read_texts(pare_gguf_cursor *from, const char *key, uint64_t count, pare_gguf_text **texts) {
    PARE_TRY(pare_alloc(texts, count, sizeof **texts, "strings of a GGUF file"));
    for (uint64_t i = 0; i < count; i++)
        PARE_TRY(pare_gguf_take_text(from, key, &(*texts)[i]));
    return PARE_OK;
}

static pare_status check_kind(const pare_gguf_cursor *from, const char *key, uint32_t kind) {
    if (kind < PARE_GGUF_KINDS) return PARE_OK;
    return pare_gguf_damaged(from, key, "is of a kind that GGUF does not know");
}

static pare_status check_flags(const pare_gguf_cursor *from, const pare_gguf_entry *entry) {
    for (uint64_t i = 0; i < entry->count; i++)
        if (entry->data[i] > 1) return pare_gguf_damaged(from, entry->key, "is a truth value that is neither 0 nor 1");
    return PARE_OK;
}

/* `depth` arrays deep. Elements of arrays of arrays are passed over. */
static pare_status read_array(pare_gguf_cursor *from, pare_gguf_entry *entry, int depth) {
    uint32_t kind;
    uint64_t count;
    PARE_TRY(pare_gguf_take_u32(from, entry->key, &kind));
    PARE_TRY(check_kind(from, entry->key, kind));
    PARE_TRY(pare_gguf_take_u64(from, entry->key, &count));
    size_t size = pare_gguf_kind_size((pare_gguf_kind)kind), least = size ? size : kind == PARE_GGUF_ARRAY ? 12 : 8;
    if (count > pare_gguf_left(from) / least)
        return pare_gguf_damaged(from, entry->key, "is an array of more elements than the file has room for");
    entry->kind = (pare_gguf_kind)kind;
    entry->count = count;
    if (kind == PARE_GGUF_STRING) return read_texts(from, entry->key, count, &entry->texts);
    if (kind != PARE_GGUF_ARRAY) return pare_gguf_take(from, entry->key, count * size, &entry->data);
    if (depth == ARRAY_DEPTH) return pare_gguf_damaged(from, entry->key, "is an array of arrays that go too deep");
    entry->count = 0;
    for (uint64_t i = 0; i < count; i++) {
        pare_gguf_entry inner = {.key = entry->key};
        pare_status status = read_array(from, &inner, depth + 1);
        pare_free(inner.texts);
        PARE_TRY(status);
    }
    return PARE_OK;
}

static pare_status read_entry(pare_gguf_cursor *from, pare_gguf_entry *entry) {
    uint32_t kind;
    PARE_TRY(pare_gguf_take_name(from, "a metadata entry", KEY_LIMIT, &entry->key));
    PARE_TRY(pare_gguf_take_u32(from, entry->key, &kind));
    PARE_TRY(check_kind(from, entry->key, kind));
    entry->kind = (pare_gguf_kind)kind;
    entry->array = kind == PARE_GGUF_ARRAY;
    entry->count = 1;
    if (entry->array)
        PARE_TRY(read_array(from, entry, 1));
    else if (kind == PARE_GGUF_STRING)
        PARE_TRY(read_texts(from, entry->key, 1, &entry->texts));
    else
        PARE_TRY(pare_gguf_take(from, entry->key, pare_gguf_kind_size(entry->kind), &entry->data));
    return entry->kind == PARE_GGUF_BOOL ? check_flags(from, entry) : PARE_OK;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* rows: [count] of `size` bytes, each of which begins with its name. */
static pare_status check_unique(const pare_gguf_cursor *from, const char *what, const void *rows, size_t count,
                                size_t size) {
    char **names;
    pare_status status = PARE_OK;
    PARE_TRY(pare_alloc(&names, count, sizeof *names, "names of a GGUF file"));
    for (size_t i = 0; i < count; i++)
        memcpy(&names[i], (const char *)rows + i * size, sizeof *names);
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 1; i < count && status == PARE_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = pare_fail(PARE_FORMAT_ERROR, "%s has %s %.200s twice; the file is damaged", from->file->path, what,
                               names[i]);
    pare_free(names);
    return status;
}

static pare_status read_entries(pare_gguf_cursor *from, pare_gguf *file, uint64_t count) {
    if (count > pare_gguf_left(from) / ENTRY_BYTES)
        return pare_gguf_damaged(from, "its header", "promises more metadata than the file has room for");
    PARE_TRY(pare_alloc(&file->entries, count, sizeof *file->entries, "metadata of a GGUF file"));
    for (uint64_t i = 0; i < count; i++) {
        file->entry_count++;
        PARE_TRY(read_entry(from, &file->entries[i]));
    }
    PARE_TRY(check_unique(from, "the metadata entry", file->entries, file->entry_count, sizeof *file->entries));
    int64_t alignment;
    PARE_TRY(pare_gguf_whole(file, "general.alignment", 1, ALIGNMENT_LIMIT, PARE_GGUF_ALIGNMENT, &alignment));
    if (alignment & (alignment - 1)) return pare_gguf_damaged(from, "general.alignment", "is no power of two");
    file->alignment = (uint64_t)alignment;
    return PARE_OK;
}

static pare_status read_shape(pare_gguf_cursor *from, pare_gguf_tensor *tensor) {
    uint32_t rank;
    PARE_TRY(pare_gguf_take_u32(from, tensor->name, &rank));
    if (rank < 1 || rank > PARE_GGUF_MAX_RANK)
        return pare_gguf_damaged(from, tensor->name, "has a number of dimensions that is not 1 to 4");
    tensor->rank = (int)rank;
    tensor->count = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        PARE_TRY(pare_gguf_take_u64(from, tensor->name, &tensor->shape[i]));
        if (!pare_multiply_size(tensor->count, tensor->shape[i], &tensor->count))
            return pare_gguf_damaged(from, tensor->name, "has a shape too large to be true");
    }
    return PARE_OK;
}

/* offset: in the data section, whose place is known when all tensors were read. */
static pare_status read_tensor(pare_gguf_cursor *from, pare_gguf_tensor *tensor, uint64_t *offset) {
    uint32_t type;
    PARE_TRY(pare_gguf_take_name(from, "a tensor", NAME_LIMIT, &tensor->name));
    PARE_TRY(read_shape(from, tensor));
    PARE_TRY(pare_gguf_take_u32(from, tensor->name, &type));
    tensor->type = pare_ggml_type_find(type);
    if (!tensor->type)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: tensor %s is of type %u, which pare does not know; convert the model to a type that "
                         "\"pare help models\" names",
                         from->file->path, tensor->name, type);
    uint64_t blocks = tensor->count / tensor->type->elements;
    if (tensor->shape[tensor->rank - 1] % tensor->type->elements)
        return pare_gguf_damaged(from, tensor->name, "has rows that are no whole number of its type's blocks");
    if (!pare_multiply_size(blocks, tensor->type->bytes, &tensor->bytes))
        return pare_gguf_damaged(from, tensor->name, "has a shape too large to be true");
    return pare_gguf_take_u64(from, tensor->name, offset);
}

/* One behind the other, so that none overlaps another and nothing lies between them. */
static pare_status place_tensors(pare_gguf_cursor *from, pare_gguf *file, const uint64_t *offsets) {
    uint64_t section = from->file->bytes - file->data_begin, next = 0;
    for (size_t i = 0; i < file->tensor_count; i++) {
        pare_gguf_tensor *tensor = &file->tensors[i];
        if (offsets[i] % file->alignment)
            return pare_gguf_damaged(from, tensor->name, "does not begin at a multiple of the alignment");
        if (offsets[i] != next)
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s: tensor %s begins at byte %llu of the data where the one before it ends at %llu; the "
                             "file is damaged",
                             from->file->path, tensor->name, (unsigned long long)offsets[i], (unsigned long long)next);
        if (next > section || tensor->bytes > section - next)
            return pare_fail(
                PARE_FORMAT_ERROR,
                "%s: tensor %s of %llu bytes reaches beyond the end of the file; it is truncated, download "
                "it again",
                from->file->path, tensor->name, (unsigned long long)tensor->bytes);
        tensor->data = from->file->data + file->data_begin + next;
        uint64_t end = next + tensor->bytes;
        next = end + (file->alignment - end % file->alignment) % file->alignment;
    }
    if (section > next)
        return pare_fail(PARE_FORMAT_ERROR, "%s has %llu bytes behind its last tensor; it is damaged", from->file->path,
                         (unsigned long long)(section - next));
    return PARE_OK;
}

static pare_status read_tensors(pare_gguf_cursor *from, pare_gguf *file, uint64_t count) {
    uint64_t *offsets;
    if (count > pare_gguf_left(from) / TENSOR_BYTES)
        return pare_gguf_damaged(from, "its header", "promises more tensors than the file has room for");
    PARE_TRY(pare_alloc(&file->tensors, count, sizeof *file->tensors, "tensors of a GGUF file"));
    PARE_TRY(pare_alloc(&offsets, count, sizeof *offsets, "tensors of a GGUF file"));
    pare_status status = PARE_OK;
    for (uint64_t i = 0; i < count && status == PARE_OK; i++) {
        file->tensor_count++;
        status = read_tensor(from, &file->tensors[i], &offsets[i]);
    }
    if (status == PARE_OK)
        status = check_unique(from, "the tensor", file->tensors, file->tensor_count, sizeof *file->tensors);
    uint64_t begin = from->at + (file->alignment - from->at % file->alignment) % file->alignment;
    file->data_begin = begin < from->file->bytes ? begin : from->file->bytes;
    if (status == PARE_OK) status = place_tensors(from, file, offsets);
    pare_free(offsets);
    return status;
}

static pare_status read_version(pare_gguf_cursor *from, pare_gguf *file) {
    PARE_TRY(pare_gguf_take_u32(from, "its version", &file->version));
    uint32_t swapped = __builtin_bswap32(file->version);
    if (file->version == 2 || file->version == PARE_GGUF_VERSION) return PARE_OK;
    if (swapped >= 1 && swapped <= PARE_GGUF_VERSION)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s is a big-endian GGUF file; pare reads little-endian ones: convert it with the gguf "
                         "package's gguf-convert-endian",
                         from->file->path);
    return pare_fail(PARE_UNSUPPORTED, "%s is of version %u of GGUF; pare reads versions 2 and 3", from->file->path,
                     file->version);
}

static pare_status read_file(pare_gguf *file) {
    pare_gguf_cursor from = {.file = &file->mapping};
    const unsigned char *begin;
    uint64_t tensors, entries;
    if (file->mapping.bytes < HEADER_BYTES)
        return pare_fail(PARE_FORMAT_ERROR, "%s has %llu bytes, too few for a GGUF file; download it again",
                         file->mapping.path, (unsigned long long)file->mapping.bytes);
    PARE_TRY(pare_gguf_take(&from, "its beginning", MAGIC_BYTES, &begin));
    if (memcmp(begin, magic, sizeof magic) != 0)
        return pare_fail(PARE_FORMAT_ERROR, "%s does not begin with GGUF; it is a file of another kind",
                         file->mapping.path);
    PARE_TRY(read_version(&from, file));
    PARE_TRY(pare_gguf_take_u64(&from, "its header", &tensors));
    PARE_TRY(pare_gguf_take_u64(&from, "its header", &entries));
    PARE_TRY(read_entries(&from, file, entries));
    return read_tensors(&from, file, tensors);
}

pare_status pare_gguf_open(const char *path, pare_gguf *out) {
    *out = (pare_gguf){0};
    pare_status status = pare_mapping_open(path, &out->mapping);
    if (status == PARE_OK) status = read_file(out);
    if (status != PARE_OK) pare_gguf_close(out);
    return status;
}

void pare_gguf_close(pare_gguf *file) {
    for (size_t i = 0; i < file->entry_count; i++) {
        free(file->entries[i].key);
        pare_free(file->entries[i].texts);
    }
    for (size_t i = 0; i < file->tensor_count; i++)
        free(file->tensors[i].name);
    pare_free(file->entries);
    pare_free(file->tensors);
    pare_mapping_close(&file->mapping);
    *file = (pare_gguf){0};
}
