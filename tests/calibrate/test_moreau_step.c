/* Every step of the iteration against its formulas: the plain one, both thresholds, several draws, several steps. */
#include "calibrate/moreau_run.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .scale = 0.3};

static void compare(const tiny_pass *t, const moreau_job *job, double bound) {
    pare_moreau_state state = moreau_run(t, job);
    moreau_hand hand = moreau_by_hand(t, job);
    for (int32_t step = 0; step < job->moreau.steps; step++) {
        assert_close("loss", state.trace[step].loss, hand.trace[step].loss, 1e-6);
        assert_close("norm", state.trace[step].delta_l2, hand.trace[step].delta_l2, bound);
        assert_int_equal(state.trace[step].rows, hand.trace[step].rows);
        assert_int_equal(state.trace[step].zero_rows, hand.trace[step].zero_rows);
    }
    for (size_t id = 0; id < t->model->tensor_count; id++) {
        assert_int_equal(state.delta[id] != NULL, moreau_displaces(job, id));
        if (!state.delta[id]) continue;
        double apart = moreau_apart(t->model->tensors[id], state.delta[id], hand.delta[id]);
        if (apart > bound) fprintf(stderr, "%s: %g\n", t->model->tensors[id]->name, apart);
        assert_true(apart <= bound);
        assert_true(isfinite(state.tensor_l2[id]));
    }
    moreau_hand_free(t, &hand);
    pare_moreau_state_free(&state);
}

static void check(pare_moreau moreau, double bound) {
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    moreau_job job = {.moreau = moreau, .seed = 99};
    compare(&t, &job, bound);
    tiny_pass_close(&t);
}

static void plain_steps(void **state) {
    (void)state;
    check((pare_moreau){.steps = 1, .draws = 1, .rho = 0.05, .gamma = 1e-3}, 1e-5);
    check((pare_moreau){.steps = 4, .draws = 1, .rho = 0.3, .gamma = 0.2}, 1e-4);
    check((pare_moreau){.steps = 3, .draws = 1, .rho = 0.1, .gamma = 0.1}, 1e-4); /* base factor 0 */
}

static void noisy_steps_and_draws(void **state) {
    (void)state;
    check((pare_moreau){.steps = 1, .draws = 3, .sigma = 0.3, .rho = 0.05, .gamma = 1e-2}, 1e-5);
    check((pare_moreau){.steps = 3, .draws = 1, .sigma = 0.3, .rho = 0.2, .gamma = 0.05}, 1e-4);
    check((pare_moreau){.steps = 3, .draws = 4, .sigma = 0.2, .rho = 0.2, .gamma = 0.05}, 1e-4);
}

static double share_of_zero_rows(pare_moreau moreau) {
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    moreau_job job = {.moreau = moreau};
    moreau_hand hand = moreau_by_hand(&t, &job);
    double share = (double)hand.trace[moreau.steps - 1].zero_rows / (double)hand.trace[moreau.steps - 1].rows;
    moreau_hand_free(&t, &hand);
    tiny_pass_close(&t);
    return share;
}

/* Thresholds that bite: some rows are held at zero and some are not. */
static void thresholds(void **state) {
    (void)state;
    pare_moreau group = {.steps = 3, .draws = 1, .rho = 0.2, .gamma = 0.1, .eta = 0.05, .prox = PARE_PROX_GROUP};
    pare_moreau l1 = {.steps = 3, .draws = 2, .rho = 0.2, .gamma = 0.1, .eta = 0.02, .prox = PARE_PROX_L1};
    double held = share_of_zero_rows(group);
    assert_true(held > 0.2 && held < 0.9);
    check(group, 1e-4);
    group.draws = 3;
    group.sigma = 0.2;
    check(group, 1e-4);
    check(l1, 1e-4);
    l1.sigma = 0.2;
    check(l1, 1e-4);
}

/* A threshold of 0 changes nothing, whatever its kind; one above everything leaves nothing of the matrices. */
static void thresholds_at_their_ends(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    moreau_job plain = {.moreau = {.steps = 2, .draws = 1, .rho = 0.2, .gamma = 0.1}}, none = plain, all = plain;
    none.moreau.prox = PARE_PROX_GROUP;
    all.moreau.prox = PARE_PROX_GROUP;
    all.moreau.eta = 1e9;
    pare_moreau_state a = moreau_run(&t, &plain), b = moreau_run(&t, &none), c = moreau_run(&t, &all);
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        const pare_tensor *tensor = t.model->tensors[id];
        assert_memory_equal(a.delta[id], b.delta[id], tensor->count * sizeof(float));
        double squares = 0.0;
        for (size_t i = 0; i < tensor->count; i++)
            squares += (double)c.delta[id][i] * (double)c.delta[id][i];
        assert_int_equal(squares > 0.0, tensor->rank == 1); /* the group threshold is not for norm weights */
    }
    assert_int_equal(c.trace[1].zero_rows, c.trace[1].rows);
    pare_moreau_state_free(&a);
    pare_moreau_state_free(&b);
    pare_moreau_state_free(&c);
    tiny_pass_close(&t);
}

