/* Answers to pictures: of the bundled model as transformers has them (tests/data/vit-digits.json), and of logits made
 * up by hand, with ties, few classes, and pictures that have no labels. */
#include "distributions.h"
#include "model/vision.h"
#include "safetensors_header.h"

#define DIGITS PARE_SOURCE_DIR "/examples/vit-digits"
#define DIGITS_GOLDEN PARE_SOURCE_DIR "/tests/data/vit-digits.json"

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

static void the_bundled_model(void **state) {
    (void)state;
    json_t *golden = load_json(DIGITS_GOLDEN);
    const json_t *wanted = json_object_get(golden, "images");
    pare_model *model;
    assert_int_equal(pare_model_open(DIGITS, &model), PARE_OK);
    json_t *images = vision_images(model, DIGITS "/pictures", NULL, NULL);
    assert_int_equal(family_number(images, "files"), family_number(wanted, "files"));
    assert_close("top1", family_number(images, "top1"), family_number(wanted, "top1"), 1e-9);
    assert_close("top5", family_number(images, "top5"), family_number(wanted, "top5"), 1e-9);
    assert_close("loss", family_number(images, "loss"), family_number(wanted, "loss"), 1e-5);
    assert_null(json_object_get(images, "kl"));
    assert_null(json_object_get(images, "agreement"));
    json_decref(images);
    pare_model_close(model);
    json_decref(golden);
}

/* Of the softmax of stored logits. */
static void check_answer(const json_t *golden, const json_t *answer) {
    const char *file = json_string_value(json_object_get(answer, "file"));
    const json_t *logits = json_object_get(json_object_get(golden, "logits"), file + strlen(DIGITS "/pictures/"));
    double highest = -INFINITY, sum = 0.0;
    size_t best = 0;
    assert_int_equal(json_array_size(logits), 10);
    for (size_t i = 0; i < 10; i++) {
        double logit = json_number_value(json_array_get(logits, i));
        best = logit > highest ? i : best;
        highest = fmax(highest, logit);
    }
    for (size_t i = 0; i < 10; i++)
        sum += exp(json_number_value(json_array_get(logits, i)) - highest);
    assert_int_equal(json_object_size(answer), 3);
    const char label[] = {(char)('0' + best), 0};
    assert_string_equal(json_string_value(json_object_get(answer, "label")), label);
    assert_close(file, family_number(answer, "probability"), 1 / sum, 1e-5);
}

static void classes_of_pictures(void **state) {
    (void)state;
    json_t *golden = load_json(DIGITS_GOLDEN), *answer;
    pare_model *model;
    pare_classify_options options = PARE_CLASSIFY_OPTIONS_INIT;
    const char *files[] = {DIGITS "/pictures/7/00001.png", DIGITS "/pictures", DIGITS "/pictures/0"};
    char *text;
    size_t i;
    assert_int_equal(pare_model_open(DIGITS, &model), PARE_OK);
    options.files = files;
    options.file_count = 3;
    assert_int_equal(pare_classify(model, &options, &runtime, &text), PARE_OK);
    json_t *answers = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(answers), 1 + 50 + 5);
    assert_string_equal(json_string_value(json_object_get(json_array_get(answers, 0), "file")), files[0]);
    json_array_foreach(answers, i, answer) check_answer(golden, answer);
    json_decref(answers);
    pare_text_free(text);
    pare_model_close(model);
    json_decref(golden);
}

/* The first pictures of a set in order are those of its first classes. */
static void few_pictures_are_of_all_classes(void **state) {
    (void)state;
    pare_model *model;
    pare_windows windows;
    assert_int_equal(pare_model_open(DIGITS, &model), PARE_OK);
    assert_int_equal(pare_pictures_stream(model, DIGITS "/pictures", 10, &windows), PARE_OK);
    assert_int_equal(windows.count, 10);
    for (int32_t i = 0; i < 10; i++)
        assert_int_equal(pare_patches_label(model, windows.ids[(size_t)i * windows.length]), i);
    pare_windows_free(&windows);
    pare_model_close(model);
}

