/* Continued text equals that of transformers (greedy, fp32), and ends where it should. */
#include "generate/generate.h"
#include "generate/stop.h"
#include "golden.h"
#include "support/memory.h"
#include "tiny_model.h"

typedef struct text {
    char data[8192];
    size_t bytes, pieces, stop_after; /* stop_after 0: never */
} text;

static bool collect(void *user, const char *piece, size_t bytes) {
    text *t = user;
    assert_true(bytes > 0 && t->bytes + bytes < sizeof t->data);
    memcpy(t->data + t->bytes, piece, bytes);
    t->bytes += bytes;
    t->data[t->bytes] = 0;
    t->pieces++;
    return t->pieces != t->stop_after;
}

static pare_model *open_golden(void) {
    pare_model *model;
    assert_int_equal(pare_model_open(golden_path(GOLDEN_MODEL), &model), PARE_OK);
    return model;
}

static const pare_runtime fp32 = {.compute = PARE_COMPUTE_FP32, .threads = 1};

static void check_greedy(const pare_model *model, const char *prompt, const char *expected) {
    text t = {0};
    pare_generate_options options = {.prompt = prompt, .tokens = 200};
    assert_int_equal(pare_generate(model, &options, &fp32, collect, &t), PARE_OK);
    assert_string_equal(t.data, expected);
    assert_true(t.pieces > 100);
}

/* The oracle's are what 200 tokens of transformers' generate(do_sample=False) decode to (tests/oracle/generation.py).
 */
static void greedy_text_equals_transformers(void **state) {
    (void)state;
    pare_model *model = open_golden();
    json_t *golden = load_json(golden_join(golden_path(GOLDEN_MODEL), "generation.json")), *expected;
    const char *prompt;
    assert_true(json_object_size(golden) >= 5);
    json_object_foreach(golden, prompt, expected) check_greedy(model, prompt, json_string_value(expected));
    json_decref(golden);
    pare_model_close(model);
}

static void seeds_decide_what_is_sampled(void **state) {
    (void)state;
    pare_model *model = open_golden();
    text t[3] = {0};
    for (int i = 0; i < 3; i++) {
        pare_generate_options options = {.prompt = "Once", .temperature = 1.0, .top_p = 0.9, .seed = i == 2 ? 8 : 7};
        assert_int_equal(pare_generate(model, &options, &fp32, collect, &t[i]), PARE_OK);
    }
    assert_string_equal(t[0].data, t[1].data);
    assert_string_not_equal(t[0].data, t[2].data);
    pare_model_close(model);
}

static void bf16_models_write(void **state) {
    (void)state;
    static const pare_runtime bf16 = {.compute = PARE_COMPUTE_BF16, .threads = 1};
    pare_model *model;
    text t = {0};
    pare_generate_options options = {.prompt = "He said", .tokens = 40};
    assert_int_equal(pare_model_open(BUNDLED_MODEL, &model), PARE_OK);
    assert_int_equal(pare_generate(model, &options, &bf16, collect, &t), PARE_OK);
    print_message("He said%s\n", t.data);
    assert_true(t.bytes > 40);
    pare_model_close(model);
}

static void stops_when_asked_to(void **state) {
    (void)state;
    pare_model *model = open_golden();
    uint64_t before = pare_memory_current();
    text t = {.stop_after = 3};
    pare_generate_options options = {.prompt = "Once upon a time"};
    assert_int_equal(pare_generate(model, &options, &fp32, collect, &t), PARE_OK);
    assert_int_equal(t.pieces, 3);
    pare_interrupt();
    assert_int_equal(pare_generate(model, &options, &fp32, collect, &t), PARE_INTERRUPTED);
    pare_interrupt_clear();
    assert_true(pare_memory_current() <= before + (1 << 20)); /* the model keeps its tokenizer */
    before = pare_memory_current();
    assert_int_equal(pare_generate(model, &options, &fp32, collect, &t), PARE_OK);
    assert_int_equal(pare_memory_current(), before);
    pare_model_close(model);
}

