/* The layout is at the top of torch_storage.c, and of torch_legacy.c for older files. */
#include "checkpoint/torch_file.h"
#include "checkpoint/narrow.h"
#include "checkpoint/stored_dtype.h"
#include "checkpoint/torch_storage.h"
#include "support/memory.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* A tensor as the file has it: element (i, j, ...) is at from[i * strides[0] + j * strides[1] + ...]. */
typedef struct stored {
    pare_tensor tensor; /* data: of the first element in the mapping */
    uint64_t strides[PARE_TENSOR_MAX_RANK];
    bool wide, copied; /* F64; lies in the image */
} stored;

typedef struct reader {
    pare_safetensors *file;
    pare_torch_source source;
    stored *list; /* [count] */
    size_t count;
    uint64_t copied, image; /* bytes that are copied, and of the image */
} reader;

bool pare_torch_is_name(const char *name) {
    static const char *const patterns[] = {"*.bin", "*.pth", "*.pt", "*.ckpt"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, FNM_CASEFOLD) == 0) return true;
    return false;
}

static pare_status damaged(const reader *from, const char *name, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s %s; the file is damaged, download it again",
                     from->file->mapping.path, name, what);
}

static bool is_call(const pare_value *value, const char *name) {
    return value && value->kind == PARE_VALUE_CALL && strcmp(value->global->name, name) == 0;
}

/* What a value rebuilds, if it is a tensor or a parameter of one; else NULL. */
static const pare_value *tensor_of(const reader *from, const pare_value *value) {
    const pare_pickle *pickle = &from->source.pickle;
    if (is_call(value, "_rebuild_parameter") || is_call(value, "_rebuild_parameter_with_state"))
        value = pare_pickle_item(pickle, value, 0);
    return is_call(value, "_rebuild_tensor_v2") || is_call(value, "_rebuild_tensor") ? value : NULL;
}

/* A dict whose values are tensors, if there are some. */
static bool has_tensors(const reader *from, const pare_value *dict) {
    const pare_pickle *pickle = &from->source.pickle;
    if (!dict || dict->kind != PARE_VALUE_DICT) return false;
    for (uint32_t i = 1; i < dict->count; i += 2)
        if (tensor_of(from, pare_pickle_item(pickle, dict, i))) return true;
    return false;
}

/* The dict itself, or the one under one of the usual names in it. */
static pare_status find_state(const reader *from, const pare_value **state) {
    static const char *const names[] = {"state_dict", "model_state_dict", "model", "module"};
    const pare_pickle *pickle = &from->source.pickle;
    *state = pare_pickle_root(pickle);
    for (size_t i = 0; i < sizeof names / sizeof *names && !has_tensors(from, *state); i++) {
        const pare_value *inner = pare_pickle_member(pickle, pare_pickle_root(pickle), names[i]);
        if (has_tensors(from, inner)) *state = inner;
    }
    if (has_tensors(from, *state)) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED,
                     "%s holds no dict of tensors, nor one under state_dict, model_state_dict, model or module; save "
                     "the weights alone, with torch.save(model.state_dict(), FILE)",
                     from->file->mapping.path);
}

/* Sizes and strides, of equal number. */
static pare_status read_shape(const reader *from, const pare_value *call, stored *out) {
    const pare_pickle *pickle = &from->source.pickle;
    const pare_value *size = pare_pickle_item(pickle, call, 2), *stride = pare_pickle_item(pickle, call, 3);
    pare_tensor *tensor = &out->tensor;
    if (size->kind != PARE_VALUE_TUPLE || stride->kind != PARE_VALUE_TUPLE || size->count != stride->count)
        return damaged(from, tensor->name, "has other than a size and as many strides");
    if (size->count > PARE_TENSOR_MAX_RANK)
        return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has %u dimensions; pare reads at most %d",
                         from->file->mapping.path, tensor->name, size->count, PARE_TENSOR_MAX_RANK);
    tensor->rank = (int)size->count;
    tensor->count = 1;
    for (uint32_t i = 0; i < size->count; i++) {
        const pare_value *n = pare_pickle_item(pickle, size, i), *step = pare_pickle_item(pickle, stride, i);
        if (n->kind != PARE_VALUE_INTEGER || n->integer < 0 || step->kind != PARE_VALUE_INTEGER || step->integer < 0)
            return damaged(from, tensor->name, "has a size or a stride that is not a natural number");
        tensor->shape[i] = (uint64_t)n->integer;
        out->strides[i] = (uint64_t)step->integer;
        if (!pare_multiply_size(tensor->count, tensor->shape[i], &tensor->count))
            return damaged(from, tensor->name, "has a shape too large to be true");
    }
    return PARE_OK;
}

