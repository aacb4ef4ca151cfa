/* Ratios that do not depend on the machine's speed: bench_regression PARE MODEL FOLDER [NAME...]. Every kernel and
 * command takes turns with a reference that is none of pare's own code (a product of OpenBLAS, a copy, a byte-wise
 * hash, a plain file), and the median of the ratios counts: 1 is as fast as the reference for the same nominal work,
 * more is faster. FOLDER holds what bench/regression made: text.txt and examples.json. Prints the kind of CPU, then
 * name,ratio,reference. Of the rows named, or all; a name that ends in - stands for all that begin with it. */
#include "cpu_kind.h"
#include "regression_work.h"
#include "support/file.h"
#include "support/machine.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/progress.h"
#include "support/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KERNEL_ROUNDS = 9, COMMAND_ROUNDS = 3 };
static const double shortest = 0.01, shortest_beside_command = 0.25; /* seconds of one measurement */

/* Seconds of one call. Short ones are repeated. */
static pare_status time_call(bench *b, work_fn run, int variant, double least, double *seconds) {
    double start = pare_clock(), passed;
    int calls = 0;
    do {
        PARE_TRY(run(b, variant));
        calls++;
        passed = pare_clock() - start;
    } while (passed < least);
    *seconds = passed / calls;
    return PARE_OK;
}

/* The inputs as they were, for whichever row runs before. */
static void fill(bench *b) {
    float *buffers[] = {b->a, b->b, b->c, b->d};
    for (uint64_t i = 0; i < 4; i++)
        pare_normal_fill(buffers[i], 1, 0, i, 0, (size_t)ELEMENTS);
    void *operands[] = {b->x, b->y, b->z};
    for (int i = 0; i < 3; i++)
        b->backend->operations->to_operand(b->backend, buffers[i], ELEMENTS, operands[i]);
    if (b->backend->operand == PARE_DTYPE_F32)
        for (int64_t i = 0; i < HIDDEN; i++)
            b->d[i] = 1.0f;
}

static bool is_named(const char *name, char **names) {
    for (; *names; names++) {
        size_t length = strlen(*names);
        if (strcmp(name, *names) == 0) return true;
        if (length && (*names)[length - 1] == '-' && strncmp(name, *names, length) == 0) return true;
    }
    return false;
}

static pare_status measure(bench *b, const row *r) {
    double ratios[KERNEL_ROUNDS], before, after, own;
    int rounds = r->run == run_command ? COMMAND_ROUNDS : KERNEL_ROUNDS;
    double least = r->run == run_command ? shortest_beside_command : shortest;
    work_fn other = references[r->reference].run;
    b->backend = r->bf16 ? b->bf16 : b->fp32;
    fill(b);
    if (r->run != run_command) PARE_TRY(r->run(b, r->variant));
    PARE_TRY(other(b, 0));
    for (int i = 0; i < rounds; i++) {
        PARE_TRY(time_call(b, other, 0, least, &before));
        PARE_TRY(time_call(b, r->run, r->variant, shortest, &own));
        PARE_TRY(time_call(b, other, 0, least, &after));
        ratios[i] = r->work / own * 0.5 * (before + after) / reference_work(b, r->reference);
    }
    qsort(ratios, (size_t)rounds, sizeof *ratios, pare_ascending_double);
    printf("%s,%.4g,%s\n", r->name, ratios[rounds / 2], references[r->reference].name);
    fflush(stdout);
    return PARE_OK;
}

static pare_status bench_open(bench *b) {
    b->threads = pare_machine_threads("");
    PARE_TRY(pare_backend_open_cpu(PARE_COMPUTE_FP32, 0, &b->fp32));
    PARE_TRY(pare_backend_open_cpu(PARE_COMPUTE_BF16, 0, &b->bf16));
    if (PRODUCT_ROWS * (int64_t)b->threads > FFN) b->threads = FFN / PRODUCT_ROWS;
    float **buffers[] = {&b->a, &b->b, &b->c, &b->d};
    for (size_t i = 0; i < 4; i++)
        PARE_TRY(pare_alloc(buffers[i], (size_t)ELEMENTS, sizeof(float), "benchmark"));
    void **operands[] = {&b->x, &b->y, &b->z};
    for (size_t i = 0; i < 3; i++)
        PARE_TRY(pare_alloc(operands[i], (size_t)ELEMENTS, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&b->gram, (size_t)HIDDEN * HIDDEN, sizeof(float), "benchmark"));
    pare_normal_fill(b->gram, 1, 0, 9, 0, (size_t)HIDDEN * HIDDEN);
    for (int64_t i = 0; i < (int64_t)HIDDEN * HIDDEN; i++)
        b->gram[i] = fabsf(b->gram[i]);
    /* The first SWAP x SWAP make a Gram matrix: neighbours are alike, and the diagonal is heavy. */
    for (int64_t i = 0; i < SWAP; i++)
        for (int64_t j = 0; j < SWAP; j++)
            b->gram[i * SWAP + j] = powf(0.9f, fabsf((float)(i - j)));
    PARE_TRY(pare_element_mask_new(HIDDEN, HIDDEN, &b->mask));
    PARE_TRY(pare_element_mask_new(SWAP, SWAP, &b->small));
    PARE_TRY(pare_tokenizer_open(b->model, &b->tokenizer));
    char *path = pare_path_join(b->folder, "text.txt");
    pare_status status = pare_file_read(path, UINT64_MAX - 1, &b->text, &b->text_bytes);
    free(path);
    return status;
}

static void bench_close(bench *b) {
    void *all[] = {b->a, b->b, b->c, b->d, b->x, b->y, b->z, b->gram, b->text};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_element_mask_free(&b->mask);
    pare_element_mask_free(&b->small);
    pare_tokenizer_close(b->tokenizer);
    pare_backend_close(b->fp32);
    pare_backend_close(b->bf16);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: bench_regression PARE MODEL FOLDER [NAME...]\n");
        return 2;
    }
    bench b = {.pare = argv[1], .model = argv[2], .folder = argv[3]};
    bool known = argc < 5, failed = false;
    pare_status status = bench_open(&b);
    if (status != PARE_OK) fprintf(stderr, "bench_regression: %s\n", pare_message());
    if (status == PARE_OK) printf("%s\n", cpu_kind());
    for (size_t i = 0; status == PARE_OK && i < row_count; i++) {
        if (argc > 4 && !is_named(rows[i].name, argv + 4)) continue;
        known = true;
        if (measure(&b, &rows[i]) == PARE_OK) continue;
        fprintf(stderr, "bench_regression: %s: %s\n", rows[i].name, pare_message());
        failed = true;
    }
    if (!known && status == PARE_OK) {
        fprintf(stderr, "bench_regression: there is no %s; the names are in bench/regression.csv\n", argv[4]);
        return 2;
    }
    bench_close(&b);
    return status == PARE_OK && !failed ? 0 : 1;
}
