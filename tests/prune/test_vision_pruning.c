/* Every method on a tiny vision transformer: what is written opens again and answers the pictures as the run said. */
#include "model/vision.h"
#include "sparse_run.h"

typedef struct scene {
    vision_place place;
    pare_prune_options options;
} scene;

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

/* *state: the case's name at first. */
static int setup(void **state) {
    const char *name = *state;
    scene *s = *state = calloc(1, sizeof *s);
    vision_place_open(&s->place, name);
    s->options = (pare_prune_options)PARE_PRUNE_OPTIONS_INIT;
    s->options.calibration.source = s->place.m.pictures;
    s->options.output = s->place.output;
    s->options.texts = s->place.texts;
    s->options.text_count = 1;
    return 0;
}

static int teardown(void **state) {
    scene *s = *state;
    vision_place_close(&s->place);
    free(s);
    return 0;
}

static void check_same(const char *what, const json_t *said, const json_t *found) {
    assert_int_equal(json_integer_value(json_object_get(found, "files")), VISION_PICTURES);
    assert_close(what, family_number(said, "loss"), family_number(found, "loss"), 2e-5);
    assert_true(fabs(family_number(said, "top1") - family_number(found, "top1")) < 1e-9);
    assert_true(fabs(family_number(said, "top5") - family_number(found, "top5")) < 1e-9);
    assert_true(!json_object_get(said, "kl") == !json_object_get(found, "kl"));
    if (!json_object_get(found, "kl")) return;
    assert_true(fabs(family_number(said, "kl") - family_number(found, "kl")) < 2e-5);
    assert_true(fabs(family_number(said, "agreement") - family_number(found, "agreement")) < 1e-9);
}

/* Two of four neighbouring inputs are zeros, in every matrix of the blocks. */
static void check_pattern(const scene *s) {
    pare_model *model = sparse_run_model(s->place.output);
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!sparse_run_is_matrix(model, id)) continue;
        const pare_tensor *tensor = model->tensors[id];
        float *values = sparse_run_floats(tensor);
        for (size_t i = 0; i < tensor->count; i += 4)
            assert_int_equal(sparse_run_zeros(values + i, 4), 2);
        free(values);
    }
    pare_model_close(model);
}

/* Prunes, compares, removes what was written; returns the report. */
static json_t *prune(scene *s, const char *what) {
    char *text;
    if (pare_prune(s->place.m.opened.model, &s->options, &runtime, &text) != PARE_OK)
        fail_msg("%s: %s", what, pare_message());
    json_t *report = json_loads(text, 0, NULL), *images = json_object_get(report, "images");
    json_t *before = vision_images_of(s->place.m.opened.folder, s->place.m.pictures, NULL, NULL);
    json_t *after = vision_images_of(s->place.output, s->place.m.pictures, s->place.m.opened.model, NULL);
    check_same(what, json_object_get(images, "before"), before);
    check_same(what, json_object_get(images, "after"), after);
    if (fabs(family_number(before, "loss") - family_number(after, "loss")) < 1e-6)
        fail_msg("%s: nothing has changed", what);
    json_decref(before);
    json_decref(after);
    pare_text_free(text);
    if (s->options.sparsity.of) check_pattern(s);
    tiny_remove(s->place.output);
    return report;
}

static int64_t left_of(const json_t *report) {
    return json_integer_value(json_object_get(json_object_get(report, "parameters"), "after"));
}

static void all_of_kind(scene *s, const char *kind) {
    size_t tried = 0;
    for (size_t i = 0; pare_recipe_name(i); i++) {
        if (strcmp(pare_recipe_kind(i), kind) != 0) continue;
        s->options.method = pare_recipe_name(i);
        json_t *report = prune(s, s->options.method);
        assert_string_equal(json_string_value(json_object_get(report, "method")), s->options.method);
        json_decref(report);
        tried++;
    }
    assert_true(tried > 2);
}

static void units(void **state) {
    scene *s = *state;
    s->options.ratio = 0.5;
    s->options.steps = 2;
    all_of_kind(s, "units");
}

static void layers(void **state) {
    scene *s = *state;
    s->options.ratio = 0.4;
    all_of_kind(s, "layers");
}

