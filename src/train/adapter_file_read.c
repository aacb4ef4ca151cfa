#include "checkpoint/safetensors.h"
#include "support/finite.h"
#include "support/memory.h"
#include "train/adapter_file.h"
#include "train/lora_internal.h"
#include "train/write.h"

#include <stdlib.h>
#include <string.h>

typedef struct incoming {
    const pare_model *model;
    pare_safetensors file;
    pare_lora_options *options;
    const pare_tensor **tensors; /* [2 tensor_count] A and B of each matrix, or NULL */
    bool *present;               /* [tensor_count] */
    size_t found;                /* tensors of the file that are some matrix's factor */
} incoming;

static const pare_tensor *find(const pare_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

static pare_status check_shape(const incoming *in, const pare_tensor *tensor, const uint64_t shape[2]) {
    const char *path = in->file.mapping.path;
    if (tensor->rank != 2 || tensor->shape[0] != shape[0] || tensor->shape[1] != shape[1])
        return pare_fail(
            PARE_FORMAT_ERROR,
            "%s: %s has another shape than [%llu, %llu], which rank %u and the model's matrix ask for; the "
            "adapter belongs to another model",
            path, tensor->name, (unsigned long long)shape[0], (unsigned long long)shape[1], in->options->rank);
    return PARE_OK;
}

static pare_status match_tensor(incoming *in, size_t id) {
    char name[2][PARE_ADAPTER_NAME];
    const pare_tensor **pair = &in->tensors[2 * id];
    for (int i = 0; i < 2; i++) {
        if (!pare_adapter_name(in->model, id, (char)('A' + i), name[i])) return PARE_OK;
        pair[i] = find(&in->file, name[i]);
        in->found += pair[i] != NULL;
    }
    if (!pair[0] && !pair[1]) return PARE_OK;
    if (!pair[0] || !pair[1])
        return pare_fail(PARE_FORMAT_ERROR, "%s has no %s; the file is incomplete", in->file.mapping.path,
                         name[pair[0] ? 1 : 0]);
    pare_lora_factors factors = {.rank = in->options->rank};
    pare_tensor_matrix(in->model->tensors[id], &factors.rows, &factors.columns);
    for (int i = 0; i < 2; i++)
        PARE_TRY(check_shape(in, pair[i], pare_factor_of(&factors, (char)('A' + i)).shape));
    in->present[id] = in->model->tensors[id]->count > 0;
    uint32_t layer;
    pare_role role;
    if (pare_tensor_id_split(in->model, id, &layer, &role)) in->options->targets[role] = true;
    return PARE_OK;
}

/* The first tensor of the file that is nobody's factor. */
static pare_status refuse_stranger(const incoming *in) {
    for (size_t i = 0; i < in->file.count; i++) {
        size_t at = 0;
        while (at < 2 * in->model->tensor_count && in->tensors[at] != &in->file.tensors[i])
            at++;
        if (at < 2 * in->model->tensor_count) continue;
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: tensor %s is no LoRA factor of a matrix in a layer of this model; pare reads adapters of "
                         "these alone",
                         in->file.mapping.path, in->file.tensors[i].name);
    }
    return PARE_OK;
}

static pare_status match_all(incoming *in) {
    size_t count = in->model->tensor_count;
    memset(in->options->targets, 0, sizeof in->options->targets);
    PARE_TRY(pare_alloc(&in->tensors, 2 * count, sizeof *in->tensors, "list of factors"));
    PARE_TRY(pare_alloc(&in->present, count, sizeof *in->present, "list of factors"));
    for (size_t id = 0; id < count; id++)
        PARE_TRY(match_tensor(in, id));
    if (in->found < in->file.count) return refuse_stranger(in);
    if (in->found) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s holds no tensors; there is nothing to read", in->file.mapping.path);
}

static pare_status take_values(const incoming *in, pare_trained *lora) {
    for (size_t id = 0; id < in->model->tensor_count; id++) {
        pare_lora_factors factors = pare_lora_factors_of(lora, id);
        for (int i = 0; factors.rank && i < 2; i++) {
            const pare_tensor *tensor = in->tensors[2 * id + (size_t)i];
            float *value = lora->value + pare_factor_of(&factors, (char)('A' + i)).at;
            pare_to_float(value, tensor->data, tensor->dtype, tensor->count);
            if (!pare_all_finite(value, (int64_t)tensor->count))
                return pare_fail(PARE_FORMAT_ERROR, "%s: %s holds NaN or infinity; the adapter is broken",
                                 in->file.mapping.path, tensor->name);
        }
    }
    return lora->refresh(lora);
}

static pare_status open_weights(const char *directory, pare_safetensors *file) {
    char *path = pare_path_join(directory, PARE_ADAPTER_WEIGHTS),
         *older = pare_path_join(directory, "adapter_model.bin");
    pare_status status =
        !pare_file_exists(path) && pare_file_exists(older)
            ? pare_fail(PARE_UNSUPPORTED, "%s is a pickle; save the adapter as safetensors with peft", older)
            : pare_safetensors_open(path, file);
    free(path);
    free(older);
    return status;
}

pare_status pare_lora_read_adapter(const pare_model *model, const pare_backend *backend, const char *directory,
                                   pare_lora_options *options, pare_trained **out) {
    incoming in = {.model = model, .options = options};
    *out = NULL;
    *options = (pare_lora_options){0};
    PARE_TRY(pare_adapter_config_read(directory, options));
    PARE_TRY(open_weights(directory, &in.file));
    pare_status status = match_all(&in);
    if (status == PARE_OK) status = pare_lora_adapters_new(model, backend, options, in.present, out);
    if (status == PARE_OK) status = take_values(&in, *out);
    if (status != PARE_OK) {
        pare_trained_free(*out);
        *out = NULL;
    }
    pare_free(in.tensors);
    pare_free(in.present);
    pare_safetensors_close(&in.file);
    return status;
}