/* Without the BOS in front of it. */
static uint32_t tokens_of(const pare_model *model, const char *prompt) {
    const pare_tokenizer *tokenizer;
    uint32_t *ids;
    size_t count;
    assert_int_equal(pare_model_tokenizer(model, &tokenizer), PARE_OK);
    assert_int_equal(pare_tokenizer_encode(tokenizer, prompt, strlen(prompt), &ids, &count), PARE_OK);
    pare_ids_free(ids);
    return (uint32_t)count;
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    pare_model *model = open_golden();
    text t = {0};
    char prompt[4096];
    memset(prompt, 'z', sizeof prompt);
    prompt[sizeof prompt - 1] = 0;
    pare_generate_options options = {.prompt = prompt};
    assert_int_equal(pare_generate(model, &options, &fp32, collect, &t), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "512 positions; shorten the prompt"));
    options =
        (pare_generate_options){.prompt = "Once upon a time", .tokens = 512 - tokens_of(model, "Once upon a time")};
    assert_int_equal(pare_generate(model, &options, &fp32, collect, &t), PARE_BAD_ARGUMENT);
    snprintf(prompt, sizeof prompt, "at most %u, not %u", options.tokens - 1, options.tokens);
    assert_non_null(strstr(pare_message(), prompt));
    options.tokens--;
    assert_int_equal(pare_generate(model, &options, &fp32, collect, &t), PARE_OK);
    options = (pare_generate_options){.prompt = "Once", .temperature = NAN};
    assert_int_equal(pare_generate(model, &options, &fp32, collect, &t), PARE_BAD_ARGUMENT);
    pare_model_close(model);
}

static pare_status read_stop(const char *config, const char *generation_config, pare_stop *stop) {
    char *folder = tiny_model_write((tiny_model){.config = config});
    pare_model *model;
    if (generation_config) tiny_write_text(folder, "generation_config.json", generation_config);
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    pare_status status = pare_stop_read(model, NULL, stop);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
    return status;
}

static void end_tokens_come_from_either_file(void **state) {
    (void)state;
    pare_stop stop;
    assert_int_equal(read_stop("{\"eos_token_id\": [2, 9]}", NULL, &stop), PARE_OK);
    assert_int_equal(stop.count, 2);
    assert_true(pare_stop_at(&stop, 2) && pare_stop_at(&stop, 9) && !pare_stop_at(&stop, 3));
    pare_free(stop.ids);
    assert_int_equal(read_stop("{\"eos_token_id\": 2}", "{\"eos_token_id\": [4, 5, 6]}", &stop), PARE_OK);
    assert_true(stop.count == 3 && pare_stop_at(&stop, 6) && !pare_stop_at(&stop, 2));
    pare_free(stop.ids);
    assert_int_equal(read_stop("{\"eos_token_id\": 2}", "{\"eos_token_id\": null}", &stop), PARE_OK);
    assert_true(stop.count == 1 && pare_stop_at(&stop, 2));
    pare_free(stop.ids);
    assert_int_equal(read_stop("{\"eos_token_id\": null}", NULL, &stop), PARE_OK);
    assert_int_equal(stop.count, 0);
    /* Beyond the vocabulary, which has 32: it cannot occur. */
    assert_int_equal(read_stop("{}", "{\"eos_token_id\": [1, 32, -1]}", &stop), PARE_OK);
    assert_true(stop.count == 1 && pare_stop_at(&stop, 1));
    pare_free(stop.ids);
    static const char *const broken[] = {"{\"eos_token_id\": [1, \"2\"]}", "{\"eos_token_id\": \"</s>\"}", "[1]", "{"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_int_equal(read_stop("{}", broken[i], &stop), PARE_FORMAT_ERROR);
        assert_non_null(strstr(pare_message(), "generation_config.json"));
        assert_null(stop.ids);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_text_equals_transformers),
        cmocka_unit_test(seeds_decide_what_is_sampled),
        cmocka_unit_test(bf16_models_write),
        cmocka_unit_test(stops_when_asked_to),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(end_tokens_come_from_either_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
