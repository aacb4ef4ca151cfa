/* LoRA (Hu et al. 2021): y = W x + scale B A dropout(x), W frozen. The pass makes and differentiates the second term
 * (model/adapter.h); here are the factors. */
#include "support/memory.h"
#include "train/lora_internal.h"

enum { ALIGNMENT = 64 };

static size_t padded(const pare_backend *backend, int64_t elements) {
    return ((size_t)elements * pare_operand_size(backend) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Copies of the factors as operands, one after the other; with operands NULL, returns how many bytes they take. */
static size_t lay_operands(pare_lora *lora) {
    const pare_trained *trained = &lora->trained;
    size_t used = 0;
    for (size_t id = 0; id < trained->model->tensor_count; id++) {
        pare_lora_factors factors = lora->factors[id];
        size_t a = used, b = a + padded(trained->backend, factors.rank * factors.columns);
        used = b + padded(trained->backend, factors.rank * factors.rows);
        if (!lora->operands || !factors.rank) continue;
        lora->list[id] = (pare_adapter){.rank = factors.rank,
                                        .a = lora->operands + a,
                                        .b = lora->operands + b,
                                        .da = trained->gradient + factors.a,
                                        .db = trained->gradient + factors.b};
    }
    return used;
}

static pare_status refresh(pare_trained *trained) {
    const pare_lora *lora = (const pare_lora *)trained;
    const pare_backend *backend = trained->backend;
    for (size_t id = 0; id < trained->model->tensor_count; id++) {
        pare_lora_factors factors = lora->factors[id];
        if (!factors.rank) continue;
        backend->operations->to_operand(backend, trained->value + factors.a, factors.rank * factors.columns,
                                        pare_operand_at(backend, lora->list[id].a, 0));
        backend->operations->to_operand(backend, trained->value + factors.b, factors.rank * factors.rows,
                                        pare_operand_at(backend, lora->list[id].b, 0));
    }
    return PARE_OK;
}

static pare_status make_adapters(pare_lora *lora, const pare_lora_options *options) {
    pare_trained *trained = &lora->trained;
    PARE_TRY(pare_alloc(&lora->list, trained->model->tensor_count, sizeof *lora->list, "adapters"));
    PARE_TRY(pare_alloc(&lora->operands, lay_operands(lora), 1, "operands of the adapters"));
    lay_operands(lora);
    lora->adapters = (pare_adapters){.list = lora->list,
                                     .rank = options->rank,
                                     .scale = lora->scale,
                                     .dropout = (float)options->dropout,
                                     .seed = options->seed};
    trained->adapters = &lora->adapters;
    trained->learnt = &lora->merged;
    trained->kind = "lora";
    trained->refresh = refresh;
    return refresh(trained);
}

pare_status pare_lora_adapters_new(const pare_model *model, const pare_backend *backend,
                                   const pare_lora_options *options, const bool *present, pare_trained **out) {
    pare_lora *lora;
    *out = NULL;
    PARE_TRY(pare_lora_new(model, backend, options, present, false, &lora));
    pare_status status = make_adapters(lora, options);
    if (status == PARE_OK)
        *out = &lora->trained;
    else
        pare_trained_free(&lora->trained);
    return status;
}

pare_status pare_trained_lora(const pare_model *model, const pare_backend *backend, const pare_lora_options *options,
                              pare_trained **out) {
    return pare_lora_adapters_new(model, backend, options, NULL, out);
}
