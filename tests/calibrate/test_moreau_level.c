/* The threshold level as a quantile of the first gradient, and batches and observers that come with the steps. */
#include "calibrate/moreau_run.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 20, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 37, .scale = 0.3};

static uint64_t elements_of(const tiny_pass *t, const pare_moreau_state *run, uint64_t *zeros) {
    uint64_t total = 0;
    *zeros = 0;
    for (size_t id = 0; id < t->model->tensor_count; id++)
        for (size_t i = 0; i < t->model->tensors[id]->count; i++, total++)
            *zeros += run->delta[id][i] == 0.0f;
    return total;
}

/* Floor(q rows) rows, but for those of the embedding that no token asks for: they are zero anyway. */
static void a_share_of_rows_vanishes(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 4, 9, 1);
    static const double shares[] = {0.001, 0.3, 0.5, 0.77, 0.999};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        for (int32_t draws = 1; draws <= 2; draws++) {
            moreau_job job = {.moreau = {.steps = 1,
                                         .draws = draws,
                                         .sigma = 0.1,
                                         .rho = 0.2,
                                         .gamma = 0.1,
                                         .prox = PARE_PROX_GROUP,
                                         .eta_quantile = shares[i]}};
            pare_moreau_state found = moreau_run(&t, &job);
            const pare_moreau_step *step = &found.trace[0];
            moreau_job none = job;
            none.moreau.eta_quantile = 0.0;
            pare_moreau_state plain = moreau_run(&t, &none);
            uint64_t wanted = (uint64_t)(shares[i] * (double)step->rows), floor = plain.trace[0].zero_rows;
            assert_int_equal(step->zero_rows, wanted > floor ? wanted : floor);
            pare_moreau_state_free(&plain);
            /* The level that was found, given as eta, does the same. */
            none.moreau.eta = found.level;
            pare_moreau_state given = moreau_run(&t, &none);
            assert_int_equal(given.trace[0].zero_rows, step->zero_rows);
            assert_close("norm", given.trace[0].delta_l2, step->delta_l2, 1e-12);
            for (size_t id = 0; id < t.model->tensor_count; id++)
                assert_true(moreau_apart(t.model->tensors[id], found.delta[id], given.delta[id]) == 0.0);
            pare_moreau_state_free(&found);
            pare_moreau_state_free(&given);
        }
    tiny_pass_close(&t);
}

/* Of elements: to within a bin, 1/2048 of a value wide, and one element. */
static void a_share_of_elements_vanishes(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 4, 9, 1);
    static const double shares[] = {0.3, 0.5, 0.9};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        moreau_job job = {
            .moreau = {
                .steps = 1, .draws = 1, .rho = 0.2, .gamma = 0.1, .prox = PARE_PROX_L1, .eta_quantile = shares[i]}};
        pare_moreau_state run = moreau_run(&t, &job);
        uint64_t zeros, total = elements_of(&t, &run, &zeros);
        assert_true(fabs((double)zeros / (double)total - shares[i]) < 1e-3);
        pare_moreau_state_free(&run);
    }
    tiny_pass_close(&t);
}

/* Later steps keep the level, also when the tail takes the first step in. */
static void the_level_stays(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 4, 9, 1);
    moreau_job job = {.moreau = {.steps = 4,
                                 .draws = 2,
                                 .sigma = 0.1,
                                 .rho = 0.2,
                                 .gamma = 0.1,
                                 .prox = PARE_PROX_GROUP,
                                 .eta_quantile = 0.6,
                                 .tail = 4}};
    pare_moreau_state found = moreau_run(&t, &job);
    job.moreau.eta_quantile = 0.0;
    job.moreau.eta = found.level;
    pare_moreau_state given = moreau_run(&t, &job);
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        assert_true(moreau_apart(t.model->tensors[id], found.delta[id], given.delta[id]) == 0.0);
        assert_true(moreau_apart(t.model->tensors[id], found.mean[id], given.mean[id]) == 0.0);
    }
    pare_moreau_state_free(&found);
    pare_moreau_state_free(&given);
    tiny_pass_close(&t);
}

