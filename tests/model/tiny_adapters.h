/* Random adapters beside all matrices of a tiny model, with their gradients. */
#ifndef PARE_TESTS_TINY_ADAPTERS_H
#define PARE_TESTS_TINY_ADAPTERS_H

#include "tiny_pass.h"

typedef struct tiny_adapters {
    const tiny_pass *of;
    pare_adapters all;
    pare_adapter list[128];
    float *a[128], *b[128], *da[128], *db[128], *keep[128]; /* a, b: values, as the operands have them */
    int64_t rows[128], columns[128];
} tiny_adapters;

/* The values that the operands will have, and the operands. */
static inline void *tiny_operand(const pare_backend *backend, float *values, size_t count) {
    void *out = malloc(count * pare_operand_size(backend));
    pare_from_float(out, backend->operand, values, count);
    pare_to_float(values, out, backend->operand, count);
    return out;
}

static inline void tiny_adapter_set(tiny_adapters *t, size_t id) {
    size_t a = (size_t)(t->list[id].rank * t->columns[id]), b = (size_t)(t->list[id].rank * t->rows[id]);
    free((void *)(uintptr_t)t->list[id].a);
    free((void *)(uintptr_t)t->list[id].b);
    t->list[id].a = tiny_operand(t->of->backend, t->a[id], a);
    t->list[id].b = tiny_operand(t->of->backend, t->b[id], b);
}

static inline float *tiny_normal_values(uint64_t draw, size_t id, size_t count, float scale) {
    float *values = malloc(count * sizeof *values);
    pare_normal_fill(values, 23, draw, id, 0, count);
    for (size_t i = 0; i < count; i++)
        values[i] *= scale;
    return values;
}

/* Rank `rank` everywhere, one less beside gates; kept: output factors of all but one role, some of them zero. */
static inline void tiny_adapters_new(tiny_adapters *t, const tiny_pass *of, int64_t rank, float dropout, bool kept) {
    *t = (tiny_adapters){.of = of};
    t->all = (pare_adapters){
        .list = t->list, .rank = rank, .scale = 1.5f, .dropout = dropout, .seed = 5, .draw = 3, .first_sequence = 100};
    for (uint32_t layer = 0; layer < of->model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, (pare_role)role);
            pare_tensor_matrix(of->model->tensors[id], &t->rows[id], &t->columns[id]);
            int64_t own = t->list[id].rank = role == PARE_ROLE_GATE ? rank - 1 : rank;
            t->a[id] = tiny_normal_values(0, id, (size_t)(own * t->columns[id]), 0.15f);
            t->b[id] = tiny_normal_values(1, id, (size_t)(own * t->rows[id]), 0.15f);
            t->list[id].da = t->da[id] = calloc((size_t)(own * t->columns[id]), sizeof(float));
            t->list[id].db = t->db[id] = calloc((size_t)(own * t->rows[id]), sizeof(float));
            tiny_adapter_set(t, id);
            if (!kept || role == PARE_ROLE_V) continue;
            t->list[id].keep = t->keep[id] = tiny_normal_values(2, id, (size_t)t->rows[id], 1.0f);
            for (int64_t i = 0; i < t->rows[id]; i++)
                t->keep[id][i] = i % 5 == 2 ? 0.0f : 0.5f + fabsf(t->keep[id][i]);
        }
}

static inline void tiny_adapters_free(tiny_adapters *t) {
    for (size_t id = 0; id < 128; id++) {
        void *all[] = {t->a[id],
                       t->b[id],
                       t->da[id],
                       t->db[id],
                       t->keep[id],
                       (void *)(uintptr_t)t->list[id].a,
                       (void *)(uintptr_t)t->list[id].b};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
}

/* The loss, and gradients in da and db, which are zeroed before. */
static inline double tiny_adapters_gradients(tiny_adapters *t, const pare_source *source, int64_t micro_batch) {
    for (size_t id = 0; id < t->of->model->tensor_count; id++) {
        if (t->da[id]) memset(t->da[id], 0, (size_t)(t->list[id].rank * t->columns[id]) * sizeof(float));
        if (t->db[id]) memset(t->db[id], 0, (size_t)(t->list[id].rank * t->rows[id]) * sizeof(float));
    }
    pare_pass_shape shape = {.sequences = t->of->sequences,
                             .length = t->of->length,
                             .gradients = true,
                             .frozen = true,
                             .rank = t->all.rank,
                             .dropout = t->all.dropout > 0.0f,
                             .micro_batch = micro_batch};
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_pass_new(t->of->model, t->of->backend, &shape, &pass), PARE_OK);
    pare_pass_adapt(pass, &t->all);
    assert_int_equal(pare_pass_gradient(pass, source, t->of->ids, NULL, &loss), PARE_OK);
    pare_pass_free(pass);
    return loss;
}

/* |actual - expected| / |expected| */
static inline double tiny_distance(const float *actual, const float *expected, size_t count) {
    double difference = 0.0, size = 0.0;
    for (size_t i = 0; i < count; i++) {
        difference += pow((double)actual[i] - (double)expected[i], 2);
        size += pow((double)expected[i], 2);
    }
    assert_true(isfinite(difference) && size > 0.0);
    return sqrt(difference / size);
}

#endif
