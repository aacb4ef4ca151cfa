/* The layer-wise work of pruning one LLaMA-7B-shaped block, step by step: seconds, share of the measured rate of matrix
 * products, and the seconds of the released code for the same step (two threads):
 *
 *   bench_layerwise [bf16|fp32] [threads] [hidden] [ffn]
 *
 * Inputs are random, correlated, of unequal size. At other sizes the released code's seconds are left out. */
#include "backend/backend.h"
#include "calibrate/gram.h"
#include "repair/admm.h"
#include "repair/layer_error.h"
#include "repair/masked_cg.h"
#include "repair/obs_update.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/random.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOKENS = 2048, BATCHES = 4, HIDDEN = 4096, FFN = 11008, ITERATIONS = 4, REPEATS = 3 };

typedef struct total {
    double wall, cpu, flops;
} total;

typedef struct bench {
    pare_backend *operands, *single; /* of the compute type, and fp32 */
    double operand_rate, single_rate;
    int64_t hidden, ffn;
    float *x; /* [TOKENS, width] */
    void *operand;
    float *gram, *weights, *dense;
    pare_element_mask mask;
    total grams, factors, updates, patterns, errors, admm, gradients, select, select_pattern;
} bench;

static double started_wall, started_cpu;

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void start(void) {
    started_wall = pare_clock();
    started_cpu = cpu_seconds();
}

static void stop(total *t, double flops) {
    t->wall += pare_clock() - started_wall;
    t->cpu += cpu_seconds() - started_cpu;
    t->flops += flops;
}

static void report(const char *name, const total *t, double rate, double released) {
    printf("%-44s %8.2f s wall %8.2f s CPU", name, t->wall, t->cpu);
    if (t->flops > 0.0) printf("  %5.1f %% of the GEMM rate", 100.0 * t->flops / t->wall / rate);
    if (released > 0.0) printf("  released code %.1f s: %.1f x", released, released / t->wall);
    printf("\n");
}

/* Operations per second of a product as large as a projection's. */
static pare_status measure_rate(const pare_backend *backend, bench *b, double *rate) {
    pare_matmul shape = {.batch = 1, .m = b->hidden, .n = b->hidden, .k = TOKENS, .transpose_b = true};
    double best = INFINITY;
    for (int i = 0; i <= REPEATS; i++) {
        double before = pare_clock();
        PARE_TRY(backend->operations->matmul(backend, &shape, b->weights, b->dense, b->gram));
        if (i > 0) best = fmin(best, pare_clock() - before);
    }
    *rate = 2.0 * (double)(shape.m * shape.n * shape.k) / best;
    return PARE_OK;
}

/* Normal numbers with a common part per token and some inputs far larger than others. */
static void make_inputs(bench *b, int64_t width, uint64_t batch) {
    pare_normal_fill(b->x, 1, batch, (uint64_t)width, 0, (size_t)(TOKENS * width));
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < TOKENS; t++)
        for (int64_t i = width - 1; i >= 0; i--) {
            float common = b->x[t * width + i % 7];
            b->x[t * width + i] = (b->x[t * width + i] + common) * (i % 1000 == 3 ? 30.0f : 1.0f + (float)(i % 5));
        }
    b->operands->operations->to_operand(b->operands, b->x, TOKENS * width, b->operand);
}

static pare_status accumulate(bench *b, int64_t width) {
    pare_inputs inputs = {.x = b->operand, .tokens = TOKENS, .width = width};
    for (uint64_t batch = 0; batch < BATCHES; batch++) {
        make_inputs(b, width, batch);
        start();
        PARE_TRY(pare_gram_add(b->operands, &inputs, batch == 0, b->gram));
        stop(&b->grams, 2.0 * (double)TOKENS * (double)(width * width));
    }
    return PARE_OK;
}

static void restore(bench *b, int64_t rows, int64_t columns) {
    memcpy(b->weights, b->dense, (size_t)(rows * columns) * sizeof *b->weights);
}

