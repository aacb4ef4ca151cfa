/* Time of mask refinement on LLaMA-7B-like shapes, beside an fp32 product of the same shape: bench_swap
 * [rows [columns [keep of]]]. Inputs are synthetic: correlated features with a falling spectrum and a few loud ones. */
#include "select/dsnot.h"
#include "select/permute.h"
#include "select/swap.h"
#include "support/cholesky.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/random.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TOKENS = 4096, FACTORS = 256 };

/* Wall time and CPU time of all threads: on a busy machine the second says more. */
typedef struct times {
    double wall, processor;
} times;

static times now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (times){pare_clock(), (double)t.tv_sec + 1e-9 * (double)t.tv_nsec};
}

static void print_since(const char *what, times start) {
    times end = now();
    printf("%s: %.2f s, %.2f s of CPU time\n", what, end.wall - start.wall, end.processor - start.processor);
}

typedef struct problem {
    int64_t rows, columns;
    float *weights, *gram, *scores, *product;
} problem;

static void inputs(int64_t columns, float *factors, float *mixing, float *x) {
    pare_normal_fill(factors, 1, 0, 1, 0, (size_t)TOKENS * FACTORS);
    pare_normal_fill(mixing, 1, 0, 2, 0, (size_t)(FACTORS * columns));
    pare_normal_fill(x, 1, 0, 3, 0, (size_t)(TOKENS * columns));
    for (int64_t f = 0; f < FACTORS; f++)
        for (int64_t j = 0; j < columns; j++)
            mixing[f * columns + j] *= 1.0f / sqrtf((float)(f + 1));
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, TOKENS, (int)columns, FACTORS, 1.0f, factors, FACTORS,
                mixing, (int)columns, 1.5f, x, (int)columns);
    pare_normal_fill(mixing, 1, 0, 4, 0, (size_t)columns);
    for (int64_t j = 0; j < columns; j++)
        mixing[j] = expf(0.5f * mixing[j]) * (j % 509 == 7 ? 20.0f : 1.0f);
    for (int64_t t = 0; t < TOKENS; t++)
        for (int64_t j = 0; j < columns; j++)
            x[t * columns + j] *= mixing[j];
}

static pare_status problem_new(problem *p) {
    float *factors, *mixing, *x;
    size_t c = (size_t)p->columns, size = (size_t)p->rows * c;
    PARE_TRY(pare_alloc(&p->weights, size, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&p->scores, size, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&p->product, size, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&p->gram, c * c, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&factors, (size_t)TOKENS * FACTORS, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&mixing, FACTORS * c, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&x, TOKENS * c, sizeof(float), "benchmark"));
    inputs(p->columns, factors, mixing, x);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)c, (int)c, TOKENS, 1.0f, x, (int)c, x, (int)c, 0.0f,
                p->gram, (int)c);
    pare_normal_fill(p->weights, 2, 0, 0, 0, size);
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++)
            p->scores[i * p->columns + j] = fabsf(p->weights[i * p->columns + j]) * sqrtf(p->gram[j * p->columns + j]);
    pare_free(factors);
    pare_free(mixing);
    pare_free(x);
    return PARE_OK;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The best `keep` of every group of `of`. */
static pare_status wanda(const problem *p, int64_t keep, int64_t of, pare_element_mask *mask) {
    float *sorted;
    PARE_TRY(pare_element_mask_new(p->rows, p->columns, mask));
    PARE_TRY(pare_alloc(&sorted, (size_t)of, sizeof(float), "benchmark"));
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t first = 0; first < p->columns; first += of) {
            const float *scores = p->scores + i * p->columns + first;
            for (int64_t j = 0; j < of; j++)
                sorted[j] = scores[j];
            qsort(sorted, (size_t)of, sizeof *sorted, ascending);
            for (int64_t j = 0; j < of; j++)
                pare_element_keep(mask, i, first + j, scores[j] >= sorted[of - keep]);
        }
    pare_free(sorted);
    return PARE_OK;
}

