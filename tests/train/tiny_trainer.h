/* Training runs of a tiny model on random examples, for the tests of the trainer. */
#ifndef PARE_TESTS_TINY_TRAINER_H
#define PARE_TESTS_TINY_TRAINER_H

#include "tiny_trained.h"
#include "train/trainer.h"

enum { TINY_EXAMPLES = 24, TINY_LONGEST = 20 };

typedef struct tiny_run {
    tiny_pass t;
    pare_examples examples;
    pare_trained *trained;
    pare_batches *batches;
    pare_trainer_options options;
    pare_trainer trainer;
} tiny_run;

/* Examples of 3 .. TINY_LONGEST ids that follow a rule: the next id is the last one and a step that an example keeps.
 */
static inline pare_examples tiny_examples(uint32_t vocabulary) {
    pare_examples examples = {.ids = calloc((size_t)TINY_EXAMPLES * TINY_LONGEST, sizeof(uint32_t)),
                              .list = calloc(TINY_EXAMPLES, sizeof(pare_example)),
                              .count = TINY_EXAMPLES};
    pare_random random = {.seed = 4};
    for (size_t i = 0, used = 0; i < TINY_EXAMPLES; i++) {
        uint32_t count = 3 + (uint32_t)pare_random_below(&random, TINY_LONGEST - 2);
        uint32_t id = (uint32_t)pare_random_below(&random, vocabulary), by = 1 + (uint32_t)(i % 3);
        examples.list[i] = (pare_example){.start = used, .count = count, .prompt = (uint32_t)(i % 2)};
        for (uint32_t j = 0; j < count; j++, id = (id + by) % vocabulary)
            examples.ids[used++] = id;
    }
    return examples;
}

static inline pare_trainer_options tiny_training(double rate, uint64_t steps) {
    return (pare_trainer_options){.schedule = {.peak = rate, .warmup = 1, .decay = steps - 1, .total = steps},
                                  .clip = 1.0,
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .epsilon = 1e-8,
                                  .weight_decay = 0.01,
                                  .seed = 11};
}

/* A LoRA run with dropout, batches of 5 and 4 examples held out; the trainer points to r->options. */
static inline void tiny_run_open(tiny_run *r, const pare_trainer_options *options, const pare_runtime *runtime) {
    pare_lora_options lora = all_targets;
    lora.dropout = 0.25;
    *r = (tiny_run){.t = tiny_trained_open((tiny_model){0}, false, 1, 8), .options = *options};
    r->examples = tiny_examples(r->t.model->config.vocabulary);
    pare_batches_options batches = {.batch = 5, .length = 24, .validation = 4, .seed = 2};
    expect(pare_trained_lora(r->t.model, r->t.backend, &lora, &r->trained), PARE_OK, "");
    tiny_move(r->trained, 0.02f);
    expect(pare_batches_new(&r->examples, &batches, &r->batches), PARE_OK, "");
    expect(pare_trainer_new(r->trained, r->batches, &r->options, runtime, &r->trainer), PARE_OK, "");
}

static inline void tiny_run_close(tiny_run *r) {
    pare_trainer_free(&r->trainer);
    pare_batches_free(r->batches);
    pare_trained_free(r->trained);
    free(r->examples.ids);
    free(r->examples.list);
    tiny_pass_close(&r->t);
}

static inline void tiny_run_steps(tiny_run *r, int steps) {
    for (int i = 0; i < steps; i++)
        expect(pare_trainer_step(&r->trainer), PARE_OK, "");
}

static inline double tiny_loss_at(const tiny_run *r, size_t step) {
    return r->trainer.curve.list[step].loss;
}

/* Largest difference of the last step's gradients, over the largest gradient. */
static inline double tiny_gradients_apart(const tiny_run *a, const tiny_run *b) {
    double apart = 0.0, largest = 0.0;
    for (size_t i = 0; i < a->trained->count; i++) {
        apart = fmax(apart, fabs((double)a->trained->gradient[i] - (double)b->trained->gradient[i]));
        largest = fmax(largest, fabs((double)a->trained->gradient[i]));
    }
    assert_true(largest > 0.0);
    return apart / largest;
}

#endif
