/* Two models that are shown the same pictures: one sentence, before any picture is decoded, where they take other ones,
 * cut them into another number of tokens, prepare them otherwise, or tell other classes apart. */
#include "model/vision.h"

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

typedef struct change {
    int channels, picture, patch, classes;
    double mean;
    const char *words; /* of the refusal; NULL: the models go together */
} change;

/* Of the first case: 1 channel, 12 x 12, patches of 4 x 4, three classes, mean .1307. */
static const change changes[] = {
    {1, 12, 4, 3, 0.1307, NULL},
    {3, 12, 4, 3, 0.1307, "reads pictures of 12 x 12 of 3 channels, and "},
    {1, 24, 8, 3, 0.1307, "reads pictures of 24 x 24 of 1 channel, and "}, /* as many tokens, more pixels */
    {1, 12, 6, 3, 0.1307, "makes 5 tokens of a picture, and "},
    {1, 12, 4, 3, 0.5, "prepares pictures in another way than "},
    {1, 12, 4, 4, 0.1307, "has 4 classes, and "},
};

static void set_shape(json_t *one, const char *part, json_t *shape) {
    size_t i, found = 0;
    json_t *row;
    json_array_foreach(json_object_get(one, "tensors"), i, row) {
        if (!strstr(json_string_value(json_array_get(row, 0)), part)) continue;
        json_array_set(row, 1, shape);
        found++;
    }
    assert_int_equal(found, 1);
    json_decref(shape);
}

static char *write_changed(const json_t *golden, const change *c) {
    enum { HIDDEN = 32 };
    json_t *one = json_deep_copy(json_array_get(json_object_get(golden, "cases"), 0));
    json_t *config = json_object_get(one, "config"), *processor = json_object_get(one, "processor"),
           *names = json_object();
    int across = c->picture / c->patch;
    for (int i = 0; i < c->classes; i++) {
        char label[] = {(char)('0' + i), 0};
        json_object_set_new(names, label, json_string(label));
    }
    json_object_set_new(config, "id2label", names);
    json_object_set_new(config, "num_channels", json_integer(c->channels));
    json_object_set_new(config, "image_size", json_integer(c->picture));
    json_object_set_new(config, "patch_size", json_integer(c->patch));
    json_object_del(config, "label2id");
    set_shape(one, "patch_embeddings.projection.weight",
              json_pack("[i,i,i,i]", HIDDEN, c->channels, c->patch, c->patch));
    set_shape(one, "position_embeddings", json_pack("[i,i,i]", 1, 1 + across * across, HIDDEN));
    set_shape(one, "classifier.weight", json_pack("[i,i]", c->classes, HIDDEN));
    set_shape(one, "classifier.bias", json_pack("[i]", c->classes));
    json_object_set_new(processor, "size", json_integer(c->picture));
    json_object_set_new(processor, "image_mean", json_real(c->mean));
    json_object_set_new(processor, "image_std", json_real(0.3081));
    char *folder = family_write(one, (family_form){0}), *text = json_dumps(processor, 0);
    tiny_write_text(folder, "preprocessor_config.json", text);
    free(text);
    json_decref(one);
    return folder;
}

/* What was asked of both models, and whether that was refused. */
static void expect(const change *c, const char *option, const char *other, pare_status status) {
    if (!c->words) {
        assert_int_equal(status, PARE_FORMAT_ERROR);
        assert_non_null(strstr(pare_message(), "there is no picture that can be read"));
        return;
    }
    char *begin = pare_format("%s %s %s", option, other, c->words);
    if (status != PARE_BAD_ARGUMENT || strncmp(pare_message(), begin, strlen(begin)) != 0)
        fail_msg("no \"%s\" but %s", begin, pare_message());
    free(begin);
}

/* The only picture is damaged: whoever decodes it says so. */
static void refused_before_pictures_are_decoded(void **state) {
    (void)state;
    json_t *golden = load_json(VISION_GOLDEN);
    char *folder = write_changed(golden, &changes[0]), *pictures = tiny_folder(),
         *output = pare_path_join(pictures, "output"), *text;
    pare_model *model, *other;
    tiny_write_text(pictures, "0.png", "\x89PNG\r\n\x1a\n and no more");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const char *texts[] = {pictures};
        char *changed = write_changed(golden, &changes[i]);
        pare_evaluate_options evaluation = PARE_EVALUATE_OPTIONS_INIT;
        pare_recover_options recovery = PARE_RECOVER_OPTIONS_INIT;
        if (pare_model_open(changed, &other) != PARE_OK) fail_msg("%s", pare_message());
        assert_int_equal(pare_model_open(folder, &model), PARE_OK);
        evaluation.texts = texts;
        evaluation.text_count = 1;
        evaluation.against = other;
        expect(&changes[i], "--against", changed, pare_evaluate(model, &evaluation, &runtime, &text));
        recovery.data = pictures;
        recovery.output = output;
        recovery.teacher = changed;
        if (i) expect(&changes[i], "--teacher", changed, pare_recover(model, &recovery, &runtime, &text));
        pare_model_close(model);
        pare_model_close(other);
        tiny_remove(changed);
        free(changed);
    }
    tiny_remove(folder);
    tiny_remove(pictures);
    free(folder);
    free(pictures);
    free(output);
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(refused_before_pictures_are_decoded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