static pare_status update(bench *b, const pare_inverse_factor *factor, int64_t rows, bool pattern, total *t) {
    pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_SLAB, .slab = 128};
    if (pattern) target = (pare_element_target){.keep = 2, .of = 4};
    pare_obs_update options = {factor, 128, &target};
    restore(b, rows, factor->n);
    start();
    PARE_TRY(pare_obs_update_run(&options, b->weights, &b->mask, NULL));
    stop(t, (double)(rows * factor->n * factor->n));
    return PARE_OK;
}

static pare_status wanda(bench *b, int64_t rows, int64_t columns, const pare_element_target *target, total *t) {
    start();
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < columns; i++)
            b->weights[row * columns + i] = fabsf(b->dense[row * columns + i]) * sqrtf(b->gram[i * (columns + 1)]);
    PARE_TRY(pare_element_select(b->weights, target, &b->mask));
    stop(t, 0.0);
    return PARE_OK;
}

static pare_status iterate(bench *b, int64_t rows, int64_t columns) {
    pare_admm admm = {.iterations = ITERATIONS, .rho = 1.0, .damping = 0.01, .normalise = true};
    double flops = 2.0 * (double)(rows * columns * columns);
    restore(b, rows, columns);
    start();
    PARE_TRY(pare_admm_run(&admm, b->gram, "benchmark inputs", b->weights, &b->mask, NULL));
    stop(&b->admm, (double)ITERATIONS * flops);
    start();
    PARE_TRY(pare_masked_cg(b->dense, b->gram, &b->mask, ITERATIONS, b->weights));
    stop(&b->gradients, (ITERATIONS + 1) * flops);
    return PARE_OK;
}

static pare_status run_matrix(bench *b, const pare_inverse_factor *factor, const char *name, int64_t rows,
                              bool iterations) {
    total before = b->updates, one;
    int64_t columns = factor->n;
    double error;
    b->mask = (pare_element_mask){0};
    PARE_TRY(pare_element_mask_new(rows, columns, &b->mask));
    pare_normal_fill(b->dense, 2, 0, (uint64_t)rows, 0, (size_t)(rows * columns));
    PARE_TRY(update(b, factor, rows, true, &b->patterns));
    PARE_TRY(update(b, factor, rows, false, &b->updates));
    one = (total){b->updates.wall - before.wall, b->updates.cpu - before.cpu, b->updates.flops - before.flops};
    report(name, &one, b->single_rate, 0.0);
    start();
    PARE_TRY(pare_layer_error(b->dense, b->weights, b->gram, rows, columns, &error, NULL));
    stop(&b->errors, (double)(rows * columns * columns));
    if (iterations) PARE_TRY(iterate(b, rows, columns));
    PARE_TRY(wanda(b, rows, columns, &(pare_element_target){.sparsity = 0.5, .compare = PARE_COMPARE_ROW}, &b->select));
    PARE_TRY(wanda(b, rows, columns, &(pare_element_target){.keep = 2, .of = 4}, &b->select_pattern));
    pare_element_mask_free(&b->mask);
    return PARE_OK;
}

/* One input and the matrices that read it. */
static pare_status run_input(bench *b, const char *name, int64_t width, int64_t rows, int matrices) {
    pare_inverse_factor factor;
    total one = {0};
    char label[64];
    PARE_TRY(accumulate(b, width));
    start();
    PARE_TRY(pare_inverse_factor_new(b->gram, width, 0.01, "benchmark inputs", &factor));
    stop(&one, 2.0 / 3.0 * pow((double)width, 3.0));
    snprintf(label, sizeof label, "inverse factor %lld (%s, residual %.0e)", (long long)width,
             factor.in_double ? "double" : "single", factor.residual);
    report(label, &one, b->single_rate, 0.0);
    b->factors = (total){b->factors.wall + one.wall, b->factors.cpu + one.cpu, b->factors.flops + one.flops};
    pare_status status = PARE_OK;
    for (int i = 0; i < matrices && status == PARE_OK; i++)
        status = run_matrix(b, &factor, name, rows, rows == width && matrices == 1);
    pare_inverse_factor_free(&factor);
    return status;
}

