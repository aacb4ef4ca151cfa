/* Steps whose gradient depends on how a batch is cut into parts, validation that drops or forgets, numbers that are
 * none. */
#include "tiny_trainer.h"

static void expect_near(double value, double expected, double share) {
    if (!(fabs(value - expected) <= share * fabs(expected))) fail_msg("%.9g where %.9g is expected", value, expected);
}

/* The memory that a pass for two sequences takes, one after the other. */
static uint64_t little_memory(const tiny_run *r) {
    pare_pass_shape shape = r->trainer.shape;
    pare_pass_memory memory;
    shape.sequences = 2;
    shape.micro_batch = 1;
    shape.limit = 0;
    expect(pare_pass_measure(r->t.model, r->t.backend, &shape, &memory), PARE_OK, "");
    return memory.weights + memory.activations + memory.gradients;
}

/* Sums in another order in fp32: 1e-5 of the largest gradient. Dropout must be the same, or it would be far more. */
static void parts_and_micro_batches_change_rounding_only(void **state) {
    (void)state;
    tiny_run whole, parts, micro;
    pare_trainer_options options = tiny_training(1e-3, 10);
    tiny_run_open(&whole, &options, NULL);
    assert_int_equal(whole.trainer.shape.sequences, 5);
    options.memory = little_memory(&whole);
    tiny_run_open(&parts, &options, NULL);
    assert_int_equal(parts.trainer.shape.sequences, 2);
    options = tiny_training(1e-3, 10);
    options.micro_batch = 1;
    tiny_run_open(&micro, &options, NULL);
    assert_int_equal(micro.trainer.shape.micro_batch, 1);
    tiny_run *const runs[] = {&whole, &parts, &micro};
    for (int i = 0; i < 3; i++)
        tiny_run_steps(runs[i], 1);
    for (int i = 1; i < 3; i++) {
        expect_near(tiny_loss_at(runs[i], 0), tiny_loss_at(&whole, 0), 1e-6);
        assert_true(tiny_gradients_apart(&whole, runs[i]) < 1e-5);
    }
    for (int i = 0; i < 3; i++)
        tiny_run_close(runs[i]);
}

/* Batches of other lengths and numbers of rows at every step. */
static void kept_activations_change_nothing(void **state) {
    (void)state;
    tiny_run again, kept;
    pare_trainer_options options = tiny_training(1e-2, 10);
    tiny_run_open(&again, &options, NULL);
    options.keep = PARE_KEPT_AS_ROOM;
    tiny_run_open(&kept, &options, NULL);
    assert_true(kept.trainer.shape.keep);
    tiny_run_steps(&again, 8);
    tiny_run_steps(&kept, 8);
    assert_memory_equal(kept.trained->value, again.trained->value, again.trained->count * sizeof(float));
    tiny_run_close(&again);
    tiny_run_close(&kept);
}

static void training_lowers_the_loss(void **state) {
    (void)state;
    tiny_run r;
    double before, after;
    pare_trainer_options options = tiny_training(2e-2, 60);
    tiny_run_open(&r, &options, NULL);
    expect(pare_trainer_validate(&r.trainer, &before), PARE_OK, "");
    tiny_run_steps(&r, 60);
    expect(pare_trainer_validate(&r.trainer, &after), PARE_OK, "");
    if (!(after < before - 0.2)) fail_msg("the loss of held-out examples went from %g to %g", before, after);
    assert_true(r.trainer.best_step == 60 && r.trainer.steps_done == 60);
    tiny_run_close(&r);
}

/* By a pass of its own over one held-out example after another. */
static double loss_by_hand(const tiny_run *r) {
    double sum = 0.0;
    uint64_t predictions = 0;
    pare_pass *pass;
    pare_pass_shape shape = {.sequences = 1, .length = 24, .composed = true, .rank = r->trained->adapters->rank};
    float dropout = r->trained->adapters->dropout;
    r->trained->adapters->dropout = 0.0f;
    expect(pare_pass_new(r->t.model, r->t.backend, &shape, &pass), PARE_OK, "");
    pare_pass_adapt(pass, r->trained->adapters);
    for (uint64_t i = 0; i < pare_batches_validation(r->batches); i++) {
        pare_batch batch;
        double part;
        expect(pare_batches_held_out(r->batches, i, 1, &batch), PARE_OK, "");
        pare_pass_arrange(pass, &batch.layout);
        expect(pare_pass_forward(pass, &r->trained->source, batch.ids, 1), PARE_OK, "");
        expect(pare_pass_loss(pass, &r->trained->source, NULL, &part), PARE_OK, "");
        sum += part;
        predictions += batch.predictions;
    }
    pare_pass_free(pass);
    r->trained->adapters->dropout = dropout;
    return sum / (double)predictions;
}

