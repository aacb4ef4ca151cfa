/* LoRA that keeps the zeros of a sparse model. The pass sees
 *   W' = W + scale M (B A),   M = 1 where W is not zero, else 0, element by element,
 * and from the gradient dW' of a matrix come those of its factors:
 *   dB = scale (M dW') A^T,   dA = scale B^T (M dW').
 * Rows of dW' are used as they appear; none of it is kept. */
#include "support/memory.h"
#include "support/product.h"
#include "train/lora_internal.h"

#include <string.h>

static int64_t piece_rows(int64_t columns) {
    return columns < PARE_LORA_PIECE ? PARE_LORA_PIECE / columns : 1;
}

/* out: [columns, rows] */
static void turn(const float *in, int64_t rows, int64_t columns, float *out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            out[j * rows + i] = in[i * columns + j];
}

static pare_status refresh(pare_trained *trained) {
    const pare_lora *lora = (const pare_lora *)trained;
    for (size_t id = 0; id < trained->model->tensor_count; id++) {
        pare_lora_factors f = lora->factors[id];
        if (!f.rank) continue;
        turn(trained->value + f.a, f.rank, f.columns, lora->turned + f.a);
        turn(trained->value + f.b, f.rows, f.rank, lora->turned + f.b);
    }
    return PARE_OK;
}

static bool wants(void *context, size_t id) {
    return ((const pare_lora *)context)->factors[id].rank > 0;
}

/* Rows [first, first + rows) that fit the buffer. */
static void add_piece(pare_lora *lora, size_t id, int64_t first, int64_t rows, const float *gradient) {
    pare_lora_factors f = lora->factors[id];
    float *da = lora->trained.gradient + f.a, *db = lora->trained.gradient + f.b + first * f.rank;
    memcpy(lora->rows, gradient, (size_t)(rows * f.columns) * sizeof *gradient);
    pare_clear_zeros(lora->trained.model->tensors[id], first * f.columns, rows * f.columns, lora->rows);
    pare_rows masked = {lora->rows, f.columns}, a_turned = {lora->turned + f.a, f.rank};
    pare_rows b_turned = {lora->turned + f.b + first, f.rows};
    pare_product(rows, f.rank, f.columns, lora->scale, masked, a_turned, 1.0f, db, f.rank);
    pare_product(f.rank, f.columns, rows, lora->scale, b_turned, masked, 1.0f, da, f.columns);
}

static pare_status take_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    (void)samples;
    int64_t step = piece_rows(columns);
    for (int64_t done = 0; done < rows; done += step)
        add_piece(context, id, first + done, rows - done < step ? rows - done : step, gradient + done * columns);
    return PARE_OK;
}

static int64_t buffer_elements(const pare_lora *lora) {
    int64_t most = PARE_LORA_PIECE;
    for (size_t id = 0; id < lora->trained.model->tensor_count; id++)
        most = lora->factors[id].columns > most ? lora->factors[id].columns : most;
    return most;
}

static pare_status make_masked(pare_lora *lora) {
    pare_trained *trained = &lora->trained;
    PARE_TRY(pare_alloc(&lora->turned, trained->count, sizeof(float), "copies of the factors"));
    PARE_TRY(pare_alloc_uninitialized(&lora->rows, (size_t)buffer_elements(lora), sizeof(float), "masked gradients"));
    lora->sink = (pare_gradient_sink){.wants = wants, .rows = take_rows, .context = lora};
    trained->sink = &lora->sink;
    trained->source = lora->merged;
    trained->kind = "lora-masked";
    trained->refresh = refresh;
    return refresh(trained);
}

pare_status pare_trained_lora_masked(const pare_model *model, const pare_backend *backend,
                                     const pare_lora_options *options, pare_trained **out) {
    pare_lora *lora;
    *out = NULL;
    if (options->dropout > 0.0)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "a LoRA that keeps zeros has no dropout, but %g is asked for; set the dropout to 0",
                         options->dropout);
    PARE_TRY(pare_lora_new(model, backend, options, NULL, true, &lora));
    pare_status status = make_masked(lora);
    if (status == PARE_OK)
        *out = &lora->trained;
    else
        pare_trained_free(&lora->trained);
    return status;
}