static pare_status run(bench *b) {
    PARE_TRY(measure_rate(b->operands, b, &b->operand_rate));
    PARE_TRY(measure_rate(b->single, b, &b->single_rate));
    printf("products of operands: %.0f GFLOP/s, of fp32: %.0f GFLOP/s, %d threads\n", b->operand_rate * 1e-9,
           b->single_rate * 1e-9, omp_get_max_threads());
    PARE_TRY(run_input(b, "update of q, k or v, half of each slab", b->hidden, b->hidden, 3));
    PARE_TRY(run_input(b, "update of o", b->hidden, b->hidden, 1));
    PARE_TRY(run_input(b, "update of gate or up", b->hidden, b->ffn, 2));
    return run_input(b, "update of down", b->ffn, b->hidden, 1);
}

static void summarise(const bench *b) {
    bool known = b->hidden == HIDDEN && b->ffn == FFN;
    total whole = {b->factors.wall + b->updates.wall, b->factors.cpu + b->updates.cpu,
                   b->factors.flops + b->updates.flops};
    printf("\none block\n");
    report("Gram matrices, four, 8192 tokens", &b->grams, b->operand_rate, known ? 22.5 : 0.0);
    report("inverse factors, four", &b->factors, b->single_rate, 0.0);
    report("SparseGPT updates, seven", &b->updates, b->single_rate, 0.0);
    report("SparseGPT, factors and updates", &whole, b->single_rate, known ? 66.8 : 0.0);
    report("SparseGPT updates, 2:4", &b->patterns, b->single_rate, 0.0);
    report("layer errors, seven", &b->errors, b->single_rate, 0.0);
    report("ADMM, o alone, 4 iterations", &b->admm, b->single_rate, 0.0);
    report("conjugate gradients, o alone, 4 steps", &b->gradients, b->single_rate, 0.0);
    report("Wanda's masks, 50 %", &b->select, 0.0, known ? 8.8 : 0.0);
    report("Wanda's masks, 2:4", &b->select_pattern, 0.0, known ? 3.9 : 0.0);
}

static pare_status bench_open(bench *b, pare_compute compute, int threads) {
    size_t wide = (size_t)(b->ffn > b->hidden ? b->ffn : b->hidden), matrix = wide * (size_t)b->hidden;
    if (matrix < (size_t)b->hidden * TOKENS) matrix = (size_t)b->hidden * TOKENS;
    PARE_TRY(pare_backend_open_cpu(compute, threads, &b->operands));
    PARE_TRY(pare_backend_open_cpu(PARE_COMPUTE_FP32, threads, &b->single));
    PARE_TRY(pare_alloc(&b->x, wide * TOKENS, sizeof(float), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->operand, wide * TOKENS, sizeof(float), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->gram, wide * wide, sizeof(float), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->weights, matrix, sizeof(float), "benchmark buffers"));
    return pare_alloc(&b->dense, matrix, sizeof(float), "benchmark buffers");
}

static void bench_close(bench *b) {
    void *all[] = {b->x, b->operand, b->gram, b->weights, b->dense};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_element_mask_free(&b->mask);
    pare_backend_close(b->operands);
    pare_backend_close(b->single);
}

int main(int argc, char **argv) {
    pare_compute compute = argc > 1 && strcmp(argv[1], "fp32") == 0 ? PARE_COMPUTE_FP32 : PARE_COMPUTE_AUTO;
    bench b = {.hidden = argc > 3 ? atoll(argv[3]) : HIDDEN, .ffn = argc > 4 ? atoll(argv[4]) : FFN};
    pare_status status = bench_open(&b, compute, argc > 2 ? atoi(argv[2]) : 0);
    if (status == PARE_OK) status = run(&b);
    if (status == PARE_OK)
        summarise(&b);
    else
        fprintf(stderr, "%s\n", pare_message());
    bench_close(&b);
    return status == PARE_OK ? 0 : 1;
}
