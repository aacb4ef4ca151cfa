/* An importance matrix as a GGUF file (gguf.c), as llama.cpp's tools/imatrix writes it:
 *
 *   general.type         "imatrix"
 *   imatrix.datasets     strings: files of text that were read
 *   imatrix.chunk_count  u32: sequences that went through the model
 *   imatrix.chunk_size   u32: tokens of each
 *
 * and for every matrix NAME ("blk.3.attn_q.weight") two tensors, F32:
 *
 *   NAME.in_sum2  [matrices, width]: sum over the tokens of the squared inputs; [width] where it is one matrix
 *   NAME.counts   [matrices, 1]: how many tokens; [1] likewise
 *
 * Several matrices are the experts of one tensor. Other tensors are passed over. */
#include "checkpoint/imatrix.h"
#include "support/little_endian.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char sums_suffix[] = ".in_sum2", counts_suffix[] = ".counts";

static bool ends_with(const char *name, const char *suffix, size_t *stem) {
    size_t length = strlen(name), tail = strlen(suffix);
    *stem = length > tail ? length - tail : 0;
    return length > tail && strcmp(name + *stem, suffix) == 0;
}

static float float_at(const unsigned char *at, uint64_t index) {
    uint32_t bits = (uint32_t)pare_little_endian(at + index * sizeof(float), sizeof(float));
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

bool pare_imatrix_is(const char *path) {
    return pare_gguf_is(path) || pare_imatrix_is_legacy(path);
}

/* Rows and columns of a tensor of rank 1 or 2. */
static pare_status shape_of(const pare_imatrix_file *m, const pare_gguf_tensor *tensor, uint64_t *rows,
                            uint64_t *columns) {
    const char *type = tensor->type->name;
    if (strcmp(type, "F32") != 0)
        return pare_fail(PARE_FORMAT_ERROR, "%s: the tensor %s is of type %s, where an importance matrix has F32",
                         m->path, tensor->name, type);
    bool fits = tensor->rank == 1 || tensor->rank == 2;
    *rows = fits && tensor->rank == 2 ? tensor->shape[0] : 1;
    *columns = fits ? tensor->shape[tensor->rank - 1] : 0;
    if (*rows && *columns) return PARE_OK;
    return pare_fail(
        PARE_FORMAT_ERROR,
        "%s: the tensor %s has %d dimensions, or nothing in it, where an importance matrix has a number for "
        "every input of a matrix",
        m->path, tensor->name, tensor->rank);
}

typedef const pare_gguf_tensor *tensor_of;

static int by_tensor_name(const void *a, const void *b) {
    return strcmp((*(const tensor_of *)a)->name, (*(const tensor_of *)b)->name);
}

static int named(const void *name, const void *tensor) {
    return strcmp(name, (*(const tensor_of *)tensor)->name);
}

/* sorted: all tensors, by name. *out stays where there is none. */
static pare_status find_counts(const pare_imatrix_file *m, const tensor_of *sorted, const char *sums, size_t stem,
                               tensor_of *out) {
    char *name = pare_format("%.*s%s", (int)stem, sums, counts_suffix);
    if (!name) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the entries of %s", m->path);
    const tensor_of *found = bsearch(name, sorted, m->file.tensor_count, sizeof *sorted, named);
    if (found) *out = *found;
    free(name);
    return PARE_OK;
}

static pare_status add_entry(pare_imatrix_file *m, const tensor_of *sorted, tensor_of sums, size_t stem) {
    uint64_t count_rows, count_columns;
    tensor_of counts = NULL;
    PARE_TRY(find_counts(m, sorted, sums->name, stem, &counts));
    pare_imatrix_entry *entry = &m->entries[m->count];
    *entry = (pare_imatrix_entry){.scale = 1.0, .squares = sums->data};
    PARE_TRY(shape_of(m, sums, &entry->matrices, &entry->width));
    if (!counts)
        return pare_fail(PARE_FORMAT_ERROR, "%s: there are sums for %.*s, but not the tokens that they are of (%.*s%s)",
                         m->path, (int)stem, sums->name, (int)stem, sums->name, counts_suffix);
    PARE_TRY(shape_of(m, counts, &count_rows, &count_columns));
    if (counts->count != entry->matrices)
        return pare_fail(PARE_FORMAT_ERROR, "%s: the tensor %s has %llu counts for %llu matrices", m->path,
                         counts->name, (unsigned long long)counts->count, (unsigned long long)entry->matrices);
    entry->counts = counts->data;
    entry->name = strndup(sums->name, stem);
    if (!entry->name) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the entries of %s", m->path);
    m->count++;
    return PARE_OK;
}

/* Where it is silent, 0. */
static pare_status read_number(const pare_imatrix_file *m, const char *key, uint32_t *out) {
    int64_t value;
    PARE_TRY(pare_gguf_whole(&m->file, key, 0, INT32_MAX, 0, &value));
    *out = (uint32_t)value;
    return PARE_OK;
}

static pare_status check_type(const pare_imatrix_file *m) {
    char *type;
    PARE_TRY(pare_gguf_string(&m->file, "general.type", &type));
    bool fits = type && strcmp(type, "imatrix") == 0;
    pare_status status = PARE_OK;
    if (!fits)
        status = pare_fail(PARE_BAD_ARGUMENT,
                           "%s is a GGUF file, but no importance matrix (its general.type is %.40s): name one that "
                           "llama-imatrix or pare wrote, or a text",
                           m->path, type ? type : "not said");
    free(type);
    return status;
}

static pare_status read_gguf(pare_imatrix_file *m) {
    PARE_TRY(check_type(m));
    PARE_TRY(read_number(m, "imatrix.chunk_count", &m->chunks));
    PARE_TRY(read_number(m, "imatrix.chunk_size", &m->chunk_length));
    tensor_of *sorted;
    size_t tensors = m->file.tensor_count, stem;
    PARE_TRY(pare_alloc(&m->entries, tensors, sizeof *m->entries, "entries of an importance matrix"));
    PARE_TRY(pare_alloc(&sorted, tensors, sizeof *sorted, "entries of an importance matrix"));
    for (size_t i = 0; i < tensors; i++)
        sorted[i] = &m->file.tensors[i];
    if (tensors) qsort(sorted, tensors, sizeof *sorted, by_tensor_name);
    pare_status status = PARE_OK;
    for (size_t i = 0; i < tensors && status == PARE_OK; i++)
        if (ends_with(m->file.tensors[i].name, sums_suffix, &stem))
            status = add_entry(m, sorted, &m->file.tensors[i], stem);
    pare_free(sorted);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static pare_status finish(pare_imatrix_file *m) {
    if (!m->count) return pare_fail(PARE_FORMAT_ERROR, "%s: the importance matrix has no sums in it", m->path);
    qsort(m->entries, m->count, sizeof *m->entries, by_name);
    for (size_t i = 1; i < m->count; i++)
        if (strcmp(m->entries[i - 1].name, m->entries[i].name) == 0)
            return pare_fail(PARE_FORMAT_ERROR, "%s: the importance matrix has %.80s twice", m->path,
                             m->entries[i].name);
    return PARE_OK;
}

static pare_status open_either(const char *path, pare_imatrix_file *out) {
    if (pare_imatrix_is_legacy(path)) {
        PARE_TRY(pare_mapping_open(path, &out->mapping));
        out->path = out->mapping.path;
        PARE_TRY(pare_imatrix_read_legacy(out));
    } else {
        PARE_TRY(pare_gguf_open(path, &out->file));
        out->path = out->file.mapping.path;
        PARE_TRY(read_gguf(out));
    }
    return finish(out);
}

pare_status pare_imatrix_open(const char *path, pare_imatrix_file *out) {
    *out = (pare_imatrix_file){0};
    pare_status status = open_either(path, out);
    if (status != PARE_OK) pare_imatrix_close(out);
    return status;
}

void pare_imatrix_close(pare_imatrix_file *m) {
    for (size_t i = 0; i < m->count; i++)
        free(m->entries[i].name);
    pare_free(m->entries);
    pare_gguf_close(&m->file);
    pare_mapping_close(&m->mapping);
    *m = (pare_imatrix_file){0};
}

static double count_of(const pare_imatrix_entry *entry, uint32_t index) {
    return entry->counts ? (double)float_at(entry->counts, index) : entry->count;
}

static pare_status check_entry(const pare_imatrix_file *m, const char *name, uint32_t matrices, int64_t width,
                               const pare_imatrix_entry *entry) {
    if (!entry)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has no sums for %s, which the model has: it is of another model, or of a part of one",
                         m->path, name);
    if (entry->matrices != matrices && matrices == 1)
        return pare_fail(PARE_FORMAT_ERROR, "%s: %s is of %llu experts, and the model has one matrix there", m->path,
                         name, (unsigned long long)entry->matrices);
    if (entry->matrices != matrices)
        return pare_fail(PARE_FORMAT_ERROR, "%s: %s is of %llu experts, and the model has %u", m->path, name,
                         (unsigned long long)entry->matrices, matrices);
    if (entry->width != (uint64_t)width)
        return pare_fail(PARE_FORMAT_ERROR, "%s: %s has %llu inputs, and the model's has %lld: it is of another model",
                         m->path, name, (unsigned long long)entry->width, (long long)width);
    return PARE_OK;
}

static pare_status check_count(const pare_imatrix_file *m, const char *name, double count, bool none) {
    if ((count > 0 || (none && count >= 0)) && isfinite(count)) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the sums for %s are of %g tokens: nothing was measured there", m->path,
                     name, count);
}

