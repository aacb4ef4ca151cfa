/* Layout of model.pare-sparse, which is a safetensors file (safetensors.c) whose header says how to expand it:
 *
 *   "__metadata__": {"format": "pt", "pare_sparse": TEXT}, where TEXT is itself JSON:
 *       {"version": 1, "tensors": {NAME: {"shape": [rows, columns], "zeros": Z}, ...}}
 *
 * For each NAME in it, of n elements, the file has
 *
 *   NAME.bitmask  U8 [8 ceil(n / 64)]  bit i % 8 of byte i / 8 is set if any bit of element i is (so for -0, too); the
 *                                      bits after the last element are clear
 *   NAME.values   dtype [v]            the n - Z elements whose bit is set, in order, and +0 up to a multiple of 8
 * bytes
 *
 * and the order of the masks among the other tensors is that of the model. All other tensors are stored as they are.
 */
#include "checkpoint/archive.h"
#include "checkpoint/bitmask.h"
#include "support/machine.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, PIECE = 1 << 20, ALIGNMENT = 64, VALUES_UNIT = 8 };

/* A tensor as it will be, and where it is. */
typedef struct packed {
    pare_tensor tensor;         /* data: the place in the file by which tensors are sorted, then that in the image */
    const unsigned char *mask;  /* NULL: stored as it is */
    const unsigned char *bytes; /* its elements, or the values */
    uint64_t ones, padding;     /* values that are used, and bytes that follow them */
} packed;

typedef struct archive {
    pare_safetensors *file;
    json_t *sparse;   /* the parsed TEXT */
    packed *tensors;  /* [count] */
    size_t count;     /* those whose names are to be freed */
    bool *taken;      /* [file->count]: is the values of a tensor */
    uint64_t *starts; /* [pieces + 1] of the largest tensor: values before each piece */
    int threads;
    uint64_t mask_used; /* masks that belong to a tensor */
    uint64_t memory;    /* the image may take */
} archive;

static pare_status damaged(const archive *a, const char *name, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: sparse tensor %s %s; the archive is damaged, make it again",
                     a->file->mapping.path, name, what);
}

static pare_status parse_metadata(archive *a) {
    const char *path = a->file->mapping.path;
    const char *text = json_string_value(json_object_get(a->file->metadata, "pare_sparse"));
    uint64_t version = 0;
    if (text) a->sparse = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!pare_json_natural(json_object_get(a->sparse, "version"), &version))
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has no readable pare_sparse in its metadata: it is damaged or no archive of pare's", path);
    if (version != VERSION)
        return pare_fail(PARE_UNSUPPORTED, "%s is an archive of version %llu; this pare reads version %d", path,
                         (unsigned long long)version, VERSION);
    if (json_object_size(a->sparse) == 2 && json_is_object(json_object_get(a->sparse, "tensors"))) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: pare_sparse in the metadata does not list the sparse tensors", path);
}

static int compare_names(const void *left, const void *right) {
    return strcmp(((const pare_tensor *)left)->name, ((const pare_tensor *)right)->name);
}

static int compare_packed(const void *left, const void *right) {
    return pare_tensor_compare_places(&((const packed *)left)->tensor, &((const packed *)right)->tensor);
}

/* `list` is sorted by name. NULL if there is no NAME.PART. */
static pare_tensor *find_part(pare_tensor *list, size_t count, const char *name, const char *part) {
    pare_tensor key = {.name = pare_format("%s.%s", name, part)};
    pare_tensor *found = !key.name ? NULL : bsearch(&key, list, count, sizeof *list, compare_names);
    free((void *)(uintptr_t)key.name);
    return found;
}

static pare_status check_sizes(const archive *a, packed *item, const pare_tensor *mask, const pare_tensor *values,
                               uint64_t zeros) {
    const char *name = item->tensor.name;
    uint64_t size = pare_dtype_size(item->tensor.dtype), count = item->tensor.count;
    if (zeros > count) return damaged(a, name, "has more zeros than elements");
    if (mask->bytes != pare_bitmask_bytes(count)) return damaged(a, name, "has a bitmask of another size");
    item->ones = count - zeros;
    item->padding = (VALUES_UNIT - item->ones * size % VALUES_UNIT) % VALUES_UNIT;
    if (values->bytes != item->ones * size + item->padding)
        return damaged(a, name, "has another number of values than its shape and its zeros leave");
    return PARE_OK;
}

