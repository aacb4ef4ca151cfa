#include "evaluate/rates.h"
#include "evaluate/timed.h"
#include "model/walk.h"
#include "support/cholesky.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/product.h"

#include <string.h>

/* Tokens of blocks at most, as passes and walks take them; rows and widths of products; sequences that text is written
 * for. */
enum { TOKENS = 2048, ROWS = 512, WIDEST = 2048, WRITTEN = 64, REPEATS = 16 };

/* Solvers' matrices are cut to this: larger ones gain little, and would take long. Floats that are copied to see how
 * fast memory is, which no cache holds. */
enum { WIDEST_SINGLE = 2048, WIDEST_DOUBLE = 1536, COPIED = 1 << 23 };

/* Seconds of repeats for a kind of work, of which the best counts. */
static const double enough = 0.2;

/* Of the rate of a block that runs again and again in warm memory: what blocks come to in a pass, their backward, and
 * the writing of text, where attention goes to all earlier tokens. Of SmolLM2-135M, tiny-stories and two layers of
 * LLaMA-7B (docs/measurements.md, "How long it will take"). */
static const double pass_share = 0.8, backward_share = 0.55, decoding_share = 0.65;

/* Operations a second of what takes `amount`: at best, and by the first run where that is long, which otherwise finds
 * nothing where it will be later on. */
static pare_status best_rate(pare_timed_fn work, void *context, double amount, double *rate) {
    double sum = 0.0, best, seconds;
    PARE_TRY(pare_timed(work, context, &best));
    for (int i = 0; i < REPEATS && best < enough && sum < enough; i++) {
        PARE_TRY(pare_timed(work, context, &seconds));
        sum += seconds;
        best = seconds < best ? seconds : best;
    }
    *rate = amount / (best > 0.0 ? best : 1e-9);
    return PARE_OK;
}

/* The model's widest product. */
static pare_status measure_products(const pare_rates_request *r, double *rate) {
    const pare_config *c = &r->model->config;
    pare_product_run run;
    PARE_TRY(pare_product_run_new(r->backend, ROWS, pare_smaller(pare_product_outputs(c), WIDEST),
                                  pare_smaller(c->hidden, WIDEST), &run));
    pare_status status = best_rate(pare_product_run_once, &run, run.flops, rate);
    pare_product_run_free(&run);
    return status;
}

/* Blocks one after the other, so that weights come from where they come from in a pass. */
typedef struct block_run {
    pare_walk walk;
    const pare_model *model;
    int64_t sequences;
    uint32_t layer;
    float *x;
} block_run;

static pare_status run_block(void *context) {
    block_run *run = context;
    pare_block block = pare_walk_block(&run->walk, run->layer++ % run->model->config.layers);
    block.batch = run->sequences;
    return pare_block_forward(&block, run->x, NULL);
}

static double operations_of_blocks(const pare_model *model, int64_t sequences, int64_t length) {
    pare_work work = pare_work_blocks(model, sequences, length);
    return pare_work_operations(&work) / model->config.layers;
}

static pare_status measure_blocks(const pare_rates_request *r, int64_t sequences, int64_t length, double *rate) {
    pare_source source = {.model = r->model, .backend = r->backend};
    size_t count = (size_t)(sequences * length) * r->model->config.hidden;
    block_run run = {.model = r->model, .sequences = sequences};
    PARE_TRY(pare_walk_new(&source, length, sequences, &run.walk));
    pare_status status = pare_alloc(&run.x, count, sizeof *run.x, "hidden states");
    for (size_t i = 0; status == PARE_OK && i < count; i++)
        run.x[i] = (float)(i * 2654435761u % 1024) / 512.0f - 1.0f;
    if (status == PARE_OK) status = best_rate(run_block, &run, operations_of_blocks(r->model, sequences, length), rate);
    pare_free(run.x);
    pare_walk_free(&run.walk);
    return status;
}

/* As many sequences as take a while, and not long, and leave half of the memory. */
static int64_t sequences_of(const pare_rates_request *r, double products) {
    const pare_source source = {.model = r->model, .backend = r->backend};
    double each = operations_of_blocks(r->model, 1, r->length);
    int64_t most = pare_larger(TOKENS / r->length, 1), some = (int64_t)(enough / 2.0 * products / each);
    int64_t count = pare_larger(pare_smaller(some, most), 1);
    while (count > 1 && r->limit && pare_walk_bytes(&source, r->length, count) > r->limit / 2)
        count /= 2;
    return count;
}

typedef struct square_run {
    int64_t rows, n;
    void *from, *to, *out;
} square_run;

static pare_status run_single(void *context) {
    square_run *s = context;
    pare_product(s->rows, s->n, s->n, 1.0f, (pare_rows){s->from, s->n}, (pare_rows){s->to, s->n}, 0.0f, s->out, s->n);
    return PARE_OK;
}

