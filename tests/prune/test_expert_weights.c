/* Single weights inside experts: masks, which experts take the layer's inputs, and the loss of what is written are
 * those of a prototype on transformers' modules (tests/data/expert_weights.json), in one group of experts as in groups
 * of one; experts that no token reaches are named; layers that were finished are taken up; what does not reach inside
 * experts is refused. */
#include "family_place.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"

#define WEIGHTS_GOLDEN PARE_SOURCE_DIR "/tests/data/expert_weights.json"

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), load_json(WEIGHTS_GOLDEN));
}

typedef struct weighing {
    place at;
    pare_prune_options options; /* half of the weights, on the ids */
    pare_setting settings[4];
    uint64_t memory;
} weighing;

static weighing weigh(const expected *e, const char *name, const char *method) {
    weighing w = {.at = place_open(e, name), .options = PARE_PRUNE_OPTIONS_INIT};
    w.options.method = method;
    w.options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    w.options.output = w.at.output;
    w.options.force = true;
    w.options.calibration = calibration_on(&w.at);
    return w;
}

static pare_status prune(const weighing *p, json_t **report) {
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32, .memory_limit = p->memory};
    char *text = NULL;
    pare_status status = pare_prune(p->at.m.model, &p->options, &runtime, &text);
    *report = status == PARE_OK ? json_loads(text, 0, NULL) : NULL;
    pare_text_free(text);
    return status;
}

static int bit_of(const char *hex, size_t bit) {
    char digit = hex[bit / 8 * 2 + (bit % 8 < 4)]; /* the high half of a byte comes first */
    int value = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    return value >> bit % 4 & 1;
}

/* Zeros of a tensor against the mask from bit *at on; how many differ. */
static size_t differences(const pare_model *model, size_t id, const char *mask, size_t *at) {
    const pare_tensor *tensor = model->tensors[id];
    size_t wrong = 0;
    assert_int_equal(tensor->dtype, PARE_DTYPE_F32);
    for (size_t i = 0; i < tensor->count; i++) {
        float x;
        pare_tensor_values(tensor, i, 1, &x);
        wrong += (x == 0.0f) != bit_of(mask, (*at)++);
    }
    return wrong;
}

static size_t layer_differences(const pare_model *model, uint32_t layer, bool attention, const char *mask, size_t *at) {
    static const pare_role roles[] = {PARE_ROLE_Q,    PARE_ROLE_K,  PARE_ROLE_V,   PARE_ROLE_O,
                                      PARE_ROLE_GATE, PARE_ROLE_UP, PARE_ROLE_DOWN};
    size_t wrong = 0;
    for (uint32_t expert = 0; !attention && expert < model->config.widths[layer].experts; expert++)
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++)
            wrong += differences(model, pare_tensor_id_expert(&model->config, layer, expert, part), mask, at);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (!pare_tensor_is_absent(model->tensors[pare_tensor_id(layer, roles[i])]) &&
            (!attention || pare_role_in(roles[i], PARE_PART_ATTENTION)))
            wrong += differences(model, pare_tensor_id(layer, roles[i]), mask, at);
    if (pare_latent_tensors(&model->config))
        wrong += differences(model, pare_tensor_id_query_down(&model->config, layer), mask, at);
    return wrong;
}

static bool goes_one_by_one(const json_t *row) {
    return strcmp(json_string_value(json_object_get(row, "method")), "one by one") == 0;
}

static void check_written(const expected *e, const weighing *p, const json_t *row, const char *what) {
    const char *mask = json_string_value(json_object_get(row, "mask"));
    size_t at = 0, wrong = 0;
    pare_model *model;
    if (pare_model_open(p->at.output, &model) != PARE_OK) fail_msg("%s", pare_message());
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        wrong += layer_differences(model, layer, goes_one_by_one(row), mask, &at);
    if (wrong) fail_msg("%s: %zu of %zu weights went otherwise", what, wrong, at);
    assert_int_equal((at + 7) / 8 * 2, strlen(mask));
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        size_t router = pare_tensor_id_router(&model->config, layer);
        if (pare_tensor_is_absent(model->tensors[router])) continue;
        assert_memory_equal(model->tensors[router]->data, p->at.m.model->tensors[router]->data,
                            model->tensors[router]->bytes);
    }
    double loss = family_forward(model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
    assert_close(what, loss, family_number(row, "loss"), 1e-5); /* what is left of fp32 behind an inverse */
    pare_model_close(model);
}

