#include "checkpoint/gguf_tensors.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

static pare_status check_heads(const pare_gguf *file, const pare_gguf_tensor *tensor, uint32_t head) {
    if (tensor->rank <= 2 && head % 2 == 0 && tensor->shape[0] % head == 0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has %llu rows, which are no heads of %u rows",
                     file->mapping.path, tensor->name, (unsigned long long)tensor->shape[0], head);
}

/* tensor->view: NULL where the stored numbers are the tensor's own, in its order. */
static pare_status describe(const pare_gguf *file, const pare_gguf_tensor *stored, const pare_gguf_meaning *meaning,
                            pare_view *view, pare_tensor *tensor) {
    int64_t columns = stored->rank == 2 ? (int64_t)stored->shape[1] : 1;
    if (!stored->type->decode)
        return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s is of type %s, which pare does not read as weights",
                         file->mapping.path, stored->name, stored->type->name);
    *tensor = (pare_tensor){.dtype = stored->type->dtype,
                            .rank = stored->rank,
                            .count = stored->count,
                            .bytes = stored->count * pare_dtype_size(stored->type->dtype),
                            .data = stored->data};
    memcpy(tensor->shape, stored->shape, sizeof tensor->shape);
    if (meaning->head) PARE_TRY(check_heads(file, stored, meaning->head));
    *view = meaning->head ? pare_view_of_pairs(columns, meaning->head) : pare_view_of_rows(columns);
    view->type = stored->type->plain ? NULL : stored->type;
    view->shift = meaning->shift;
    bool as_stored = stored->type->plain && !meaning->head && !(meaning->shift < 0 || meaning->shift > 0);
    tensor->view = as_stored ? NULL : view;
    return PARE_OK;
}

static pare_status list(const pare_gguf *file, pare_gguf_meaning_fn *meaning, void *context, pare_view *views,
                        pare_safetensors *out) {
    PARE_TRY(pare_alloc(&out->tensors, file->tensor_count, sizeof *out->tensors, "tensor descriptions"));
    for (size_t i = 0; i < file->tensor_count; i++) {
        pare_gguf_meaning found = {0};
        if (meaning)
            PARE_TRY(meaning(context, &file->tensors[i], &found));
        else
            found.name = pare_format("%s", file->tensors[i].name);
        PARE_TRY(pare_whole());
        if (!found.name) continue;
        pare_tensor *tensor = &out->tensors[out->count];
        pare_status status = describe(file, &file->tensors[i], &found, &views[i], tensor);
        if (status != PARE_OK) {
            free(found.name);
            return status;
        }
        tensor->name = found.name;
        out->count++;
    }
    return PARE_OK;
}

pare_status pare_gguf_list_tensors(const pare_gguf *file, pare_gguf_meaning_fn *meaning, void *context,
                                   pare_view *views, pare_safetensors *out) {
    *out = (pare_safetensors){.mapping = file->mapping};
    pare_status status = list(file, meaning, context, views, out);
    if (status != PARE_OK) {
        pare_safetensors_forget(out);
        *out = (pare_safetensors){0};
    }
    return status;
}
