/* Draws out of a teacher's distribution: without bias, in place of the teacher in a training, and a file that is the
 * run's own or refused. */
#include "distributions.h"
#include "support/file.h"
#include "support/memory.h"
#include "tiny_trainer.h"
#include "train/teacher_cache_internal.h"

enum { IDS = 3000, TAKEN = 2000 };

static double distribution(float *logits, double *p) {
    pare_normal_fill(logits, 3, 0, 0, 0, IDS);
    for (int i = 0; i < IDS; i++)
        logits[i] *= 2.5f;
    double log_sum = logits_log_sum(logits, IDS);
    for (int i = 0; i < IDS; i++)
        p[i] = exp((double)logits[i] - log_sum);
    return log_sum;
}

static pare_cache_record draw(const float *logits, double logsum, uint64_t seed, uint64_t number, uint32_t vocabulary) {
    pare_drawing drawing;
    pare_cache_record record;
    pare_drawing_begin(seed, number, &drawing);
    for (int64_t row = 0; row < IDS; row += 1700)
        pare_drawing_go_on(&drawing, logits + row, row, IDS - row < 1700 ? IDS - row : 1700, (float)logsum,
                           pare_cache_draws(vocabulary));
    pare_drawing_end(&drawing, vocabulary, &record);
    return record;
}

/* Every id is drawn its share of times, rounded down or up, and on average exactly: TAKEN draws of numbers that differ
 * by less than 1 have a mean within 5 / sqrt(TAKEN) of theirs, at half a standard deviation. */
static void check_draws(uint32_t vocabulary) {
    static float logits[IDS];
    static double p[IDS], mean[IDS];
    double logsum = distribution(logits, p), entropy = 0.0;
    uint32_t draws = pare_cache_draws(vocabulary), bytes = pare_cache_id_bytes(vocabulary);
    memset(mean, 0, sizeof mean);
    for (int i = 0; i < IDS; i++)
        entropy -= p[i] * log(p[i]);
    for (uint64_t number = 0; number < TAKEN; number++) {
        static uint32_t count[IDS];
        double of_draws = 0.0;
        memset(count, 0, sizeof count);
        pare_cache_record record = draw(logits, logsum, 7, number, vocabulary);
        for (uint32_t k = 0; k < draws; k++)
            count[pare_cache_draw(&record, bytes, k)]++;
        for (int i = 0; i < IDS; i++) {
            double expected = p[i] * draws, share = (double)count[i] / draws;
            assert_true(fabs((double)count[i] - expected) < 1.0 + 1e-3);
            mean[i] += (double)count[i] / TAKEN;
            if (count[i]) of_draws -= share * log(share);
            assert_true(p[i] <= p[record.likeliest]);
        }
        assert_true(fabs((double)record.add - (of_draws - entropy)) < 1e-4);
    }
    for (int i = 0; i < IDS; i++)
        assert_true(fabs(mean[i] - p[i] * draws) < 2.5 / sqrt(TAKEN) + 1e-4);
}

static void draws_have_no_bias(void **state) {
    (void)state;
    check_draws(IDS);
    check_draws(1 << 17); /* four bytes an id */
}

static void a_draw_is_a_function_of_seed_and_number(void **state) {
    (void)state;
    static float logits[IDS];
    static double p[IDS];
    double logsum = distribution(logits, p);
    pare_cache_record one = draw(logits, logsum, 7, 5, IDS), again = draw(logits, logsum, 7, 5, IDS),
                      seed = draw(logits, logsum, 8, 5, IDS), number = draw(logits, logsum, 7, 6, IDS);
    assert_memory_equal(&one, &again, sizeof one);
    assert_memory_not_equal(one.drawn, seed.drawn, sizeof one.drawn);
    assert_memory_not_equal(one.drawn, number.drawn, sizeof one.drawn);
}

/* A certain teacher says one thing only. */
static void certainty_is_drawn_every_time(void **state) {
    (void)state;
    static float logits[IDS];
    for (int i = 0; i < IDS; i++)
        logits[i] = i == 2999 ? 0.0f : -1e4f;
    pare_cache_record record = draw(logits, 0.0, 7, 5, IDS);
    for (uint32_t k = 0; k < pare_cache_draws(IDS); k++)
        assert_int_equal(pare_cache_draw(&record, 2, k), 2999);
    assert_true(record.likeliest == 2999 && fabsf(record.add) < 1e-6f);
}

