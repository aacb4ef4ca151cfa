/* Examples that share a row are learnt as if each were alone: the same loss and the same gradients. */
#include "tiny_trainer.h"

/* One example of a batch after another: row and first token. False behind the last. */
static bool next_example(const pare_batch *batch, int64_t *row, int64_t *begin, int64_t *count) {
    const pare_layout *layout = &batch->layout;
    *begin += *count;
    if (*begin >= batch->lengths[*row]) {
        *begin = 0;
        if (++*row >= batch->sequences) return false;
    }
    const int32_t *start = layout->start + *row * layout->length;
    for (*count = 1; *begin + *count < batch->lengths[*row] && start[*begin + *count] == *begin;)
        ++*count;
    return true;
}

/* The sum of losses over the batch's predictions, each example a sequence of its own without any layout but targets;
 * gradients are added up where there are any. */
static double alone(const tiny_run *r, const pare_batch *batch, bool gradients, int64_t *examples) {
    pare_trained *trained = r->trained;
    pare_pass_shape shape = {.sequences = 1,
                             .length = 24,
                             .gradients = gradients,
                             .composed = true,
                             .rank = trained->adapters->rank,
                             .frozen = true};
    pare_pass *pass;
    double sum = 0.0, loss;
    expect(pare_pass_new(r->t.model, r->t.backend, &shape, &pass), PARE_OK, "");
    pare_pass_adapt(pass, trained->adapters);
    *examples = 0;
    for (int64_t row = 0, begin = 0, count = 0; next_example(batch, &row, &begin, &count); ++*examples) {
        int64_t at = row * batch->layout.length + begin;
        pare_layout layout = {.length = count,
                              .sequences = 1,
                              .targets = batch->layout.targets + at,
                              .predictions = (double)batch->predictions};
        pare_pass_arrange(pass, &layout);
        if (gradients) {
            expect(pare_pass_gradient(pass, &trained->source, batch->ids + at, trained->sink, &loss), PARE_OK, "");
        } else {
            expect(pare_pass_forward(pass, &trained->source, batch->ids + at, 1), PARE_OK, "");
            expect(pare_pass_loss(pass, &trained->source, NULL, &loss), PARE_OK, "");
            loss /= (double)batch->predictions;
        }
        sum += loss;
    }
    pare_pass_free(pass);
    return sum;
}

static double difference(const float *a, const float *b, size_t count, double *largest) {
    double apart = 0.0;
    *largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        apart = fmax(apart, fabs((double)a[i] - (double)b[i]));
        *largest = fmax(*largest, fabs((double)b[i]));
    }
    return apart;
}

static void without_dropout(tiny_run *r) {
    pare_trainer_options options = tiny_training(1e-3, 10);
    options.clip = 0.0;
    tiny_run_open(r, &options, NULL);
    r->trained->adapters->dropout = 0.0f;
}

/* Sums of fp32 in another order: 1e-5 of the largest gradient, of which a target or a key too many is far more. */
static void rows_give_the_gradients_of_examples(void **state) {
    (void)state;
    tiny_run r;
    pare_batch batch;
    int64_t examples;
    double largest;
    without_dropout(&r);
    size_t bytes = r.trained->count * sizeof(float);
    float *expected = malloc(bytes);
    expect(pare_batches_step(r.batches, 0, &batch), PARE_OK, "");
    assert_non_null(batch.layout.start);
    memset(r.trained->gradient, 0, bytes);
    double loss = alone(&r, &batch, true, &examples);
    memcpy(expected, r.trained->gradient, bytes);
    assert_true(examples == 5 && batch.sequences < 5);
    tiny_run_steps(&r, 1);
    assert_true(fabs(tiny_loss_at(&r, 0) - loss) < 1e-6 * loss);
    double apart = difference(r.trained->gradient, expected, r.trained->count, &largest);
    if (!(largest > 0.0 && apart < 1e-5 * largest)) fail_msg("gradients of %g are %g apart", largest, apart);
    free(expected);
    tiny_run_close(&r);
}

static void rows_give_the_held_out_loss_of_examples(void **state) {
    (void)state;
    tiny_run r;
    pare_batch batch;
    int64_t examples;
    double loss;
    without_dropout(&r);
    expect(pare_batches_held_out(r.batches, 0, 4, &batch), PARE_OK, "");
    assert_true(batch.sequences < 4 && (uint64_t)batch.sequences == pare_batches_validation(r.batches));
    double expected = alone(&r, &batch, false, &examples);
    assert_int_equal(examples, 4);
    expect(pare_trainer_validate(&r.trainer, &loss), PARE_OK, "");
    assert_true(fabs(loss - expected) < 1e-6 * expected);
    tiny_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_give_the_gradients_of_examples),
        cmocka_unit_test(rows_give_the_held_out_loss_of_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
