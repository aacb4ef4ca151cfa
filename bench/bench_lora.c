/* Forward and backward of one LLaMA-7B-shaped block of frozen weights, without and with adapters, beside a matrix
 * product: bench_lora [rank [dropout [repeats]]]. Every repeat times all of them in turn, and fractions are medians
 * over repeats of what was measured side by side, since a shared machine's speed drifts. */
#include "evaluate/synthetic.h"
#include "model/pass.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCES = 4, LENGTH = 256, TOKENS = SEQUENCES * LENGTH, MAX_REPEATS = 100 };

typedef struct bench {
    pare_model *model;
    pare_backend *backend;
    pare_adapter_room room;
    pare_activations activations;
    pare_adapters adapters;
    pare_adapter list[64];
    void *matrices[PARE_MATRIX_ROLES];
    pare_position_tables positions;
    float *vectors, *x, *out, *dx;
    void *a, *b; /* operands of the product: [TOKENS, hidden], [ffn, hidden] */
    float *c;
} bench;

static pare_status new_operand(const bench *b, int64_t count, uint64_t id, void **out) {
    float *values;
    PARE_TRY(pare_alloc_uninitialized(&values, (size_t)count, sizeof *values, "benchmark"));
    pare_normal_fill(values, 1, 0, id, 0, (size_t)count);
    for (int64_t i = 0; i < count; i++)
        values[i] *= 0.02f;
    pare_status status = pare_alloc_uninitialized(out, (size_t)count, pare_operand_size(b->backend), "benchmark");
    if (status == PARE_OK) b->backend->operations->to_operand(b->backend, values, count, *out);
    pare_free(values);
    return status;
}

static pare_status new_adapters(bench *b, int64_t rank, float dropout) {
    pare_adapter_shape shape = {.tokens = TOKENS, .rank = rank, .dropout = dropout > 0.0f, .backward = true};
    b->adapters = (pare_adapters){.list = b->list, .rank = rank, .scale = 2.0f, .dropout = dropout, .seed = 1};
    PARE_TRY(pare_adapter_room_new(b->backend, &b->model->config, &shape, &b->room));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(0, (pare_role)role);
        int64_t rows, columns;
        pare_adapter *adapter = &b->list[id];
        void *low, *high;
        pare_tensor_matrix(b->model->tensors[id], &rows, &columns);
        PARE_TRY(new_operand(b, rank * columns, 2 * id, &low));
        PARE_TRY(new_operand(b, rank * rows, 2 * id + 1, &high));
        adapter->rank = rank;
        adapter->a = low;
        adapter->b = high;
        PARE_TRY(pare_alloc(&adapter->da, (size_t)(rank * columns), sizeof(float), "benchmark"));
        PARE_TRY(pare_alloc(&adapter->db, (size_t)(rank * rows), sizeof(float), "benchmark"));
    }
    return PARE_OK;
}

static pare_status new_block(bench *b) {
    const pare_config *config = &b->model->config;
    size_t values = (size_t)TOKENS * config->hidden;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        PARE_TRY(pare_alloc_uninitialized(&b->matrices[role],
                                          b->model->tensors[pare_tensor_id(0, (pare_role)role)]->count,
                                          pare_operand_size(b->backend), "benchmark"));
    PARE_TRY(pare_alloc(&b->vectors, pare_config_vector_elements(config), sizeof(float), "benchmark"));
    PARE_TRY(pare_position_tables_new(config, LENGTH, &b->positions));
    PARE_TRY(pare_activations_new(b->backend, config, TOKENS, true, &b->activations));
    PARE_TRY(pare_alloc(&b->x, values, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&b->out, values, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&b->dx, values, sizeof(float), "benchmark"));
    pare_normal_fill(b->x, 2, 0, 0, 0, values);
    PARE_TRY(new_operand(b, TOKENS * (int64_t)config->hidden, 200, &b->a));
    PARE_TRY(new_operand(b, (int64_t)config->widths[0].ffn * config->hidden, 201, &b->b));
    return pare_alloc(&b->c, (size_t)TOKENS * config->widths[0].ffn, sizeof(float), "benchmark");
}

static bool wants_nothing(void *context, size_t id) {
    (void)context, (void)id;
    return false;
}

typedef struct times {
    double forward, again, backward;
} times;

