/* Time of every own kernel on LLaMA-7B-like shapes, beside a plain copy: bench_kernels [bf16|fp32] [threads]. Bytes are
 * those that must move; the best of several runs counts. */
#include "backend/backend.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HIDDEN = 4096, FFN = 11008, TOKENS = 1280, HEADS = 32, HEAD = 128, WINDOW = 128, CHUNK = 4000, REPEATS = 5 };

typedef struct bench {
    pare_backend *backend;
    double operand;              /* bytes of an operand */
    float *a, *b, *c, *d;        /* [FFN, HIDDEN] floats each */
    void *operand_a, *operand_b; /* [FFN, HIDDEN] operands each */
    void *stored;                /* a weight in bf16 */
    float *rows;                 /* [HIDDEN + 2 * TOKENS] */
    double *sums;                /* [HIDDEN] */
    int32_t *targets;            /* [TOKENS] */
    float *rotation;             /* [WINDOW, HEAD] */
} bench;

typedef void (*kernel_fn)(bench *b, int variant);

static void report(bench *b, const char *name, kernel_fn kernel, int variant, double elements, double bytes) {
    double best = INFINITY;
    double begin = pare_clock();
    for (int i = 0; i < REPEATS || pare_clock() - begin < 0.3; i++) {
        double start = pare_clock();
        kernel(b, variant);
        best = fmin(best, pare_clock() - start);
    }
    printf("%-34s %8.2f ms  %7.3f ns per element  %6.1f GB/s\n", name, best * 1e3, best * 1e9 / elements,
           elements * bytes * 1e-9 / best);
}

/* stored -> operand; variant bits: 1 displacement, 2 noise, 4 to float */
static void compose(bench *b, int variant) {
    pare_weight_view view = {.stored = b->stored,
                             .dtype = PARE_DTYPE_BF16,
                             .delta = variant & 1 ? b->a : NULL,
                             .sigma = variant & 2 ? 0.05f : 0.0f,
                             .seed = 1};
    const pare_backend_operations *o = b->backend->operations;
    if (variant & 4)
        o->compose_float(b->backend, &view, 0, FFN, HIDDEN, b->b);
    else
        o->compose(b->backend, &view, 0, FFN, HIDDEN, b->operand_a);
}

static void bench_compose(bench *b) {
    double n = (double)FFN * (double)HIDDEN;
    report(b, "compose, plain", compose, 0, n, 2 + b->operand);
    report(b, "compose, displacement", compose, 1, n, 6 + b->operand);
    report(b, "compose, noise", compose, 2, n, 2 + b->operand);
    report(b, "compose, both", compose, 3, n, 6 + b->operand);
    report(b, "compose to float, both", compose, 7, n, 6 + 4);
}

/* variant: 0 no threshold, 1 rows, 2 elements, 3 rows that all vanish */
static void proximal(bench *b, int variant) {
    float threshold = variant == 3 ? 1e6f : variant ? 1e-4f : 0.0f;
    pare_proximal step = {0.9f, 1e-3f, threshold, threshold, variant != 2, NULL, NULL};
    pare_displacement_sums sums = {0};
    b->backend->operations->proximal_step(b->backend, &step, FFN, HIDDEN, b->a, b->b, b->c, &sums);
}

static void proximal_small_chunks(bench *b, int rows) {
    pare_proximal step = {0.9f, 1e-3f, 1e-4f, 1e-4f, true, NULL, NULL};
    pare_displacement_sums sums = {0};
    for (int64_t row = 0; row + rows <= FFN; row += rows)
        b->backend->operations->proximal_step(b->backend, &step, rows, HIDDEN, b->a + row * HIDDEN, b->b + row * HIDDEN,
                                              b->c + row * HIDDEN, &sums);
}

static void bench_proximal(bench *b) {
    double n = (double)FFN * (double)HIDDEN;
    report(b, "proximal step, no threshold", proximal, 0, n, 12);
    report(b, "proximal step, rows", proximal, 1, n, 12);
    report(b, "proximal step, elements", proximal, 2, n, 12);
    report(b, "proximal step, rows vanish", proximal, 3, n, 12);
    report(b, "proximal step, 128 rows at a time", proximal_small_chunks, 128, n, 12);
}

static void gated_forward(bench *b, int variant) {
    b->backend->operations->gated_forward(b->backend,
                                          (pare_gating){.activation = (pare_activation)variant, .limit = 7.0f}, b->a,
                                          b->b, (int64_t)TOKENS * FFN, b->operand_a);
}

static void gated_backward(bench *b, int variant) {
    b->backend->operations->gated_backward(b->backend,
                                           (pare_gating){.activation = (pare_activation)variant, .limit = 7.0f}, b->a,
                                           b->b, b->c, (int64_t)TOKENS * FFN, b->operand_a, b->operand_b);
}

