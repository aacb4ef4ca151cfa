/* Whole experts: scores, what is kept, what is written and its loss are what transformers makes of the same models
 * (tests/data/expert_pruning.json); what cannot be is refused in one sentence with nothing written; experts that no
 * token reaches are named. */
#include "expert_prune_run.h"

static void check_kept(const place *p, const json_t *report, const json_t *one, const json_t *row) {
    const json_t *layers = json_object_get(report, "layers"), *loads = json_object_get(report, "experts");
    size_t next = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        if (!p->m.model->config.widths[i].experts) continue;
        const json_t *load = json_array_get(json_object_get(loads, "layers"), next);
        assert_int_equal(json_integer_value(json_object_get(load, "layer")), i);
        assert_true(json_equal(json_object_get(json_array_get(layers, i), "experts_kept"),
                               json_array_get(json_object_get(row, "kept"), next)));
        assert_true(
            json_equal(json_object_get(load, "tokens_before"), json_array_get(json_object_get(one, "tokens"), next)));
        next++;
    }
    assert_int_equal(next, json_array_size(json_object_get(row, "kept")));
}

/* Every token chooses as many as before, of those that are left. */
static void check_load_after(const place *p, const json_t *report) {
    size_t i, j;
    json_t *load, *tokens;
    const json_t *loads = json_object_get(json_object_get(report, "experts"), "layers");
    json_array_foreach(loads, i, load) {
        json_int_t all = 0;
        json_array_foreach(json_object_get(load, "tokens_after"), j, tokens) all += json_integer_value(tokens);
        assert_int_equal(all, FAMILY_TOKENS * p->m.model->config.experts.chosen);
    }
}

static void check_tensors(const pare_model *model, const json_t *tensors) {
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const json_t *entry = json_array_get(tensors, i), *shape = json_array_get(entry, 1);
        const char *name = json_string_value(json_array_get(entry, 0));
        const pare_tensor *tensor = pare_checkpoint_find(model->checkpoint, name);
        if (!tensor) fail_msg("%s is missing", name);
        assert_int_equal(tensor->rank, json_array_size(shape));
        for (size_t axis = 0; axis < json_array_size(shape); axis++)
            assert_int_equal(tensor->shape[axis], json_integer_value(json_array_get(shape, axis)));
    }
    assert_int_equal(pare_checkpoint_count(model->checkpoint), json_array_size(tensors));
}

static void check_config(const place *p, json_int_t left) {
    static const char *const keys[] = {"n_routed_experts", "num_experts", "num_local_experts"};
    char *path = pare_path_join(p->output, "config.json");
    json_t *config = load_json(path);
    int stated = 0;
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_object_get(config, keys[i]);
        stated += value != NULL;
        if (value) assert_int_equal(json_integer_value(value), left);
    }
    assert_true(stated > 0);
    json_decref(config);
    free(path);
}

static void check_written(const expected *e, const place *p, const json_t *one, const json_t *row) {
    pare_model *model;
    if (pare_model_open(p->output, &model) != PARE_OK) fail_msg("%s", pare_message());
    double loss = family_forward(model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
    assert_close(family_name(one), loss, family_number(row, "loss"), 1e-6);
    if (json_object_get(row, "tensors")) check_tensors(model, json_object_get(row, "tensors"));
    check_config(p, json_integer_value(json_object_get(one, "left")));
    pare_model_close(model);
}

static void experts_go_as_transformers_has_it(void **state) {
    const expected *e = *state;
    double ratio = family_number(e->golden, "ratio");
    size_t i, j;
    json_t *one, *row;
    json_array_foreach(json_object_get(e->golden, "cases"), i, one) {
        place p = place_open(e, family_name(one));
        json_array_foreach(json_object_get(one, "rows"), j, row) {
            const char *method = json_string_value(json_object_get(row, "method"));
            char *text;
            if (prune(&p, method, ratio, &text) != PARE_OK) fail_msg("%s: %s", family_name(one), pare_message());
            json_t *report = json_loads(text, 0, NULL);
            pare_text_free(text);
            check_expert_scores(&p, row, 2e-5); /* sums of products in fp32 */
            check_kept(&p, report, one, row);
            check_load_after(&p, report);
            check_written(e, &p, one, row);
            json_decref(report);
            tiny_remove(p.output);
            unlink(p.scores);
        }
        place_close(&p);
    }
}

/* No numbers of experts by layer. */
static void assert_not_spread(const place *p) {
    static const struct {
        pare_setting settings[2];
        const char *method, *part;
    } refused[] = {
        {{{"mode", "expert"}, {"select", "global"}},
         "reap",
         "has one number of experts for all layers, so that --select"},
        {{{"mode", "expert"}, {"select", "rising"}}, "random", "has one number of experts for all layers"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
        pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
        char *report;
        options.output = p->output;
        options.method = refused[i].method;
        options.ratio = 0.35;
        options.settings = refused[i].settings;
        options.setting_count = 2;
        options.calibration = calibration_on(p);
        assert_int_equal(pare_prune(p->m.model, &options, &runtime, &report), PARE_UNSUPPORTED);
        if (!strstr(pare_message(), refused[i].part))
            fail_msg("\"%s\" does not say \"%s\"", pare_message(), refused[i].part);
        prune_run_assert_holds(p->folder, "");
    }
}

static void what_cannot_be_is_refused(void **state) {
    const expected *e = *state;
    place p = place_open(e, "mixtral window");
    assert_refused(&p, "reap", 0.8, "every token reaches 3 (num_experts_per_tok); ask for less (--ratio 0.4 at most)");
    assert_refused(&p, "reap", 0.1, "removes nothing here");
    assert_not_spread(&p);
    assert_refused(&p, "taylor", 0.4, "--mode expert removes whole experts by scores of their own or by those of all");
    assert_refused(&p, "wanda-structured", 0.4, "--mode expert removes whole experts");
    assert_refused(&p, "obs", 0.4, "--mode expert removes whole experts");
    place_close(&p);
    json_t *more = json_deep_copy(json_object_get(family_case(&e->all, "mixtral"), "config"));
    json_object_set_new(more, "num_experts_per_tok", json_integer(7));
    char *folder = family_write(family_case(&e->all, "mixtral"), (family_form){.config = more});
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "a token cannot choose more than the 6 experts"));
    json_decref(more);
    tiny_remove(folder);
    free(folder);
}

