#include "reconstruct/factors.h"
#include "support/memory.h"
#include "support/product.h"
#include "support/random.h"

#include <math.h>
#include <string.h>

static bool whole(int64_t rows, int64_t columns, uint32_t rank) {
    return (int64_t)rank * (rows + columns) >= rows * columns;
}

uint64_t pare_factors_numbers(int64_t rows, int64_t columns, uint32_t rank) {
    return (uint64_t)(whole(rows, columns, rank) ? rows * columns : (int64_t)rank * (rows + columns));
}

pare_status pare_factors_new(size_t slots, uint64_t numbers, uint64_t factor, uint32_t rank, pare_factors *out) {
    *out = (pare_factors){.rank = rank, .slots = slots};
    pare_status status = pare_alloc(&out->slot, slots, sizeof *out->slot, "factors of a block");
    if (status == PARE_OK) status = pare_alloc(&out->values, numbers, sizeof(float), "factors of a block");
    if (status == PARE_OK) status = pare_alloc(&out->gradient, numbers, sizeof(float), "factors of a block");
    if (status == PARE_OK) status = pare_alloc(&out->turned, factor, sizeof(float), "factors of a block");
    if (status != PARE_OK) pare_factors_free(out);
    return status;
}

void pare_factors_free(pare_factors *factors) {
    pare_free(factors->slot);
    pare_free(factors->values);
    pare_free(factors->gradient);
    pare_free(factors->turned);
    *factors = (pare_factors){0};
}

static void begin_one(pare_factors *f, pare_factored *m, uint64_t seed) {
    size_t rank = f->rank, elements = (size_t)(m->rows * m->columns);
    m->whole = whole(m->rows, m->columns, f->rank);
    m->a = f->count;
    if (m->whole) {
        memcpy(f->values + m->a, m->start, elements * sizeof(float));
        f->count += elements;
        return;
    }
    size_t inputs = (size_t)m->columns * rank;
    pare_normal_fill(f->values + m->a, seed, 0, m->draw, 0, inputs);
    for (size_t i = 0; i < inputs; i++)
        f->values[m->a + i] *= 1.0f / sqrtf((float)rank);
    m->b = m->a + inputs;
    memset(f->values + m->b, 0, (size_t)m->rows * rank * sizeof(float));
    f->count += inputs + (size_t)m->rows * rank;
}

void pare_factors_begin(pare_factors *f, uint64_t seed) {
    f->count = 0;
    for (size_t slot = 0; slot < f->slots; slot++)
        if (f->slot[slot].chosen) begin_one(f, &f->slot[slot], seed ^ 0x66616374);
}

/* out: [columns, rows] */
static const float *turn(const float *in, int64_t rows, int64_t columns, float *out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            out[j * rows + i] = in[i * columns + j];
    return out;
}

/* dB = dW A^T; dA = B^T dW, made as [rank, columns] and turned. */
static void gradient_of(pare_factors *f, const pare_factored *m) {
    int64_t rank = f->rank;
    float *da = f->gradient + m->a, *db = f->gradient + m->b;
    pare_rows dw = {m->gradient, m->columns};
    pare_product(m->rows, rank, m->columns, 1.0f, dw, (pare_rows){f->values + m->a, rank}, 0.0f, db, rank);
    const float *bt = turn(f->values + m->b, m->rows, rank, f->turned);
    pare_product(rank, m->columns, m->rows, 1.0f, (pare_rows){bt, m->rows}, dw, 0.0f, da, m->columns);
    memcpy(f->turned, da, (size_t)(rank * m->columns) * sizeof(float));
    turn(f->turned, rank, m->columns, da);
}

void pare_factors_gradient(pare_factors *f) {
    for (size_t slot = 0; slot < f->slots; slot++) {
        const pare_factored *m = &f->slot[slot];
        if (!m->chosen) continue;
        if (m->whole)
            memcpy(f->gradient + m->a, m->gradient, (size_t)(m->rows * m->columns) * sizeof(float));
        else
            gradient_of(f, m);
    }
}

/* W = W0 + B A, where W0 is not a zero that stays. */
static void apply_to(pare_factors *f, const pare_factored *m) {
    int64_t rank = f->rank, elements = m->rows * m->columns;
    const float *a = turn(f->values + m->a, m->columns, rank, f->turned);
    memcpy(m->value, m->start, (size_t)elements * sizeof(float));
    pare_product(m->rows, m->columns, rank, 1.0f, (pare_rows){f->values + m->b, rank}, (pare_rows){a, m->columns}, 1.0f,
                 m->value, m->columns);
    for (int64_t i = 0; m->keep_zeros && i < elements; i++)
        if (m->start[i] == 0.0f) m->value[i] = 0.0f;
}

void pare_factors_apply(pare_factors *f) {
    for (size_t slot = 0; slot < f->slots; slot++) {
        const pare_factored *m = &f->slot[slot];
        if (!m->chosen) continue;
        if (m->whole)
            memcpy(m->value, f->values + m->a, (size_t)(m->rows * m->columns) * sizeof(float));
        else
            apply_to(f, m);
    }
}
