/* Where the factors lie, how they begin, and what they add to the weights. */
#include "model/layer_matrices.h"
#include "support/memory.h"
#include "support/random.h"
#include "train/lora_internal.h"

#include <math.h>
#include <string.h>

/* Upper half of the stream that a tensor's A is drawn from: nothing else draws from these. */
#define LORA_STREAM ((uint64_t)0x6c6f7261 << 32)

static pare_status check_options(const pare_lora_options *options) {
    if (options->rank == 0) return pare_fail(PARE_BAD_ARGUMENT, "a LoRA of rank 0 learns nothing; give a rank above 0");
    if (!isfinite(options->alpha) || !(fabs(options->alpha) > 0.0))
        return pare_fail(PARE_BAD_ARGUMENT, "LoRA with alpha %g learns nothing; give a number above 0", options->alpha);
    if (!(options->dropout >= 0.0 && options->dropout < 1.0))
        return pare_fail(PARE_BAD_ARGUMENT, "a dropout of %g is not a share; give 0 to below 1", options->dropout);
    return PARE_OK;
}

static bool wanted(const pare_model *model, const pare_lora_options *options, const bool *present, size_t id) {
    pare_role role;
    if (!pare_matrix_goes_by(model, id, &role)) return false;
    return model->tensors[id]->count > 0 && (present ? present[id] : options->targets[role]);
}

/* The factors of tensor `id` at *count, which moves behind them; rank 0 where it gets none. */
static pare_status place(const pare_model *model, const pare_lora_options *options, const bool *present, size_t id,
                         uint64_t *count, pare_lora_factors *out) {
    *out = (pare_lora_factors){0};
    if (!wanted(model, options, present, id)) return PARE_OK;
    uint64_t rank = options->rank, a, b;
    pare_tensor_matrix(model->tensors[id], &out->rows, &out->columns);
    if (!pare_multiply_size(rank, (uint64_t)out->columns, &a) || !pare_multiply_size(rank, (uint64_t)out->rows, &b) ||
        a + b > (uint64_t)INT64_MAX / 64 - *count)
        return pare_fail(PARE_BAD_ARGUMENT, "a LoRA of rank %u is too large for this model; lower the rank",
                         options->rank);
    out->rank = (int64_t)rank;
    out->a = *count;
    out->b = *count + a;
    *count += a + b;
    return PARE_OK;
}

static pare_status place_all(pare_lora *lora, const pare_lora_options *options, const bool *present) {
    const pare_model *model = lora->trained.model;
    uint64_t count = 0;
    PARE_TRY(pare_alloc(&lora->factors, model->tensor_count, sizeof *lora->factors, "the list of factors"));
    for (size_t id = 0; id < model->tensor_count; id++)
        PARE_TRY(place(model, options, present, id, &count, &lora->factors[id]));
    lora->trained.count = count;
    if (count) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "no matrix of %s gets a LoRA; name at least one module that the model has",
                     pare_checkpoint_directory(model->checkpoint));
}

static void draw(pare_lora *lora, uint64_t seed) {
    for (size_t id = 0; id < lora->trained.model->tensor_count; id++) {
        pare_lora_factors factors = lora->factors[id];
        pare_random random = {.seed = seed, .stream = LORA_STREAM | id};
        double bound = factors.rank ? 1.0 / sqrt((double)factors.columns) : 0.0;
        for (int64_t i = 0; i < factors.rank * factors.columns; i++)
            lora->trained.value[factors.a + (size_t)i] = (float)(bound * (2.0 * pare_random_uniform(&random) - 1.0));
    }
}