static pare_status read_sparse(archive *a, const char *name, const json_t *json) {
    pare_safetensors *file = a->file;
    packed *item = &a->tensors[a->count++];
    uint64_t zeros;
    item->tensor.name = pare_format("%s", name);
    if (!item->tensor.name) return pare_whole();
    if (!pare_name_is_plain(name)) return damaged(a, "without a name", "cannot be");
    if (json_object_size(json) != 2 || !pare_json_natural(json_object_get(json, "zeros"), &zeros))
        return damaged(a, name, "is not described by shape and zeros");
    const pare_tensor *mask = find_part(file->masks, file->mask_count, name, "bitmask");
    const pare_tensor *values = find_part(file->tensors, file->count, name, "values");
    if (!mask || !values) return damaged(a, name, "lacks its bitmask or its values");
    item->tensor.dtype = values->dtype;
    PARE_TRY(pare_tensor_read_shape(file->mapping.path, json_object_get(json, "shape"), pare_dtype_size(values->dtype),
                                    &item->tensor));
    PARE_TRY(check_sizes(a, item, mask, values, zeros));
    item->tensor.data = item->mask = mask->data;
    item->bytes = values->data;
    a->taken[values - file->tensors] = true;
    a->mask_used++;
    return PARE_OK;
}

static pare_status list_tensors(archive *a) {
    pare_safetensors *file = a->file;
    json_t *listed = json_object_get(a->sparse, "tensors"), *json;
    const char *name;
    size_t room = file->count + json_object_size(listed);
    PARE_TRY(pare_alloc(&a->tensors, room, sizeof *a->tensors, "tensor descriptions"));
    PARE_TRY(pare_alloc(&a->taken, file->count, sizeof *a->taken, "tensor descriptions"));
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_names);
    if (file->mask_count) qsort(file->masks, file->mask_count, sizeof *file->masks, compare_names);
    json_object_foreach(listed, name, json) PARE_TRY(read_sparse(a, name, json));
    if (a->mask_used != file->mask_count)
        return pare_fail(PARE_FORMAT_ERROR, "%s has %zu tensors of dtype U8, but %llu bitmasks are listed in it",
                         file->mapping.path, file->mask_count, (unsigned long long)a->mask_used);
    for (size_t i = 0; i < file->count; i++) {
        if (a->taken[i]) continue;
        packed *item = &a->tensors[a->count++];
        *item = (packed){.tensor = file->tensors[i], .bytes = file->tensors[i].data};
        item->tensor.name = pare_format("%s", file->tensors[i].name);
        if (!item->tensor.name) return pare_whole();
    }
    qsort(a->tensors, a->count, sizeof *a->tensors, compare_packed);
    return PARE_OK;
}

/* Untouched pages where memory is taken: every byte is written before it is read. */
static pare_status open_image(archive *a, uint64_t bytes) {
    pare_scratch *image = &a->file->image;
    const char *what = "the expanded weights of an archive", *folder = pare_runtime_scratch(NULL);
    if (bytes <= a->memory) {
        *image = (pare_scratch){.bytes = bytes};
        return pare_alloc_uninitialized(&image->data, bytes, 1, what);
    }
    if (pare_scratch_open(image, bytes, folder, what) == PARE_OK) return PARE_OK;
    return pare_fail(
        PARE_FILE_ERROR,
        "%s: its weights take %.1f MiB when they are expanded, which is too much for the free memory and does "
        "not fit into %s; set TMPDIR to a folder with more room",
        a->file->mapping.path, (double)bytes / 1048576.0, folder);
}

/* Every tensor gets its place in the image. Sizes cannot overflow: a mask has a bit for each element, so that no tensor
 * is larger than 32 times what it takes in the file. */