/* A factor and an inverse, as units are chosen with. */
static pare_status run_double(void *context) {
    square_run *s = context;
    memcpy(s->to, s->from, (size_t)(s->n * s->n) * sizeof(double));
    if (!pare_cholesky(s->to, s->n)) return pare_fail(PARE_NUMERIC_ERROR, "this machine's solver fails");
    return pare_cholesky_inverse(s->to, s->n);
}

static pare_status run_copy(void *context) {
    square_run *s = context;
    float *to = s->to;
    const float *from = s->from;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < s->n; i++)
        to[i] = from[i] + 1.0f;
    return PARE_OK;
}

static void square_free(square_run *s) {
    pare_free(s->from);
    pare_free(s->to);
    pare_free(s->out);
}

static pare_status measure_single(const pare_rates_request *r, double *rate) {
    const pare_config *c = &r->model->config;
    int64_t n = pare_smaller(pare_larger(c->hidden, c->widths[0].ffn), WIDEST_SINGLE);
    square_run run = {.rows = pare_smaller(c->hidden, WIDEST_SINGLE), .n = n};
    pare_status status = pare_alloc(&run.from, (size_t)(run.rows * n), sizeof(float), "matrix");
    if (status == PARE_OK) status = pare_alloc(&run.to, (size_t)(n * n), sizeof(float), "matrix");
    if (status == PARE_OK) status = pare_alloc(&run.out, (size_t)(run.rows * n), sizeof(float), "matrix");
    if (status == PARE_OK) status = best_rate(run_single, &run, 2.0 * (double)run.rows * (double)(n * n), rate);
    square_free(&run);
    return status;
}

/* A third for the factor, two thirds for the inverse. */
static pare_status measure_double(const pare_rates_request *r, double *rate) {
    const pare_config *c = &r->model->config;
    int64_t n = pare_smaller(pare_larger(c->hidden, c->widths[0].ffn), WIDEST_DOUBLE);
    square_run run = {.n = n};
    pare_status status = pare_alloc(&run.from, (size_t)(n * n), sizeof(double), "matrix");
    if (status == PARE_OK) status = pare_alloc(&run.to, (size_t)(n * n), sizeof(double), "matrix");
    double *matrix = run.from;
    for (int64_t i = 0; status == PARE_OK && i < n * n; i++)
        matrix[i] = i % (n + 1) == 0 ? (double)n : 0.5;
    pare_blas_threads();
    if (status == PARE_OK) status = best_rate(run_double, &run, (double)n * (double)n * (double)n, rate);
    square_free(&run);
    return status;
}

/* One array is read, another written. */
static pare_status measure_bytes(double *rate) {
    square_run run = {.n = COPIED};
    pare_status status = pare_alloc(&run.from, COPIED, sizeof(float), "matrix");
    if (status == PARE_OK) status = pare_alloc(&run.to, COPIED, sizeof(float), "matrix");
    if (status == PARE_OK) status = best_rate(run_copy, &run, 2.0 * COPIED * sizeof(float), rate);
    square_free(&run);
    return status;
}

pare_rates pare_rates_assumed(void) {
    return (pare_rates){{[PARE_WORK_BLOCKS] = 5e10,
                         [PARE_WORK_BACKWARD] = 5e10,
                         [PARE_WORK_DECODING] = 2e10,
                         [PARE_WORK_PRODUCTS] = 5e10,
                         [PARE_WORK_SINGLE] = 5e10,
                         [PARE_WORK_DOUBLE] = 2e10,
                         [PARE_WORK_BYTES] = 1e10}};
}

pare_status pare_rates_measure(const pare_rates_request *r, pare_rates *out) {
    const double *amount = r->work->amount;
    double *rate = out->per_second;
    *out = (pare_rates){{0}};
    PARE_TRY(measure_products(r, &rate[PARE_WORK_PRODUCTS]));
    if (amount[PARE_WORK_BLOCKS] > 0.0 || amount[PARE_WORK_BACKWARD] > 0.0)
        PARE_TRY(measure_blocks(r, sequences_of(r, rate[PARE_WORK_PRODUCTS]), r->length, &rate[PARE_WORK_BLOCKS]));
    rate[PARE_WORK_BACKWARD] = backward_share * rate[PARE_WORK_BLOCKS];
    rate[PARE_WORK_BLOCKS] *= pass_share;
    if (amount[PARE_WORK_DECODING] > 0.0) PARE_TRY(measure_blocks(r, WRITTEN, 1, &rate[PARE_WORK_DECODING]));
    rate[PARE_WORK_DECODING] *= decoding_share;
    if (amount[PARE_WORK_SINGLE] > 0.0) PARE_TRY(measure_single(r, &rate[PARE_WORK_SINGLE]));
    if (amount[PARE_WORK_DOUBLE] > 0.0) PARE_TRY(measure_double(r, &rate[PARE_WORK_DOUBLE]));
    return measure_bytes(&rate[PARE_WORK_BYTES]);
}