static void weights(void **state) {
    scene *s = *state;
    static const char *const patterned[] = {"magnitude",     "wanda",    "gblm",     "gblm-l2",
                                            "gblm-gradient", "ria",      "symwanda", "sparsegpt",
                                            "dsnot",         "r2-dsnot", "admm",     "best-sparse"};
    s->options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    all_of_kind(s, "weights");
    s->options.sparsity = (pare_sparsity){.given = true, .keep = 2, .of = 4};
    for (size_t i = 0; i < sizeof patterned / sizeof *patterned; i++) {
        s->options.method = patterned[i];
        json_decref(prune(s, patterned[i]));
    }
}

/* Models that get biases of attention read the same pictures as those without. */
static void biases_are_new(void **state) {
    scene *s = *state;
    static const pare_setting settings[] = {{"compensate", "bias"}, {"reconstruct", "2"}};
    s->options.method = "wanda";
    s->options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    s->options.settings = settings;
    for (size_t count = 1; count <= 2; count++) {
        s->options.setting_count = count;
        json_t *report = prune(s, "biases are new");
        assert_true(json_array_size(json_object_get(report, "added_biases")) > 0);
        json_decref(report);
    }
}

/* Layers first, the rest in rounds. */
static void other_ways(void **state) {
    scene *s = *state;
    static const pare_layers second = {true, 1, 2};
    s->options.drops = &second;
    s->options.drop_count = 1;
    json_t *dropped = prune(s, "--drop-layers");
    s->options.method = "taylor";
    s->options.ratio = 0.5;
    s->options.iterations = 2;
    json_t *both = prune(s, "--drop-layers --iterations 2");
    assert_true(left_of(both) < left_of(dropped));
    assert_int_equal(json_array_size(json_object_get(both, "layers")),
                     json_array_size(json_object_get(dropped, "layers")));
    json_decref(dropped);
    json_decref(both);
}

/* While LoRA trains, for a while. */
static void while_training(void **state) {
    scene *s = *state;
    static const pare_setting settings[] = {{"train_steps", "4"}, {"prune_every", "1"}};
    s->options.method = "loraprune";
    s->options.ratio = 0.5;
    s->options.settings = settings;
    s->options.setting_count = 2;
    json_t *report = prune(s, "loraprune");
    assert_true(left_of(report) < (int64_t)pare_model_parameters(s->place.m.opened.model));
    json_decref(report);
}

/* What is left is trained before it is written. */
static void trained_afterwards(void **state) {
    scene *s = *state;
    pare_recover_options recover = PARE_RECOVER_OPTIONS_INIT;
    char *text;
    recover.data = s->place.m.pictures;
    recover.steps = 8;
    recover.rate = 1e-3;
    recover.validation = 0;
    s->options.method = "taylor";
    s->options.ratio = 0.5;
    s->options.recover = &recover;
    if (pare_prune(s->place.m.opened.model, &s->options, &runtime, &text) != PARE_OK) fail_msg("%s", pare_message());
    json_t *report = json_loads(text, 0, NULL), *images = json_object_get(report, "images");
    const json_t *after = json_object_get(images, "after"), *recovered = json_object_get(images, "recovered");
    json_t *found = vision_images_of(s->place.output, s->place.m.pictures, s->place.m.opened.model, NULL);
    assert_true(family_number(recovered, "loss") < 0.97 * family_number(after, "loss"));
    check_same("--recover", recovered, found);
    json_decref(found);
    json_decref(report);
    pare_text_free(text);
}

static void count_scans(void *user, const char *stage, uint64_t done, uint64_t total) {
    if (done == total && strcmp(stage, "checking weights") == 0) ++*(int *)user;
}

/* The dense model and the pruned one, once each, whether the dense model teaches or not. */
static void weights_are_read_once(void **state) {
    scene *s = *state;
    pare_recover_options recover = PARE_RECOVER_OPTIONS_INIT;
    static const char *const teachers[] = {NULL, "dense"};
    for (size_t i = 0; i < 2; i++) {
        int scans = 0;
        pare_runtime counting = runtime;
        char *text;
        counting.progress = count_scans;
        counting.progress_user = &scans;
        recover.data = s->place.m.pictures;
        recover.steps = 1;
        recover.validation = 0;
        recover.teacher = teachers[i];
        s->options.method = "magnitude-l2";
        s->options.ratio = 0.5;
        s->options.recover = &recover;
        if (pare_prune(s->place.m.opened.model, &s->options, &counting, &text) != PARE_OK)
            fail_msg("%s", pare_message());
        assert_int_equal(scans, 2);
        json_t *report = json_loads(text, 0, NULL);
        const json_t *teacher = json_object_get(json_object_get(report, "recovery"), "teacher");
        assert_int_equal(json_is_object(teacher), i == 1);
        if (i == 1) assert_int_equal(strlen(json_string_value(json_object_get(teacher, "sha256"))), 64);
        json_decref(report);
        pare_text_free(text);
        tiny_remove(s->place.output);
    }
}