/* The storage's bytes are those of its elements, and the tensor lies in it. */
static pare_status place(const reader *from, const pare_torch_reference *reference, uint64_t size, uint64_t offset,
                         stored *out) {
    pare_tensor *tensor = &out->tensor;
    const pare_torch_storage *storage = pare_torch_storage_find(&from->source, reference->key);
    uint64_t bytes, last = offset, reach;
    if (!storage) return damaged(from, tensor->name, "lies in a storage that the file has not");
    if (!pare_multiply_size(reference->elements, size, &bytes) || bytes != storage->bytes)
        return damaged(from, tensor->name, "lies in a storage of another size than the pickle says");
    for (int i = 0; i < tensor->rank && tensor->count; i++)
        if (!pare_multiply_size(tensor->shape[i] - 1, out->strides[i], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return damaged(from, tensor->name, "has strides too large to be true");
    if (tensor->count ? last >= reference->elements : offset > reference->elements)
        return damaged(from, tensor->name, "reaches beyond its storage");
    if (tensor->count > reference->elements)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: tensor %s repeats elements of its storage (it was expanded); save it again after "
                         ".contiguous()",
                         from->file->mapping.path, tensor->name);
    tensor->data = from->file->mapping.data + storage->begin + offset * size;
    return PARE_OK;
}

static bool is_contiguous(const stored *item) {
    uint64_t step = 1;
    for (int i = item->tensor.rank - 1; i >= 0; i--) {
        if (item->tensor.shape[i] != 1 && item->strides[i] != step) return false;
        step *= item->tensor.shape[i];
    }
    return true;
}

/* *kept: false for what the model's class computes itself. The name is set. */
static pare_status read_tensor(const reader *from, const pare_value *call, stored *out, bool *kept) {
    const pare_pickle *pickle = &from->source.pickle;
    pare_tensor *tensor = &out->tensor;
    pare_torch_reference reference;
    const char *dtype, *path = from->file->mapping.path;
    uint64_t size;
    const pare_value *offset = pare_pickle_item(pickle, call, 1);
    if (call->count < 4 || offset->kind != PARE_VALUE_INTEGER || offset->integer < 0 ||
        !pare_torch_reference_read(pickle, pare_pickle_item(pickle, call, 0), &reference) ||
        !pare_torch_storage_type(reference.type, &dtype, &size))
        return damaged(from, tensor->name, "is not rebuilt of a storage, an offset, a size and strides");
    *kept = !pare_stored_is_computed(tensor->name, dtype);
    if (!*kept) return PARE_OK;
    out->wide = strcmp(dtype, "F64") == 0;
    if (!pare_stored_dtype_find(dtype, &tensor->dtype) && !out->wide)
        return pare_stored_dtype_refuse(path, tensor->name, dtype);
    PARE_TRY(read_shape(from, call, out));
    PARE_TRY(place(from, &reference, size, (uint64_t)offset->integer, out));
    tensor->bytes = tensor->count * pare_dtype_size(tensor->dtype);
    out->copied = tensor->count && (out->wide || !is_contiguous(out));
    return PARE_OK;
}

static pare_status read_name(const reader *from, const pare_value *key, const char **name) {
    char *text = key->kind == PARE_VALUE_TEXT && key->bytes <= PARE_NAME_LIMIT
                     ? pare_format("%.*s", (int)key->bytes, key->text)
                     : pare_format("%s", "");
    *name = text;
    PARE_TRY(pare_whole());
    if (pare_name_is_plain(text) && strlen(text) == key->bytes) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: the state dict has a tensor whose name is empty, no text, longer than %d bytes or has "
                     "control characters",
                     from->file->mapping.path, PARE_NAME_LIMIT);
}

static pare_status read_member(reader *from, const pare_value *key, const pare_value *value) {
    stored *item = &from->list[from->count++];
    bool kept = true;
    PARE_TRY(read_name(from, key, &item->tensor.name));
    const pare_value *call = tensor_of(from, value);
    if (!call)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: %s in the state dict is no tensor; save the weights alone, with "
                         "torch.save(model.state_dict(), FILE)",
                         from->file->mapping.path, item->tensor.name);
    PARE_TRY(read_tensor(from, call, item, &kept));
    if (!kept) {
        free((void *)(uintptr_t)item->tensor.name);
        *item = (stored){0};
        from->count--;
        return PARE_OK;
    }
    if (!item->copied) return PARE_OK;
    /* Each is no larger than its storage, but any number may share one. */
    from->copied += item->tensor.bytes;
    from->image += pare_image_room(item->tensor.bytes);
    if (from->copied <= from->file->mapping.bytes) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED,
                     "%s: the tensors that are transposed or sliced take more room than the file; save them again "
                     "after .contiguous()",
                     from->file->mapping.path);
}

