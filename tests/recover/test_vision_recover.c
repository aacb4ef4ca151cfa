/* Training a vision transformer on labelled pictures: LoRA, all weights, from nothing, with zeros kept; adapters beside
 * the weights and merged, by the names that modules have in transformers 5 and by those that files have. */
#include "model/vision.h"
#include "prune/sparse_run.h"
#include "safetensors_header.h"
#include "support/memory.h"

typedef struct scene {
    vision_place place;
    pare_recover_options options;
} scene;

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

static int setup(void **state) {
    scene *s = *state = calloc(1, sizeof *s);
    vision_place_open(&s->place, "vit");
    s->options = (pare_recover_options)PARE_RECOVER_OPTIONS_INIT;
    s->options.data = s->place.m.pictures;
    s->options.texts = s->place.texts;
    s->options.text_count = 1;
    s->options.output = s->place.output;
    s->options.steps = 8;
    s->options.rate = 1e-3;
    s->options.validation = 0;
    return 0;
}

static int teardown(void **state) {
    scene *s = *state;
    vision_place_close(&s->place);
    free(s);
    return 0;
}

/* adapter: beside the weights, or NULL. */
static double loss_of(const scene *s, const char *folder, const char *adapter) {
    json_t *images = vision_images_of(folder, s->place.m.pictures, NULL, adapter);
    double loss = family_number(images, "loss");
    json_decref(images);
    return loss;
}

static uint32_t decoded(const pare_model *model) {
    pare_album *album;
    assert_int_equal(pare_model_album(model, &album), PARE_OK);
    return pare_album_count(album);
}

/* The loss on the pictures falls, as the report has it. Returns it. Pictures are decoded once to train on, and once for
 * both evaluations; a few more are noise to check with. */
static double recover(const scene *s, const char *what, const pare_model *model, double before) {
    char *text;
    uint32_t pictures = decoded(model);
    if (pare_recover(model, &s->options, &runtime, &text) != PARE_OK) fail_msg("%s: %s", what, pare_message());
    pictures = decoded(model) - pictures;
    assert_true(pictures >= 2 * VISION_PICTURES && pictures < 3 * VISION_PICTURES);
    json_t *report = json_loads(text, 0, NULL), *images = json_object_get(report, "images");
    double first = family_number(json_object_get(images, "before"), "loss");
    double last = family_number(json_object_get(images, "after"), "loss");
    assert_close(what, first, before, 1e-5);
    if (!(last < 0.97 * first)) fail_msg("%s: the loss goes from %g to %g", what, first, last);
    assert_int_equal(family_number(json_object_get(report, "data"), "examples"), VISION_PICTURES);
    assert_int_equal(family_number(report, "tokens"), 8 * VISION_PICTURES * s->place.m.windows.length);
    json_decref(report);
    pare_text_free(text);
    return last;
}

static void merged_or_all_weights(void **state) {
    scene *s = *state;
    double before = loss_of(s, s->place.m.opened.folder, NULL);
    for (int full = 0; full < 2; full++) {
        s->options.full = full;
        double after = recover(s, full ? "--full" : "LoRA", s->place.m.opened.model, before);
        assert_close("as written", loss_of(s, s->place.output, NULL), after, 1e-5);
        tiny_remove(s->place.output);
    }
}

/* Random weights answer no worse than by chance after a while. */
static void from_nothing(void **state) {
    scene *s = *state;
    char *text;
    s->options.full = s->options.fresh = true;
    s->options.steps = 60;
    s->options.rate = 3e-3;
    if (pare_recover(s->place.m.opened.model, &s->options, &runtime, &text) != PARE_OK) fail_msg("%s", pare_message());
    pare_text_free(text);
    assert_true(loss_of(s, s->place.output, NULL) < 0.8 * log(3));
}

/* What modules are called in memory, and in files. */
static const char *const names[][2] = {{"attention.q_proj", "attention.attention.query"},
                                       {"attention.k_proj", "attention.attention.key"},
                                       {"attention.v_proj", "attention.attention.value"},
                                       {"attention.o_proj", "attention.output.dense"},
                                       {"mlp.fc1", "intermediate.dense"},
                                       {"mlp.fc2", "output.dense"}};