static pare_status list_low_rank(pare_lora *lora, bool keep_zeros) {
    const pare_trained *trained = &lora->trained;
    size_t count = trained->model->tensor_count;
    PARE_TRY(pare_alloc(&lora->low_rank, count, sizeof *lora->low_rank, "the list of factors"));
    for (size_t id = 0; id < count; id++) {
        pare_lora_factors factors = lora->factors[id];
        lora->low_rank[id] = (pare_low_rank){.rank = factors.rank,
                                             .a = trained->value + factors.a,
                                             .b = trained->value + factors.b,
                                             .scale = lora->scale,
                                             .keep_zeros = keep_zeros};
    }
    lora->merged = (pare_source){.model = trained->model, .backend = trained->backend, .low_rank = lora->low_rank};
    return PARE_OK;
}

static pare_status merged(const pare_trained *trained, size_t id, int64_t first, int64_t rows, float *out) {
    pare_source_rows(&((const pare_lora *)trained)->merged, id, first, rows, out);
    return PARE_OK;
}

static bool changes(const pare_trained *trained, size_t id) {
    return pare_lora_factors_of(trained, id).rank > 0;
}

static void free_lora(pare_trained *trained) {
    pare_lora *lora = (pare_lora *)trained;
    pare_trained_release(trained);
    pare_free(lora->factors);
    pare_free(lora->low_rank);
    pare_free(lora->list);
    pare_free(lora->operands);
    pare_free(lora->turned);
    pare_free(lora->rows);
    pare_free(lora);
}

pare_status pare_lora_new(const pare_model *model, const pare_backend *backend, const pare_lora_options *options,
                          const bool *present, bool keep_zeros, pare_lora **out) {
    pare_lora *lora;
    pare_status status;
    *out = NULL;
    PARE_TRY(check_options(options));
    PARE_TRY(pare_alloc(&lora, 1, sizeof *lora, "LoRA"));
    lora->scale = (float)(options->alpha / (double)options->rank);
    lora->trained = (pare_trained){.model = model,
                                   .backend = backend,
                                   .source = {.model = model, .backend = backend},
                                   .merged = merged,
                                   .changes = changes,
                                   .free = free_lora};
    PARE_TRY_GOTO(status, place_all(lora, options, present), done);
    PARE_TRY_GOTO(status, pare_trained_allocate(&lora->trained), done);
    PARE_TRY_GOTO(status, list_low_rank(lora, keep_zeros), done);
    draw(lora, options->seed);
done:
    if (status == PARE_OK)
        *out = lora;
    else
        free_lora(&lora->trained);
    return status;
}

static bool is_lora(const pare_trained *trained) {
    return trained->free == free_lora;
}

pare_lora_factors pare_lora_factors_of(const pare_trained *trained, size_t id) {
    if (!is_lora(trained) || id >= trained->model->tensor_count) return (pare_lora_factors){0};
    return ((const pare_lora *)trained)->factors[id];
}

float pare_lora_scale(const pare_trained *trained) {
    return is_lora(trained) ? ((const pare_lora *)trained)->scale : 0.0f;
}

pare_adapter *pare_lora_adapter(pare_trained *trained, size_t id) {
    pare_lora *lora = (pare_lora *)trained;
    return is_lora(trained) && lora->list && id < trained->model->tensor_count ? &lora->list[id] : NULL;
}

uint64_t pare_trained_lora_count(const pare_model *model, const pare_lora_options *options) {
    uint64_t count = 0;
    pare_lora_factors factors;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (place(model, options, NULL, id, &count, &factors) != PARE_OK) return UINT64_MAX;
    return count;
}

uint64_t pare_trained_lora_bytes(const pare_model *model, const pare_backend *backend,
                                 const pare_lora_options *options) {
    uint64_t count = pare_trained_lora_count(model, options);
    (void)backend; /* copies of the factors are fp32 at most */
    if (count == UINT64_MAX) return UINT64_MAX;
    return count * 3 * sizeof(float) + PARE_LORA_PIECE * sizeof(float) +
           model->tensor_count * (sizeof(pare_lora_factors) + sizeof(pare_low_rank) + sizeof(pare_adapter) + 128);
}
