/* Training a vision transformer on labelled pictures: LoRA, all weights, from nothing, with zeros kept; adapters beside
 * the weights and merged, by the names that modules have in transformers 5 and by those that files have. */
#include "model/vision.h"
#include "safetensors_header.h"
#include "support/memory.h"

typedef struct scene {
    json_t *golden;
    vision_model m;
    char *folder, *output;
    const char *texts[1];
    pare_recover_options options;
} scene;

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

static int setup(void **state) {
    scene *s = *state = calloc(1, sizeof *s);
    s->golden = load_json(VISION_GOLDEN);
    s->m = vision_open(json_array_get(json_object_get(s->golden, "cases"), 0));
    s->folder = tiny_folder();
    s->output = pare_path_join(s->folder, "output");
    s->texts[0] = s->m.pictures;
    s->options = (pare_recover_options)PARE_RECOVER_OPTIONS_INIT;
    s->options.data = s->m.pictures;
    s->options.texts = s->texts;
    s->options.text_count = 1;
    s->options.output = s->output;
    s->options.steps = 8;
    s->options.rate = 1e-3;
    s->options.validation = 0;
    return 0;
}

static int teardown(void **state) {
    scene *s = *state;
    vision_close(&s->m);
    tiny_remove(s->folder);
    free(s->folder);
    free(s->output);
    json_decref(s->golden);
    free(s);
    return 0;
}

/* adapter: beside the weights, or NULL. */
static double loss_of(const scene *s, const char *folder, const char *adapter) {
    pare_evaluate_options options = PARE_EVALUATE_OPTIONS_INIT;
    pare_model *model;
    char *text;
    options.texts = s->texts;
    options.text_count = 1;
    options.adapter = adapter;
    if (pare_model_open(folder, &model) != PARE_OK) fail_msg("%s", pare_message());
    if (pare_evaluate(model, &options, &runtime, &text) != PARE_OK) fail_msg("%s", pare_message());
    json_t *report = json_loads(text, 0, NULL);
    double loss = family_number(json_object_get(report, "images"), "loss");
    json_decref(report);
    pare_text_free(text);
    pare_model_close(model);
    return loss;
}

/* The loss on the pictures falls, as the report has it. Returns it. */
static double recover(const scene *s, const char *what, const pare_model *model, double before) {
    char *text;
    if (pare_recover(model, &s->options, &runtime, &text) != PARE_OK) fail_msg("%s: %s", what, pare_message());
    json_t *report = json_loads(text, 0, NULL), *images = json_object_get(report, "images");
    double first = family_number(json_object_get(images, "before"), "loss");
    double last = family_number(json_object_get(images, "after"), "loss");
    assert_close(what, first, before, 1e-5);
    if (!(last < 0.97 * first)) fail_msg("%s: the loss goes from %g to %g", what, first, last);
    assert_int_equal(family_number(json_object_get(report, "data"), "examples"), VISION_PICTURES);
    assert_int_equal(family_number(report, "tokens"), 8 * VISION_PICTURES * s->m.windows.length);
    json_decref(report);
    pare_text_free(text);
    return last;
}

static void merged_or_all_weights(void **state) {
    scene *s = *state;
    double before = loss_of(s, s->m.opened.folder, NULL);
    for (int full = 0; full < 2; full++) {
        s->options.full = full;
        double after = recover(s, full ? "--full" : "LoRA", s->m.opened.model, before);
        assert_close("as written", loss_of(s, s->output, NULL), after, 1e-5);
        tiny_remove(s->output);
    }
}

/* Random weights answer no worse than by chance after a while. */
static void from_nothing(void **state) {
    scene *s = *state;
    char *text;
    s->options.full = s->options.fresh = true;
    s->options.steps = 60;
    s->options.rate = 3e-3;
    if (pare_recover(s->m.opened.model, &s->options, &runtime, &text) != PARE_OK) fail_msg("%s", pare_message());
    pare_text_free(text);
    assert_true(loss_of(s, s->output, NULL) < 0.8 * log(3));
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
    char *merged = pare_path_join(s->folder, "merged"), *text;
    s->options.adapter = true;
    double after = recover(s, "--adapter", s->m.opened.model, loss_of(s, s->m.opened.folder, NULL));
    assert_close("beside", loss_of(s, s->m.opened.folder, s->output), after, 1e-5);
    options.adapter = s->output;
    options.output = merged;
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(pare_merge(s->m.opened.model, &options, &runtime, &text), PARE_OK);
        assert_close("merged", loss_of(s, merged, NULL), after, 1e-5);
        pare_text_free(text);
        tiny_remove(merged);
        if (turn == 0) rename_tensors(s->output);
        assert_close("by other names", loss_of(s, s->m.opened.folder, s->output), after, 1e-5);
    }
    free(merged);
}

/* Zeros among the matrices of the blocks. */
static size_t zeros_of(const pare_model *model) {
    size_t zeros = 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        const pare_tensor *tensor = model->tensors[id];
        uint32_t layer;
        pare_role role;
        if (!pare_tensor_id_split(model, id, &layer, &role) || role >= PARE_MATRIX_ROLES) continue;
        for (size_t i = 0; i < tensor->count; i++)
            zeros += !(fabsf(((const float *)tensor->data)[i]) > 0.0f);
    }
    return zeros;
}

static void zeros_are_kept(void **state) {
    scene *s = *state;
    pare_prune_options pruning = PARE_PRUNE_OPTIONS_INIT;
    char *sparse = pare_path_join(s->folder, "sparse"), *text;
    pare_model *model, *written;
    pruning.method = "wanda";
    pruning.calibration.source = s->m.pictures;
    pruning.sparsity = (pare_sparsity){.given = true, .keep = 2, .of = 4};
    pruning.output = sparse;
    assert_int_equal(pare_prune(s->m.opened.model, &pruning, &runtime, &text), PARE_OK);
    pare_text_free(text);
    assert_int_equal(pare_model_open(sparse, &model), PARE_OK);
    size_t zeros = zeros_of(model);
    assert_int_equal(zeros, 3 * (4 * 32 * 32 + 2 * 32 * 40) / 2);
    s->options.keep_sparsity = true;
    for (int full = 0; full < 2; full++) {
        s->options.full = full;
        recover(s, "--keep-sparsity", model, loss_of(s, sparse, NULL));
        assert_int_equal(pare_model_open(s->output, &written), PARE_OK);
        assert_int_equal(zeros_of(written), zeros);
        pare_model_close(written);
        tiny_remove(s->output);
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
