/* A model's passes on demand, for comparisons that take turns with another program (bench/compare_pytorch.py):
 *
 *   bench_pass MODEL fp32|bf16 THREADS SEQUENCES LENGTH
 *
 * Reads words from standard input and answers each with the seconds it took: forward (with the loss), gradient (forward
 * and backward, all gradients made and dropped), product (a large square one); and flops with the nominal operations of
 * the three. */
#include "backend/backend.h"
#include "model/work.h"
#include "support/memory.h"
#include "support/progress.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 1536, LARGE = 1 << 30 };

typedef struct bench {
    pare_model *model;
    pare_backend *backend;
    pare_pass *forward, *gradient;
    int64_t sequences, length;
    uint32_t *ids;
    float *room;    /* [SIDE, SIDE] */
    void *operands; /* [SIDE, SIDE] */
} bench;

static bool wants_all(void *context, size_t id) {
    (void)context, (void)id;
    return true;
}

static pare_status drop_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    (void)context, (void)id, (void)first, (void)rows, (void)columns, (void)gradient, (void)samples;
    return PARE_OK;
}

static pare_status run(bench *b, const char *word) {
    const pare_source source = {.model = b->model, .backend = b->backend};
    const pare_gradient_sink sink = {.wants = wants_all, .rows = drop_rows};
    const pare_matmul product = {.batch = 1, .m = SIDE, .n = SIDE, .k = SIDE, .transpose_b = true};
    double sum;
    if (strcmp(word, "forward") == 0) {
        PARE_TRY(pare_pass_forward(b->forward, &source, b->ids, b->sequences));
        return pare_pass_loss(b->forward, &source, NULL, &sum);
    }
    if (strcmp(word, "gradient") == 0) return pare_pass_gradient(b->gradient, &source, b->ids, &sink, &sum);
    if (strcmp(word, "product") == 0)
        return b->backend->operations->matmul(b->backend, &product, b->operands, b->operands, b->room);
    return pare_fail(PARE_BAD_ARGUMENT, "%s is none of forward, gradient, product, flops", word);
}

static pare_status answer(bench *b) {
    char word[32];
    while (scanf("%31s", word) == 1) {
        if (strcmp(word, "flops") == 0) {
            pare_work forward = pare_work_forward(b->model, b->sequences, b->length);
            pare_work gradient = pare_work_gradient_of_all(b->model, b->sequences, b->length);
            printf("%.6g %.6g %.6g\n", pare_work_operations(&forward), pare_work_operations(&gradient),
                   2.0 * (double)SIDE * (double)SIDE * (double)SIDE);
        } else {
            double start = pare_clock();
            PARE_TRY(run(b, word));
            printf("%.6f\n", pare_clock() - start);
        }
        fflush(stdout);
    }
    return PARE_OK;
}

static pare_status bench_open(bench *b, const char *folder, pare_compute compute, int threads) {
    PARE_TRY(pare_model_open(folder, &b->model));
    PARE_TRY(pare_backend_open_cpu(compute, threads, &b->backend));
    pare_pass_shape shape = {.sequences = b->sequences, .length = b->length};
    PARE_TRY(pare_pass_new(b->model, b->backend, &shape, &b->forward));
    shape.gradients = true;
    shape.keep = PARE_KEPT_ALL;
    PARE_TRY(pare_pass_new(b->model, b->backend, &shape, &b->gradient));
    PARE_TRY(pare_alloc(&b->ids, (size_t)(b->sequences * b->length), sizeof *b->ids, "ids"));
    for (int64_t i = 0; i < b->sequences * b->length; i++)
        b->ids[i] = (uint32_t)((uint64_t)i * 7919u % b->model->config.vocabulary);
    PARE_TRY(pare_alloc(&b->room, (size_t)SIDE * SIDE, sizeof *b->room, "matrix"));
    PARE_TRY(pare_alloc(&b->operands, (size_t)SIDE * SIDE, pare_operand_size(b->backend), "matrix"));
    for (int64_t i = 0; i < (int64_t)SIDE * SIDE; i++)
        b->room[i] = (float)(i % 97) * 0.01f;
    b->backend->operations->to_operand(b->backend, b->room, (int64_t)SIDE * SIDE, b->operands);
    return PARE_OK;
}

static void bench_close(bench *b) {
    pare_free(b->ids);
    pare_free(b->room);
    pare_free(b->operands);
    pare_pass_free(b->forward);
    pare_pass_free(b->gradient);
    pare_backend_close(b->backend);
    pare_model_close(b->model);
}

int main(int count, char **words) {
    if (count != 6) {
        fputs("usage: bench_pass MODEL fp32|bf16 THREADS SEQUENCES LENGTH\n", stderr);
        return 2;
    }
    mallopt(M_MMAP_THRESHOLD, LARGE); /* as the program does */
    mallopt(M_TRIM_THRESHOLD, LARGE);
    bench b = {.sequences = atoll(words[4]), .length = atoll(words[5])};
    pare_status status =
        bench_open(&b, words[1], strcmp(words[2], "bf16") == 0 ? PARE_COMPUTE_BF16 : PARE_COMPUTE_FP32, atoi(words[3]));
    if (status == PARE_OK) status = answer(&b);
    if (status != PARE_OK) fprintf(stderr, "bench_pass: %s\n", pare_message());
    bench_close(&b);
    return status != PARE_OK;
}