static int compare_names(const void *left, const void *right) {
    return strcmp(((const stored *)left)->tensor.name, ((const stored *)right)->tensor.name);
}

static pare_status read_state(reader *from) {
    const pare_value *state;
    const pare_pickle *pickle = &from->source.pickle;
    PARE_TRY(find_state(from, &state));
    PARE_TRY(pare_alloc(&from->list, state->count / 2, sizeof *from->list, "tensor descriptions"));
    for (uint32_t i = 0; i + 1 < state->count; i += 2)
        PARE_TRY(read_member(from, pare_pickle_item(pickle, state, i), pare_pickle_item(pickle, state, i + 1)));
    qsort(from->list, from->count, sizeof *from->list, compare_names);
    for (size_t i = 1; i < from->count; i++)
        if (compare_names(&from->list[i - 1], &from->list[i]) == 0)
            return damaged(from, from->list[i].tensor.name, "is there twice");
    return PARE_OK;
}

/* Row-major, one element after the other; `item` has at least one. */
static void gather(const stored *item, size_t size, unsigned char *out) {
    const pare_tensor *tensor = &item->tensor;
    const unsigned char *from = tensor->data;
    uint64_t columns = tensor->rank ? tensor->shape[tensor->rank - 1] : 1, rows = tensor->count / columns;
    uint64_t step = tensor->rank ? item->strides[tensor->rank - 1] : 1;
#pragma omp parallel for if (tensor->count > 1 << 16)
    for (uint64_t row = 0; row < rows; row++) {
        uint64_t begin = 0, rest = row;
        for (int i = tensor->rank - 2; i >= 0; i--) {
            begin += rest % tensor->shape[i] * item->strides[i];
            rest /= tensor->shape[i];
        }
        for (uint64_t i = 0; i < columns; i++)
            memcpy(out + (row * columns + i) * size, from + (begin + i * step) * size, size);
    }
}

/* F64 is gathered in pieces only where it is scattered, too. */
static pare_status copy(const stored *item, unsigned char *out) {
    const pare_tensor *tensor = &item->tensor;
    unsigned char *doubles;
    if (!item->wide) {
        gather(item, pare_dtype_size(tensor->dtype), out);
        return PARE_OK;
    }
    if (is_contiguous(item)) {
        pare_round_doubles((float *)(void *)out, tensor->data, tensor->count);
        return PARE_OK;
    }
    PARE_TRY(pare_alloc_uninitialized(&doubles, tensor->count, sizeof(double), "weights of 64 bits"));
    gather(item, sizeof(double), doubles);
    pare_round_doubles((float *)(void *)out, doubles, tensor->count);
    pare_free(doubles);
    return PARE_OK;
}

static pare_status copy_scattered(reader *from) {
    if (!from->copied) return PARE_OK;
    PARE_TRY(pare_image_open(from->file, from->image, "weights that lie scattered in their file"));
    from->file->copied = true;
    unsigned char *next = from->file->image.data;
    for (size_t i = 0; i < from->count; i++) {
        stored *item = &from->list[i];
        if (!item->copied) continue;
        PARE_TRY(pare_interrupted());
        PARE_TRY(copy(item, next));
        item->tensor.data = next;
        next += pare_image_room(item->tensor.bytes);
    }
    return PARE_OK;
}

static int compare_places(const void *left, const void *right) {
    const stored *a = left, *b = right;
    if (a->copied != b->copied) return a->copied ? 1 : -1;
    return pare_tensor_compare_places(&a->tensor, &b->tensor);
}

static pare_status hand_over(reader *from) {
    pare_safetensors *file = from->file;
    PARE_TRY(pare_alloc(&file->tensors, from->count, sizeof *file->tensors, "tensor descriptions"));
    qsort(from->list, from->count, sizeof *from->list, compare_places);
    for (; file->count < from->count; file->count++) {
        file->tensors[file->count] = from->list[file->count].tensor;
        from->list[file->count].tensor.name = NULL;
    }
    return PARE_OK;
}

pare_status pare_torch_file_open(const char *path, pare_safetensors *out) {
    *out = (pare_safetensors){0};
    reader from = {.file = out};
    pare_status status;
    PARE_TRY_GOTO(status, pare_mapping_open(path, &out->mapping), done);
    PARE_TRY_GOTO(status, pare_torch_source_read(&out->mapping, &from.source), done);
    PARE_TRY_GOTO(status, read_state(&from), done);
    PARE_TRY_GOTO(status, copy_scattered(&from), done);
    status = hand_over(&from);
done:
    for (size_t i = 0; i < from.count; i++)
        free((void *)(uintptr_t)from.list[i].tensor.name);
    pare_free(from.list);
    pare_torch_source_free(&from.source);
    if (status != PARE_OK) pare_safetensors_close(out);
    return status;
}