/* Of one kind of damage each: what the sentence names. */
static void damaged_experts_are_named(void **state) {
    static const char expert[] = "model.layers.1.mlp.experts.3.up_proj.weight",
                      router[] = "model.layers.0.mlp.gate.weight";
    const expected *e = *state;
    const json_t *one = family_case(&e->all, "qwen3_moe");
    const family_form forms[] = {
        {.without = expert},
        {.without = expert, .more = expert, .more_rows = 20, .more_columns = 31},
        {.without = router, .more = router, .more_rows = 5, .more_columns = 32},
        {.more = "model.layers.0.mlp.experts.6.up_proj.weight", .more_rows = 20, .more_columns = 32},
    };
    const char *const names[] = {expert, expert, router, "model.layers.0.mlp.experts.6.up_proj.weight"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *folder = family_write(one, forms[i]);
        pare_model *model;
        assert_true(pare_model_open(folder, &model) != PARE_OK);
        assert_non_null(strstr(pare_message(), names[i]));
        tiny_remove(folder);
        free(folder);
    }
}

/* Two tokens, each of which reaches one expert of four: two or three are reached by none, and go first. */
static void unreached_experts_are_named(void **state) {
    const expected *e = *state;
    place p = place_open(e, "olmoe normalised, one of four");
    char *text;
    tiny_write_text(p.m.folder, "ids.json", "[[3,7]]");
    assert_int_equal(
        prune_on(&p, "reap", 0.5, (pare_calibration_options){.source = p.ids, .samples = 1, .length = 2}, &text),
        PARE_OK);
    json_t *report = json_loads(text, 0, NULL), *load, *tokens;
    pare_text_free(text);
    size_t i, j;
    json_array_foreach(json_object_get(json_object_get(report, "experts"), "layers"), i, load) {
        const json_t *unreached = json_object_get(load, "unreached");
        const json_t *kept = json_object_get(json_array_get(json_object_get(report, "layers"), i), "experts_kept");
        size_t none = 0;
        json_array_foreach(json_object_get(load, "tokens_before"), j, tokens) {
            bool stays = false, reached = json_integer_value(tokens) > 0;
            for (size_t k = 0; k < json_array_size(kept); k++)
                stays |= json_integer_value(json_array_get(kept, k)) == (json_int_t)j;
            assert_true(stays || !reached);
            if (reached) continue;
            assert_int_equal(json_integer_value(json_array_get(unreached, none++)), j);
        }
        assert_int_equal(json_array_size(unreached), none);
        assert_true(none >= 2);
    }
    const char *warning = json_string_value(json_array_get(json_object_get(report, "warnings"), 0));
    assert_non_null(warning);
    assert_non_null(strstr(warning, "no token of the calibration text reaches"));
    json_decref(report);
    place_close(&p);
}

/* A number of the file becomes NaN. */
static void routers_with_nan_are_named(void **state) {
    static const char name[] = "model.layers.1.mlp.gate.weight";
    const expected *e = *state;
    place p = place_open(e, "qwen2_moe");
    const pare_tensor *router = pare_checkpoint_find(p.m.model->checkpoint, name);
    const char *file = pare_checkpoint_file(p.m.model->checkpoint, router->file);
    long at = (long)((const char *)router->data -
                     (const char *)pare_checkpoint_mapping(p.m.model->checkpoint, router->file)->data);
    const float nan = NAN;
    FILE *out = fopen(file, "r+b");
    assert_non_null(out);
    assert_int_equal(fseek(out, at, SEEK_SET), 0);
    assert_int_equal(fwrite(&nan, sizeof nan, 1, out), 1);
    assert_int_equal(fclose(out), 0);
    assert_refused(&p, "reap", 0.35, name);
    place_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(experts_go_as_transformers_has_it), cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(damaged_experts_are_named),         cmocka_unit_test(unreached_experts_are_named),
        cmocka_unit_test(routers_with_nan_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
