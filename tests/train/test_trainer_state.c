/* A run that was stopped and one that was not end with the same bits; states that are damaged, or another run's, are
 * refused. */
#include "forge.h"
#include "support/file.h"
#include "support/memory.h"
#include "tiny_trainer.h"
#include "train/run.h"

static const char KEY[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char OTHER[] = "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

typedef struct place {
    char *folder, *state;
} place;

static place place_open(void) {
    char *folder = tiny_folder();
    return (place){folder, pare_path_join(folder, "training.state")};
}

static void place_close(place *p) {
    tiny_remove(p->folder);
    free(p->folder);
    free(p->state);
}

static void expect_same(const tiny_run *a, const tiny_run *b) {
    size_t bytes = a->trained->count * sizeof(float);
    assert_memory_equal(a->trained->value, b->trained->value, bytes);
    assert_memory_equal(a->trainer.optimizer.first, b->trainer.optimizer.first, bytes);
    assert_memory_equal(a->trainer.optimizer.second, b->trainer.optimizer.second, bytes);
    assert_memory_equal(a->trainer.best, b->trainer.best, bytes);
    assert_int_equal(a->trainer.steps_done, b->trainer.steps_done);
    assert_int_equal(a->trainer.tokens, b->trainer.tokens);
    assert_int_equal(a->trainer.best_step, b->trainer.best_step);
    assert_int_equal(a->trainer.curve.count, b->trainer.curve.count);
    for (size_t i = 0; i < a->trainer.curve.count; i++) {
        const pare_curve_point *p = &a->trainer.curve.list[i], *q = &b->trainer.curve.list[i];
        assert_int_equal(p->step, q->step);
        assert_memory_equal(&p->loss, &q->loss, sizeof p->loss);
        assert_memory_equal(&p->validation, &q->validation, sizeof p->validation);
    }
}

static void validate(tiny_run *r) {
    double loss;
    expect(pare_trainer_validate(&r->trainer, &loss), PARE_OK, "");
}

/* The second half with other micro-batches asked for: those of the file count. */
static void six_steps_are_three_and_three(void **state) {
    (void)state;
    place p = place_open();
    tiny_run whole, first, second;
    pare_trainer_options options = tiny_training(1e-2, 6), other = options;
    other.micro_batch = 2;
    tiny_run_open(&whole, &options, NULL);
    tiny_run_open(&first, &options, NULL);
    tiny_run_open(&second, &other, NULL);
    tiny_run_steps(&whole, 2);
    validate(&whole);
    tiny_run_steps(&whole, 4);
    tiny_run_steps(&first, 2);
    validate(&first);
    tiny_run_steps(&first, 1);
    expect(pare_trainer_save(&first.trainer, p.state, KEY), PARE_OK, "");
    expect(pare_trainer_load(&second.trainer, p.state, KEY), PARE_OK, "");
    tiny_run_steps(&second, 3);
    expect_same(&whole, &second);
    assert_true(pare_trainer_seconds(&second.trainer) > second.trainer.curve.list[0].seconds);
    tiny_run_close(&whole);
    tiny_run_close(&first);
    tiny_run_close(&second);
    place_close(&p);
}

static void load_fails(const place *p, const char *key, pare_status status, const char *words) {
    tiny_run r;
    pare_trainer_options options = tiny_training(1e-2, 6);
    tiny_run_open(&r, &options, NULL);
    expect(pare_trainer_load(&r.trainer, p->state, key), status, words);
    tiny_run_close(&r);
}

static unsigned char *read_all(const char *path, size_t *bytes) {
    char *text;
    assert_int_equal(pare_file_read(path, 1 << 28, &text, bytes), PARE_OK);
    return (unsigned char *)text;
}

static void damage_is_found(void **state) {
    (void)state;
    place p = place_open();
    tiny_run r;
    size_t bytes;
    pare_trainer_options options = tiny_training(1e-2, 6);
    tiny_run_open(&r, &options, NULL);
    tiny_run_steps(&r, 1);
    expect(pare_trainer_save(&r.trainer, p.state, KEY), PARE_OK, "");
    expect(pare_trainer_save(&r.trainer, p.state, KEY), PARE_OK, ""); /* in place of the first */
    tiny_run_close(&r);
    load_fails(&p, OTHER, PARE_BAD_ARGUMENT, "another model, other settings or other data");
    load_fails(&p, "short", PARE_BAD_ARGUMENT, "another model");
    unsigned char *data = read_all(p.state, &bytes);
    const size_t lengths[] = {0, 7, 100, 300, bytes / 2, bytes - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        tiny_write_file(p.folder, "training.state", data, lengths[i]);
        load_fails(&p, KEY, PARE_FORMAT_ERROR, "is damaged: delete it to begin anew");
    }
    for (size_t at = 13; at < bytes; at += bytes / 7) {
        data[at] ^= 4;
        tiny_write_file(p.folder, "training.state", data, bytes);
        load_fails(&p, KEY, PARE_FORMAT_ERROR, "is damaged");
        data[at] ^= 4;
    }
    data[0] ^= 1;
    tiny_write_file(p.folder, "training.state", data, bytes);
    load_fails(&p, KEY, PARE_FORMAT_ERROR, "is no state of a training run");
    pare_free(data);
    place_close(&p);
}

/* With the digest that belongs to it, as somebody could write it: what would size the pass is the batch's, steps are
 * those of the run, and what weights and moments are made of are numbers. */
static void forged_states_are_refused(void **state) {
    (void)state;
    enum { OPTIMIZER_AT = 112, STEPS_AT = 120, BEST_AT = 136, VALIDATED_AT = 144, FIRST_AT = 152, SEQUENCES_AT = 248 };
    enum { POINTS_AT = 96, SECONDS_AT = 176, MICRO_AT = 256, VALUES_AT = 264 };
    const uint64_t seven = 7, none = UINT64_MAX, many = UINT64_C(1) << 60, sequences = 6, micro = 1 << 30;
    const double not_a_number = NAN, infinite = INFINITY;
    const float nan = NAN, negative = -1e-3f;
    place p = place_open();
    tiny_run r;
    size_t bytes;
    pare_trainer_options options = tiny_training(1e-2, 6);
    tiny_run_open(&r, &options, NULL);
    tiny_run_steps(&r, 1);
    validate(&r);
    expect(pare_trainer_save(&r.trainer, p.state, KEY), PARE_OK, "");
    unsigned char *data = read_all(p.state, &bytes), *copy = malloc(bytes);
    const size_t moments = r.trained->count * sizeof(float);
    const struct {
        size_t at;
        const void *value;
        size_t bytes;
    } forgeries[] = {{SEQUENCES_AT, &sequences, 8},
                     {SEQUENCES_AT, &none, 8},
                     {MICRO_AT, &micro, 8},
                     {MICRO_AT, &many, 8},
                     {STEPS_AT, &seven, 8},
                     {STEPS_AT, &none, 8},
                     {OPTIMIZER_AT, &seven, 8},
                     {POINTS_AT, &many, 8},
                     {BEST_AT, &none, 8},
                     {BEST_AT, &seven, 8},
                     {VALIDATED_AT, &none, 8},
                     {FIRST_AT, &not_a_number, 8},
                     {SECONDS_AT, &infinite, 8},
                     {VALUES_AT + 4, &nan, 4},
                     {VALUES_AT + moments + 8, &nan, 4},
                     {VALUES_AT + 2 * moments + 8, &negative, 4},
                     {VALUES_AT + 3 * moments + 12, &nan, 4}};
    int64_t shape[2];
    memcpy(shape, data + SEQUENCES_AT, sizeof shape);
    assert_int_equal(shape[0], r.trainer.shape.sequences);
    assert_int_equal(shape[1], r.trainer.shape.micro_batch);
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        memcpy(copy, data, bytes);
        memcpy(copy + forgeries[i].at, forgeries[i].value, forgeries[i].bytes);
        forge_seal(copy, bytes);
        tiny_write_file(p.folder, "training.state", copy, bytes);
        load_fails(&p, KEY, PARE_FORMAT_ERROR, "is damaged");
    }
    tiny_run_close(&r);
    pare_free(data);
    free(copy);
    place_close(&p);
}

