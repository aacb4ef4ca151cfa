/* Losses of laid-out batches of every family equal those of the same tokens apart: short sequences packed into one, and
 * answers behind one question. Windows, slopes and positions must begin anew in each. */
#include "families.h"

/* Of one sequence of `length` tokens: what each next token costs, [length - 1]. */
static void losses_apart(const family_model *m, const pare_backend *backend, const uint32_t *ids, int64_t length,
                         double *nll) {
    pare_source source = {.model = m->model, .backend = backend};
    pare_pass_shape shape = {.sequences = 1, .length = length};
    pare_pass *pass;
    double sum;
    assert_int_equal(pare_pass_new(m->model, backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, ids, 1), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &source, nll, &sum), PARE_OK);
    pare_pass_free(pass);
}

/* The two sequences of the ids, laid out; nll: [FAMILY_TOKENS], 0 where nothing is predicted. */
static void losses_laid_out(const family_model *m, const pare_backend *backend, const pare_layout *layout,
                            const uint32_t *ids, int64_t micro_batch, double *nll) {
    pare_source source = {.model = m->model, .backend = backend};
    pare_pass_shape shape = {.sequences = FAMILY_SEQUENCES, .length = FAMILY_LENGTH, .micro_batch = micro_batch};
    pare_pass *pass;
    double sum;
    assert_int_equal(pare_pass_new(m->model, backend, &shape, &pass), PARE_OK);
    pare_pass_arrange(pass, layout);
    assert_int_equal(pare_pass_forward(pass, &source, ids, FAMILY_SEQUENCES), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &source, nll, &sum), PARE_OK);
    pare_pass_free(pass);
}

/* The largest difference, relative to the larger of the loss and 1. */
static double apart(const double *laid_out, const double *alone, int64_t count) {
    double worst = 0.0;
    for (int64_t i = 0; i < count; i++)
        worst = family_worse(worst, fabs(laid_out[i] - alone[i]) / fmax(1.0, alone[i]));
    return worst;
}

/* Of 20 and 28 tokens, one behind the other, and the other way round. */
static double packed(const families *all, const family_model *m, const pare_backend *backend) {
    static const int64_t first[FAMILY_SEQUENCES] = {20, 28};
    int32_t positions[FAMILY_TOKENS], start[FAMILY_TOKENS], targets[FAMILY_TOKENS];
    double nll[FAMILY_TOKENS], alone[FAMILY_LENGTH], worst = 0.0;
    for (int64_t t = 0; t < FAMILY_TOKENS; t++) {
        int64_t at = t % FAMILY_LENGTH, split = first[t / FAMILY_LENGTH];
        bool last = at == split - 1 || at == FAMILY_LENGTH - 1;
        start[t] = at < split ? 0 : (int32_t)split;
        positions[t] = (int32_t)at - start[t];
        targets[t] = last ? -1 : (int32_t)all->ids[t + 1];
    }
    const pare_layout layout = {.positions = positions, .start = start, .targets = targets};
    for (int64_t micro_batch = 1; micro_batch <= FAMILY_SEQUENCES; micro_batch++) {
        losses_laid_out(m, backend, &layout, all->ids, micro_batch, nll);
        for (int64_t s = 0; s < FAMILY_SEQUENCES; s++) {
            int64_t at = s * FAMILY_LENGTH, second = at + first[s], rest = FAMILY_LENGTH - first[s];
            losses_apart(m, backend, all->ids + at, first[s], alone);
            worst = family_worse(worst, apart(nll + at, alone, first[s] - 1));
            losses_apart(m, backend, all->ids + second, rest, alone);
            worst = family_worse(worst, apart(nll + second, alone, rest - 1));
        }
    }
    return worst;
}

/* A question of 18 tokens with answers of 14 and 12, and padding. */
static double answered(const families *all, const family_model *m, const pare_backend *backend) {
    enum { QUESTION = 18, FIRST = 14, SECOND = 12, END = QUESTION + FIRST + SECOND };
    int32_t positions[FAMILY_TOKENS], start[FAMILY_TOKENS], shared[FAMILY_TOKENS], targets[FAMILY_TOKENS];
    double nll[FAMILY_TOKENS], alone[FAMILY_LENGTH], worst = 0.0;
    for (int64_t t = 0; t < FAMILY_TOKENS; t++) {
        int32_t at = (int32_t)(t % FAMILY_LENGTH), begin = at < QUESTION + FIRST ? QUESTION : QUESTION + FIRST;
        bool question = at < QUESTION, predicts = at >= QUESTION && at < END - 1 && at != QUESTION + FIRST - 1;
        start[t] = question ? 0 : begin;
        shared[t] = question ? 0 : QUESTION;
        positions[t] = question ? at : at < END ? at - begin + QUESTION : 0;
        targets[t] = predicts ? (int32_t)all->ids[t + 1] : -1;
    }
    const pare_layout layout = {.positions = positions, .start = start, .shared = shared, .targets = targets};
    losses_laid_out(m, backend, &layout, all->ids, FAMILY_SEQUENCES, nll);
    for (int64_t s = 0; s < FAMILY_SEQUENCES; s++) {
        uint32_t text[QUESTION + FIRST];
        const uint32_t *ids = all->ids + s * FAMILY_LENGTH;
        memcpy(text, ids, (QUESTION + FIRST) * sizeof *ids);
        losses_apart(m, backend, text, QUESTION + FIRST, alone);
        worst = family_worse(worst, apart(nll + s * FAMILY_LENGTH + QUESTION, alone + QUESTION, FIRST - 1));
        memcpy(text + QUESTION, ids + QUESTION + FIRST, SECOND * sizeof *ids);
        losses_apart(m, backend, text, QUESTION + SECOND, alone);
        worst = family_worse(worst, apart(nll + s * FAMILY_LENGTH + QUESTION + FIRST, alone + QUESTION, SECOND - 1));
    }
    return worst;
}

typedef double (*comparison)(const families *all, const family_model *m, const pare_backend *backend);

static void check(pare_backend *backend, comparison compare) {
    families all = families_load();
    size_t i, wrong = 0;
    json_t *one;
    double worst = 0.0;
    json_array_foreach(all.cases, i, one) {
        family_model m = family_open(one, (family_form){0});
        double differs = compare(&all, &m, backend);
        if (!(differs <= 2e-5)) {
            wrong++;
            fprintf(stderr, "%s: a loss differs by %.2g\n", family_name(one), differs);
        }
        worst = family_worse(worst, differs);
        family_close(&m);
    }
    print_message("worst loss differs by %.2g\n", worst);
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void packed_is_apart(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    check(backend, packed);
}

static void answered_is_apart(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    check(backend, answered);
}

static void packed_is_apart_by_reference(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    check(backend, packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_is_apart),
        cmocka_unit_test(answered_is_apart),
        cmocka_unit_test(packed_is_apart_by_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
