/* Likelihoods with a real pass: requests that share their question against each request in a pass of its own. */
#include "evaluate/task_files.h"
#include "evaluate/zero_shot_result.h"
#include "model/pass.h"
#include "support/memory.h"

typedef struct fixture {
    char *folder;
    pare_model *model;
    pare_backend *backend;
    pare_task_file file;
} fixture;

static const char rows[] = "{\"goal\":\"once upon a time there was a little dog\",\"sol1\":\"the dog ran to the park "
                           "and saw a ball\",\"sol2\":"
                           "\"the dog ran to the park and then it went home to eat\",\"label\":0}\n"
                           "{\"goal\":\"a girl\",\"sol1\":\"yes\",\"sol2\":\"no\",\"label\":1}\n"
                           "{\"goal\":\"one day tom and his mom went to the big red house, and it was very far from "
                           "the sea, so they took a car "
                           "and a boat and a bird with them\",\"sol1\":\"they sang\",\"sol2\":\"they\",\"label\":1}\n";

/* The bundled model with a window of `positions` tokens. */
static void open_fixture(fixture *f, int positions) {
    static const char *const names[] = {"model.safetensors", "tokenizer.json", "tokenizer_config.json"};
    *f = (fixture){.folder = tiny_folder()};
    for (size_t i = 0; i < 3; i++) {
        char *from = pare_format("%s/examples/tiny-stories/%s", PARE_SOURCE_DIR, names[i]);
        char *to = pare_path_join(f->folder, names[i]);
        assert_int_equal(symlink(from, to), 0);
        free(from);
        free(to);
    }
    json_t *config = load_json(PARE_SOURCE_DIR "/examples/tiny-stories/config.json");
    json_object_set_new(config, "max_position_embeddings", json_integer(positions));
    char *text = json_dumps(config, 0);
    tiny_write_text(f->folder, "config.json", text);
    free(text);
    json_decref(config);
    assert_int_equal(pare_model_open(f->folder, &f->model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 2, &f->backend), PARE_OK);
    task_file_write(f->folder, "valid.jsonl", rows);
    f->file = task_file_read("piqa", f->folder);
}

static void close_fixture(fixture *f) {
    pare_task_file_close(&f->file);
    pare_backend_close(f->backend);
    pare_model_close(f->model);
    tiny_remove(f->folder);
    free(f->folder);
}

/* The request alone, over all its ids but the last; its own pass, no layout. */
static double alone(const fixture *f, const pare_task_requests *requests, uint32_t index) {
    const pare_task_request *request = &requests->list[index];
    const pare_source source = {.model = f->model, .backend = f->backend};
    const pare_pass_shape shape = {.sequences = 1, .length = request->count};
    double *nll = calloc(request->count, sizeof *nll), total, sum = 0;
    pare_pass *pass;
    assert_int_equal(pare_pass_new(f->model, f->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, requests->ids.ids + request->start, 1), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &source, nll, &total), PARE_OK);
    for (uint32_t i = request->count - 1 - request->scored; i < request->count - 1; i++)
        sum -= nll[i];
    pare_pass_free(pass);
    free(nll);
    return sum;
}

/* fp32: likelihoods of up to 30 tokens, some -100 in all, differ in rounding only. */
static void compare(const fixture *f, uint64_t memory) {
    const pare_runtime runtime = {.memory_limit = memory};
    const pare_zero_shot zero_shot = {f->model, f->backend, &runtime, PARE_TASK_CURRENT, NULL};
    pare_zero_shot_scores scores;
    uint64_t before = pare_memory_current(), inputs = 0;
    pare_status status = pare_zero_shot_score(&zero_shot, &f->file, &scores);
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    assert_int_equal(scores.requests.count, 6);
    for (uint32_t i = 0; i < 6; i++) {
        double expected = alone(f, &scores.requests, i);
        if (!(fabs(scores.likelihoods[i] - expected) < 1e-4))
            fail_msg("request %u: %.9g instead of %.9g", i, scores.likelihoods[i], expected);
        inputs += scores.requests.list[i].count - 1;
    }
    assert_int_equal(scores.request_tokens, inputs);
    assert_true(scores.computed_tokens <= inputs && scores.padded_tokens >= scores.computed_tokens &&
                scores.batches >= 1);
    pare_zero_shot_scores_free(&scores);
    assert_int_equal(pare_memory_current(), before);
}

static void shared_questions_change_nothing(void **state) {
    (void)state;
    fixture f;
    const pare_tokenizer *tokenizer;
    /* all fits; truncated on the left, so that less is shared; cut into the answers */
    static const int positions[] = {512, 24, 7};
    for (size_t i = 0; i < 3; i++) {
        open_fixture(&f, positions[i]);
        assert_int_equal(pare_model_tokenizer(f.model, &tokenizer), PARE_OK); /* kept by the model from now on */
        compare(&f, 0);
        close_fixture(&f);
    }
}