typedef struct place {
    char *folder, *path;
    tiny_pass teacher;
    tiny_run run; /* whose batches the caches are of */
} place;

static pare_teacher_cache_key key_of(const place *p, uint64_t seed) {
    pare_teacher_cache_key key = {.seed = seed,
                                  .predictions = pare_batches_predictions(p->run.batches),
                                  .vocabulary = p->teacher.model->config.vocabulary,
                                  .operand = (uint32_t)p->run.t.backend->operand};
    memset(key.teacher, 'a', PARE_SEAL_BYTES);
    expect(pare_batches_examples_digest(p->run.batches, key.data), PARE_OK, "");
    return key;
}

static void place_open(place *p) {
    pare_trainer_options options = tiny_training(1e-2, 6);
    *p = (place){.folder = tiny_folder()};
    p->path = pare_path_join(p->folder, "cache");
    p->teacher = tiny_trained_open((tiny_model){.layers = 3, .hidden = 24, .seed = 9, .scale = 0.3}, false, 1, 8);
    tiny_run_open(&p->run, &options, NULL);
}

static void place_close(place *p) {
    tiny_run_close(&p->run);
    tiny_pass_close(&p->teacher);
    tiny_remove(p->folder);
    free(p->folder);
    free(p->path);
}

static pare_teacher_cache *cache_of(const place *p, uint64_t seed) {
    pare_teacher_cache_key key = key_of(p, seed);
    pare_teacher_cache *cache;
    unlink(p->path);
    expect(pare_teacher_cache_make(p->path, &key, p->teacher.model, p->run.t.backend, p->run.batches, 0, NULL), PARE_OK,
           "");
    expect(pare_teacher_cache_open(p->path, &key, &cache), PARE_OK, "");
    return cache;
}

/* One step's gradient by the cache, or by the teacher itself where there is none. */
static double first_step(const place *p, const pare_teacher_cache *cache, uint32_t micro_batch, double *gradient) {
    pare_trainer_options options = tiny_training(1e-2, 6);
    tiny_run r;
    options.clip = 0.0;
    options.micro_batch = micro_batch;
    options.teacher =
        (pare_trainer_teacher){.model = p->teacher.model, .cached = cache != NULL, .cache = cache, .ce = 0.25, .kd = 1};
    tiny_run_open(&r, &options, NULL);
    tiny_run_steps(&r, 1);
    for (size_t i = 0; i < r.trained->count; i++)
        gradient[i] += (double)r.trained->gradient[i];
    double loss = tiny_loss_at(&r, 0);
    tiny_run_close(&r);
    return loss;
}

static double distance(const double *a, const double *b, double share, size_t count) {
    double apart = 0.0, size = 0.0;
    for (size_t i = 0; i < count; i++) {
        apart += (a[i] * share - b[i]) * (a[i] * share - b[i]);
        size += b[i] * b[i];
    }
    return sqrt(apart / size);
}

/* The mean of SEEDS sampled gradients comes as much nearer to the exact one as independent errors do. */
static void the_mean_over_draws_is_the_gradient(void **state) {
    (void)state;
    enum { SEEDS = 64 };
    place p;
    place_open(&p);
    size_t count = p.run.trained->count;
    double *exact = calloc(count, sizeof *exact), *one = calloc(count, sizeof *one), *sum = calloc(count, sizeof *sum);
    double loss = first_step(&p, NULL, 0, exact), mean = 0.0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        pare_teacher_cache *cache = cache_of(&p, seed);
        if (!seed) first_step(&p, cache, 0, one);
        mean += first_step(&p, cache, 0, sum) / SEEDS;
        pare_teacher_cache_close(cache);
    }
    double alone = distance(one, exact, 1.0, count), together = distance(sum, exact, 1.0 / SEEDS, count);
    print_message("one draw is %.3g off, the mean of %d %.3g\n", alone, SEEDS, together);
    assert_true(alone > 1e-4 && alone < 0.05);
    assert_true(together < alone / 4.0); /* 1/8 is expected */
    assert_true(fabs(mean - loss) < 1e-3 * loss);
    free(exact);
    free(one);
    free(sum);
    place_close(&p);
}