/* In a file of fp32: the tensor's numbers become `values`, or zeros. */
static void put_values(const char *folder, const char *name, const float *values, size_t count) {
    char *path = pare_path_join(folder, "model.safetensors");
    size_t at;
    json_t *header = safetensors_header(path, &at);
    const json_t *place = json_object_get(json_object_get(header, name), "data_offsets");
    size_t begin = (size_t)json_integer_value(json_array_get(place, 0));
    assert_int_equal((size_t)json_integer_value(json_array_get(place, 1)) - begin, count * sizeof *values);
    at += begin;
    json_decref(header);
    FILE *out = fopen(path, "r+b");
    assert_true(out && fseek(out, (long)at, SEEK_SET) == 0);
    for (size_t i = 0; i < count; i++) {
        float value = values ? values[i] : 0.0f;
        assert_int_equal(fwrite(&value, sizeof value, 1, out), 1);
    }
    assert_int_equal(fclose(out), 0);
    free(path);
}

/* A case whose classifier answers all pictures with these logits. */
static pare_model *open_constant(const json_t *one, const float *logits, size_t classes, char **folder) {
    pare_model *model;
    *folder = family_write(one, (family_form){0});
    char *processor = json_dumps(json_object_get(one, "processor"), 0);
    tiny_write_text(*folder, "preprocessor_config.json", processor);
    free(processor);
    put_values(*folder, "classifier.weight", NULL, classes * 32);
    put_values(*folder, "classifier.bias", logits, classes);
    if (pare_model_open(*folder, &model) != PARE_OK) fail_msg("%s", pare_message());
    return model;
}

typedef struct row {
    const char *name;
    size_t classes;
    float logits[10];
    double top1, top5; /* of labels 2, 0, 1, 2, 0 (three classes), or 2, 9, 6, 3, 0 (ten) */
} row;