/* Stopped in every stage and taken up, a run writes what it would have. */
static void taken_up(void **state) {
    scene *s = *state;
    s->options.method = "moreau-gs";
    s->options.ratio = 0.5;
    s->options.iterations = 2;
    s->options.steps = 2;
    s->options.resume = true;
    static const pare_card_options none = {.none = true}; /* a card has the folder's name */
    s->options.card = &none;
    char *whole = pare_path_join(s->place.folder, "whole"), *text, digests[2][PARE_DIGEST_TEXT];
    s->options.output = whole;
    assert_int_equal(pare_prune(s->place.m.opened.model, &s->options, &runtime, &text), PARE_OK);
    pare_text_free(text);
    s->options.output = s->place.output;
    prune_countdown stop = {0};
    const pare_runtime stopping = {
        .threads = 1, .compute = PARE_COMPUTE_FP32, .progress = prune_count_down, .progress_user = &stop};
    pare_status status = PARE_INTERRUPTED;
    for (uint64_t at = 20; status == PARE_INTERRUPTED; at += 20) {
        stop = (prune_countdown){.stop_at = at};
        status = pare_prune(s->place.m.opened.model, &s->options, &stopping, &text);
        pare_interrupt_clear();
        assert_true(at < 10000 && !stop.backwards);
    }
    assert_int_equal(status, PARE_OK);
    pare_text_free(text);
    prune_run_digest(whole, digests[0]);
    prune_run_digest(s->place.output, digests[1]);
    assert_string_equal(digests[0], digests[1]);
    prune_run_assert_holds(s->place.folder, "output whole ");
    free(whole);
}

static void count_dense(void *user, const char *stage, uint64_t done, uint64_t total) {
    *(int *)user += done == total && strcmp(stage, "evaluating the dense model") == 0;
}

/* Of a sweep, the first run alone asks the dense model. */
static void runs_with_a_cache(void **state) {
    scene *s = *state;
    int asked = 0;
    const pare_runtime counting = {
        .threads = 1, .compute = PARE_COMPUTE_FP32, .progress = count_dense, .progress_user = &asked};
    json_t *first = NULL;
    char *text;
    s->options.method = "magnitude-l1";
    s->options.cache = pare_cache_new();
    for (int run = 0; run < 2; run++) {
        s->options.ratio = run ? 0.5 : 0.25;
        if (pare_prune(s->place.m.opened.model, &s->options, &counting, &text) != PARE_OK)
            fail_msg("%s", pare_message());
        json_t *report = json_loads(text, 0, NULL), *images = json_object_get(report, "images");
        assert_non_null(json_object_get(images, "before"));
        if (!run) first = json_incref(images);
        assert_true(json_equal(json_object_get(first, "before"), json_object_get(images, "before")));
        assert_int_equal(json_equal(json_object_get(first, "after"), json_object_get(images, "after")), !run);
        assert_int_equal(asked, 1);
        json_decref(report);
        pare_text_free(text);
        tiny_remove(s->place.output);
    }
    json_decref(first);
    pare_cache_free(s->options.cache);
}

#define OF_CASE(test, name) cmocka_unit_test_prestate_setup_teardown(test, setup, teardown, (char[]){name})

int main(void) {
    const struct CMUnitTest tests[] = {
        OF_CASE(units, "vit"),
        OF_CASE(layers, "deit"),
        OF_CASE(weights, "deit"),
        OF_CASE(biases_are_new, "vit high, no biases of attention"),
        OF_CASE(biases_are_new, "deit wide, no biases of attention"),
        OF_CASE(other_ways, "vit"),
        OF_CASE(while_training, "vit"),
        OF_CASE(trained_afterwards, "deit"),
        OF_CASE(weights_are_read_once, "vit"),
        OF_CASE(taken_up, "vit"),
        OF_CASE(runs_with_a_cache, "vit"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
