/* Of a vocabulary of more than a tile, the ids that the dense model is likely to say are the fewest that have their
 * share of its probability, and a divergence over these is no more than that over all, and near it. */
#include "evaluate/divergence.h"
#include "golden.h"
#include "search/answers.h"
#include "tiny_model.h"

enum { VOCABULARY = 6000, SEQUENCES = 2, LENGTH = 24, PREDICTIONS = SEQUENCES * (LENGTH - 1) };

typedef struct world {
    char *folder;
    pare_model *model;
    pare_backend *backend;
    pare_pass *pass;
    pare_source source;
    uint32_t *ids; /* [SEQUENCES * LENGTH], which the pass looks at later, too */
} world;

/* Logits of a standard deviation of some nats, so that the likely ids are few. */
static world open_world(double scale) {
    world w = {.folder = tiny_model_write((tiny_model){.vocabulary = VOCABULARY, .scale = scale})};
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH, .composed = true};
    w.ids = calloc(SEQUENCES * LENGTH, sizeof *w.ids);
    assert_non_null(w.ids);
    for (uint32_t i = 0; i < SEQUENCES * LENGTH; i++)
        w.ids[i] = (i * 977 + 13) % VOCABULARY;
    assert_int_equal(pare_model_open(w.folder, &w.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 2, &w.backend), PARE_OK);
    w.source = (pare_source){.model = w.model, .backend = w.backend};
    assert_int_equal(pare_pass_new(w.model, w.backend, &shape, &w.pass), PARE_OK);
    assert_int_equal(pare_pass_forward(w.pass, &w.source, w.ids, SEQUENCES), PARE_OK);
    return w;
}

static void close_world(world *w) {
    pare_pass_free(w->pass);
    pare_backend_close(w->backend);
    pare_model_close(w->model);
    tiny_remove(w->folder);
    free(w->folder);
    free(w->ids);
}

/* [VOCABULARY] of the dense model, over all predictions. */
static double *shares_of(const world *w) {
    double *shares = calloc(VOCABULARY, sizeof *shares);
    float *logits = malloc((size_t)SEQUENCES * LENGTH * VOCABULARY * sizeof *logits);
    assert_true(shares && logits);
    assert_int_equal(pare_pass_logits(w->pass, &w->source, 0, SEQUENCES * LENGTH, logits), PARE_OK);
    for (int t = 0; t < SEQUENCES * LENGTH; t++) {
        const float *row = logits + (size_t)t * VOCABULARY;
        double sum = 0.0;
        if (t % LENGTH == LENGTH - 1) continue;
        for (int i = 0; i < VOCABULARY; i++)
            sum += exp((double)row[i]);
        for (int i = 0; i < VOCABULARY; i++)
            shares[i] += exp((double)row[i]) / sum / PREDICTIONS;
    }
    free(logits);
    return shares;
}

static void they_are_the_fewest(void **state) {
    (void)state;
    world w = open_world(1.0);
    pare_likely_ids likely;
    double *shares = shares_of(&w), taken = 0.0, least = 1.0, most = 0.0;
    assert_int_equal(pare_likely_ids_find(w.pass, &w.source, NULL, &likely), PARE_OK);
    assert_non_null(likely.id);
    for (int64_t i = 0; i < likely.count; i++) {
        assert_true(!i || likely.id[i] > likely.id[i - 1]);
        taken += shares[likely.id[i]];
        least = fmin(least, shares[likely.id[i]]);
        shares[likely.id[i]] = 0.0;
    }
    for (int i = 0; i < VOCABULARY; i++)
        most = fmax(most, shares[i]);
    assert_true(taken >= 0.95 - 1e-6 && taken - least < 0.95 + 1e-6 && most <= least * (1 + 1e-4));
    free(shares);
    pare_likely_ids_free(&likely);
    close_world(&w);
}

/* What is no more likely than anything else is looked at whole. */
static void all_where_all_are_alike(void **state) {
    (void)state;
    world w = open_world(0.01);
    pare_likely_ids likely;
    assert_int_equal(pare_likely_ids_find(w.pass, &w.source, NULL, &likely), PARE_OK);
    assert_null(likely.id);
    assert_int_equal(likely.count, VOCABULARY);
    close_world(&w);
}

static void divergences_over_them(void **state) {
    (void)state;
    world w = open_world(1.0);
    pare_answers answers;
    pare_windows windows = {.ids = w.ids, .count = SEQUENCES, .length = LENGTH};
    pare_divergence_result whole;
    double kl;
    assert_int_equal(pare_answers_new(w.pass, &w.source, PREDICTIONS, &answers), PARE_OK);
    assert_non_null(answers.among.id);
    assert_int_equal(pare_answers_divergence(&answers, w.pass, &w.source, &kl), PARE_OK);
    assert_true(fabs(kl) < 1e-6);
    pare_source other = w.source;
    other.sigma = 0.05f;
    assert_int_equal(pare_pass_forward(w.pass, &other, w.ids, SEQUENCES), PARE_OK);
    assert_int_equal(pare_answers_divergence(&answers, w.pass, &other, &kl), PARE_OK);
    pare_evaluation evaluation = {.model = w.model, .source = &other, .backend = w.backend, .windows = &windows};
    assert_int_equal(pare_divergence(&evaluation, w.model, &whole, NULL), PARE_OK);
    assert_true(kl > 0.8 * whole.kl && kl < whole.kl + 1e-6);
    pare_answers_free(&answers);
    close_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_the_fewest),
        cmocka_unit_test(all_where_all_are_alike),
        cmocka_unit_test(divergences_over_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