static void validation_is_a_mean_without_dropout(void **state) {
    (void)state;
    tiny_run r;
    double loss;
    pare_trainer_options options = tiny_training(1e-3, 10);
    tiny_run_open(&r, &options, NULL);
    tiny_run_steps(&r, 2);
    expect(pare_trainer_validate(&r.trainer, &loss), PARE_OK, "");
    expect_near(loss, loss_by_hand(&r), 1e-6);
    expect_near(r.trainer.curve.list[1].validation, loss, 0.0);
    assert_true(isnan(r.trainer.curve.list[0].validation));
    assert_true(r.trained->adapters->dropout > 0.2f);
    tiny_run_close(&r);
}

/* What was learnt is spoilt after a validation: the weights from before come back. */
static void the_best_weights_come_back(void **state) {
    (void)state;
    tiny_run r;
    double first, last;
    pare_trainer_options options = tiny_training(2e-2, 60);
    tiny_run_open(&r, &options, NULL);
    tiny_run_steps(&r, 40);
    expect(pare_trainer_validate(&r.trainer, &first), PARE_OK, "");
    float *best = malloc(r.trained->count * sizeof *best);
    memcpy(best, r.trained->value, r.trained->count * sizeof *best);
    tiny_move(r.trained, 0.5f);
    tiny_run_steps(&r, 1);
    expect(pare_trainer_validate(&r.trainer, &last), PARE_OK, "");
    assert_true(last > first && r.trainer.best_step == 40);
    expect(pare_trainer_take_best(&r.trainer), PARE_OK, "");
    assert_memory_equal(best, r.trained->value, r.trained->count * sizeof *best);
    expect_near(loss_by_hand(&r), first, 1e-6);
    free(best);
    tiny_run_close(&r);
}

static void numbers_that_are_none_end_the_run(void **state) {
    (void)state;
    tiny_run r;
    pare_trainer_options options = tiny_training(3e30, 4);
    tiny_run_open(&r, &options, NULL);
    tiny_run_steps(&r, 2); /* the first is at a rate of 0 */
    expect(pare_trainer_step(&r.trainer), PARE_NUMERIC_ERROR, "in step 3, at a learning rate of 2e+30");
    tiny_run_close(&r);
}

typedef struct watch {
    uint64_t calls;
    double norm;
} watch;

static pare_status watch_clipped(void *context, uint64_t step, pare_trained *trained) {
    watch *w = context;
    assert_int_equal(step, w->calls);
    w->calls++;
    w->norm = pare_gradient_clip(trained->gradient, trained->count, 0.0);
    return step == 2 ? pare_fail(PARE_CHECK_FAILED, "enough") : PARE_OK;
}

static void whoever_watches_sees_clipped_gradients(void **state) {
    (void)state;
    tiny_run r;
    watch w = {0};
    pare_trainer_options options = tiny_training(1e-3, 10);
    options.clip = 1e-4;
    options.clipped = watch_clipped;
    options.context = &w;
    tiny_run_open(&r, &options, NULL);
    tiny_run_steps(&r, 2);
    expect_near(w.norm, 1e-4, 0.011); /* torch's 1e-6 beside the norm is little here */
    assert_true(r.trainer.curve.list[1].norm > 1e-4);
    expect(pare_trainer_step(&r.trainer), PARE_CHECK_FAILED, "enough");
    assert_int_equal(r.trainer.steps_done, 2);
    tiny_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_and_micro_batches_change_rounding_only),
        cmocka_unit_test(kept_activations_change_nothing),
        cmocka_unit_test(training_lowers_the_loss),
        cmocka_unit_test(validation_is_a_mean_without_dropout),
        cmocka_unit_test(the_best_weights_come_back),
        cmocka_unit_test(numbers_that_are_none_end_the_run),
        cmocka_unit_test(whoever_watches_sees_clipped_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
