#include "checkpoint/durable.h"
#include "checkpoint/writer.h"
#include "support/finite.h"
#include "support/memory.h"
#include "train/adapter_file.h"
#include "train/write.h"

#include <stdlib.h>
#include <string.h>

typedef struct outgoing {
    const pare_trained *lora;
    pare_declaration *list;
    pare_factor *factors;
    char (*names)[PARE_ADAPTER_NAME];
    size_t count;
} outgoing;

static pare_status declare(outgoing *o) {
    const pare_model *model = o->lora->model;
    size_t most = 2 * model->tensor_count;
    PARE_TRY(pare_alloc(&o->list, most, sizeof *o->list, "list of factors"));
    PARE_TRY(pare_alloc(&o->factors, most, sizeof *o->factors, "list of factors"));
    PARE_TRY(pare_alloc(&o->names, most, sizeof *o->names, "list of factors"));
    for (size_t id = 0; id < model->tensor_count; id++) {
        pare_lora_factors factors = pare_lora_factors_of(o->lora, id);
        for (char which = 'A'; factors.rank && which <= 'B'; which++) {
            pare_factor f = o->factors[o->count] = pare_factor_of(&factors, which);
            pare_adapter_name(model, id, which, o->names[o->count]);
            o->list[o->count] = (pare_declaration){
                .name = o->names[o->count], .dtype = PARE_DTYPE_F32, .rank = 2, .shape = {f.shape[0], f.shape[1]}};
            o->count++;
        }
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
    PARE_TRY(pare_writer_begin_named(directory, "adapter_model", o->list, o->count, UINT64_MAX, &writer));
    pare_status status = PARE_OK;
    for (size_t i = 0; i < o->count && status == PARE_OK; i++)
        status = pare_writer_write(writer, o->lora->value + o->factors[i].at,
                                   o->factors[i].shape[0] * o->factors[i].shape[1] * sizeof(float));
    if (status == PARE_OK) status = pare_writer_finish(writer);
    pare_writer_close(writer);
    return status;
}

pare_status pare_lora_write_adapter(const pare_trained *lora, const pare_lora_options *options, const char *base,
                                    const char *directory) {
    outgoing o = {.lora = lora};
    char *text = NULL, *path = pare_path_join(directory, PARE_ADAPTER_CONFIG);
    pare_status status;
    PARE_TRY_GOTO(status, check_outgoing(&o), done);
    PARE_TRY_GOTO(status, declare(&o), done);
    PARE_TRY_GOTO(status, write_factors(&o, directory), done);
    PARE_TRY_GOTO(status, pare_adapter_config_text(lora, options, base, &text), done);
    status = pare_durable_write_text(path, text);
done:
    pare_free(o.list);
    pare_free(o.factors);
    pare_free(o.names);
    pare_free(text);
    free(path);
    return status;
}
