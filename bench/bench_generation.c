/* How fast a model writes text in step, beside its own forward pass over as many tokens in the same run:
 *
 *   bench_generation MODEL [bf16|fp32] [threads] [sequences] [length]
 *
 * Prints tokens a second of both, the best of three each, and their ratio. */
#include "backend/backend.h"
#include "calibrate/self.h"
#include "model/model.h"
#include "model/pass.h"
#include "support/memory.h"
#include "support/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 3 };

typedef struct bench {
    pare_model *model;
    pare_backend *backend;
    pare_pass *pass;
    pare_windows windows;
    double *losses; /* [sequences, length] */
    pare_self_request request;
} bench;

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

static pare_status best_rate(bench *b, pare_status (*run)(bench *b), double *rate) {
    *rate = 0.0;
    for (int i = 0; i < REPEATS; i++) {
        double start = pare_clock();
        PARE_TRY(run(b));
        double seconds = pare_clock() - start, tokens = (double)b->request.sequences * b->request.length;
        *rate = tokens / seconds > *rate ? tokens / seconds : *rate;
    }
    return PARE_OK;
}

static pare_status measure(bench *b, const char *folder, pare_compute compute, int threads) {
    double writing, forward;
    PARE_TRY(pare_model_open(folder, &b->model));
    PARE_TRY(pare_backend_open_cpu(compute, threads, &b->backend));
    pare_pass_shape shape = {.sequences = b->request.sequences, .length = b->request.length};
    PARE_TRY(pare_pass_new(b->model, b->backend, &shape, &b->pass));
    PARE_TRY(pare_alloc(&b->losses, (size_t)b->request.sequences * b->request.length, sizeof *b->losses, "losses"));
    PARE_TRY(best_rate(b, write_text, &writing));
    PARE_TRY(best_rate(b, run_forward, &forward));
    printf("%s, %u x %u tokens: writes %.0f tokens/s, forward %.0f tokens/s, ratio %.2f\n", folder,
           b->request.sequences, b->request.length, writing, forward, writing / forward);
    return PARE_OK;
}

int main(int count, char **words) {
    if (count < 2) {
        fputs("usage: bench_generation MODEL [bf16|fp32] [threads] [sequences] [length]\n", stderr);
        return 2;
    }
    bench b = {.request = {.sequences = count > 4 ? (uint32_t)atoi(words[4]) : 64,
                           .length = count > 5 ? (uint32_t)atoi(words[5]) : 128}};
    bool bf16 = count > 2 && strcmp(words[2], "bf16") == 0;
    pare_status status =
        measure(&b, words[1], bf16 ? PARE_COMPUTE_BF16 : PARE_COMPUTE_FP32, count > 3 ? atoi(words[3]) : 0);
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    pare_windows_free(&b.windows);
    pare_free(b.losses);
    pare_pass_free(b.pass);
    pare_backend_close(b.backend);
    pare_model_close(b.model);
    return status != PARE_OK;
}
