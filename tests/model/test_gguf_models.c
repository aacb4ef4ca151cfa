/* Models of every architecture that pare reads from GGUF files compute what transformers makes of them, and are the
 * models that their folders hold. */
#include "gguf_models.h"

static double check(const families *all, const json_t *one, const pare_backend *backend, double *loss_apart) {
    gguf_bytes file = gguf_model_bytes(one);
    char *path, *folder = gguf_write(file, &path);
    pare_model *model;
    if (pare_model_open(path, &model) != PARE_OK) fail_msg("%s: %s", family_name(one), pare_message());
    uint32_t vocabulary = model->config.vocabulary;
    float *logits = malloc((size_t)FAMILY_TOKENS * vocabulary * sizeof *logits);
    double loss = family_forward(model, backend, all->ids, FAMILY_SEQUENCES, FAMILY_LENGTH, logits);
    double apart = family_logit_error(all, one, logits, vocabulary);
    *loss_apart = fabs(loss / family_number(one, "loss") - 1.0);
    free(logits);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
    free(path);
    free(file.data);
    return apart;
}

static void check_all(families all, size_t least) {
    pare_backend *backend;
    size_t i, wrong = 0;
    json_t *one;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    assert_true(json_array_size(all.cases) >= least);
    json_array_foreach(all.cases, i, one) {
        double loss_apart, apart = check(&all, one, backend, &loss_apart);
        if (apart <= 1e-5 && loss_apart <= 1e-6) continue;
        fprintf(stderr, "%s: logits %.2g of the largest, loss %.2g apart\n", family_name(one), apart, loss_apart);
        wrong++;
    }
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void logits_equal_transformers(void **state) {
    (void)state;
    check_all(gguf_models_load(), 20);
}

static void logits_of_experts_equal_transformers(void **state) {
    (void)state;
    check_all(gguf_models_load_from("gguf_experts.json.gz"), 12);
}

/* The same numbers, asked for as a whole and a few at a time. */
static void expect_numbers(const char *name, const pare_tensor *tensor, const pare_tensor *expected) {
    enum { FEW = 7 };
    float *here = malloc(tensor->count * sizeof *here), *there = malloc(tensor->count * sizeof *there);
    assert_int_equal(tensor->rank, expected->rank);
    assert_memory_equal(tensor->shape, expected->shape, (size_t)tensor->rank * sizeof *tensor->shape);
    pare_tensor_values(expected, 0, tensor->count, there);
    pare_tensor_values(tensor, 0, tensor->count, here);
    if (memcmp(here, there, tensor->count * sizeof *here) != 0) fail_msg("%s: %s differs", name, tensor->name);
    for (uint64_t at = 0; at < tensor->count; at += FEW)
        pare_tensor_values(tensor, at, tensor->count - at < FEW ? tensor->count - at : FEW, here + at);
    if (memcmp(here, there, tensor->count * sizeof *here) != 0) fail_msg("%s: parts of %s differ", name, tensor->name);
    free(here);
    free(there);
}

/* The file's tensors, and matrices, are those of the folder. */
static void expect_folders(const json_t *one, const json_t *plain_one, const char *path) {
    family_model plain = family_open(plain_one, (family_form){0});
    pare_model *model;
    if (pare_model_open(path, &model) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_checkpoint_count(model->checkpoint), pare_checkpoint_count(plain.model->checkpoint));
    for (size_t i = 0; i < pare_checkpoint_count(model->checkpoint); i++) {
        const pare_tensor *tensor = pare_checkpoint_at(model->checkpoint, i);
        const pare_tensor *expected = pare_checkpoint_find(plain.model->checkpoint, tensor->name);
        if (!expected) fail_msg("%s: %s is not in the folder", family_name(one), tensor->name);
        expect_numbers(family_name(one), tensor, expected);
    }
    assert_int_equal(model->tensor_count, plain.model->tensor_count);
    for (size_t id = 0; id < model->tensor_count; id++)
        if (plain.model->tensors[id]->count)
            expect_numbers(family_name(one), model->tensors[id], plain.model->tensors[id]);
    pare_model_close(model);
    family_close(&plain);
}

static void expect_tensors(const json_t *one, const json_t *plain_one) {
    gguf_bytes file = gguf_model_bytes(one);
    char *path, *folder = gguf_write(file, &path);
    expect_folders(one, plain_one, path);
    tiny_remove(folder);
    free(folder);
    free(path);
    free(file.data);
}

/* Of a case that is in families.json, too: every tensor has the same name, shape and bits as in the folder, and so has
 * every matrix of the model. */
static void tensors_are_the_folders(void **state) {
    (void)state;
    static const char *const names[] = {"llama", "llama biases", "qwen2", "gemma", "phi3", "granite", "nemotron"};
    families all = gguf_models_load(), folders = families_load();
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        expect_tensors(family_case(&all, names[n]), family_case(&folders, names[n]));
    families_free(&all);
    families_free(&folders);
}

static void tensors_of_experts_are_the_folders(void **state) {
    (void)state;
    families all = gguf_models_load_from("gguf_experts.json.gz");
    size_t i;
    json_t *one;
    json_array_foreach(all.cases, i, one) expect_tensors(one, one);
    families_free(&all);
}

/* Experts, and halves of what the model has as one, in files of a few tensors each. */
static void parts_are_the_folders(void **state) {
    (void)state;
    static const char *const names[] = {"granitemoe", "deepseek_v3"};
    families all = gguf_models_load_from("gguf_experts.json.gz");
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        const json_t *one = family_case(&all, names[n]), *parts = json_object_get(one, "parts");
        char *folder = tiny_folder(), *path = NULL;
        size_t count = json_array_size(parts), first = 0;
        assert_true(count > 2);
        for (size_t i = 0; i < count; i++) {
            const json_t *part = json_array_get(parts, i);
            gguf_bytes file = gguf_base64(json_string_value(json_array_get(part, 0)));
            first = gguf_append_some(&file, one, first, first + gguf_whole(part, 1));
            char *name = pare_format("parts-%05zu-of-%05zu.gguf", i + 1, count);
            tiny_write_file(folder, name, file.data, file.count);
            free(path);
            path = pare_path_join(folder, name);
            free(name);
            free(file.data);
        }
        assert_int_equal(first, json_array_size(json_object_get(one, "stored")));
        expect_folders(one, one, path);
        tiny_remove(folder);
        free(folder);
        free(path);
    }
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_transformers), cmocka_unit_test(logits_of_experts_equal_transformers),
        cmocka_unit_test(tensors_are_the_folders),   cmocka_unit_test(tensors_of_experts_are_the_folders),
        cmocka_unit_test(parts_are_the_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