/* Whatever batch or part a prediction comes in, its number finds its draws. */
static void parts_find_their_draws(void **state) {
    (void)state;
    place p;
    place_open(&p);
    size_t count = p.run.trained->count;
    double *whole = calloc(count, sizeof *whole), *micro = calloc(count, sizeof *micro);
    pare_teacher_cache *cache = cache_of(&p, 1);
    double a = first_step(&p, cache, 0, whole), b = first_step(&p, cache, 1, micro);
    assert_true(fabs(a - b) < 1e-6 * a);
    assert_true(distance(micro, whole, 1.0, count) < 1e-5);
    pare_teacher_cache_close(cache);
    free(whole);
    free(micro);
    place_close(&p);
}

static void refused(const place *p, const pare_teacher_cache_key *key, pare_status status, const char *words) {
    pare_teacher_cache *cache;
    expect(pare_teacher_cache_open(p->path, key, &cache), status, words);
    assert_null(cache);
    assert_non_null(strstr(pare_message(), words));
}

static void files_of_others_are_refused(void **state) {
    (void)state;
    place p;
    place_open(&p);
    pare_teacher_cache_close(cache_of(&p, 1));
    pare_teacher_cache_key key = key_of(&p, 2);
    refused(&p, &key, PARE_BAD_ARGUMENT, "with another --seed");
    key = key_of(&p, 1);
    key.teacher[3] = 'b';
    refused(&p, &key, PARE_BAD_ARGUMENT, "of another teacher");
    key = key_of(&p, 1);
    key.data[0] = 'x';
    refused(&p, &key, PARE_BAD_ARGUMENT, "of other data");
    key = key_of(&p, 1);
    key.operand++;
    refused(&p, &key, PARE_BAD_ARGUMENT, "another --compute");
    place_close(&p);
}

/* Predictions have numbers of 32 bits; whether they do is said without anything being made. */
static void more_than_has_numbers_is_refused(void **state) {
    (void)state;
    assert_int_equal(pare_teacher_cache_check("cache", UINT32_MAX), PARE_OK);
    assert_int_equal(pare_teacher_cache_check("cache", (uint64_t)UINT32_MAX + 1), PARE_UNSUPPORTED);
    assert_non_null(strstr(pare_message(), "cache would hold 4294967296 predictions"));
}

/* Any bit that is not what it was, and any length. */
static void damage_is_refused(void **state) {
    (void)state;
    place p;
    place_open(&p);
    pare_teacher_cache_key key = key_of(&p, 1);
    pare_teacher_cache_close(cache_of(&p, 1));
    FILE *file = fopen(p.path, "r+b");
    long size = (fseek(file, 0, SEEK_END), ftell(file));
    const long places[] = {16, 40, 200, 1000, size - 300, size - 70, size - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        for (int back = 0; back < 2; back++) {
            fseek(file, places[i], SEEK_SET);
            int c = fgetc(file);
            fseek(file, places[i], SEEK_SET);
            fputc(c ^ 1, file);
            fflush(file);
            if (!back) refused(&p, &key, PARE_FORMAT_ERROR, "is damaged: delete it");
        }
    fclose(file);
    for (long length = size - 1; length > 12; length /= 3) {
        assert_int_equal(truncate(p.path, length), 0);
        refused(&p, &key, PARE_FORMAT_ERROR, "is damaged: delete it");
    }
    tiny_write_text(p.folder, "cache", "a text");
    refused(&p, &key, PARE_FORMAT_ERROR, "is no teacher's cache");
    place_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_have_no_bias),
        cmocka_unit_test(a_draw_is_a_function_of_seed_and_number),
        cmocka_unit_test(certainty_is_drawn_every_time),
        cmocka_unit_test(the_mean_over_draws_is_the_gradient),
        cmocka_unit_test(parts_find_their_draws),
        cmocka_unit_test(files_of_others_are_refused),
        cmocka_unit_test(more_than_has_numbers_is_refused),
        cmocka_unit_test(damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
