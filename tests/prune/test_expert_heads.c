/* Attention heads of models with experts: names, shapes and loss of what is written are what transformers makes of it
 * (tests/data/expert_heads.json); every method that removes heads elsewhere does here, and leaves experts and routers
 * as they are; what does not is refused in one sentence. */
#include "family_place.h"
#include "model/expert_tensors.h"

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN),
                         load_json(PARE_SOURCE_DIR "/tests/data/expert_heads.json"));
}

/* Half of the KV groups; ffn: and of the FFN's channels. */
static pare_status prune(const place *p, const char *method, bool ffn) {
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    char *report = NULL;
    options.output = p->output;
    options.force = true;
    options.method = method;
    options.ratio = 0.5;
    if (!ffn) options.ffn = (pare_layers){.given = true};
    options.calibration = calibration_on(p);
    pare_status status = pare_prune(p->m.model, &options, &runtime, &report);
    pare_text_free(report);
    return status;
}

static pare_model *written(const place *p) {
    pare_model *model;
    if (pare_model_open(p->output, &model) != PARE_OK) fail_msg("%s", pare_message());
    return model;
}

static void check_tensors(const pare_model *model, const json_t *tensors) {
    size_t i;
    json_t *entry;
    json_array_foreach(tensors, i, entry) {
        const char *name = json_string_value(json_array_get(entry, 0));
        const pare_tensor *tensor = pare_checkpoint_find(model->checkpoint, name);
        if (!tensor) fail_msg("%s is missing", name);
        for (size_t axis = 0; axis < json_array_size(json_array_get(entry, 1)); axis++)
            assert_int_equal(tensor->shape[axis], json_integer_value(json_array_get(json_array_get(entry, 1), axis)));
    }
    assert_int_equal(pare_checkpoint_count(model->checkpoint), json_array_size(tensors));
}

static void heads_go_as_transformers_has_it(void **state) {
    const expected *e = *state;
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(e->golden, "rows"), i, row) {
        place p = place_open(e, family_name(row));
        if (prune(&p, json_string_value(json_object_get(row, "method")), false) != PARE_OK)
            fail_msg("%s: %s", family_name(row), pare_message());
        pare_model *model = written(&p);
        check_tensors(model, json_object_get(row, "tensors"));
        double loss = family_forward(model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
        assert_close(family_name(row), loss, family_number(row, "loss"), 1e-6);
        pare_model_close(model);
        place_close(&p);
    }
}

static void every_method_leaves_experts_alone(void **state) {
    static const char *const methods[] = {"moreau-gs", "wanda-structured", "smoothgrad", "obs", "best", "gates"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        place p = place_open(*state, i % 2 ? "mixtral" : "qwen2_moe every second layer");
        if (prune(&p, methods[i], false) != PARE_OK) fail_msg("%s: %s", methods[i], pare_message());
        pare_model *model = written(&p);
        const pare_config *before = &p.m.model->config, *after = &model->config;
        assert_int_equal(2 * after->widths[0].kv_heads, before->widths[0].kv_heads);
        for (size_t id = pare_tensor_id_first_expert(before); id < model->tensor_count; id++)
            if (!pare_tensor_is_absent(model->tensors[id]))
                assert_memory_equal(model->tensors[id]->data, p.m.model->tensors[id]->data, model->tensors[id]->bytes);
        pare_model_close(model);
        place_close(&p);
    }
}

static void what_cannot_be_is_refused(void **state) {
    static const struct {
        const char *name, *method, *part;
        bool ffn;
    } refused[] = {
        {"mixtral", "gates", "a gate of every unit does not reach inside experts", true},
        {"olmoe", "taylor", "whole experts (--mode expert)", false},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        place p = place_open(*state, refused[i].name);
        assert_int_equal(prune(&p, refused[i].method, refused[i].ffn), PARE_UNSUPPORTED);
        if (!strstr(pare_message(), refused[i].part))
            fail_msg("\"%s\" does not say \"%s\"", pare_message(), refused[i].part);
        prune_run_assert_holds(p.folder, "");
        place_close(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_go_as_transformers_has_it),
        cmocka_unit_test(every_method_leaves_experts_alone),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
