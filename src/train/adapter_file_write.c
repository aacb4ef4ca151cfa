#include "checkpoint/durable.h"
#include "checkpoint/writer.h"
#include "support/finite.h"
#include "support/memory.h"
#include "train/adapter_experts.h"
#include "train/adapter_file.h"
#include "train/write.h"

#include <stdlib.h>
#include <string.h>

typedef struct outgoing {
    const pare_trained *lora;
    int64_t rank;
    pare_declaration *list; /* A and B of each module */
    pare_adapter_module *modules;
    char (*names)[PARE_ADAPTER_NAME];
    size_t count; /* of modules */
} outgoing;

/* Around gate_up_proj stands the adapter of down_proj, if it has one. */
static pare_adapter_form form_of(const pare_trained *lora, const pare_adapter_module *module) {
    pare_adapter_module down;
    if (!module->experts) return PARE_ADAPTER_IN_MEMORY;
    size_t id = pare_tensor_id_expert(&lora->model->config, module->layer, 0, PARE_EXPERT_DOWN);
    bool within = pare_adapter_module_of(lora->model, id, &down) && pare_adapter_module_has(lora, &down);
    return within ? PARE_ADAPTER_IN_MEMORY : PARE_ADAPTER_OUTERMOST;
}

static void declare_factor(outgoing *o, const pare_adapter_module *module, int which) {
    size_t at = 2 * o->count + (size_t)which;
    uint64_t rank = (uint64_t)pare_adapter_module_rank(module, o->rank, true);
    pare_adapter_module_name(o->lora->model, module, (char)('A' + which), form_of(o->lora, module), o->names[at]);
    o->list[at] = (pare_declaration){.name = o->names[at], .dtype = PARE_DTYPE_F32, .rank = 2};
    o->list[at].shape[which] = rank;
    o->list[at].shape[!which] = (uint64_t)(which ? module->rows : module->columns);
}

static pare_status declare(outgoing *o) {
    const pare_model *model = o->lora->model;
    PARE_TRY(pare_alloc(&o->list, 2 * model->tensor_count, sizeof *o->list, "list of factors"));
    PARE_TRY(pare_alloc(&o->modules, model->tensor_count, sizeof *o->modules, "list of factors"));
    PARE_TRY(pare_alloc(&o->names, 2 * model->tensor_count, sizeof *o->names, "list of factors"));
    for (size_t id = 0; id < model->tensor_count; id++) {
        pare_adapter_module module;
        if (!pare_adapter_module_of(model, id, &module) || !pare_adapter_module_has(o->lora, &module)) continue;
        o->modules[o->count] = module;
        for (int which = 0; which < 2; which++)
            declare_factor(o, &module, which);
        o->count++;
    }
    return PARE_OK;
}

static pare_status check_outgoing(const outgoing *o) {
    if (strcmp(o->lora->kind, "lora") != 0)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "an adapter cannot hold what was trained (%s); only a plain LoRA can be written as one",
                         o->lora->kind);
    if (pare_all_finite(o->lora->value, (int64_t)o->lora->count)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the training left factors that are not finite; train again with a lower learning rate");
}

static pare_status write_factors(const outgoing *o, const char *directory) {
    pare_writer *writer;
    float *values = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < 2 * o->count; i++)
        if (o->list[i].shape[0] * o->list[i].shape[1] > most) most = o->list[i].shape[0] * o->list[i].shape[1];
    PARE_TRY(pare_writer_begin_named(directory, "adapter_model", o->list, 2 * o->count, UINT64_MAX, &writer));
    pare_status status = pare_alloc_uninitialized(&values, most, sizeof *values, "factors of a module");
    for (size_t i = 0; i < 2 * o->count && status == PARE_OK; i++) {
        pare_adapter_module_join(o->lora, &o->modules[i / 2], o->rank, (char)('A' + i % 2), values);
        status = pare_writer_write(writer, values, o->list[i].shape[0] * o->list[i].shape[1] * sizeof *values);
    }
    if (status == PARE_OK) status = pare_writer_finish(writer);
    pare_writer_close(writer);
    pare_free(values);
    return status;
}

pare_status pare_lora_write_adapter(const pare_trained *lora, const pare_lora_options *options, const char *base,
                                    const char *directory) {
    outgoing o = {.lora = lora, .rank = options->rank};
    char *text = NULL, *path = pare_path_join(directory, PARE_ADAPTER_CONFIG);
    pare_status status;
    PARE_TRY_GOTO(status, check_outgoing(&o), done);
    PARE_TRY_GOTO(status, declare(&o), done);
    PARE_TRY_GOTO(status, write_factors(&o, directory), done);
    PARE_TRY_GOTO(status, pare_adapter_config_text(lora, options, base, &text), done);
    status = pare_durable_write_text(path, text);
done:
    pare_free(o.list);
    pare_free(o.modules);
    pare_free(o.names);
    pare_free(text);
    free(path);
    return status;
}