/* The adapter's tensors, all named as in memory, with the names that files have. */
static void rename_tensors(const char *folder) {
    char *path = pare_path_join(folder, "adapter_model.safetensors"), *data;
    size_t start, bytes;
    json_t *header = safetensors_header(path, &start), *renamed = json_object();
    json_object_set(renamed, "__metadata__", json_object_get(header, "__metadata__"));
    for (int layer = 0; layer < 3; layer++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            for (int part = 'A'; part <= 'B'; part++) {
                char *was = pare_format("base_model.model.vit.layers.%d.%s.lora_%c.weight", layer, names[i][0], part);
                char *now =
                    pare_format("base_model.model.vit.encoder.layer.%d.%s.lora_%c.weight", layer, names[i][1], part);
                json_t *entry = json_object_get(header, was);
                if (!entry) fail_msg("%s is not there", was);
                json_object_set(renamed, now, entry);
                free(was);
                free(now);
            }
    assert_int_equal(json_object_size(renamed), json_object_size(header));
    char *text = json_dumps(renamed, JSON_COMPACT);
    size_t length = strlen(text);
    assert_int_equal(pare_file_read(path, 1 << 24, &data, &bytes), PARE_OK);
    FILE *out = fopen(path, "wb");
    for (int i = 0; i < 8; i++)
        fputc((int)(length >> 8 * i & 255), out);
    assert_int_equal(fwrite(text, 1, length, out), length);
    assert_int_equal(fwrite(data + start, 1, bytes - start, out), bytes - start);
    assert_int_equal(fclose(out), 0);
    pare_free(data);
    free(text);
    free(path);
    json_decref(renamed);
    json_decref(header);
}

static void adapters_apart(void **state) {
    scene *s = *state;
    pare_merge_options options = PARE_MERGE_OPTIONS_INIT;
    char *merged = pare_path_join(s->place.folder, "merged"), *text;
    s->options.adapter = true;
    double after = recover(s, "--adapter", s->place.m.opened.model, loss_of(s, s->place.m.opened.folder, NULL));
    assert_close("beside", loss_of(s, s->place.m.opened.folder, s->place.output), after, 1e-5);
    options.adapter = s->place.output;
    options.output = merged;
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(pare_merge(s->place.m.opened.model, &options, &runtime, &text), PARE_OK);
        assert_close("merged", loss_of(s, merged, NULL), after, 1e-5);
        pare_text_free(text);
        tiny_remove(merged);
        if (turn == 0) rename_tensors(s->place.output);
        assert_close("by other names", loss_of(s, s->place.m.opened.folder, s->place.output), after, 1e-5);
    }
    free(merged);
}

static void zeros_are_kept(void **state) {
    scene *s = *state;
    pare_prune_options pruning = PARE_PRUNE_OPTIONS_INIT;
    char *sparse = pare_path_join(s->place.folder, "sparse"), *text;
    pruning.method = "wanda";
    pruning.calibration.source = s->place.m.pictures;
    pruning.sparsity = (pare_sparsity){.given = true, .keep = 2, .of = 4};
    pruning.output = sparse;
    assert_int_equal(pare_prune(s->place.m.opened.model, &pruning, &runtime, &text), PARE_OK);
    pare_text_free(text);
    pare_model *model = sparse_run_model(sparse);
    int64_t all, zeros = sparse_run_zeros_of_model(model, &all);
    assert_int_equal(all, 3 * (4 * 32 * 32 + 2 * 32 * 40));
    assert_int_equal(zeros, all / 2);
    s->options.keep_sparsity = true;
    for (int full = 0; full < 2; full++) {
        s->options.full = full;
        recover(s, "--keep-sparsity", model, loss_of(s, sparse, NULL));
        pare_model *written = sparse_run_model(s->place.output);
        assert_int_equal(sparse_run_zeros_of_model(written, &all), zeros);
        pare_model_close(written);
        tiny_remove(s->place.output);
    }
    pare_model_close(model);
    free(sparse);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(merged_or_all_weights, setup, teardown),
        cmocka_unit_test_setup_teardown(from_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(adapters_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(zeros_are_kept, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