static void product(const problem *p) {
    times start = now();
    pare_blas_threads();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->rows, (int)p->columns, (int)p->columns, 1.0f,
                p->weights, (int)p->columns, p->gram, (int)p->columns, 0.0f, p->product, (int)p->columns);
    print_since("sgemm", start);
}

static pare_status swaps(const problem *p, int32_t cycles, int64_t keep, int64_t of) {
    pare_element_mask mask;
    pare_swap_result result;
    pare_swap options = {.cycles = cycles, .keep = keep, .of = of < p->columns ? of : 0};
    PARE_TRY(wanda(p, keep, of, &mask));
    times start = now();
    pare_status status = pare_swap_refine(p->weights, p->gram, &options, &mask, &result);
    if (status == PARE_OK) {
        printf("%lld swaps in %d cycles, %lld rows done, error %.4f of before; ", (long long)result.swaps, cycles,
               (long long)result.rows_done, result.after / result.before);
        print_since("swaps", start);
    }
    pare_element_mask_free(&mask);
    return status;
}

static pare_status dsnot(const problem *p, int64_t keep, int64_t of) {
    pare_element_mask mask;
    pare_dsnot_result result;
    pare_dsnot options = {.cycles = 50, .epsilon = 0.1, .power = 1.0, .norm = 2.0, .alpha = 1.0};
    float *mean = p->product, *variance = mean + p->columns, *norm = variance + p->columns;
    pare_normal_fill(mean, 3, 0, 0, 0, (size_t)p->columns);
    for (int64_t j = 0; j < p->columns; j++) {
        norm[j] = sqrtf(p->gram[j * (p->columns + 1)]);
        variance[j] = norm[j] * norm[j] / (float)TOKENS;
        mean[j] *= norm[j];
    }
    pare_dsnot_inputs statistics = {mean, variance, norm};
    if (of < p->columns) options.keep = keep, options.of = of;
    PARE_TRY(wanda(p, keep, of, &mask));
    times start = now();
    pare_status status = pare_dsnot_refine(p->weights, NULL, &statistics, &options, &mask, &result);
    if (status == PARE_OK) {
        printf("%lld swaps, |e| %.4g to %.4g; ", (long long)result.swaps, result.before, result.after);
        print_since("DSnoT", start);
    }
    pare_element_mask_free(&mask);
    return status;
}

static pare_status permutation(const problem *p, int64_t keep, int64_t of, int64_t chunks) {
    pare_permute permute = {.kind = PARE_PERMUTE_ASSIGN, .keep = keep, .of = of, .chunks = chunks};
    uint32_t *order;
    double before, after;
    PARE_TRY(pare_alloc(&order, (size_t)p->columns, sizeof *order, "benchmark"));
    times start = now();
    pare_status status = pare_permute_columns(p->scores, p->rows, p->columns, &permute, order, &before, &after);
    if (status == PARE_OK) {
        printf("%lld:%lld, %lld chunks, score kept %.4f of before; ", (long long)keep, (long long)of, (long long)chunks,
               after / before);
        print_since("permutation", start);
    }
    pare_free(order);
    return status;
}

int main(int argc, char **argv) {
    problem p = {.rows = argc > 1 ? atoll(argv[1]) : 4096, .columns = argc > 2 ? atoll(argv[2]) : 4096};
    int64_t keep = argc > 4 ? atoll(argv[3]) : p.columns / 2, of = argc > 4 ? atoll(argv[4]) : p.columns;
    pare_status status = problem_new(&p);
    if (status == PARE_OK) {
        product(&p);
        product(&p);
        status = swaps(&p, 100, keep, of);
        if (status == PARE_OK) status = swaps(&p, 0, keep, of);
        if (status == PARE_OK) status = dsnot(&p, keep, of);
        if (status == PARE_OK && of < p.columns) status = permutation(&p, keep, of, 1);
        if (status == PARE_OK && of < p.columns) status = permutation(&p, keep, of, 4);
    }
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    return status == PARE_OK ? 0 : 1;
}