/* As a pass runs a block: forward, and for the backward once more. */
static pare_status run_block(bench *b, bool adapted, times *t) {
    const pare_gradient_sink sink = {.wants = wants_nothing};
    const pare_block_gradients gradients = {.sink = &sink, .sequences = SEQUENCES, .first = true, .last = true};
    pare_block_room room = {.matrices = b->matrices,
                            .vectors = b->vectors,
                            .positions = &b->positions,
                            .activations = &b->activations,
                            .batch = SEQUENCES,
                            .length = LENGTH};
    pare_source source = {.model = b->model, .backend = b->backend};
    pare_block block = pare_block_of(&source, 0, &room);
    block.adapters = adapted ? &b->adapters : NULL;
    block.adapter_room = &b->room;
    pare_normal_fill(b->dx, 3, 0, 0, 0, (size_t)(TOKENS * block.hidden));
    double start = pare_clock();
    PARE_TRY(pare_block_forward(&block, b->x, b->out));
    double forward = pare_clock();
    PARE_TRY(pare_block_forward(&block, b->x, NULL));
    double again = pare_clock();
    PARE_TRY(pare_block_backward(&block, &gradients, b->x, b->dx, true));
    *t = (times){forward - start, again - forward, pare_clock() - again};
    return PARE_OK;
}

static pare_status run_product(bench *b, double *flops_per_second) {
    const pare_config *config = &b->model->config;
    pare_matmul shape = {.batch = 1, .m = config->widths[0].ffn, .n = TOKENS, .k = config->hidden, .transpose_b = true};
    double start = pare_clock();
    PARE_TRY(b->backend->operations->matmul(b->backend, &shape, b->b, b->a, b->c));
    *flops_per_second = 2.0 * (double)shape.m * (double)shape.n * (double)shape.k / (pare_clock() - start);
    return PARE_OK;
}

/* Multiplications and additions of the frozen weights' products: forward, again without Down, and dx. */
static double frozen_flops(const bench *b) {
    double weights = 0.0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        weights +=
            (double)b->model->tensors[pare_tensor_id(0, (pare_role)role)]->count * (role == PARE_ROLE_DOWN ? 2.0 : 3.0);
    return 2.0 * (double)TOKENS * weights;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static pare_status measure(bench *b, int repeats) {
    double seconds[2][MAX_REPEATS], fractions[2][MAX_REPEATS], overheads[MAX_REPEATS], kept[MAX_REPEATS], rate;
    for (int i = -1; i < repeats; i++) {
        for (int adapted = 0; adapted < 2; adapted++) {
            times t;
            double after;
            PARE_TRY(run_product(b, &rate));
            PARE_TRY(run_block(b, adapted, &t));
            PARE_TRY(run_product(b, &after));
            if (i < 0) continue;
            double all = t.forward + t.again + t.backward, product = 2.0 / (1.0 / rate + 1.0 / after);
            seconds[adapted][i] = all;
            kept[i] = t.forward + t.backward;
            fractions[adapted][i] = frozen_flops(b) / all / product;
            printf("%s forward %.3f s, again %.3f s, backward %.3f s; products at %.0f GFLOP/s\n",
                   adapted ? "adapted:" : "frozen: ", t.forward, t.again, t.backward, product / 1e9);
        }
        if (i >= 0) overheads[i] = seconds[1][i] / seconds[0][i] - 1.0;
    }
    printf("frozen weights:  %.3f s, %.2f of the products' rate\n", median(seconds[0], repeats),
           median(fractions[0], repeats));
    printf("with adapters:   %.3f s, %.2f of the products' rate (frozen products counted only)\n",
           median(seconds[1], repeats), median(fractions[1], repeats));
    printf("adapters add %.1f %%\n", 100.0 * median(overheads, repeats));
    printf("with adapters and kept activations: %.3f s\n", median(kept, repeats));
    return PARE_OK;
}

static void release(bench *b) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_adapter *adapter = &b->list[pare_tensor_id(0, (pare_role)role)];
        pare_free((void *)(uintptr_t)adapter->a);
        pare_free((void *)(uintptr_t)adapter->b);
        pare_free(adapter->da);
        pare_free(adapter->db);
        pare_free(b->matrices[role]);
    }
    pare_position_tables_free(&b->positions);
    void *all[] = {b->vectors, b->x, b->out, b->dx, b->a, b->b, b->c};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_adapter_room_free(&b->room);
    pare_activations_free(&b->activations);
    pare_backend_close(b->backend);
    pare_model_close(b->model);
}

int main(int argc, char **argv) {
    int64_t rank = argc > 1 ? atoll(argv[1]) : 8;
    float dropout = argc > 2 ? strtof(argv[2], NULL) : 0.05f;
    int repeats = argc > 3 ? atoi(argv[3]) : 5;
    if (rank < 1 || !(dropout >= 0.0f && dropout < 1.0f) || repeats < 1 || repeats > MAX_REPEATS) return 2;
    bench b = {0};
    pare_status status = pare_synthetic_open("7b", 1, "/tmp", &b.model);
    if (status == PARE_OK) status = pare_backend_open_cpu(PARE_COMPUTE_AUTO, 0, &b.backend);
    if (status == PARE_OK) status = new_block(&b);
    if (status == PARE_OK) status = new_adapters(&b, rank, dropout);
    if (status == PARE_OK) status = measure(&b, repeats);
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    release(&b);
    return status != PARE_OK;
}
