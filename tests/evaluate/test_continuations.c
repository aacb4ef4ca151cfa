/* Texts that models write on: shares of repeated 4-grams by hand, and of a model all of whose tokens are equally
 * likely, so that what it draws is known from the random numbers alone. */
#include "evaluate/continuations.h"
#include "evaluate/pair.h"
#include "golden.h"
#include "support/memory.h"
#include "support/random.h"
#include "tiny_model.h"

enum { VOCABULARY = 6, END = 2, WINDOW = 40, PROMPT = 32, POSITIONS = 64, WRITTEN = POSITIONS - PROMPT, TEXTS = 45 };

static const pare_runtime fp32 = {.compute = PARE_COMPUTE_FP32, .threads = 1};

static void repetition_is_counted(void **state) {
    (void)state;
    static const uint32_t once[] = {1, 2, 3, 4, 5, 6, 7}, always[] = {5, 5, 5, 5, 5, 5, 5, 5},
                          twice[] = {1, 2, 3, 4, 9, 1, 2, 3, 4};
    assert_true(pare_repeated_share(once, 7) == 0.0);
    assert_true(pare_repeated_share(once, 4) == 0.0);
    assert_true(pare_repeated_share(always, 8) == 4.0 / 5.0);
    assert_true(pare_repeated_share(twice, 9) == 1.0 / 6.0);
}

typedef struct scene {
    char *folder;
    pare_model *model;
    pare_backend *backend;
    pare_windows windows;
} scene;

static scene open_scene(double scale, const char *config) {
    scene s = {.windows = {.count = TEXTS, .length = WINDOW}};
    s.folder = tiny_model_write(
        (tiny_model){.scale = scale, .vocabulary = VOCABULARY, .positions = POSITIONS, .config = config});
    assert_int_equal(pare_model_open(s.folder, &s.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &s.backend), PARE_OK);
    assert_int_equal(pare_alloc(&s.windows.ids, TEXTS * WINDOW, sizeof(uint32_t), "ids"), PARE_OK);
    for (uint32_t i = 0; i < TEXTS * WINDOW; i++)
        s.windows.ids[i] = i * 7 % 5;
    return s;
}

static void close_scene(scene *s) {
    pare_windows_free(&s->windows);
    pare_backend_close(s->backend);
    pare_model_close(s->model);
    tiny_remove(s->folder);
    free(s->folder);
}

static pare_evaluation evaluation_of(const scene *s, const pare_runtime *runtime, uint32_t texts, uint64_t seed) {
    return (pare_evaluation){.model = s->model,
                             .backend = s->backend,
                             .runtime = runtime,
                             .windows = &s->windows,
                             .name = "ids",
                             .continuations = texts,
                             .seed = seed};
}

/* Of `count` ids below VOCABULARY, from a table of all 4-grams. */
static double share_of(const uint32_t *ids, uint32_t count) {
    bool seen[VOCABULARY * VOCABULARY * VOCABULARY * VOCABULARY] = {0};
    uint32_t unique = 0;
    for (uint32_t i = 0; i + 4 <= count; i++) {
        uint32_t gram = 0;
        for (uint32_t j = 0; j < 4; j++)
            gram = gram * VOCABULARY + ids[i + j];
        unique += !seen[gram];
        seen[gram] = true;
    }
    return 1.0 - (double)unique / (double)(count - 3);
}