/* Room for the longest request alone, not for a question with both answers. */
static void little_memory_changes_nothing(void **state) {
    (void)state;
    fixture f;
    const pare_tokenizer *tokenizer;
    open_fixture(&f, 512);
    assert_int_equal(pare_model_tokenizer(f.model, &tokenizer), PARE_OK);
    const pare_task_encoding encoding = {.tokenizer = tokenizer, .window = 512, .vocabulary = 1024};
    pare_task_requests requests;
    uint32_t longest = 0;
    assert_int_equal(pare_task_requests_encode(&encoding, &f.file, &requests), PARE_OK);
    for (uint32_t i = 0; i < requests.count; i++)
        longest = requests.list[i].count - 1 > longest ? requests.list[i].count - 1 : longest;
    pare_task_requests_free(&requests);
    const pare_pass_shape one = {.sequences = 1, .length = longest};
    pare_pass_memory memory;
    assert_int_equal(pare_pass_measure(f.model, f.backend, &one, &memory), PARE_OK);
    uint64_t limit = memory.weights + memory.activations + memory.gradients;
    compare(&f, limit);
    const pare_runtime runtime = {.memory_limit = limit - 1};
    const pare_zero_shot zero_shot = {f.model, f.backend, &runtime, PARE_TASK_CURRENT, NULL};
    pare_zero_shot_scores scores;
    assert_int_equal(pare_zero_shot_score(&zero_shot, &f.file, &scores), PARE_OUT_OF_MEMORY);
    assert_non_null(strstr(pare_message(), "raise --memory"));
    close_fixture(&f);
}

static void the_first_maximum_is_the_answer(void **state) {
    (void)state;
    const pare_task_document document = {.count = 3, .characters = {1, 2, 4}};
    static const double equal[] = {-4, -4, -4}, longer[] = {-4, -5, -6};
    pare_zero_shot_answer answer = pare_zero_shot_answer_of(&document, equal);
    assert_true(answer.plain == 0 && answer.normalised == 2);
    answer = pare_zero_shot_answer_of(&document, longer);
    assert_true(answer.plain == 0 && answer.normalised == 2);
    const pare_task_document even = {.count = 2, .characters = {2, 4}};
    static const double proportional[] = {-2, -4};
    assert_int_equal(pare_zero_shot_answer_of(&even, proportional).normalised, 0);
    const pare_task_document empty = {.count = 2, .characters = {0, 4}};
    assert_int_equal(pare_zero_shot_answer_of(&empty, proportional).normalised, 1);
}

/* The sample standard deviation over the square root of n, from the definition. */
static void errors_are_those_of_the_mean(void **state) {
    (void)state;
    const int n = 7, right = 3;
    double p = (double)right / n, squares = right * (1 - p) * (1 - p) + (n - right) * p * p;
    pare_share share = pare_share_of((uint64_t)right, (uint64_t)n);
    assert_close("share", share.value, p, 1e-15);
    assert_close("error", share.error, sqrt(squares / (n - 1)) / sqrt(n), 1e-14);
    assert_true(isnan(pare_share_of(1, 1).error) && pare_share_of(5, 5).error == 0.0);
}

static void spoil_last_weight(const char *folder) {
    static const float nan_value = NAN;
    size_t bytes;
    char *from = pare_format("%s/examples/tiny-stories/model.safetensors", PARE_SOURCE_DIR), *text;
    char *path = pare_path_join(folder, "model.safetensors");
    assert_int_equal(pare_file_read(from, 1 << 30, &text, &bytes), PARE_OK);
    memcpy(text + bytes - 4, &nan_value, 4);
    memcpy(text + bytes - 2, (const char *)&nan_value + 2, 2);
    remove(path);
    tiny_write_file(folder, "model.safetensors", text, bytes);
    pare_free(text);
    free(from);
    free(path);
}

static void broken_weights_are_refused(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, 512);
    pare_model_close(f.model);
    spoil_last_weight(f.folder);
    assert_int_equal(pare_model_open(f.folder, &f.model), PARE_OK);
    const pare_zero_shot zero_shot = {f.model, f.backend, NULL, PARE_TASK_CURRENT, NULL};
    pare_zero_shot_scores scores;
    assert_int_equal(pare_zero_shot_score(&zero_shot, &f.file, &scores), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "piqa"));
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_questions_change_nothing), cmocka_unit_test(little_memory_changes_nothing),
        cmocka_unit_test(the_first_maximum_is_the_answer), cmocka_unit_test(errors_are_those_of_the_mean),
        cmocka_unit_test(broken_weights_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