static void norm_forward(bench *b, int variant) {
    const pare_norm norm = {.kind = (pare_norm_kind)variant, .weight = b->rows, .eps = 1e-5};
    b->backend->operations->norm_forward(b->backend, &norm, b->a, TOKENS, HIDDEN, b->operand_a, false,
                                         b->rows + HIDDEN);
}

static void norm_backward(bench *b, int variant) {
    const pare_norm norm = {.kind = (pare_norm_kind)variant, .weight = b->rows, .eps = 1e-5};
    b->backend->operations->norm_backward(b->backend, &norm, b->a, b->rows + HIDDEN, b->b, TOKENS, HIDDEN, b->c, true,
                                          NULL, NULL);
}

static void norm_backward_all(bench *b, int variant) {
    const pare_norm norm = {.kind = (pare_norm_kind)variant, .weight = b->rows, .eps = 1e-5};
    b->backend->operations->norm_backward(b->backend, &norm, b->a, b->rows + HIDDEN, b->b, TOKENS, HIDDEN, b->c, true,
                                          b->sums, NULL);
}

static const pare_heads heads = {
    .batch = TOKENS / WINDOW, .tokens = WINDOW, .groups = HEADS, .shared = 1, .head = HEAD, .capacity = WINDOW};

static void split_heads(bench *b, int variant) {
    b->backend->operations->split_heads(b->backend, &heads, b->a, variant ? b->rotation : NULL, b->operand_a);
}

static void merge_heads(bench *b, int variant) {
    b->backend->operations->merge_heads(b->backend, &heads, b->a, variant ? b->rotation : NULL, b->operand_a);
}

static void bench_activations(bench *b) {
    double hidden = (double)TOKENS * (double)HIDDEN, ffn = (double)TOKENS * (double)FFN;
    static const char *const activations[PARE_ACTIVATIONS] = {"silu", "gelu", "gelu tanh", "relu", "relu2"};
    for (int i = 0; i < PARE_ACTIVATIONS; i++) {
        char name[64];
        snprintf(name, sizeof name, "gated %s forward", activations[i]);
        report(b, name, gated_forward, i, ffn, 8 + b->operand);
        snprintf(name, sizeof name, "gated %s backward", activations[i]);
        report(b, name, gated_backward, i, ffn, 12 + 2 * b->operand);
    }
    report(b, "rms norm forward", norm_forward, PARE_NORM_RMS, hidden, 4 + b->operand);
    report(b, "layer norm forward", norm_forward, PARE_NORM_LAYER, hidden, 4 + b->operand);
    report(b, "rms norm backward", norm_backward, PARE_NORM_RMS, hidden, 16);
    report(b, "layer norm backward", norm_backward, PARE_NORM_LAYER, hidden, 16);
    report(b, "rms norm backward, with dweight", norm_backward_all, PARE_NORM_RMS, hidden, 24);
    report(b, "layer norm backward, with dweight", norm_backward_all, PARE_NORM_LAYER, hidden, 24);
    report(b, "split heads", split_heads, 0, hidden, 4 + b->operand);
    report(b, "split heads, rotated", split_heads, 1, hidden, 4 + b->operand);
    report(b, "merge heads", merge_heads, 0, hidden, 4 + b->operand);
    report(b, "merge heads, rotated", merge_heads, 1, hidden, 4 + b->operand);
}

static void logsum_update(bench *b, int variant) {
    (void)variant;
    for (int t = 0; t < TOKENS; t++)
        b->rows[t] = -INFINITY, b->sums[t] = 0.0;
    b->backend->operations->logsum_update(b->backend, b->a, TOKENS, CHUNK, 0, b->targets, b->rows, b->sums,
                                          b->rows + TOKENS);
}

static void logits_gradient(bench *b, int variant) {
    (void)variant;
    b->backend->operations->logits_gradient(b->backend, b->a, TOKENS, CHUNK, 0, b->targets, b->rows, 0.1f,
                                            b->operand_a);
}

static const int64_t attention_elements = (int64_t)TOKENS * HEADS * HEAD;

static pare_attention attention_of(int window) {
    return (pare_attention){.batch = TOKENS / window,
                            .groups = HEADS,
                            .shared = 1,
                            .head = HEAD,
                            .queries = window,
                            .keys = window,
                            .key_capacity = window};
}

static void attention_forward(bench *b, int variant) {
    pare_attention s = attention_of(variant);
    b->backend->operations->attention_forward(b->backend, &s, b->operand_a, b->operand_b,
                                              pare_operand_at(b->backend, b->operand_b, attention_elements), b->c,
                                              b->d);
}

static void attention_backward(bench *b, int variant) {
    pare_attention s = attention_of(variant);
    const void *v = pare_operand_at(b->backend, b->operand_b, attention_elements);
    const void *dout = pare_operand_at(b->backend, b->operand_b, 2 * attention_elements);
    b->backend->operations->attention_backward(b->backend, &s, b->operand_a, b->operand_b, v, b->c, b->d, dout, b->a,
                                               b->a + attention_elements, b->a + 2 * attention_elements);
}

