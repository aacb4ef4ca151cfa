/* Perplexity, divergence and agreement: against the fp64 oracle, and against plain fp64 formulas on the logits. */
#include "distributions.h"
#include "evaluate/divergence.h"
#include "evaluate/perplexity.h"
#include "golden.h"
#include "model/pass.h"
#include "support/memory.h"
#include "support/random.h"
#include "tiny_model.h"

static const pare_runtime fp32 = {.compute = PARE_COMPUTE_FP32, .threads = 1};

static pare_model *open_golden(void) {
    pare_model *model;
    need_golden();
    assert_int_equal(pare_model_open(golden_path(GOLDEN_MODEL), &model), PARE_OK);
    return model;
}

static json_t *evaluate(const pare_model *model, const pare_evaluate_options *options, const pare_runtime *runtime) {
    char *text;
    pare_status status = pare_evaluate(model, options, runtime, &text);
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    json_t *report = json_loads(text, 0, NULL);
    assert_non_null(report);
    pare_text_free(text);
    return report;
}

static double number(const json_t *report, const char *key) {
    const json_t *text = json_array_get(json_object_get(report, "texts"), 0);
    const json_t *value = json_object_get(text, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

/* At most the first 400,000 characters of the text. */
static char *write_excerpt(const char *folder) {
    FILE *file = fopen(golden_path(GOLDEN_TEXT), "rb");
    assert_non_null(file);
    char *text = malloc(1600000);
    size_t bytes = fread(text, 1, 1600000, file), end = 0;
    fclose(file);
    for (size_t characters = 0; end < bytes; end++)
        if (((unsigned char)text[end] & 0xc0) != 0x80 && ++characters > 400000) break;
    tiny_write_file(folder, "excerpt.txt", text, end);
    free(text);
    return pare_path_join(folder, "excerpt.txt");
}

static void perplexity_equals_oracle(void **state) {
    (void)state;
    json_t *golden = load_golden();
    pare_model *model = open_golden();
    char *folder = tiny_folder(), *path = write_excerpt(folder);
    const char *texts[] = {path};
    double windows = json_number_value(json_object_get(json_object_get(golden, "ppl_text"), "windows"));
    pare_evaluate_options options = {.texts = texts, .text_count = 1, .max_windows = (uint32_t)windows};
    json_t *report = evaluate(model, &options, &fp32);
    double expected = json_real_value(json_object_get(golden, "ppl_dense"));
    print_message("perplexity %.8f, oracle %.8f\n", number(report, "perplexity"), expected);
    assert_close("perplexity", number(report, "perplexity"), expected, 1e-6);
    assert_close("exp(nll)", exp(number(report, "nll")), expected, 1e-6);
    assert_true(number(report, "windows") == windows && number(report, "tokens") == windows * 128.0);
    json_decref(report);
    /* bf16 operands: 8 bits each, errors averaging out over thousands of predictions */
    pare_runtime bf16 = {.compute = PARE_COMPUTE_BF16, .threads = 1};
    report = evaluate(model, &options, &bf16);
    print_message("in bf16 %.8f\n", number(report, "perplexity"));
    assert_close("perplexity in bf16", number(report, "perplexity"), expected, 3e-3);
    json_decref(report);
    json_decref(golden);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
    free(path);
}

typedef struct pair {
    char *folders[2];
    pare_model *pruned, *dense;
    pare_backend *backend;
    pare_windows windows;
} pair;

/* Two models of one vocabulary, beyond one tile of the LM head. */
static void open_pair(pair *p) {
    tiny_model tiny = {.scale = 0.2, .vocabulary = 5000, .tied = true, .ffn = 13};
    p->folders[0] = tiny_model_write(tiny);
    tiny.kv_heads = 2; /* the embedding, which comes first, stays the same */
    p->folders[1] = tiny_model_write(tiny);
    assert_int_equal(pare_model_open(p->folders[0], &p->pruned), PARE_OK);
    assert_int_equal(pare_model_open(p->folders[1], &p->dense), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &p->backend), PARE_OK);
    p->windows = (pare_windows){.count = 7, .length = 10};
    assert_int_equal(pare_alloc(&p->windows.ids, 70, sizeof(uint32_t), "ids"), PARE_OK);
    pare_random random = {.seed = 1};
    for (int i = 0; i < 70; i++)
        p->windows.ids[i] = (uint32_t)pare_random_below(&random, 5000);
}

static void close_pair(pair *p) {
    pare_windows_free(&p->windows);
    pare_backend_close(p->backend);
    pare_model_close(p->pruned);
    pare_model_close(p->dense);
    for (int i = 0; i < 2; i++) {
        tiny_remove(p->folders[i]);
        free(p->folders[i]);
    }
}

static float *all_logits(const pair *p, const pare_model *model) {
    pare_pass_shape shape = {.sequences = p->windows.count, .length = p->windows.length};
    pare_source source = {.model = model, .backend = p->backend};
    pare_pass *pass;
    float *logits = malloc((size_t)70 * 5000 * sizeof *logits);
    assert_int_equal(pare_pass_new(model, p->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, p->windows.ids, shape.sequences), PARE_OK);
    assert_int_equal(pare_pass_logits(pass, &source, 0, 70, logits), PARE_OK);
    pare_pass_free(pass);
    return logits;
}

static void divergence_equals_formula(void **state) {
    (void)state;
    pair p;
    open_pair(&p);
    pare_evaluation evaluation = {
        .model = p.pruned, .backend = p.backend, .runtime = &fp32, .windows = &p.windows, .name = "ids"};
    pare_divergence_result result;
    double before;
    assert_int_equal(pare_divergence(&evaluation, p.dense, &result, &before), PARE_OK);
    float *dense = all_logits(&p, p.dense), *pruned = all_logits(&p, p.pruned);
    double nll = 0.0, kl = 0.0, same = 0.0;
    for (int t = 0; t < 70; t++) {
        if (t % 10 == 9) continue;
        const float *x = dense + t * 5000, *y = pruned + t * 5000;
        kl += logits_divergence(x, y, 5000);
        nll += logits_log_sum(y, 5000) - (double)y[p.windows.ids[t + 1]];
        same += logits_best(x, 5000) == logits_best(y, 5000);
    }
    print_message("KL %.6f, agreement %.4f\n", result.kl, result.top1);
    assert_close("nll", result.nll, nll / 63, 1e-6);
    assert_close("kl", result.kl, kl / 63, 1e-6);
    assert_true(same > 0.0 && same < 63.0 && fabs(result.top1 - same / 63) < 1e-12);
    double alone;
    assert_int_equal(pare_perplexity(&evaluation, &alone), PARE_OK);
    assert_close("nll alone", alone, result.nll, 1e-12);
    evaluation.model = p.dense;
    assert_int_equal(pare_perplexity(&evaluation, &alone), PARE_OK);
    assert_close("nll of the dense model", before, alone, 1e-12);
    free(dense);
    free(pruned);
    close_pair(&p);
}

static void a_model_does_not_diverge_from_itself(void **state) {
    (void)state;
    pair p;
    open_pair(&p);
    pare_evaluation evaluation = {.model = p.dense, .backend = p.backend, .windows = &p.windows, .name = "ids"};
    pare_divergence_result result;
    double before;
    assert_int_equal(pare_divergence(&evaluation, p.dense, &result, &before), PARE_OK);
    assert_true(result.kl == 0.0 && result.top1 == 1.0 && before == result.nll);
    close_pair(&p);
}

/* A limit that leaves room for one window at a time changes nothing but the grouping. */
static void memory_limit_does_not_change_results(void **state) {
    (void)state;
    pair p;
    open_pair(&p);
    pare_pass_shape one = {.sequences = 1, .length = p.windows.length};
    pare_pass_memory memory;
    assert_int_equal(pare_pass_measure(p.pruned, p.backend, &one, &memory), PARE_OK);
    pare_runtime tight = {.memory_limit = memory.weights + memory.activations + memory.gradients};
    pare_evaluation evaluation = {.model = p.pruned, .backend = p.backend, .windows = &p.windows, .name = "ids"};
    double free_nll, tight_nll;
    assert_int_equal(pare_perplexity(&evaluation, &free_nll), PARE_OK);
    evaluation.runtime = &tight;
    assert_int_equal(pare_perplexity(&evaluation, &tight_nll), PARE_OK);
    assert_close("nll", tight_nll, free_nll, 1e-7);
    tight.memory_limit--;
    assert_int_equal(pare_perplexity(&evaluation, &tight_nll), PARE_OUT_OF_MEMORY);
    assert_non_null(strstr(pare_message(), "raise --memory or lower --window"));
    close_pair(&p);
}

/* Removing channels with a mask in the source equals removing them from the weights. */
static void masked_model_is_measured(void **state) {
    (void)state;
    pair p;
    open_pair(&p);
    float mask[13] = {0}, **scale = calloc(p.pruned->tensor_count, sizeof *scale);
    for (uint32_t layer = 0; layer < 2; layer++)
        scale[pare_tensor_id(layer, PARE_ROLE_DOWN)] = mask;
    pare_source source = {.model = p.pruned, .backend = p.backend, .column_scale = scale};
    pare_evaluation evaluation = {
        .model = p.pruned, .source = &source, .backend = p.backend, .windows = &p.windows, .name = "ids"};
    double without, with;
    assert_int_equal(pare_perplexity(&evaluation, &without), PARE_OK);
    for (int i = 0; i < 13; i++)
        mask[i] = 1.0f;
    assert_int_equal(pare_perplexity(&evaluation, &with), PARE_OK);
    evaluation.source = NULL;
    double plain;
    assert_int_equal(pare_perplexity(&evaluation, &plain), PARE_OK);
    assert_true(with == plain && fabs(without - with) > 1e-3);
    free(scale);
    close_pair(&p);
}

static void text_of_its_own_needs_no_tokenizer(void **state) {
    (void)state;
    pair p;
    open_pair(&p);
    const char *texts[] = {"self"};
    pare_evaluate_options options = {
        .texts = texts, .text_count = 1, .window = 12, .max_windows = 20, .against = p.dense, .seed = 5};
    json_t *first = evaluate(p.pruned, &options, &fp32), *second = evaluate(p.dense, &options, &fp32);
    const char *digest =
        json_string_value(json_object_get(json_array_get(json_object_get(first, "texts"), 0), "sha256"));
    assert_string_equal(
        digest, json_string_value(json_object_get(json_array_get(json_object_get(second, "texts"), 0), "sha256")));
    assert_true(number(first, "windows") == 20.0 && number(first, "kl") > 0.0 && number(second, "kl") == 0.0);
    /* a model predicts its own text better than another one does */
    assert_true(number(second, "nll") < number(first, "nll"));
    json_decref(second);
    options.seed = 6;
    second = evaluate(p.pruned, &options, &fp32);
    assert_string_not_equal(
        digest, json_string_value(json_object_get(json_array_get(json_object_get(second, "texts"), 0), "sha256")));
    json_decref(first);
    json_decref(second);
    close_pair(&p);
}

static pare_status evaluate_file(const pare_model *model, const char *folder, const char *data, size_t bytes,
                                 const char *name) {
    char *path = pare_path_join(folder, name), *report;
    const char *texts[] = {path};
    pare_evaluate_options options = {.texts = texts, .text_count = 1, .window = 8};
    tiny_write_file(folder, name, data, bytes);
    uint64_t before = pare_memory_current();
    pare_status status = pare_evaluate(model, &options, &fp32, &report);
    if (status == PARE_OK) pare_text_free(report);
    if (status != PARE_OK) assert_non_null(strstr(pare_message(), name));
    assert_int_equal(pare_memory_current(), before);
    free(path);
    return status;
}

static void bad_texts_are_refused(void **state) {
    (void)state;
    pare_model *model = open_golden();
    const pare_tokenizer *tokenizer;
    assert_int_equal(pare_model_tokenizer(model, &tokenizer), PARE_OK); /* kept by the model from now on */
    char *folder = tiny_folder();
    static const char words[] = "once upon a time, there was a little girl named lily",
                      binary[] = "a\0b\1\2\3 once upon", ids[] = "[[1, 2, 3, 4, 5, 6, 7, 8]]",
                      high[] = "[[1, 2, 3, 4, 5, 6, 7, 512]]";
    assert_int_equal(evaluate_file(model, folder, words, sizeof words - 1, "words.txt"), PARE_OK);
    assert_int_equal(evaluate_file(model, folder, ids, sizeof ids - 1, "ids.json"), PARE_OK);
    assert_int_not_equal(evaluate_file(model, folder, "", 0, "empty.txt"), PARE_OK);
    assert_int_not_equal(evaluate_file(model, folder, "a", 1, "short.txt"), PARE_OK);
    assert_int_not_equal(evaluate_file(model, folder, binary, sizeof binary - 1, "binary.txt"), PARE_OK);
    assert_int_not_equal(evaluate_file(model, folder, high, sizeof high - 1, "high.json"), PARE_OK);
    assert_int_not_equal(evaluate_file(model, folder, "[[1, 2", 6, "broken.json"), PARE_OK);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

static void spoil_last_weight(const char *folder) {
    char *path = pare_path_join(folder, "model.safetensors");
    FILE *file = fopen(path, "r+b");
    const float nan = NAN;
    assert_true(file && fseek(file, -4, SEEK_END) == 0 && fwrite(&nan, 4, 1, file) == 1 && fclose(file) == 0);
    free(path);
}

static void what_cannot_be_measured_is_refused(void **state) {
    (void)state;
    pair p;
    open_pair(&p);
    char *report, *folder = tiny_model_write((tiny_model){.vocabulary = 40});
    pare_model *other;
    assert_int_equal(pare_model_open(folder, &other), PARE_OK);
    const char *texts[] = {"self"};
    pare_evaluate_options options = {.texts = texts, .text_count = 1, .window = 8, .against = other};
    assert_int_equal(pare_evaluate(p.dense, &options, &fp32, &report), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "different vocabularies"));
    options.against = NULL;
    for (uint32_t window = 1; window <= 65; window += 64) {
        options.window = window;
        assert_int_equal(pare_evaluate(p.dense, &options, &fp32, &report), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), "--window"));
    }
    options.text_count = 0;
    options.window = 8;
    assert_int_equal(pare_evaluate(p.dense, &options, &fp32, &report), PARE_BAD_ARGUMENT);
    pare_evaluation evaluation = {.model = other, .backend = p.backend, .windows = &p.windows, .name = "words.txt"};
    for (int i = 0; i < 70; i++)
        p.windows.ids[i] %= 40;
    double nll;
    assert_int_equal(pare_perplexity(&evaluation, &nll), PARE_OK);
    spoil_last_weight(folder);
    assert_int_equal(pare_perplexity(&evaluation, &nll), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "words.txt"));
    assert_non_null(strstr(pare_message(), folder));
    pare_divergence_result result;
    assert_int_equal(pare_divergence(&evaluation, other, &result, &nll), PARE_NUMERIC_ERROR);
    pare_model_close(other);
    tiny_remove(folder);
    free(folder);
    close_pair(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(perplexity_equals_oracle),
        cmocka_unit_test(divergence_equals_formula),
        cmocka_unit_test(a_model_does_not_diverge_from_itself),
        cmocka_unit_test(memory_limit_does_not_change_results),
        cmocka_unit_test(masked_model_is_measured),
        cmocka_unit_test(text_of_its_own_needs_no_tokenizer),
        cmocka_unit_test(what_cannot_be_measured_is_refused),
        cmocka_unit_test(bad_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