static pare_status make_image(archive *a) {
    uint64_t bytes = 0, largest = 0;
    for (size_t i = 0; i < a->count; i++) {
        const pare_tensor *tensor = &a->tensors[i].tensor;
        bytes += (tensor->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (tensor->count > largest) largest = tensor->count;
    }
    PARE_TRY(pare_alloc(&a->starts, largest / PIECE + 2, sizeof *a->starts, "an archive's tables"));
    PARE_TRY(open_image(a, bytes));
    unsigned char *next = a->file->image.data;
    for (size_t i = 0; i < a->count; i++) {
        a->tensors[i].tensor.data = next;
        next += (a->tensors[i].tensor.bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return PARE_OK;
}

/* Counts the values before each piece; they must be those that the file has. */
static pare_status check_mask(const archive *a, const packed *item, uint64_t pieces) {
    uint64_t bytes = pare_bitmask_bytes(item->tensor.count);
#pragma omp parallel for num_threads(a->threads) if (pieces > 1)
    for (uint64_t i = 0; i < pieces; i++) {
        uint64_t begin = i * (PIECE / 8), end = i + 1 < pieces ? begin + PIECE / 8 : bytes;
        a->starts[i + 1] = pare_bitmask_ones(item->mask + begin, end - begin);
    }
    for (uint64_t i = 0; i < pieces; i++)
        a->starts[i + 1] += a->starts[i];
    if (a->starts[pieces] != item->ones)
        return damaged(a, item->tensor.name, "has a bitmask of another number of ones");
    if (!pare_bitmask_is_padded(item->mask, item->tensor.count))
        return damaged(a, item->tensor.name, "has ones in its bitmask after its last element");
    const unsigned char *end = item->bytes + item->ones * pare_dtype_size(item->tensor.dtype);
    for (uint64_t i = 0; i < item->padding; i++)
        if (end[i]) return damaged(a, item->tensor.name, "has something after its last value");
    return PARE_OK;
}

static pare_status expand_tensor(const archive *a, const packed *item) {
    const pare_bitmask_kernels *kernels = pare_bitmask_best();
    size_t size = pare_dtype_size(item->tensor.dtype);
    uint64_t count = item->tensor.count, pieces = count / PIECE + (count % PIECE != 0);
    unsigned char *out = (unsigned char *)(uintptr_t)item->tensor.data;
    if (item->mask) PARE_TRY(check_mask(a, item, pieces));
#pragma omp parallel for schedule(dynamic) num_threads(a->threads) if (pieces > 1)
    for (uint64_t i = 0; i < pieces; i++) {
        uint64_t begin = i * PIECE, n = count - begin < PIECE ? count - begin : PIECE;
        if (item->mask)
            kernels->expand(out + begin * size, item->mask + begin / 8, item->bytes + a->starts[i] * size, size, n);
        else
            memcpy(out + begin * size, item->bytes + begin * size, n * size);
    }
    return PARE_OK;
}

static void prefetch(const packed *item) {
    uint64_t size = pare_dtype_size(item->tensor.dtype);
    uint64_t mask = item->mask ? pare_bitmask_bytes(item->tensor.count) : 0;
    uint64_t bytes = item->mask ? item->ones * size : item->tensor.bytes;
    pare_tensor_prefetch(&(pare_tensor){.data = item->mask, .bytes = mask});
    pare_tensor_prefetch(&(pare_tensor){.data = item->bytes, .bytes = bytes});
}

/* The file's own lists give way to the expanded tensors. */
static pare_status hand_over(archive *a) {
    pare_safetensors *file = a->file;
    pare_tensor *tensors;
    PARE_TRY(pare_alloc(&tensors, a->count, sizeof *tensors, "tensor descriptions"));
    for (size_t i = 0; i < a->count; i++)
        tensors[i] = a->tensors[i].tensor;
    pare_safetensors_forget(file);
    file->tensors = tensors;
    file->count = a->count;
    a->count = 0;
    return PARE_OK;
}

static pare_status expand(archive *a) {
    PARE_TRY(parse_metadata(a));
    PARE_TRY(list_tensors(a));
    PARE_TRY(make_image(a));
    for (size_t i = 0; i < a->count; i++) {
        PARE_TRY(pare_interrupted());
        if (i + 1 < a->count) prefetch(&a->tensors[i + 1]);
        PARE_TRY(expand_tensor(a, &a->tensors[i]));
    }
    return hand_over(a);
}

uint64_t pare_archive_memory(void) {
    return pare_memory_available() / 2;
}

pare_status pare_archive_open(const char *path, uint64_t memory, pare_safetensors *out) {
    archive a = {.file = out, .memory = memory, .threads = pare_machine_threads("")};
    PARE_TRY(pare_safetensors_open_masks(path, out));
    pare_status status = expand(&a);
    for (size_t i = 0; i < a.count; i++)
        free((void *)(uintptr_t)a.tensors[i].tensor.name);
    pare_free(a.tensors);
    pare_free(a.taken);
    pare_free(a.starts);
    json_decref(a.sparse);
    if (status != PARE_OK) pare_safetensors_close(out);
    return status;
}