static void to_operand(bench *b, int variant) {
    (void)variant;
    b->backend->operations->to_operand(b->backend, b->a, (int64_t)FFN * HIDDEN, b->operand_a);
}

static void from_operand(bench *b, int variant) {
    (void)variant;
    b->backend->operations->from_operand(b->backend, b->operand_a, (int64_t)FFN * HIDDEN, b->b);
}

static void bench_loss_and_attention(bench *b) {
    double logits = (double)TOKENS * (double)CHUNK, attention = (double)attention_elements,
           weights = (double)FFN * (double)HIDDEN;
    report(b, "log-sum-exp", logsum_update, 0, logits, 4);
    report(b, "logits gradient", logits_gradient, 0, logits, 4 + b->operand);
    report(b, "to operand", to_operand, 0, weights, 4 + b->operand);
    report(b, "from operand", from_operand, 0, weights, 4 + b->operand);
    for (int64_t i = 0; i < 2; i++)
        b->backend->operations->to_operand(b->backend, b->a, (int64_t)FFN * HIDDEN, i ? b->operand_a : b->operand_b);
    report(b, "attention forward, 10 x 128", attention_forward, 128, attention, 4 + 3 * b->operand);
    report(b, "attention backward, 10 x 128", attention_backward, 128, attention, 16 + 4 * b->operand);
    report(b, "attention forward, 1 x 1280", attention_forward, 1280, attention, 4 + 3 * b->operand);
    report(b, "attention backward, 1 x 1280", attention_backward, 1280, attention, 16 + 4 * b->operand);
}

static void copy(bench *b, int variant) {
    (void)variant;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < FFN; row++)
        memcpy(b->b + row * HIDDEN, b->a + row * HIDDEN, HIDDEN * sizeof(float));
}

static void normals(bench *b, int variant) {
    (void)variant;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < FFN; row++)
        pare_normal_fill(b->b + row % 16 * HIDDEN, 1, 2, 3, (uint64_t)row * HIDDEN, HIDDEN);
}

static pare_status bench_open(bench *b, pare_compute compute, int threads) {
    size_t size = (size_t)FFN * HIDDEN;
    *b = (bench){0};
    PARE_TRY(pare_backend_open_cpu(compute, threads, &b->backend));
    b->operand = (double)pare_operand_size(b->backend);
    float **buffers[] = {&b->a, &b->b, &b->c, &b->d};
    for (size_t i = 0; i < 4; i++)
        PARE_TRY(pare_alloc(buffers[i], size, sizeof(float), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->operand_a, size, sizeof(float), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->operand_b, size, sizeof(float), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->stored, size, 2, "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->rows, HIDDEN + 2 * TOKENS, sizeof(float), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->sums, HIDDEN, sizeof(double), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->targets, TOKENS, sizeof(int32_t), "benchmark buffers"));
    PARE_TRY(pare_alloc(&b->rotation, WINDOW * HEAD, sizeof(float), "benchmark buffers"));
    pare_normal_fill(b->a, 1, 0, 0, 0, size);
    pare_normal_fill(b->b, 1, 0, 1, 0, size);
    pare_normal_fill(b->rotation, 1, 0, 2, 0, WINDOW * HEAD);
    pare_normal_fill(b->rows, 1, 0, 3, 0, HIDDEN + 2 * TOKENS);
    pare_from_float(b->stored, PARE_DTYPE_BF16, b->a, size);
    return PARE_OK;
}

static void bench_close(bench *b) {
    void *all[] = {b->a,      b->b,    b->c,    b->d,       b->operand_a, b->operand_b,
                   b->stored, b->rows, b->sums, b->targets, b->rotation};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_backend_close(b->backend);
}

int main(int argc, char **argv) {
    pare_compute compute = argc > 1 && strcmp(argv[1], "fp32") == 0 ? PARE_COMPUTE_FP32 : PARE_COMPUTE_AUTO;
    bench b;
    pare_status status = bench_open(&b, compute, argc > 2 ? atoi(argv[2]) : 0);
    if (status != PARE_OK) {
        fprintf(stderr, "%s\n", pare_message());
    } else {
        printf("operands: %s\n", pare_dtype_name(b.backend->operand));
        report(&b, "copy of floats", copy, 0, (double)FFN * (double)HIDDEN, 8);
        report(&b, "normal numbers, in cache", normals, 0, (double)FFN * (double)HIDDEN, 4);
        bench_compose(&b);
        bench_proximal(&b);
        bench_activations(&b);
        bench_loss_and_attention(&b);
    }
    bench_close(&b);
    return status == PARE_OK ? 0 : 1;
}
