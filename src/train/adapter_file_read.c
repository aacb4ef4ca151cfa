#include "checkpoint/safetensors.h"
#include "model/layer_matrices.h"
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
    const pare_tensor **tensors; /* [2 tensor_count] A and B of the module that begins with a matrix, or NULL */
    const pare_tensor **by_name; /* [file.count] in order */
    bool *present;               /* [tensor_count] matrices with factors */
    bool *alone;                 /* [tensor_count] the module is one expert's matrix */
    size_t found;                /* tensors of the file that are some matrix's factor */
} incoming;

static int compare(const void *a, const void *b) {
    return strcmp((*(const pare_tensor *const *)a)->name, (*(const pare_tensor *const *)b)->name);
}

static pare_status sort_names(incoming *in) {
    PARE_TRY(pare_alloc(&in->by_name, in->file.count, sizeof *in->by_name, "list of factors"));
    for (size_t i = 0; i < in->file.count; i++)
        in->by_name[i] = &in->file.tensors[i];
    if (in->file.count) qsort(in->by_name, in->file.count, sizeof *in->by_name, compare);
    return PARE_OK;
}

static const pare_tensor *find(const incoming *in, const char *name) {
    const pare_tensor wanted = {.name = name}, *key = &wanted;
    const pare_tensor **found =
        in->file.count ? bsearch(&key, in->by_name, in->file.count, sizeof *in->by_name, compare) : NULL;
    return found ? *found : NULL;
}

static pare_status check_shape(const incoming *in, const pare_tensor *tensor, uint64_t rows, uint64_t columns) {
    if (tensor->rank == 2 && tensor->shape[0] == rows && tensor->shape[1] == columns) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: %s has another shape than [%llu, %llu], which rank %u and the model's matrix ask for; the "
                     "adapter belongs to another model",
                     in->file.mapping.path, tensor->name, (unsigned long long)rows, (unsigned long long)columns,
                     in->options->rank);
}

/* Each part of a fused module has factors of its own. */
static bool has_blocks(const incoming *in, const pare_adapter_module *module, const pare_tensor *a) {
    uint64_t rank = (uint64_t)pare_adapter_module_rank(module, in->options->rank, true);
    return module->parts.count > 1 && a->rank == 2 && a->shape[0] == rank;
}

static void take_part(incoming *in, const pare_adapter_module *module, int part) {
    size_t step, count, id = pare_adapter_module_first(in->model, module, part, &step, &count);
    pare_role role;
    if (pare_matrix_goes_by(in->model, id, &role)) in->options->targets[role] = true;
    for (; count; count--, id += step)
        in->present[id] = true;
}

static pare_status values_of(const incoming *in, const pare_tensor *tensor, float **out) {
    PARE_TRY(pare_alloc_uninitialized(out, tensor->count, sizeof **out, "factors of a module"));
    pare_to_float(*out, tensor->data, tensor->dtype, tensor->count);
    if (pare_all_finite(*out, (int64_t)tensor->count)) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: %s holds NaN or infinity; the adapter is broken", in->file.mapping.path,
                     tensor->name);
}

static pare_status take_blocks(incoming *in, const pare_adapter_module *module, const pare_tensor *const pair[2]) {
    float *a = NULL, *b = NULL;
    bool has[PARE_COMPOSITE_PARTS] = {false};
    pare_status status = values_of(in, pair[0], &a);
    if (status == PARE_OK) status = values_of(in, pair[1], &b);
    if (status == PARE_OK && !pare_adapter_module_blocks(module, in->options->rank, a, b, has))
        status =
            pare_fail(PARE_UNSUPPORTED,
                      "%s: %s has rank %llu where r is %u, and joins the matrices that the model stores as one; "
                      "pare reads such a rank where each of them has its own: train with one rank for all",
                      in->file.mapping.path, pair[1]->name, (unsigned long long)pair[0]->shape[0], in->options->rank);
    for (int i = 0; i < module->parts.count && status == PARE_OK; i++)
        if (has[i]) take_part(in, module, i);
    pare_free(a);
    pare_free(b);
    return status;
}

