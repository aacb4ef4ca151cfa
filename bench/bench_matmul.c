/* Matrix products of one block, and of a part of the head behind it, through the CPU backend: bench_matmul [bf16|fp32]
 * [threads] [tokens] [7b|135m]. Forward y = x W^T, dx = dy W, and dW = dy^T x, whole and in chunks of rows; the best of
 * several runs counts. */
#include "backend/backend.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 3, CHUNK = 1024 };

/* Of LLaMA-7B, and of SmolLM2-135M. */
typedef struct widths {
    const char *name;
    int64_t hidden, keys, ffn;
    int64_t head; /* tokens of the vocabulary at a time */
} widths;

typedef struct buffers {
    void *x, *y, *w; /* operands: [tokens, widest] twice and [widest, hidden] */
    float *c;        /* the larger of both */
} buffers;

typedef struct totals {
    double flops, seconds;
} totals;

static pare_status report(const pare_backend *backend, const char *name, const pare_matmul *shape, const void *a,
                          const void *b, float *c, totals *sum) {
    double best = INFINITY, flops = 2.0 * (double)(shape->batch * shape->m * shape->n * shape->k);
    for (int i = 0; i <= REPEATS; i++) {
        double start = pare_clock();
        PARE_TRY(backend->operations->matmul(backend, shape, a, b, c));
        if (i > 0) best = fmin(best, pare_clock() - start); /* the first run makes the primitive */
    }
    printf("%-30s %5lld x %5lld x %5lld  %8.2f ms  %7.1f GFLOP/s\n", name, (long long)shape->m, (long long)shape->n,
           (long long)shape->k, best * 1e3, flops * 1e-9 / best);
    sum->flops += flops;
    sum->seconds += best;
    return PARE_OK;
}

/* A linear layer [out, in] on `tokens` rows. */
static pare_status bench_linear(const pare_backend *backend, const buffers *b, const char *name, int64_t tokens,
                                int64_t in, int64_t out, totals *sum) {
    char label[64];
    pare_matmul forward = {.batch = 1, .m = tokens, .n = out, .k = in, .transpose_b = true};
    pare_matmul dx = {.batch = 1, .m = tokens, .n = in, .k = out};
    snprintf(label, sizeof label, "%s forward", name);
    PARE_TRY(report(backend, label, &forward, b->x, b->w, b->c, sum));
    snprintf(label, sizeof label, "%s dx", name);
    PARE_TRY(report(backend, label, &dx, b->y, b->w, b->c, sum));
    /* The same two with the result stored by feature, [width, tokens] (model/block_linear.h). */
    snprintf(label, sizeof label, "%s forward, by feature", name);
    pare_matmul by_feature = {.batch = 1, .m = out, .n = tokens, .k = in, .transpose_b = true};
    PARE_TRY(report(backend, label, &by_feature, b->w, b->x, b->c, &(totals){0}));
    snprintf(label, sizeof label, "%s dx, by feature", name);
    by_feature = (pare_matmul){.batch = 1, .m = in, .n = tokens, .k = out, .transpose_a = true, .transpose_b = true};
    PARE_TRY(report(backend, label, &by_feature, b->w, b->y, b->c, &(totals){0}));
    snprintf(label, sizeof label, "%s dx, added", name);
    dx.accumulate = true;
    PARE_TRY(report(backend, label, &dx, b->y, b->w, b->c, &(totals){0}));
    snprintf(label, sizeof label, "%s dW, whole", name);
    pare_matmul dw = {.batch = 1, .m = out, .n = in, .k = tokens, .transpose_a = true};
    PARE_TRY(report(backend, label, &dw, b->y, b->x, b->c, sum));
    dw.m = out < CHUNK ? out : CHUNK;
    snprintf(label, sizeof label, "%s dW, %d rows", name, (int)dw.m);
    dw.lda = out;
    return report(backend, label, &dw, b->y, b->x, b->c, &(totals){0});
}

static pare_status bench_block(const pare_backend *backend, const buffers *b, const widths *s, int64_t tokens) {
    const struct {
        const char *name;
        int64_t in, out;
        double times;
    } layers[] = {{"q, o", s->hidden, s->hidden, 2.0},
                  {"k, v", s->hidden, s->keys, 2.0},
                  {"gate, up", s->hidden, s->ffn, 2.0},
                  {"down", s->ffn, s->hidden, 1.0}};
    totals sum = {0};
    printf("operands: %s%s, %lld tokens\n", pare_dtype_name(backend->operand), backend->native ? "" : ", widened",
           (long long)tokens);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        totals one = {0};
        PARE_TRY(bench_linear(backend, b, layers[i].name, tokens, layers[i].in, layers[i].out, &one));
        sum.flops += layers[i].times * one.flops, sum.seconds += layers[i].times * one.seconds;
    }
    printf("one block, forward, dx and dW: %.3f s, %.1f GFLOP/s\n", sum.seconds, sum.flops * 1e-9 / sum.seconds);
    return bench_linear(backend, b, "part of a head", tokens, s->hidden, s->head, &(totals){0});
}

static pare_status buffers_new(const pare_backend *backend, buffers *b, const widths *s, int64_t tokens) {
    int64_t widest = s->ffn > s->head ? s->ffn : s->head, rows = tokens * widest, weights = widest * s->hidden;
    int64_t largest = rows > weights ? rows : weights;
    *b = (buffers){0};
    PARE_TRY(pare_alloc(&b->x, (size_t)rows, pare_operand_size(backend), "operands"));
    PARE_TRY(pare_alloc(&b->y, (size_t)rows, pare_operand_size(backend), "operands"));
    PARE_TRY(pare_alloc(&b->w, (size_t)weights, pare_operand_size(backend), "operands"));
    PARE_TRY(pare_alloc(&b->c, (size_t)largest, sizeof(float), "results"));
    pare_normal_fill(b->c, 1, 0, 0, 0, (size_t)largest);
    backend->operations->to_operand(backend, b->c, rows, b->x);
    backend->operations->to_operand(backend, b->c, rows, b->y);
    backend->operations->to_operand(backend, b->c, weights, b->w);
    return PARE_OK;
}

static pare_status shape_named(const char *name, const widths **out) {
    static const widths shapes[] = {{"7b", 4096, 4096, 11008, 4096}, {"135m", 576, 192, 1536, 4096}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) {
            *out = &shapes[i];
            return PARE_OK;
        }
    return pare_fail(PARE_BAD_ARGUMENT, "'%s' is no shape: give 7b or 135m", name);
}

int main(int argc, char **argv) {
    pare_compute compute = argc > 1 && strcmp(argv[1], "fp32") == 0 ? PARE_COMPUTE_FP32 : PARE_COMPUTE_BF16;
    int64_t tokens = argc > 3 ? atoll(argv[3]) : 1280;
    pare_backend *backend;
    const widths *shape = NULL;
    buffers b = {0};
    pare_status status = pare_backend_open_cpu(compute, argc > 2 ? atoi(argv[2]) : 0, &backend);
    if (status == PARE_OK && (tokens < 1 || tokens > 65536))
        status = pare_fail(PARE_BAD_ARGUMENT, "give a number of tokens from 1 to 65536");
    if (status == PARE_OK) status = shape_named(argc > 4 ? argv[4] : "7b", &shape);
    if (status == PARE_OK) status = buffers_new(backend, &b, shape, tokens);
    if (status == PARE_OK) status = bench_block(backend, &b, shape, tokens);
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    pare_free(b.x);
    pare_free(b.y);
    pare_free(b.w);
    pare_free(b.c);
    pare_backend_close(backend);
    return status == PARE_OK ? 0 : 1;
}