/* Weights of next to nothing make all logits the same: text i is the i-th stream's numbers, cut into six. */
static void a_model_without_preference_writes_what_is_drawn(void **state) {
    (void)state;
    scene s = open_scene(1e-30, "{\"eos_token_id\": 2}");
    const uint32_t counts[] = {1, 32, TEXTS, 1000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        uint32_t texts = counts[c] < TEXTS ? counts[c] : TEXTS, measured = 0, ended = 0;
        double repeated = 0.0;
        for (uint32_t i = 0; i < texts; i++) {
            pare_random random = {.seed = 9, .stream = i};
            uint32_t ids[WRITTEN], count = 0, id = VOCABULARY;
            while (count < WRITTEN && (id = (uint32_t)(pare_random_uniform(&random) * VOCABULARY)) != END)
                ids[count++] = id;
            ended += id == END;
            if (count < 4) continue;
            measured++;
            repeated += share_of(ids, count);
        }
        pare_continuation_scores scores;
        pare_evaluation evaluation = evaluation_of(&s, &fp32, counts[c], 9);
        assert_int_equal(pare_continuations_measure(&evaluation, s.model, &scores), PARE_OK);
        assert_true(scores.texts == texts && scores.prompt == PROMPT && scores.tokens == WRITTEN);
        assert_true(scores.ended == (double)ended / texts);
        if (measured)
            assert_close("repeated", scores.repeated, repeated / measured, 1e-12);
        else
            assert_true(isnan(scores.repeated));
        assert_true(texts < TEXTS || (ended > TEXTS / 2 && scores.repeated > 0.0));
    }
    close_scene(&s);
}

/* Without an end token all texts are as long as they may be, and the two sides of a pair write with the same numbers.
 */
static void sides_of_one_model_write_the_same(void **state) {
    (void)state;
    scene s = open_scene(0.4, "{\"eos_token_id\": null}");
    pare_evaluation evaluation = evaluation_of(&s, &fp32, 8, 3);
    pare_text_pair pair = {0};
    assert_int_equal(pare_compare_pair(&evaluation, s.model, &pair), PARE_OK);
    assert_true(pair.before.continuations.texts == 8 && pair.after.continuations.texts == 8);
    assert_true(pair.before.continuations.repeated == pair.after.continuations.repeated);
    assert_true(pair.after.continuations.ended == 0.0);
    pare_continuation_scores other;
    evaluation.seed = 4;
    assert_int_equal(pare_continuations_measure(&evaluation, s.model, &other), PARE_OK);
    assert_true(other.repeated != pair.after.continuations.repeated);
    close_scene(&s);
}

/* Room for fewer texts at a time: each is drawn by itself. */
static void memory_limit_changes_nothing(void **state) {
    (void)state;
    scene s = open_scene(1e-30, "{\"eos_token_id\": 2}");
    pare_continuation_scores all, few;
    pare_evaluation evaluation = evaluation_of(&s, &fp32, TEXTS, 1);
    uint64_t before = pare_memory_current();
    assert_int_equal(pare_continuations_measure(&evaluation, s.model, &all), PARE_OK);
    pare_runtime tight = {.compute = PARE_COMPUTE_FP32, .threads = 1};
    evaluation.runtime = &tight;
    pare_status status = PARE_OUT_OF_MEMORY;
    for (tight.memory_limit = 1024; status == PARE_OUT_OF_MEMORY; tight.memory_limit += 1024)
        status = pare_continuations_measure(&evaluation, s.model, &few);
    assert_int_equal(status, PARE_OK);
    assert_true(all.repeated == few.repeated && all.ended == few.ended);
    assert_int_equal(pare_memory_current(), before);
    close_scene(&s);
}

static void no_room_is_refused(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.positions = PROMPT + 3});
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    assert_int_equal(pare_continuations_check(model, PROMPT + 3), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), folder));
    assert_int_equal(pare_continuations_check(model, PROMPT - 1), PARE_OK);
    const char *texts[] = {"self"};
    char *report;
    pare_evaluate_options options = {.texts = texts, .text_count = 1, .window = PROMPT + 2, .continuations = 4};
    assert_int_equal(pare_evaluate(model, &options, &fp32, &report), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--continuations"));
    options.text_count = 0;
    assert_int_equal(pare_evaluate(model, &options, &fp32, &report), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--text FILE"));
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repetition_is_counted),
        cmocka_unit_test(a_model_without_preference_writes_what_is_drawn),
        cmocka_unit_test(sides_of_one_model_write_the_same),
        cmocka_unit_test(memory_limit_changes_nothing),
        cmocka_unit_test(no_room_is_refused),
    };
    return cmocka_run_group_tests_name("continuations", tests, NULL, NULL);
}
