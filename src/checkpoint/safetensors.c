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
#include "checkpoint/header_read.h"
#include "checkpoint/mxfp4.h"
#include "checkpoint/narrow.h"
#include "checkpoint/stored_dtype.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

/* What is done with the dtypes beside F32, F16 and BF16. */
typedef enum special { SPECIAL_NONE, SPECIAL_BYTES, SPECIAL_F64, SPECIAL_COMPUTED } special;

/* A file being read. Names go over to the file's lists. */
typedef struct reader {
    pare_safetensors *file;
    pare_header_list list;
    special *special; /* [list.count] */
    bool masks;       /* U8 is accepted, F64 is not */
    bool packed;      /* U8 is accepted of what MXFP4 weights are made of */
    size_t wide;      /* tensors of F64 */
} reader;

static pare_status read_tensor(reader *from, size_t index, pare_tensor *tensor) {
    const pare_header_entry *entry = &from->list.entries[index];
    bool known = pare_stored_dtype_find(entry->dtype, &tensor->dtype);
    bool bytes = from->masks || (from->packed && pare_mxfp4_is_part(entry->name));
    if (!known && bytes && strcmp(entry->dtype, "U8") == 0) from->special[index] = SPECIAL_BYTES;
    if (!known && !from->masks && strcmp(entry->dtype, "F64") == 0) from->special[index] = SPECIAL_F64;
    if (!known && !from->masks && pare_stored_is_computed(entry->name, entry->dtype))
        from->special[index] = SPECIAL_COMPUTED;
    if (!known && from->special[index] == SPECIAL_NONE)
        return pare_stored_dtype_refuse(from->file->mapping.path, entry->name, entry->dtype);
    if (entry->rank > PARE_TENSOR_MAX_RANK)
        return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has %d dimensions; pare reads at most %d",
                         from->file->mapping.path, entry->name, entry->rank, PARE_TENSOR_MAX_RANK);
    from->wide += from->special[index] == SPECIAL_F64;
    tensor->rank = entry->rank;
    memcpy(tensor->shape, entry->shape, sizeof tensor->shape);
    tensor->count = entry->count;
    tensor->bytes = entry->bytes;
    tensor->data = from->file->mapping.data + from->list.data_begin + entry->begin;
    return PARE_OK;
}

/* The names belong to the file's lists from then on. */
static pare_status read_tensors(reader *from) {
    pare_safetensors *file = from->file;
    size_t count = from->list.count;
    PARE_TRY(pare_alloc(&from->special, count, sizeof *from->special, "tensor descriptions"));
    PARE_TRY(pare_alloc(&file->tensors, count, sizeof *file->tensors, "tensor descriptions"));
    if (from->masks || from->packed)
        PARE_TRY(pare_alloc(&file->masks, count, sizeof *file->masks, "tensor descriptions"));
    for (size_t i = 0; i < count; i++) {
        pare_tensor tensor = {0};
        PARE_TRY(read_tensor(from, i, &tensor));
        if (from->special[i] == SPECIAL_COMPUTED) continue;
        tensor.name = from->list.entries[i].name;
        from->list.entries[i].name = NULL;
        if (from->special[i] == SPECIAL_BYTES)
            file->masks[file->mask_count++] = tensor;
        else
            file->tensors[file->count++] = tensor;
    }
    return PARE_OK;
}

/* Without masks, the file's tensors are the list's entries, but for those that are computed or bytes. */
static pare_status narrow(reader *from) {
    bool *wide;
    PARE_TRY(pare_alloc(&wide, from->file->count, sizeof *wide, "tensor descriptions"));
    for (size_t i = 0, kept = 0; i < from->list.count; i++)
        if (from->special[i] != SPECIAL_COMPUTED && from->special[i] != SPECIAL_BYTES)
            wide[kept++] = from->special[i] == SPECIAL_F64;
    pare_status status = pare_safetensors_narrow(from->file, wide);
    pare_free(wide);
    return status;
}

static pare_status read_file(const char *path, bool masks, bool packed, pare_safetensors *out) {
    *out = (pare_safetensors){0};
    reader from = {.file = out, .masks = masks, .packed = packed};
    pare_status status;
    PARE_TRY_GOTO(status, pare_mapping_open(path, &out->mapping), done);
    PARE_TRY_GOTO(status, pare_header_read(&out->mapping, &from.list), done);
    PARE_TRY_GOTO(status, read_tensors(&from), done);
    if (from.wide) PARE_TRY_GOTO(status, narrow(&from), done);
    if (masks) out->metadata = json_incref(from.list.metadata);
done:
    pare_header_list_free(&from.list);
    pare_free(from.special);
    if (status != PARE_OK) pare_safetensors_close(out);
    return status;
}

pare_status pare_safetensors_open(const char *path, pare_safetensors *out) {
    return read_file(path, false, false, out);
}

pare_status pare_safetensors_open_masks(const char *path, pare_safetensors *out) {
    return read_file(path, true, false, out);
}

pare_status pare_safetensors_open_packed(const char *path, pare_safetensors *out) {
    return read_file(path, false, true, out);
}

pare_status pare_tensor_read_shape(const char *path, const json_t *shape, size_t element, pare_tensor *tensor) {
    PARE_TRY(
        pare_shape_read(path, tensor->name, shape, PARE_TENSOR_MAX_RANK, tensor->shape, &tensor->rank, &tensor->count));
    if (!pare_multiply_size(tensor->count, element, &tensor->bytes))
        return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has a shape too large to be true", path, tensor->name);
    return PARE_OK;
}

int pare_tensor_compare_places(const pare_tensor *a, const pare_tensor *b) {
    if (a->data != b->data) return (uintptr_t)a->data < (uintptr_t)b->data ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void free_names(const pare_tensor *tensors, size_t count) {
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)tensors[i].name);
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