/* gate_up_proj of experts that has no adapter around it is told from down_proj by its rows. */
static bool belongs(const pare_adapter_module *module, const pare_tensor *b) {
    return !module->experts || !b || b->rank != 2 || b->shape[0] == (uint64_t)module->rows;
}

static void find_pair(incoming *in, const pare_adapter_module *module, const pare_tensor **pair,
                      char name[2][PARE_ADAPTER_NAME]) {
    for (int form = 0; form < PARE_ADAPTER_FORMS && !pair[0] && !pair[1]; form++) {
        char tried[2][PARE_ADAPTER_NAME];
        const pare_tensor *found[2];
        for (int i = 0; i < 2; i++) {
            pare_adapter_module_name(in->model, module, (char)('A' + i), (pare_adapter_form)form, tried[i]);
            found[i] = find(in, tried[i]);
        }
        if ((!found[0] && !found[1]) || !belongs(module, found[1])) continue;
        memcpy(pair, found, sizeof found);
        memcpy(name, tried, sizeof tried);
        in->found += (size_t)(found[0] != NULL) + (size_t)(found[1] != NULL);
    }
}

static pare_status match_module(incoming *in, size_t id, const pare_adapter_module *module) {
    char name[2][PARE_ADAPTER_NAME];
    const pare_tensor **pair = &in->tensors[2 * id];
    find_pair(in, module, pair, name);
    if (!pair[0] && !pair[1]) return PARE_OK;
    if (!pair[0] || !pair[1])
        return pare_fail(PARE_FORMAT_ERROR, "%s has no %s; the file is incomplete", in->file.mapping.path,
                         name[pair[0] ? 1 : 0]);
    bool blocks = has_blocks(in, module, pair[0]);
    uint64_t rank = (uint64_t)pare_adapter_module_rank(module, in->options->rank, blocks);
    PARE_TRY(check_shape(in, pair[0], rank, (uint64_t)module->columns));
    PARE_TRY(check_shape(in, pair[1], (uint64_t)module->rows, rank));
    if (blocks) return take_blocks(in, module, pair);
    for (int i = 0; i < module->parts.count; i++)
        take_part(in, module, i);
    return PARE_OK;
}

/* Experts' matrices are parameters of their layer, or each a module. */
static pare_status match(incoming *in, size_t id) {
    pare_adapter_module module;
    if (pare_adapter_module_of(in->model, id, &module)) PARE_TRY(match_module(in, id, &module));
    if (in->tensors[2 * id] || !pare_adapter_expert_alone(in->model, id, &module)) return PARE_OK;
    in->alone[id] = true;
    return match_module(in, id, &module);
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
    PARE_TRY(pare_alloc(&in->alone, count, sizeof *in->alone, "list of factors"));
    PARE_TRY(sort_names(in));
    for (size_t id = 0; id < count; id++)
        PARE_TRY(match(in, id));
    if (in->found < in->file.count) return refuse_stranger(in);
    if (in->found) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s holds no tensors; there is nothing to read", in->file.mapping.path);
}

static pare_status take_values(const incoming *in, pare_trained *lora) {
    for (size_t id = 0; id < in->model->tensor_count; id++) {
        const pare_tensor *const *pair = &in->tensors[2 * id];
        pare_adapter_module module;
        for (int i = 0; pair[0] && i < 2; i++) {
            float *values = NULL;
            pare_status status = values_of(in, pair[i], &values);
            if (in->alone[id])
                pare_adapter_expert_alone(in->model, id, &module);
            else
                pare_adapter_module_of(in->model, id, &module);
            if (status == PARE_OK)
                pare_adapter_module_split(lora, &module, has_blocks(in, &module, pair[0]), (char)('A' + i), values);
            pare_free(values);
            if (status != PARE_OK) return status;
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
    pare_free(in.by_name);
    pare_free(in.alone);
    pare_free(in.present);
    pare_safetensors_close(&in.file);
    return status;
}
