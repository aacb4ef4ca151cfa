#include "evaluate/rates.h"
#include "evaluate/timed.h"
#include "support/cholesky.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/product.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Rows and widths of products. */
enum { ROWS = 512, WIDEST = 2048 };

/* Solvers' matrices are cut to this: larger ones gain little, and would take long. Floats that are copied to see how
 * fast memory is, which no cache holds. */
enum { WIDEST_SINGLE = 2048, WIDEST_SOLVES = 1536, WIDEST_DOUBLE = 3072, COPIED = 1 << 23 };

/* Of what a piece of work does that is done again and again, what it comes to between all else that a stage does: less
 * where matrices are small and much lies between them. Those of more than 4096 rows do as well as they do alone, and
 * better than the smaller ones that are measured in their place. */
static double reached(const pare_config *c) {
    enum { SMALL = 1024, DOUBLINGS = 2 };
    const double of_small = 0.75;
    double doublings = log2((double)c->hidden / SMALL);
    return of_small + (1.0 - of_small) * fmin(fmax(doublings / DOUBLINGS, 0.0), 1.0);
}

/* The model's widest product. */
static pare_status measure_products(const pare_rates_request *r, double *rate) {
    const pare_config *c = &r->model->config;
    pare_product_run run;
    PARE_TRY(pare_product_run_new(r->backend, ROWS, pare_smaller(pare_product_outputs(c), WIDEST),
                                  pare_smaller(c->hidden, WIDEST), &run));
    pare_status status = pare_timed_rate(NULL, pare_product_run_once, &run, run.flops, rate);
    pare_product_run_free(&run);
    return status;
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

/* A factor, and what goes through its triangle forward and back, as dampings are judged by. */
static pare_status run_solves(void *context) {
    square_run *s = context;
    memcpy(s->to, s->from, (size_t)(s->n * s->n) * sizeof(float));
    if (!pare_cholesky_float(s->to, s->n)) return pare_fail(PARE_NUMERIC_ERROR, "this machine's solver fails");
    memcpy(s->out, s->from, (size_t)(s->rows * s->n) * sizeof(float));
    for (int back = 0; back < 2; back++)
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, back ? CblasNoTrans : CblasTrans, CblasNonUnit, (int)s->rows,
                    (int)s->n, 1.0f, s->to, (int)s->n, s->out, (int)s->n);
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
    if (status == PARE_OK)
        status = pare_timed_rate(NULL, run_single, &run, 2.0 * (double)run.rows * (double)(n * n), rate);
    square_free(&run);
    return status;
}

/* As many rows as columns: a third for the factor, one for each way. */
static pare_status measure_solves(const pare_rates_request *r, double *rate) {
    int64_t n = pare_smaller(r->model->config.hidden, WIDEST_SOLVES);
    square_run run = {.rows = n, .n = n};
    pare_status status = pare_alloc(&run.from, (size_t)(n * n), sizeof(float), "matrix");
    if (status == PARE_OK) status = pare_alloc(&run.to, (size_t)(n * n), sizeof(float), "matrix");
    if (status == PARE_OK) status = pare_alloc(&run.out, (size_t)(n * n), sizeof(float), "matrix");
    float *matrix = run.from;
    for (int64_t i = 0; status == PARE_OK && i < n * n; i++)
        matrix[i] = i % (n + 1) == 0 ? (float)n : 0.5f;
    pare_blas_threads();
    if (status == PARE_OK)
        status = pare_timed_rate(NULL, run_solves, &run, 7.0 / 3.0 * (double)n * (double)n * (double)n, rate);
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
    if (status == PARE_OK) status = pare_timed_rate(NULL, run_double, &run, (double)n * (double)n * (double)n, rate);
    square_free(&run);
    return status;
}

/* One array is read, another written. */
static pare_status measure_bytes(double *rate) {
    square_run run = {.n = COPIED};
    pare_status status = pare_alloc(&run.from, COPIED, sizeof(float), "matrix");
    if (status == PARE_OK) status = pare_alloc(&run.to, COPIED, sizeof(float), "matrix");
    if (status == PARE_OK) status = pare_timed_rate(NULL, run_copy, &run, 2.0 * COPIED * sizeof(float), rate);
    square_free(&run);
    return status;
}

pare_rates pare_rates_assumed(void) {
    return (pare_rates){{[PARE_WORK_BLOCKS] = 5e10,
                         [PARE_WORK_BACKWARD] = 5e10,
                         [PARE_WORK_DECODING] = 2e10,
                         [PARE_WORK_PRODUCTS] = 5e10,
                         [PARE_WORK_SINGLE] = 5e10,
                         [PARE_WORK_SOLVES] = 2e10,
                         [PARE_WORK_DOUBLE] = 2e10,
                         [PARE_WORK_BYTES] = 1e10}};
}

pare_status pare_rates_measure(const pare_rates_request *r, pare_rates *out) {
    const double *amount = r->work->amount;
    double *rate = out->per_second;
    *out = (pare_rates){{0}};
    PARE_TRY(measure_products(r, &rate[PARE_WORK_PRODUCTS]));
    PARE_TRY(pare_rates_measure_blocks(r, out));
    if (amount[PARE_WORK_SINGLE] > 0.0) PARE_TRY(measure_single(r, &rate[PARE_WORK_SINGLE]));
    if (amount[PARE_WORK_SOLVES] > 0.0) PARE_TRY(measure_solves(r, &rate[PARE_WORK_SOLVES]));
    if (amount[PARE_WORK_DOUBLE] > 0.0) PARE_TRY(measure_double(r, &rate[PARE_WORK_DOUBLE]));
    for (int kind = 0; kind < PARE_WORK_KINDS; kind++)
        rate[kind] *= reached(&r->model->config);
    return measure_bytes(&rate[PARE_WORK_BYTES]);
}