/* Of an expert's first and last matrix: tokens, and whose inputs they saw. */
static void check_report(const json_t *report, const json_t *row, bool seen) {
    const json_t *matrices = json_object_get(json_object_get(report, "sparsity"), "matrices");
    size_t i, layer, expert, found = 0;
    json_t *matrix, *layers, *one;
    json_array_foreach(json_object_get(row, "experts"), layer, layers) json_array_foreach(layers, expert, one) {
        char part[64];
        snprintf(part, sizeof part, "layers.%zu.", layer);
        json_array_foreach(matrices, i, matrix) {
            const json_t *number = json_object_get(matrix, "expert");
            bool down = strstr(json_string_value(json_object_get(matrix, "name")), "down") ||
                        strstr(json_string_value(json_object_get(matrix, "name")), "w2");
            if (!number || (size_t)json_integer_value(number) != expert ||
                !strstr(json_string_value(json_object_get(matrix, "name")), part))
                continue;
            found++;
            if (!seen) continue;
            assert_int_equal(json_integer_value(json_object_get(matrix, "tokens")),
                             json_integer_value(json_array_get(one, 0)));
            assert_int_equal(json_is_true(json_object_get(matrix, "inputs_of_layer")),
                             json_is_true(json_array_get(one, down ? 2 : 1)));
        }
    }
    assert_true(found > 0);
}

/* Of attention alone. */
static void look_one_by_one(weighing *p) {
    static const char *const attention = "self_attn";
    static const pare_setting sequential = {"true_sequential", "yes"};
    p->options.sparsity.targets = &attention;
    p->options.sparsity.target_count = 1;
    p->options.settings = &sequential;
    p->options.setting_count = 1;
}

static bool looks_at_inputs(const char *method) {
    return strcmp(method, "wanda") == 0 || strcmp(method, "sparsegpt") == 0 || strcmp(method, "gblm") == 0;
}

static void weights_go_as_the_prototype_has_it(void **state) {
    const expected *e = *state;
    size_t i, j;
    json_t *one, *row;
    json_array_foreach(json_object_get(e->golden, "cases"), i, one)
        json_array_foreach(json_object_get(one, "rows"), j, row) {
        const char *method = json_string_value(json_object_get(row, "method"));
        char what[128];
        json_t *report;
        snprintf(what, sizeof what, "%s, %s", family_name(one), method);
        weighing p = weigh(e, family_name(one), goes_one_by_one(row) ? "wanda" : method);
        if (goes_one_by_one(row)) look_one_by_one(&p);
        if (prune(&p, &report) != PARE_OK) fail_msg("%s: %s", what, pare_message());
        check_written(e, &p, row, what);
        if (!goes_one_by_one(row)) check_report(report, row, looks_at_inputs(method));
        json_decref(report);
        place_close(&p.at);
    }
}

static char *bytes_of(const weighing *p, size_t *size) {
    char *path = pare_path_join(p->at.output, "model.safetensors"), *bytes = NULL;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    free(path);
    return bytes;
}

/* Where memory has room for fewer experts at once they are looked at in more runs, and nothing else changes: the limit
 * goes down until the run is refused. */
static void groups_change_nothing(void **state) {
    weighing p = weigh(*state, "qwen2_moe every second layer", "sparsegpt");
    uint64_t least = 0, held = 0;
    size_t size, other;
    json_t *report;
    p.options.calibration.samples = 1; /* so that micro-batches stay the same */
    assert_int_equal(prune(&p, &report), PARE_OK);
    char *all = bytes_of(&p, &size);
    json_t *memory = json_object_get(report, "memory");
    held = (uint64_t)json_integer_value(json_object_get(json_object_get(memory, "plan"), "repair"));
    assert_true(held > 0);
    json_decref(report);
    for (p.memory = held + (1 << 16); p.memory > 1 << 15 && prune(&p, &report) == PARE_OK; p.memory -= 1 << 15) {
        least = p.memory;
        json_decref(report);
        char *some = bytes_of(&p, &other);
        assert_int_equal(size, other);
        assert_memory_equal(all, some, size);
        free(some);
    }
    assert_true(least + 5 * 4 * (32 * 32 + 20 * 20) <= held); /* five Gram matrices of each kind fewer */
    assert_non_null(strstr(pare_message(), "raise --memory"));
    free(all);
    place_close(&p.at);
}

/* Two tokens, each of which reaches one expert of four. */
static void unreached_experts_are_named(void **state) {
    static const char *const methods[] = {"wanda", "sparsegpt", "best-sparse", "dsnot", "symwanda", "admm"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        weighing p = weigh(*state, "olmoe normalised, one of four", methods[i]);
        json_t *report;
        tiny_write_text(p.at.m.folder, "ids.json", "[[3,7]]");
        p.options.calibration = (pare_calibration_options){.source = p.at.ids, .samples = 1, .length = 2};
        if (prune(&p, &report) != PARE_OK) fail_msg("%s: %s", methods[i], pare_message());
        const char *warning = json_string_value(json_array_get(json_object_get(report, "warnings"), 0));
        assert_non_null(warning);
        assert_non_null(strstr(warning, "8 experts see fewer tokens of the calibration text than they have inputs"));
        assert_null(strstr(warning, "and 0 of them none"));
        const json_t *some = json_object_get(json_object_get(report, "sparsity"), "inputs_of_layer");
        assert_int_equal(json_integer_value(json_object_get(some, "experts")), 8);
        assert_true(json_integer_value(json_object_get(some, "unreached")) >= 4);
        json_decref(report);
        place_close(&p.at);
    }
}

