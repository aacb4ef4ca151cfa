/* Vision transformers: logits, losses and gradients of every tensor equal those of transformers and of autograd, on
 * both backends and over micro-batches; and what config.json can get wrong is refused in one sentence. */
#include "family_gradients.h"
#include "vision.h"

/* As in test_family_gradients, but for biases of keys, which have no gradient but what rounding makes: that is 1.1e-4
 * of what they are held against with products of AVX2. */
static const double gradient_bound = 2e-4;

typedef struct cases {
    json_t *golden;
    const json_t *list;
} cases;

static cases load_cases(void) {
    cases all = {.golden = load_json(VISION_GOLDEN)};
    all.list = json_object_get(all.golden, "cases");
    assert_true(json_array_size(all.list) >= 12);
    return all;
}

static void check_forward(const json_t *one, pare_backend *backend) {
    vision_model m = vision_open(one);
    uint32_t classes = m.opened.model->config.vocabulary;
    float logits[VISION_PICTURES * 16];
    pare_evaluation evaluation = {
        .model = m.opened.model, .backend = backend, .windows = &m.windows, .name = family_name(one)};
    pare_picture_scores scores;
    assert_true(classes <= 16);
    vision_logits(&evaluation, logits);
    double apart = vision_error(one, m.order, logits, classes);
    if (!(apart <= 1e-5)) fail_msg("%s: logits are apart by %.2g of the largest", family_name(one), apart);
    assert_int_equal(pare_pictures_evaluate(&evaluation, m.opened.model, &scores, NULL), PARE_OK);
    assert_close(family_name(one), scores.loss, family_number(one, "loss"), 1e-6);
    assert_int_equal(scores.labelled, VISION_PICTURES);
    assert_true(scores.top5 >= scores.top1 && scores.kl <= 1e-12 && scores.agreement >= 1);
    vision_close(&m);
}

static void check_gradients(const json_t *one, pare_backend *backend, pare_pass_shape shape) {
    vision_model m = vision_open(one);
    double loss, worst = 0.0;
    shape.sequences = VISION_PICTURES;
    shape.length = m.windows.length;
    gradients g = gradients_of(m.opened.model, backend, m.windows.ids, shape, &loss);
    assert_close(family_name(one), loss, family_number(one, "loss"), 1e-6);
    assert_int_equal(check_tensors(one, &g, gradient_bound, &worst), 0);
    gradients_free(&g);
    vision_close(&m);
}

static void check_all(pare_backend *backend) {
    cases all = load_cases();
    size_t i;
    json_t *one;
    json_array_foreach(all.list, i, one) {
        check_forward(one, backend);
        check_gradients(one, backend, (pare_pass_shape){.micro_batch = VISION_PICTURES});
        check_gradients(one, backend, (pare_pass_shape){.micro_batch = 2, .keep = PARE_KEPT_ALL});
    }
    json_decref(all.golden);
    pare_backend_close(backend);
}

static void by_cpu(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    check_all(backend);
}

static void by_reference(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    check_all(backend);
}

/* One key of the first case's config.json in another way, and a part of the sentence that it gets. */
static const struct {
    const char *key, *value, *words;
} wrong[] = {
    {"image_size", "[12]", "image_size is [12]; it must be a whole number from 1 to 16384, or a list of two"},
    {"image_size", "3", "pictures of 3 x 3 are 0 patches of 4 x 4"},
    {"image_size", "16", "vit.embeddings.position_embeddings has shape [1, 10, 32] where [1, 17, 32] is expected"},
    {"patch_size", "0", "patch_size is 0"},
    {"patch_size", "3", "projection.weight has shape [32, 1, 4, 4] where [32, 1, 3, 3] is expected"},
    {"num_channels", "2", "num_channels is 2; pare reads pictures of 1 or 3 channels"},
    {"num_channels", "4", "num_channels is 4"},
    {"id2label", "{}", "id2label is {}; it must name the classes by their numbers"},
    {"id2label", "{\"1\": \"a\", \"2\": \"b\", \"3\": \"c\"}", "by their numbers, from 0 on"},
    {"id2label", "[\"a\", \"b\", \"c\"]", "by their numbers, from 0 on"},
    {"num_labels", "7", "classifier.weight has shape [3, 32] where [7, 32] is expected"},
    {"hidden_act", "\"quick_gelu\"", "hidden_act is \"quick_gelu\""},
    {"architectures", "[\"ViTForMaskedImageModeling\"]", "with their head (ViTForImageClassification)"},
    {"num_attention_heads", "5", "head_dim"},
};

static void damaged_configs_get_a_sentence(void **state) {
    (void)state;
    cases all = load_cases();
    const json_t *one = json_array_get(all.list, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *config = json_deep_copy(json_object_get(one, "config"));
        json_object_set_new(config, wrong[i].key, json_loads(wrong[i].value, JSON_DECODE_ANY, NULL));
        char *folder = family_write(one, (family_form){.config = config});
        pare_model *model;
        assert_int_not_equal(pare_model_open(folder, &model), PARE_OK);
        if (!strstr(pare_message(), wrong[i].words))
            fail_msg("%s %s: no \"%s\" in \"%s\"", wrong[i].key, wrong[i].value, wrong[i].words, pare_message());
        tiny_remove(folder);
        free(folder);
        json_decref(config);
    }
    json_decref(all.golden);
}

/* Of what classifiers do not read, none is in the way, and none is missed. */
static void poolers_are_passed_over(void **state) {
    (void)state;
    cases all = load_cases();
    const json_t *one = json_array_get(all.list, 0);
    family_model m =
        family_open(one, (family_form){.more = "vit.pooler.dense.weight", .more_rows = 32, .more_columns = 32});
    family_close(&m);
    char *folder = family_write(one, (family_form){.more = "vit.neck.weight", .more_rows = 4, .more_columns = 4});
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_UNSUPPORTED);
    assert_non_null(strstr(pare_message(), "vit.neck.weight has no place"));
    tiny_remove(folder);
    free(folder);
    json_decref(all.golden);
}

/* A picture is as long as it is. */
static void other_lengths_are_refused(void **state) {
    (void)state;
    cases all = load_cases();
    vision_model m = vision_open(json_array_get(all.list, 0));
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    pare_source source = {.model = m.opened.model, .backend = backend};
    pare_pass_shape shape = {.sequences = 1, .length = m.windows.length - 1};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(m.opened.model, backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, m.windows.ids, 1), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "a picture is 10 tokens of this model, not 9"));
    pare_pass_free(pass);
    pare_backend_close(backend);
    vision_close(&m);
    json_decref(all.golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_cpu),
        cmocka_unit_test(by_reference),
        cmocka_unit_test(damaged_configs_get_a_sentence),
        cmocka_unit_test(poolers_are_passed_over),
        cmocka_unit_test(other_lengths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
