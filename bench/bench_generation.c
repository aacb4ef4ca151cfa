/* How fast a model writes text in step, beside its own forward pass over as many tokens in the same run:
 *
 *   bench_generation MODEL [bf16|fp32] [threads] [sequences] [length]
 *
 * The two take turns; prints the medians of tokens a second by the clock, of their ratio pair by pair, and of the ratio
 * of processor time, which other programs on the machine disturb least. The last word is a hash of the text. */
#include "backend/backend.h"
#include "calibrate/self.h"
#include "model/model.h"
#include "model/pass.h"
#include "support/memory.h"
#include "support/progress.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, LARGE = 1 << 30 };

typedef struct bench {
    pare_model *model;
    pare_backend *backend;
    pare_pass *pass;
    pare_windows windows;
    double *losses; /* [sequences, length] */
    pare_self_request request;
} bench;

typedef struct seconds {
    double clock, processor; /* processor: of all threads */
} seconds;

static pare_status write_text(bench *b) {
    pare_windows_free(&b->windows);
    return pare_self_sample(b->model, b->backend, NULL, &b->request, &b->windows);
}

/* Logits of every token are part of both. */
static pare_status run_forward(bench *b) {
    pare_source source = {.model = b->model, .backend = b->backend};
    double sum;
    PARE_TRY(pare_pass_forward(b->pass, &source, b->windows.ids, b->windows.count));
    return pare_pass_loss(b->pass, &source, b->losses, &sum);
}

static double processor_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static pare_status time_run(bench *b, pare_status (*run)(bench *b), seconds *out) {
    double processor = processor_clock(), clock = pare_clock();
    PARE_TRY(run(b));
    *out = (seconds){pare_clock() - clock, processor_clock() - processor};
    return PARE_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

static uint64_t text_hash(const pare_windows *windows) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < (size_t)windows->count * windows->length; i++)
        hash = (hash ^ windows->ids[i]) * 0x100000001b3u;
    return hash;
}

static pare_status measure(bench *b, const char *folder) {
    double tokens = (double)b->request.sequences * b->request.length;
    double writes[ROUNDS], reads[ROUNDS], ratios[ROUNDS], processor[ROUNDS];
    PARE_TRY(write_text(b));
    PARE_TRY(run_forward(b));
    for (int i = 0; i < ROUNDS; i++) {
        seconds writing, forward;
        PARE_TRY(time_run(b, write_text, &writing));
        PARE_TRY(time_run(b, run_forward, &forward));
        writes[i] = tokens / writing.clock, reads[i] = tokens / forward.clock;
        ratios[i] = forward.clock / writing.clock, processor[i] = forward.processor / writing.processor;
    }
    printf("%s, %u x %u tokens: writes %.0f tokens/s, forward %.0f tokens/s, ratio %.2f, by processor time %.2f, "
           "text %016llx\n",
           folder, b->request.sequences, b->request.length, median(writes), median(reads), median(ratios),
           median(processor), (unsigned long long)text_hash(&b->windows));
    return PARE_OK;
}

static pare_status bench_run(bench *b, const char *folder, pare_compute compute, int threads) {
    PARE_TRY(pare_model_open(folder, &b->model));
    PARE_TRY(pare_backend_open_cpu(compute, threads, &b->backend));
    pare_pass_shape shape = {.sequences = b->request.sequences, .length = b->request.length};
    PARE_TRY(pare_pass_new(b->model, b->backend, &shape, &b->pass));
    PARE_TRY(pare_alloc(&b->losses, (size_t)b->request.sequences * b->request.length, sizeof *b->losses, "losses"));
    return measure(b, folder);
}

int main(int count, char **words) {
    if (count < 2) {
        fputs("usage: bench_generation MODEL [bf16|fp32] [threads] [sequences] [length]\n", stderr);
        return 2;
    }
    mallopt(M_MMAP_THRESHOLD, LARGE); /* as the program does */
    mallopt(M_TRIM_THRESHOLD, LARGE);
    bench b = {.request = {.sequences = count > 4 ? (uint32_t)atoi(words[4]) : 64,
                           .length = count > 5 ? (uint32_t)atoi(words[5]) : 128}};
    bool bf16 = count > 2 && strcmp(words[2], "bf16") == 0;
    pare_status status =
        bench_run(&b, words[1], bf16 ? PARE_COMPUTE_BF16 : PARE_COMPUTE_FP32, count > 3 ? atoi(words[3]) : 0);
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    pare_windows_free(&b.windows);
    pare_free(b.losses);
    pare_pass_free(b.pass);
    pare_backend_close(b.backend);
    pare_model_close(b.model);
    return status != PARE_OK;
}