static pare_status save_number(void *context, FILE *file) {
    return fwrite(context, sizeof(uint64_t), 1, file) == 1 ? PARE_OK : PARE_FILE_ERROR;
}

static pare_status load_number(void *context, FILE *file) {
    return fread(context, sizeof(uint64_t), 1, file) == 1 ? PARE_OK : PARE_FILE_ERROR;
}

static void the_state_of_the_caller_goes_along(void **state) {
    (void)state;
    place p = place_open();
    tiny_run r;
    uint64_t number = 77;
    pare_trainer_options options = tiny_training(1e-2, 6);
    options.save = save_number;
    options.load = load_number;
    options.context = &number;
    tiny_run_open(&r, &options, NULL);
    expect(pare_trainer_save(&r.trainer, p.state, KEY), PARE_OK, "");
    number = 0;
    expect(pare_trainer_load(&r.trainer, p.state, KEY), PARE_OK, "");
    assert_int_equal(number, 77);
    tiny_run_close(&r);
    load_fails(&p, KEY, PARE_FORMAT_ERROR, "is damaged"); /* nobody there to take it */
    place_close(&p);
}

/* Asks for the end once so many steps are done. */
typedef struct stopper {
    uint64_t after;
    bool asked;
} stopper;

static void stop_after(void *user, const char *stage, uint64_t done, uint64_t total) {
    stopper *s = user;
    (void)total;
    if (s->asked || strcmp(stage, "training") != 0 || done < s->after) return;
    s->asked = true;
    pare_interrupt();
}

static void an_interrupted_run_goes_on(void **state) {
    (void)state;
    place p = place_open();
    stopper s = {.after = 5};
    pare_runtime runtime = {.progress = stop_after, .progress_user = &s};
    pare_trainer_options options = tiny_training(1e-2, 8);
    options.validate_every = 3;
    pare_training_run run = {.save_every = 2, .state = p.state, .key = KEY}, plain = {0};
    tiny_run whole, first, second;
    tiny_run_open(&whole, &options, NULL);
    tiny_run_open(&first, &options, &runtime);
    tiny_run_open(&second, &options, NULL);
    expect(pare_training_run_steps(&whole.trainer, &plain), PARE_OK, "");
    expect(pare_training_run_steps(&first.trainer, &run), PARE_INTERRUPTED, "after step 5 of 8; the progress is kept");
    pare_interrupt_clear();
    expect(pare_training_run_steps(&second.trainer, &run), PARE_OK, "");
    expect_same(&whole, &second);
    assert_int_equal(whole.trainer.validated_step, 8);
    tiny_run_close(&whole);
    tiny_run_close(&first);
    tiny_run_close(&second);
    place_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_steps_are_three_and_three), cmocka_unit_test(damage_is_found),
        cmocka_unit_test(forged_states_are_refused),     cmocka_unit_test(the_state_of_the_caller_goes_along),
        cmocka_unit_test(an_interrupted_run_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