pare_status pare_imatrix_dataset(const pare_imatrix_file *m, char **out) {
    const pare_gguf_entry *list;
    *out = NULL;
    PARE_TRY(pare_gguf_list(&m->file, "imatrix.datasets", true, &list));
    if (!list || !list->count || !pare_gguf_is_text(list->texts[0])) return PARE_OK;
    *out = strndup(list->texts[0].bytes, list->texts[0].length);
    return *out ? PARE_OK : pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the texts of %s", m->path);
}

static const pare_imatrix_entry *find(const pare_imatrix_file *m, const char *name) {
    pare_imatrix_entry key = {.name = (char *)(uintptr_t)name};
    return bsearch(&key, m->entries, m->count, sizeof key, by_name);
}

bool pare_imatrix_has(const pare_imatrix_file *m, const char *name) {
    return find(m, name) != NULL;
}

pare_status pare_imatrix_take(const pare_imatrix_file *m, const char *name, int64_t width, double *squares,
                              double *tokens) {
    PARE_TRY(pare_imatrix_take_one(m, name, 1, 0, width, squares, tokens));
    return check_count(m, name, *tokens, false);
}

pare_status pare_imatrix_take_one(const pare_imatrix_file *m, const char *name, uint32_t matrices, uint32_t index,
                                  int64_t width, double *squares, double *tokens) {
    const pare_imatrix_entry *entry = find(m, name);
    PARE_TRY(check_entry(m, name, matrices, width, entry));
    *tokens = count_of(entry, index);
    PARE_TRY(check_count(m, name, *tokens, true));
    uint64_t first = (uint64_t)index * (uint64_t)width;
    for (int64_t i = 0; i < width; i++) {
        squares[i] = (double)float_at(entry->squares, first + (uint64_t)i) * entry->scale;
        if (!(squares[i] >= 0.0) || !isfinite(squares[i]))
            return pare_fail(PARE_FORMAT_ERROR, "%s: the sum of squares of input %lld of %s is %g", m->path,
                             (long long)i, name, squares[i]);
    }
    return PARE_OK;
}
