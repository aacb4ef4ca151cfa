/* A batch that is cut into shards has the gradient and the loss of the batch in one piece: sums of the same products in
 * another order, so fp32's rounding of a few thousand terms apart. */
#include "tiny_trainer.h"
#include "train/trainer_internal.h"

enum { EXAMPLES = 136, LENGTH = 32, BATCH = 128 };

static pare_examples examples_of(uint32_t vocabulary) {
    pare_examples examples = {.ids = calloc((size_t)EXAMPLES * LENGTH, sizeof(uint32_t)),
                              .list = calloc(EXAMPLES, sizeof(pare_example)),
                              .count = EXAMPLES};
    pare_random random = {.seed = 4};
    for (size_t i = 0, used = 0; i < EXAMPLES; i++) {
        uint32_t count = LENGTH - (uint32_t)(i % 3);
        examples.list[i] = (pare_example){.start = used, .count = count, .prompt = (uint32_t)(i % 5)};
        for (uint32_t j = 0; j < count; j++)
            examples.ids[used++] = (uint32_t)pare_random_below(&random, vocabulary);
    }
    return examples;
}

static void open_run(tiny_run *r) {
    const pare_full_options full = {0};
    const pare_batches_options batches = {.batch = BATCH, .length = LENGTH, .validation = 4, .seed = 2};
    *r = (tiny_run){.t = tiny_trained_open((tiny_model){0}, false, BATCH, LENGTH), .options = tiny_training(1e-3, 2)};
    r->examples = examples_of(r->t.model->config.vocabulary);
    expect(pare_trained_full(r->t.model, r->t.backend, &full, &r->trained), PARE_OK, "");
    expect(pare_batches_new(&r->examples, &batches, &r->batches), PARE_OK, "");
    expect(pare_trainer_new(r->trained, r->batches, &r->options, NULL, &r->trainer), PARE_OK, "");
}

static void test_same_gradient(void **state) {
    (void)state;
    tiny_run r;
    pare_batch batch;
    double loss, expected_loss;
    open_run(&r);
    assert_int_equal(r.trainer.shape.sequences, BATCH / 2);
    expect(pare_batches_step(r.batches, 0, &batch), PARE_OK, "");
    assert_int_equal(batch.sequences, BATCH);
    expect(pare_trainer_gradient(&r.trainer, &batch, &loss), PARE_OK, "");
    size_t count = r.trained->count;
    float *found = malloc(count * sizeof *found);
    memcpy(found, r.trained->gradient, count * sizeof *found);

    pare_pass *pass = tiny_trained_pass(&r.t, true);
    pare_layout layout = batch.layout;
    layout.sequences = batch.sequences;
    memset(r.trained->gradient, 0, count * sizeof(float));
    pare_pass_arrange(pass, &layout);
    expect(pare_pass_gradient(pass, &r.trained->source, batch.ids, r.trained->sink, &expected_loss), PARE_OK, "");
    double apart = 0.0, largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        apart = fmax(apart, fabs((double)found[i] - (double)r.trained->gradient[i]));
        largest = fmax(largest, fabs((double)r.trained->gradient[i]));
    }
    assert_true(largest > 0.0);
    assert_true(apart / largest < 1e-5);
    assert_true(fabs(loss / expected_loss - 1.0) < 1e-6);
    pare_pass_free(pass);
    free(found);
    tiny_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_gradient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