/* Of equal logits the lower index comes first. */
static const row rows[] = {
    {"vit", 3, {0, 0, 0}, 0.4, 1.0},
    {"vit", 3, {1, 2, 2}, 0.2, 1.0},
    {"vit", 3, {-5, -7, 3}, 0.4, 1.0},
    {"vit wide", 10, {0}, 0.2, 0.6},
    {"vit wide", 10, {0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0.2, 0.8},
    {"vit wide", 10, {5, 4, 3, 2, 2, 2, 0, 0, 0, 0}, 0.2, 0.6},
    {"vit wide", 10, {-1, 0, 0, 0, 0, 0, 9, 0, 0, 90}, 0.2, 0.8},
};

static double loss_of(const json_t *one, const row *r) {
    double loss = 0.0;
    for (size_t i = 0; i < VISION_PICTURES; i++)
        loss += logits_log_sum(r->logits, (int64_t)r->classes) - (double)r->logits[vision_label(one, i)];
    return loss / VISION_PICTURES;
}

static char *without_labels(const char *pictures) {
    char *folder = tiny_folder();
    for (size_t i = 0; i < VISION_PICTURES; i++)
        for (int label = 0; label < 10; label++) {
            char *from = pare_format("%s/%d/%zu.png", pictures, label, i), *to = pare_format("%s/%zu.png", folder, i);
            if (access(from, R_OK) == 0) assert_int_equal(symlink(from, to), 0);
            free(from);
            free(to);
        }
    return folder;
}

static void check_row(const json_t *golden, const row *r, const row *dense) {
    const json_t *one = vision_case(golden, r->name);
    char *folder, *dense_folder;
    pare_model *model = open_constant(one, r->logits, r->classes, &folder);
    pare_model *other = open_constant(one, dense->logits, r->classes, &dense_folder);
    char *pictures = vision_write_pictures(one, &model->config), *flat = without_labels(pictures);
    json_t *images = vision_images(model, pictures, other, NULL);
    double kl = logits_divergence(dense->logits, r->logits, (int64_t)r->classes);
    assert_true(fabs(family_number(images, "top1") - r->top1) < 1e-9);
    assert_true(fabs(family_number(images, "top5") - r->top5) < 1e-9);
    assert_close("loss", family_number(images, "loss"), loss_of(one, r), 1e-5);
    assert_true(fabs(family_number(images, "kl") - kl) <= 1e-5 * fmax(kl, 1.0));
    assert_null(json_object_get(images, "labelled"));
    json_decref(images);
    images = vision_images(model, flat, other, NULL);
    assert_int_equal(family_number(images, "files"), VISION_PICTURES);
    assert_int_equal(family_number(images, "labelled"), 0);
    assert_false(json_is_number(json_object_get(images, "top1")) || json_is_number(json_object_get(images, "loss")));
    assert_true(fabs(family_number(images, "kl") - kl) <= 1e-5 * fmax(kl, 1.0));
    json_decref(images);
    pare_model_close(model);
    pare_model_close(other);
    char *folders[] = {folder, dense_folder, pictures, flat};
    for (size_t i = 0; i < 4; i++) {
        tiny_remove(folders[i]);
        free(folders[i]);
    }
}

static void logits_by_hand(void **state) {
    (void)state;
    json_t *golden = load_json(VISION_GOLDEN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const row *dense =
            i + 1 < sizeof rows / sizeof *rows && rows[i + 1].classes == rows[i].classes ? &rows[i + 1] : &rows[i];
        check_row(golden, &rows[i], dense);
    }
    json_decref(golden);
}

static void same_scores(const pare_picture_scores *a, const pare_picture_scores *b) {
    assert_int_equal(a->files, b->files);
    assert_int_equal(a->labelled, b->labelled);
    assert_true(a->top1 == b->top1 && a->top5 == b->top5);
    assert_true(fabs(a->loss - b->loss) <= 1e-6 * a->loss);
}

/* Room for one picture at a time and its logits, of one model or of two, changes nothing but the grouping; a byte less
 * is refused, however many pictures there are. */
static void memory_limit_does_not_change_results(void **state) {
    (void)state;
    json_t *golden = load_json(VISION_GOLDEN);
    vision_model m = vision_open(vision_case(golden, "vit wide"));
    const pare_model *model = m.opened.model;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    pare_pass_shape one = {.sequences = 1, .length = m.windows.length};
    pare_pass_memory memory;
    assert_int_equal(pare_pass_measure(model, backend, &one, &memory), PARE_OK);
    uint64_t pass = memory.weights + memory.activations + memory.gradients;
    pare_runtime tight = {0};
    pare_evaluation evaluation = {.model = model, .backend = backend, .windows = &m.windows, .name = "pictures"};
    for (uint64_t models = 1; models <= 2; models++) {
        const pare_model *dense = models == 2 ? model : NULL;
        pare_picture_scores before[2], after[2], *dense_before = dense ? before : NULL;
        evaluation.runtime = NULL;
        assert_int_equal(pare_pictures_evaluate(&evaluation, dense, &after[0], dense_before), PARE_OK);
        evaluation.runtime = &tight;
        tight.memory_limit = models * (pass + model->config.vocabulary * sizeof(float));
        dense_before = dense ? before + 1 : NULL;
        assert_int_equal(pare_pictures_evaluate(&evaluation, dense, &after[1], dense_before), PARE_OK);
        same_scores(&after[0], &after[1]);
        if (dense) same_scores(&before[0], &before[1]);
        assert_int_equal(after[1].compared, dense != NULL);
        tight.memory_limit--;
        assert_int_equal(pare_pictures_evaluate(&evaluation, dense, &after[1], dense_before), PARE_OUT_OF_MEMORY);
    }
    pare_backend_close(backend);
    vision_close(&m);
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bundled_model),
        cmocka_unit_test(classes_of_pictures),
        cmocka_unit_test(few_pictures_are_of_all_classes),
        cmocka_unit_test(logits_by_hand),
        cmocka_unit_test(memory_limit_does_not_change_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