static void one_quiet_step_is_the_gradient(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    moreau_job job = {.moreau = {.steps = 1, .draws = 1, .rho = 1.0, .gamma = 0x1p-12}};
    pare_moreau_state moreau = moreau_run(&t, &job);
    pare_source plain = {.model = t.model, .backend = t.backend};
    tiny_gradients gradients;
    double loss = tiny_pass_gradients(&t, &plain, 0, -1, &gradients);
    assert_close("loss", moreau.trace[0].loss, loss, 1e-12);
    for (size_t id = 0; id < t.model->tensor_count; id++)
        for (size_t i = 0; i < t.model->tensors[id]->count; i++)
            assert_true(moreau.delta[id][i] == -0x1p-12f * gradients.of[id][i]);
    tiny_gradients_free(&gradients);
    pare_moreau_state_free(&moreau);
    tiny_pass_close(&t);
}

/* gamma = rho: the first step is the exact prox of -rho g, rows shrunk by rho eta, whatever rho. */
static void an_exact_proximal_step(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    pare_source plain = {.model = t.model, .backend = t.backend};
    tiny_gradients gradients;
    tiny_pass_gradients(&t, &plain, 0, -1, &gradients);
    const double rho = 0.3, eta = 0.05;
    moreau_job job = {
        .moreau = {.steps = 1, .draws = 1, .rho = rho, .gamma = rho, .eta = eta, .prox = PARE_PROX_GROUP}};
    pare_moreau_state moreau = moreau_run(&t, &job);
    uint64_t zero = 0;
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(t.model->tensors[id], &rows, &columns);
        for (int64_t row = 0; row < rows; row++) {
            const float *g = gradients.of[id] + row * columns, *delta = moreau.delta[id] + row * columns;
            double norm = 0.0;
            for (int64_t i = 0; i < columns; i++)
                norm += (double)g[i] * (double)g[i];
            double factor = t.model->tensors[id]->rank == 2 ? moreau_shrink(sqrt(norm), eta) : 1.0;
            zero += factor == 0.0;
            for (int64_t i = 0; i < columns; i++)
                assert_true(fabs((double)delta[i] + rho * factor * (double)g[i]) <= 1e-6 * rho * sqrt(norm));
        }
    }
    assert_true(zero > 0 && zero < moreau.trace[0].rows);
    assert_int_equal(moreau.trace[0].zero_rows, zero);
    tiny_gradients_free(&gradients);
    pare_moreau_state_free(&moreau);
    tiny_pass_close(&t);
}

/* Only some tensors move and get noise; the others stay exactly where they are. */
static void scored_tensors_only(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    bool scored[128] = {false};
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        scored[pare_tensor_id(1, (pare_role)role)] = true;
    moreau_job job = {
        .moreau = {.steps = 2, .draws = 2, .sigma = 0.3, .rho = 0.2, .gamma = 0.1}, .seed = 5, .displaced = scored};
    compare(&t, &job, 1e-4);
    moreau_job all = job;
    all.displaced = NULL;
    pare_moreau_state a = moreau_run(&t, &job), b = moreau_run(&t, &all);
    assert_true(fabs(a.trace[0].loss - b.trace[0].loss) > 1e-6); /* noise in other tensors changes the loss */
    pare_moreau_state_free(&a);
    pare_moreau_state_free(&b);
    tiny_pass_close(&t);
}

static void every_layout_of_heads(void **state) {
    (void)state;
    static const tiny_model layouts[] = {
        {.layers = 1, .scale = 0.3},
        {.layers = 2, .hidden = 8, .heads = 6, .kv_heads = 2, .head_size = 4, .ffn = 9, .tied = true, .scale = 0.3},
        {.layers = 2,
         .hidden = 8,
         .heads = 3,
         .kv_heads = 1,
         .head_size = 2,
         .ffn = 9,
         .scale = 0.3,
         .dtype = PARE_DTYPE_BF16,
         .shards = 3},
        {.layers = 1, .hidden = 12, .heads = 3, .kv_heads = 3, .ffn = 7, .scale = 0.3, .dtype = PARE_DTYPE_F16},
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        tiny_pass t = tiny_pass_open(layouts[i], 3, 6, 1);
        moreau_job job = {
            .moreau =
                {.steps = 2, .draws = 2, .sigma = 0.1, .rho = 0.2, .gamma = 0.1, .eta = 0.02, .prox = PARE_PROX_GROUP},
            .seed = i};
        compare(&t, &job, 1e-4);
        tiny_pass_close(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_steps),
        cmocka_unit_test(noisy_steps_and_draws),
        cmocka_unit_test(thresholds),
        cmocka_unit_test(thresholds_at_their_ends),
        cmocka_unit_test(one_quiet_step_is_the_gradient),
        cmocka_unit_test(an_exact_proximal_step),
        cmocka_unit_test(scored_tensors_only),
        cmocka_unit_test(every_layout_of_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
