/* Steps with a teacher: the same however a batch is cut, within the memory limit, and taken up again. */
#include "support/file.h"
#include "support/memory.h"
#include "tiny_trainer.h"

static const char KEY[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static tiny_pass teacher_open(void) {
    return tiny_trained_open((tiny_model){.layers = 3, .hidden = 24, .ffn = 40, .seed = 9, .scale = 0.3}, false, 1, 8);
}

static pare_trainer_options taught(const tiny_pass *teacher, double ce, double kd) {
    pare_trainer_options options = tiny_training(1e-2, 6);
    options.teacher = (pare_trainer_teacher){.model = teacher->model, .ce = ce, .kd = kd};
    return options;
}

static uint64_t measured(const tiny_run *r, const pare_trainer_options *options) {
    pare_pass_memory memory;
    expect(pare_trainer_measure(r->trained, pare_batches_options_of(r->batches), options, &memory), PARE_OK, "");
    return memory.weights + memory.activations + memory.gradients;
}

/* Sums in another order in fp32. The limit leaves room for parts of a batch only. */
static void parts_and_micro_batches_change_rounding_only(void **state) {
    (void)state;
    tiny_pass teacher = teacher_open();
    pare_trainer_options options = taught(&teacher, 0.5, 2.0), little = options, micro = options;
    tiny_run whole, parts, one;
    tiny_run_open(&whole, &options, NULL);
    micro.micro_batch = 1;
    little.memory = measured(&whole, &micro) - 4096;
    tiny_run_open(&parts, &little, NULL);
    tiny_run_open(&one, &micro, NULL);
    assert_int_equal(whole.trainer.shape.sequences, 5);
    assert_true(parts.trainer.shape.sequences < 5);
    assert_true(measured(&parts, &little) <= little.memory);
    tiny_run *const runs[] = {&whole, &parts, &one};
    for (int i = 0; i < 3; i++)
        tiny_run_steps(runs[i], 1);
    for (int i = 1; i < 3; i++) {
        assert_true(fabs(tiny_loss_at(runs[i], 0) - tiny_loss_at(&whole, 0)) <= 1e-6 * tiny_loss_at(&whole, 0));
        assert_true(tiny_gradients_apart(&whole, runs[i]) < 1e-5);
    }
    for (int i = 0; i < 3; i++)
        tiny_run_close(runs[i]);
    tiny_pass_close(&teacher);
}

/* What the plan has for both passes is more than what the student alone takes. */
static void the_plan_holds_the_teacher(void **state) {
    (void)state;
    tiny_pass teacher = teacher_open();
    pare_trainer_options options = taught(&teacher, 1.0, 1.0), alone = options;
    tiny_run r;
    alone.teacher.model = NULL;
    tiny_run_open(&r, &options, NULL);
    pare_pass_shape shape = pare_model_teacher_shape(&r.trainer.shape);
    pare_pass_memory of_teacher;
    shape.limit = 0;
    expect(pare_pass_measure(teacher.model, r.t.backend, &shape, &of_teacher), PARE_OK, "");
    assert_true(measured(&r, &options) >= measured(&r, &alone) + of_teacher.weights + of_teacher.activations);
    options.memory = of_teacher.activations / 2;
    pare_pass_memory memory;
    expect(pare_trainer_measure(r.trained, pare_batches_options_of(r.batches), &options, &memory), PARE_OUT_OF_MEMORY,
           "");
    tiny_run_close(&r);
    tiny_pass_close(&teacher);
}

/* A gradient is linear in both weights, and so is the loss. */
static void weights_weigh(void **state) {
    (void)state;
    tiny_pass teacher = teacher_open();
    const double ce[] = {1.0, 0.0, 0.25}, kd[] = {0.0, 1.0, 3.0};
    tiny_run runs[3];
    for (int i = 0; i < 3; i++) {
        pare_trainer_options options = taught(&teacher, ce[i], kd[i]);
        options.clip = 0.0;
        tiny_run_open(&runs[i], &options, NULL);
        tiny_run_steps(&runs[i], 1);
    }
    double loss = 0.25 * tiny_loss_at(&runs[0], 0) + 3.0 * tiny_loss_at(&runs[1], 0);
    assert_true(fabs(tiny_loss_at(&runs[2], 0) - loss) <= 1e-6 * loss);
    for (size_t i = 0; i < runs[0].trained->count; i++) {
        double a = 0.25 * (double)runs[0].trained->gradient[i], b = 3.0 * (double)runs[1].trained->gradient[i];
        assert_true(fabs((double)runs[2].trained->gradient[i] - a - b) <= 1e-5 * (fabs(a) + fabs(b)) + 1e-7);
    }
    for (int i = 0; i < 3; i++)
        tiny_run_close(&runs[i]);
    tiny_pass_close(&teacher);
}

/* Without a teacher, or with one whose word is worth nothing, labels alone count. */
static void a_word_worth_nothing_changes_rounding_only(void **state) {
    (void)state;
    tiny_pass teacher = teacher_open();
    pare_trainer_options options = taught(&teacher, 1.0, 0.0), alone = options;
    tiny_run with, without;
    alone.teacher.model = NULL;
    tiny_run_open(&with, &options, NULL);
    tiny_run_open(&without, &alone, NULL);
    tiny_run_steps(&with, 1);
    tiny_run_steps(&without, 1);
    assert_true(fabs(tiny_loss_at(&with, 0) - tiny_loss_at(&without, 0)) <= 1e-9);
    assert_true(tiny_gradients_apart(&with, &without) < 1e-6);
    tiny_run_close(&with);
    tiny_run_close(&without);
    tiny_pass_close(&teacher);
}

static void learning_lowers_the_divergence(void **state) {
    (void)state;
    tiny_pass teacher = teacher_open();
    pare_trainer_options options = taught(&teacher, 0.0, 1.0);
    tiny_run r;
    double before, after;
    options.schedule = (pare_schedule){.peak = 2e-2, .warmup = 1, .decay = 59, .total = 60};
    tiny_run_open(&r, &options, NULL);
    expect(pare_trainer_validate(&r.trainer, &before), PARE_OK, "");
    assert_true(r.trainer.first_taught.kl == before);
    tiny_run_steps(&r, 60);
    expect(pare_trainer_validate(&r.trainer, &after), PARE_OK, "");
    if (!(after < 0.95 * before)) fail_msg("the divergence went from %g to %g", before, after);
    assert_true(r.trainer.best_taught.kl == after && r.trainer.best_taught.ce > 0.0);
    tiny_run_close(&r);
    tiny_pass_close(&teacher);
}

static void three_and_three_are_six(void **state) {
    (void)state;
    tiny_pass teacher = teacher_open();
    char *folder = tiny_folder(), *path = pare_path_join(folder, "training.state");
    pare_trainer_options options = taught(&teacher, 0.5, 2.0), other = options;
    tiny_run whole, first, second;
    double loss;
    other.micro_batch = 2;
    tiny_run_open(&whole, &options, NULL);
    tiny_run_open(&first, &options, NULL);
    tiny_run_open(&second, &other, NULL);
    expect(pare_trainer_validate(&whole.trainer, &loss), PARE_OK, "");
    expect(pare_trainer_validate(&first.trainer, &loss), PARE_OK, "");
    tiny_run_steps(&whole, 6);
    tiny_run_steps(&first, 3);
    expect(pare_trainer_save(&first.trainer, path, KEY), PARE_OK, "");
    expect(pare_trainer_load(&second.trainer, path, KEY), PARE_OK, "");
    tiny_run_steps(&second, 3);
    assert_memory_equal(whole.trained->value, second.trained->value, whole.trained->count * sizeof(float));
    assert_memory_equal(&whole.trainer.first_taught, &second.trainer.first_taught, sizeof(pare_taught));
    assert_memory_equal(&whole.trainer.best_taught, &second.trainer.best_taught, sizeof(pare_taught));
    tiny_run_close(&whole);
    tiny_run_close(&first);
    tiny_run_close(&second);
    tiny_remove(folder);
    free(folder);
    free(path);
    tiny_pass_close(&teacher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_and_micro_batches_change_rounding_only),
        cmocka_unit_test(the_plan_holds_the_teacher),
        cmocka_unit_test(weights_weigh),
        cmocka_unit_test(a_word_worth_nothing_changes_rounding_only),
        cmocka_unit_test(learning_lowers_the_divergence),
        cmocka_unit_test(three_and_three_are_six),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