static void quantiles_that_mean_nothing(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 1, 4, 1);
    bool all[128];
    memset(all, 1, sizeof all);
    static const struct {
        pare_prox prox;
        double q;
    } bad[] = {{PARE_PROX_GROUP, 1.0},
               {PARE_PROX_GROUP, -0.1},
               {PARE_PROX_L1, NAN},
               {PARE_PROX_NONE, 0.5},
               {PARE_PROX_RELEASED, 0.5}};
    uint64_t before = pare_memory_current();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pare_moreau moreau = {
            .steps = 1, .draws = 1, .rho = 1, .gamma = 1, .prox = bad[i].prox, .eta_quantile = bad[i].q};
        pare_moreau_state out;
        assert_int_equal(pare_moreau_state_new(t.model, all, &moreau, NULL, &out), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), "quantile"));
        assert_true(pare_memory_current() == before);
    }
    tiny_pass_close(&t);
}

typedef struct batches {
    uint32_t *of[2];
    int32_t asked, observed, stop_at;
} batches;

static pare_status batch_of_step(void *context, int32_t step, const uint32_t **ids) {
    batches *b = context;
    assert_int_equal(step, b->asked++);
    *ids = b->of[step % 2];
    return PARE_OK;
}

static pare_status observe(void *context, int32_t step, pare_moreau_state *state) {
    batches *b = context;
    assert_int_equal(step, b->observed++);
    state->trace[step].rank_correlation = 0.5 * step;
    return b->observed == b->stop_at ? PARE_INTERRUPTED : PARE_OK;
}

/* Step 0 over one batch and step 1 over another are two runs of one step, the second from where the first ended. */
static void batches_change_with_the_steps(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    uint32_t other[14];
    for (int i = 0; i < 14; i++)
        other[i] = (t.ids[i] + 5) % t.model->config.vocabulary;
    batches b = {.of = {t.ids, other}};
    pare_moreau_schedule schedule = {.ids_of_step = batch_of_step, .after_step = observe, .context = &b};
    moreau_job job = {.moreau = {.steps = 2, .draws = 1, .rho = 0.2, .gamma = 0.1}, .schedule = &schedule};
    pare_moreau_state run = moreau_run(&t, &job);
    assert_int_equal(b.asked, 2);
    assert_int_equal(b.observed, 2);
    assert_true(run.trace[1].rank_correlation == 0.5);
    job.schedule = NULL;
    job.moreau.steps = 1;
    pare_moreau_state first = moreau_run(&t, &job);
    pare_source source = {.model = t.model, .backend = t.backend, .displacement = first.delta};
    memcpy(t.ids, other, sizeof other);
    tiny_gradients gradients;
    double loss = tiny_pass_gradients(&t, &source, 0, -1, &gradients);
    assert_close("loss", run.trace[1].loss, loss, 1e-12);
    for (size_t id = 0; id < t.model->tensor_count; id++)
        for (size_t i = 0; i < t.model->tensors[id]->count; i++)
            assert_true((double)fabsf(run.delta[id][i] - (0.5f * first.delta[id][i] - 0.1f * gradients.of[id][i])) <
                        1e-7);
    tiny_gradients_free(&gradients);
    pare_moreau_state_free(&first);
    pare_moreau_state_free(&run);
    b = (batches){.of = {t.ids, other}, .stop_at = 1};
    job.schedule = &schedule;
    job.moreau.steps = 2;
    assert_int_equal(moreau_try(&t, &job, &run), PARE_INTERRUPTED);
    assert_int_equal(run.steps_done, 1);
    pare_moreau_state_free(&run);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_rows_vanishes),
        cmocka_unit_test(a_share_of_elements_vanishes),
        cmocka_unit_test(the_level_stays),
        cmocka_unit_test(quantiles_that_mean_nothing),
        cmocka_unit_test(batches_change_with_the_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