/* The same, of scores that are gradients alone. */
static void unreached_experts_have_no_score(void **state) {
    static const char *const methods[] = {"pruner-zero", "taylor", "taylor-second", "moreau", "gblm-gradient"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        weighing p = weigh(*state, "olmoe normalised, one of four", methods[i]);
        json_t *report;
        tiny_write_text(p.at.m.folder, "ids.json", "[[3,7]]");
        p.options.calibration = (pare_calibration_options){.source = p.at.ids, .samples = 1, .length = 2};
        if (prune(&p, &report) != PARE_OK) fail_msg("%s: %s", methods[i], pare_message());
        const json_t *some = json_object_get(json_object_get(report, "sparsity"), "without_score");
        assert_true(json_integer_value(json_object_get(some, "experts")) >= 4);
        const char *warning = json_string_value(json_array_get(json_object_get(report, "warnings"), 0));
        assert_non_null(warning);
        assert_non_null(strstr(warning, "their weights have no gradient and no score"));
        json_decref(report);
        place_close(&p.at);
    }
}

static void what_stays_outside_is_refused(void **state) {
    static const struct {
        const char *method;
        pare_setting setting;
        const char *part;
    } refused[] = {
        {"wanda", {"compare", "global"}, "one threshold for the whole model"},
        {"wanda-owl", {NULL, NULL}, "--allocate owl or search"},
        {"wanda", {"permute", "assign"}, "a permutation of channels"},
        {"wanda++", {NULL, NULL}, "the gradient of a block's own output"},
        {"sparsegpt", {"residual_rank", "2"}, "--residual-rank"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        weighing p = weigh(*state, "mixtral", refused[i].method);
        json_t *report;
        if (refused[i].setting.key) {
            p.settings[0] = refused[i].setting;
            p.options.settings = p.settings;
            p.options.setting_count = 1;
        }
        if (strcmp(refused[i].setting.key ? refused[i].setting.key : "", "permute") == 0)
            p.options.sparsity = (pare_sparsity){.given = true, .keep = 2, .of = 4};
        assert_int_equal(prune(&p, &report), PARE_UNSUPPORTED);
        if (!strstr(pare_message(), refused[i].part))
            fail_msg("\"%s\" does not say \"%s\"", pare_message(), refused[i].part);
        assert_non_null(strstr(pare_message(), "does not reach inside experts"));
        prune_run_assert_holds(p.at.folder, "");
        place_close(&p.at);
    }
}

static pare_status prune_until(const weighing *p, uint64_t report) {
    prune_countdown c = {.stop_at = report};
    const pare_runtime runtime = {
        .threads = 1, .compute = PARE_COMPUTE_FP32, .progress = prune_count_down, .progress_user = &c};
    char *text = NULL;
    pare_status status = pare_prune(p->at.m.model, &p->options, &runtime, &text);
    pare_interrupt_clear();
    pare_text_free(text);
    if (status != PARE_OK && status != PARE_INTERRUPTED) fail_msg("%s", pare_message());
    return status;
}

static bool holds_a_layer(const char *folder) {
    char *path = pare_path_join(folder, "walk-prune.0");
    bool there = pare_file_exists(path);
    free(path);
    return there;
}

/* Stopped at every seventh report and taken up: the bytes of a run that never stopped. */
static void finished_layers_are_taken_up(void **state) {
    static const struct {
        const char *model, *method;
    } cases[] = {
        {"mixtral", "sparsegpt"}, {"granitemoe", "wanda"},      {"qwen2_moe every second layer", "best-sparse"},
        {"qwen2_moe", "gblm"},    {"deepseek_v2", "sparsegpt"}, {"glm4_moe_lite", "best-sparse"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weighing p = weigh(*state, cases[i].model, cases[i].method);
        size_t size, other, kept = 0;
        json_t *report;
        assert_int_equal(prune(&p, &report), PARE_OK);
        json_decref(report);
        char *whole = bytes_of(&p, &size), *folder = pare_format("%s.progress", p.at.output);
        p.options.resume = true;
        tiny_remove(p.at.output);
        for (uint64_t stop = 7; prune_until(&p, stop) == PARE_INTERRUPTED; stop += 7)
            kept += holds_a_layer(folder);
        char *taken_up = bytes_of(&p, &other);
        assert_true(kept > 0);
        assert_int_equal(size, other);
        if (memcmp(whole, taken_up, size) != 0) fail_msg("%s, %s: other bytes", cases[i].model, cases[i].method);
        free(whole);
        free(taken_up);
        free(folder);
        place_close(&p.at);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_go_as_the_prototype_has_it), cmocka_unit_test(groups_change_nothing),
        cmocka_unit_test(unreached_experts_are_named),        cmocka_unit_test(unreached_experts_have_no_score),
        cmocka_unit_test(finished_layers_are_taken_up),       cmocka_unit_test(what_stays_outside_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
