/* What stays of whole experts: down projections leave the error that ridge regressions in fp64 leave
 * (tests/data/expert_pruning.json), for every layout of experts; an expert merged with copies of itself, whose
 * channels stand in other orders, is itself; groups are those of average linkage; what is written computes that; and
 * what cannot be is refused. */
#include "family_place.h"
#include "importance/expert_removal.h"
#include "model/expert_tensors.h"
#include "select/cluster.h"

#define PRUNING_GOLDEN PARE_SOURCE_DIR "/tests/data/expert_pruning.json"

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), load_json(PRUNING_GOLDEN));
}

/* settings: pairs up to a NULL. */
static pare_status prune(const place *p, const char *method, double ratio, uint32_t rounds, const char *const *settings,
                         json_t **report) {
    pare_setting list[8] = {{"mode", "expert"}};
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    char *text = NULL;
    size_t count = 1;
    for (; settings[2 * (count - 1)]; count++)
        list[count] = (pare_setting){settings[2 * (count - 1)], settings[2 * (count - 1) + 1]};
    options.output = p->output;
    options.method = method;
    options.ratio = ratio;
    options.iterations = rounds;
    options.settings = list;
    options.setting_count = count;
    options.calibration = calibration_on(p);
    pare_status status = pare_prune(p->m.model, &options, &runtime, &text);
    *report = text ? json_loads(text, 0, NULL) : NULL;
    pare_text_free(text);
    return status;
}

static double loss_of(const expected *e, const char *folder) {
    pare_model *model;
    if (pare_model_open(folder, &model) != PARE_OK) fail_msg("%s", pare_message());
    double loss = family_forward(model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
    pare_model_close(model);
    return loss;
}

/* The first layer with experts, which reads what the dense model's does. */
static void down_projections_leave_what_regressions_leave(void **state) {
    static const char *const settings[] = {"compensate", "ls", "damping", "0.01", NULL};
    const expected *e = *state;
    double ratio = family_number(e->golden, "ratio");
    size_t i;
    json_t *one, *report;
    json_array_foreach(json_object_get(e->golden, "cases"), i, one) {
        const json_t *wanted = json_object_get(one, "repair"); /* where routers are softmaxes */
        if (!wanted) continue;
        place p = place_open(e, family_name(one));
        uint32_t layer = 0;
        if (prune(&p, "expert-obs", ratio, 1, settings, &report) != PARE_OK)
            fail_msg("%s: %s", family_name(one), pare_message());
        while (!p.m.model->config.widths[layer].experts)
            layer++;
        const json_t *stage = json_object_get(json_array_get(json_object_get(report, "repair"), layer), "ffn");
        const json_t *error = json_object_get(stage, "error");
        double before = family_number(error, "before"), after = family_number(error, "after");
        assert_close(family_name(one), before, json_number_value(json_array_get(wanted, 0)), 1e-5);
        assert_close(family_name(one), after, json_number_value(json_array_get(wanted, 1)), 1e-4);
        json_decref(report);
        place_close(&p);
    }
}

/* Where an element lies behind a tensor's data. */
static uint64_t place_in(const pare_tensor *tensor, uint64_t row, uint64_t column) {
    const pare_view *view = tensor->view;
    if (!view) return row * (tensor->rank == 1 ? 1 : tensor->shape[1]) + column;
    return (uint64_t)(view->first + (int64_t)row * view->block_step + (int64_t)column * view->column_step);
}

/* Weights of an expert [f, d] or [d, f] in the file, or a bias, over those of another with rows and columns turned. */
static void copy_turned(const place *p, size_t from, size_t to, uint64_t by_rows, uint64_t by_columns) {
    const pare_tensor *source = p->m.model->tensors[from], *target = p->m.model->tensors[to];
    const pare_checkpoint *checkpoint = p->m.model->checkpoint;
    uint64_t rows = source->shape[0], columns = source->rank == 1 ? 1 : source->shape[1];
    const char *values = source->data; /* aligned to nothing */
    FILE *file = fopen(pare_checkpoint_file(checkpoint, target->file), "r+b");
    const char *begin = (const char *)pare_checkpoint_mapping(checkpoint, target->file)->data;
    assert_non_null(file);
    for (uint64_t i = 0; i < rows; i++)
        for (uint64_t j = 0; j < columns; j++) {
            uint64_t turned = place_in(source, (i + by_rows) % rows, (j + by_columns) % columns);
            long at = (long)((const char *)target->data - begin) + (long)(sizeof(float) * place_in(target, i, j));
            assert_int_equal(fseek(file, at, SEEK_SET), 0);
            assert_int_equal(fwrite(values + turned * sizeof(float), sizeof(float), 1, file), 1);
        }
    assert_int_equal(fclose(file), 0);
}

/* An expert becomes the first one with its channels turned. */
static void copy_first(const place *p, uint32_t layer, uint32_t expert) {
    const pare_config *config = &p->m.model->config;
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        bool down = part == PARE_EXPERT_DOWN;
        copy_turned(p, pare_tensor_id_expert(config, layer, 0, part),
                    pare_tensor_id_expert(config, layer, expert, part), down ? 0 : expert, down ? expert : 0);
        if (!config->experts.biased) continue;
        copy_turned(p, pare_tensor_id_expert_bias(config, layer, 0, part),
                    pare_tensor_id_expert_bias(config, layer, expert, part), down ? 0 : expert, 0);
    }
}

/* In every layer the other experts become the first, each with its channels turned by another number. One is
 * chosen of all, and its share is 1, so that the router decides nothing: whatever is merged is the same again. */
static void copies_merge_into_themselves(void **state) {
    static const char *const merge[] = {"experts", "merge", NULL};
    static const char *const names[] = {"olmoe normalised, one of four", "gpt_oss"};
    const expected *e = *state;
    for (int i = 0; i < 2; i++) {
        const json_t *one = family_case(&e->all, names[i]);
        json_t *json = json_deep_copy(json_object_get(one, "config")), *report;
        json_object_set_new(json, "num_experts_per_tok", json_integer(1));
        place p = place_of(e, one, (family_form){.config = json});
        const pare_config *config = &p.m.model->config;
        for (uint32_t layer = 0; layer < config->layers; layer++)
            for (uint32_t expert = 1; expert < config->experts.count; expert++)
                copy_first(&p, layer, expert);
        double dense = loss_of(e, p.m.folder);
        pare_model_close(p.m.model);
        assert_int_equal(pare_model_open(p.m.folder, &p.m.model), PARE_OK);
        if (prune(&p, "expert-frequency", 0.5, 1, merge, &report) != PARE_OK) fail_msg("%s", pare_message());
        assert_close("merged", loss_of(e, p.output), dense, 1e-6);
        json_decref(report);
        json_decref(json);
        place_close(&p);
    }
}

/* Points 0, 2, 3.5, 5.6, 20: the nearest two are 2 and 3.5; then 0 is 2.75 from these on average and 5.6 is 2.85,
 * though the nearest member of the group is 2 from 0 and 2.1 from 5.6; then 5.6 is 3.77 from the three, 20 is further.
 */
static void groups_are_those_nearest_on_average(void **state) {
    static const double points[] = {0.0, 2.0, 3.5, 5.6, 20.0};
    static const uint32_t wanted[][5] = {
        {0, 0, 0, 0, 0}, {0, 0, 0, 0, 4}, {0, 0, 0, 3, 4}, {0, 1, 1, 3, 4}, {0, 1, 2, 3, 4}};
    double distance[25];
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            distance[5 * i + j] = fabs(points[i] - points[j]);
    for (int count = 1; count <= 5; count++) {
        uint32_t group[5];
        assert_int_equal(pare_cluster_average(distance, 5, count, group), PARE_OK);
        assert_memory_equal(group, wanted[count - 1], sizeof group);
    }
    distance[7] = NAN;
    uint32_t group[5];
    assert_int_equal(pare_cluster_average(distance, 5, 2, group), PARE_NUMERIC_ERROR);
}

/* Tokens that choose in some of several groups find as many experts in each, which took up their own group's alone. */
static void assert_merged_in_groups(const place *p, const json_t *report) {
    const pare_experts *rule = &p->m.model->config.experts;
    uint32_t groups = rule->groups_chosen < rule->groups ? rule->groups : 1;
    size_t layer, expert;
    json_t *one, *into;
    json_array_foreach(json_object_get(report, "experts"), layer, one) {
        const json_t *list = json_object_get(one, "merged_into");
        size_t each = json_array_size(list) / groups;
        json_array_foreach(list, expert, into) assert_int_equal((size_t)json_integer_value(into) / each, expert / each);
    }
}

/* Everything at once, with experts in tensors of their own and all in one, in two rounds, too: it is written and
 * checked, and what is read back computes a number. */
static void all_of_it_is_written(void **state) {
    static const char *const names[] = {
        "qwen2_moe every second layer",         "granitemoe",  "mixtral window", "glm4_moe groups, all layers",
        "deepseek_v2 groups, straight queries", "deepseek_v3", "phimoe",         "gpt_oss"};
    static const char *const settings[] = {"compensate", "ls",         "router", "fit", "experts",
                                           "merge",      "final_norm", "yes",    NULL};
    const expected *e = *state;
    json_t *report;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        place p = place_open(e, names[i]);
        if (prune(&p, i % 2 ? "reap" : "expert-obs", 0.35, i == 2 ? 2 : 1, settings, &report) != PARE_OK)
            fail_msg("%s: %s", names[i], pare_message());
        assert_true(isfinite(loss_of(e, p.output)));
        assert_merged_in_groups(&p, report);
        json_decref(report);
        place_close(&p);
    }
}

static void what_cannot_be_is_refused(void **state) {
    static const char *const bias[] = {"compensate", "bias", NULL};
    static const char *const readers[] = {"compensate", "ls", "readers", "0.5", NULL};
    const expected *e = *state;
    place p = place_open(e, "qwen3_moe");
    json_t *report;
    assert_int_equal(prune(&p, "reap", 0.35, 1, bias, &report), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--compensate ls"));
    assert_int_equal(prune(&p, "reap", 0.35, 1, readers, &report), PARE_OK); /* said to mean nothing, and left alone */
    assert_true(json_object_get(json_object_get(report, "recipe"), "readers") == NULL);
    json_decref(report);
    place_close(&p);
}

/* Attention over latents behind experts that are gone: the matrices of latents move, and no stage gets worse. */
static void latents_are_reconstructed(void **state) {
    static const char *const names[] = {"deepseek_v2", "deepseek_v3", "glm4_moe_lite",
                                        "deepseek_v2 groups, straight queries"};
    static const char *const trained[] = {"reconstruct", "20", NULL};
    const expected *e = *state;
    size_t i, moved = 0;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        json_t *report, *layer;
        place p = place_open(e, names[k]);
        if (prune(&p, "reap", 0.35, 1, trained, &report) != PARE_OK) fail_msg("%s: %s", names[k], pare_message());
        json_array_foreach(json_object_get(report, "reconstruction"), i, layer) {
            const json_t *stage = json_object_get(layer, "attention");
            assert_true(family_number(stage, "after") <= family_number(stage, "before"));
            moved += family_number(stage, "after") < family_number(stage, "before");
        }
        assert_true(isfinite(loss_of(e, p.output)));
        json_decref(report);
        place_close(&p);
    }
    assert_true(moved > 0);
}

/* Gram matrices of a router know of no method's damping but of what is asked for. */
static void routers_are_fitted_as_damped(void **state) {
    static const char *const fitted[] = {"router", "fit", NULL};
    static const char *const damped[] = {"router", "fit", "damping", "100", NULL};
    const char *const *settings[] = {fitted, damped};
    const expected *e = *state;
    double loss[2];
    for (int i = 0; i < 2; i++) {
        place p = place_open(e, "qwen3_moe");
        json_t *report;
        if (prune(&p, "reap", 0.35, 1, settings[i], &report) != PARE_OK) fail_msg("%s", pare_message());
        assert_close("damping", json_number_value(json_object_get(json_object_get(report, "recipe"), "damping")),
                     i ? 100.0 : 0.01, 1e-12);
        loss[i] = loss_of(e, p.output);
        json_decref(report);
        place_close(&p);
    }
    assert_true(fabs(loss[0] - loss[1]) > 1e-4);
}

/* Inner products that are none say nothing of an order. */
static void outputs_without_end_are_refused(void **state) {
    (void)state;
    static const pare_experts rule = {.scale = 1.0, .groups = 1, .groups_chosen = 1, .normalised = true};
    float logits[] = {1.0f, 0.0f, -1.0f}, gram[] = {1.0f, 0.0f, 1.0f, 0.0f, 0.0f, 1.0f};
    const pare_expert_outputs outputs = {
        .layer = 3, .experts = 3, .chosen = 1, .rule = &rule, .tokens = 1, .logits = logits, .gram = gram};
    double scores[3];
    assert_int_equal(pare_expert_removal(&outputs, scores), PARE_OK);
    for (size_t i = 0; i < 2; i++) {
        gram[0] = i ? NAN : INFINITY; /* of the expert that the token reaches */
        assert_int_equal(pare_expert_removal(&outputs, scores), PARE_NUMERIC_ERROR);
        assert_non_null(strstr(pare_message(), "layer 3's experts are not finite"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(down_projections_leave_what_regressions_leave),
                                       cmocka_unit_test(copies_merge_into_themselves),
                                       cmocka_unit_test(groups_are_those_nearest_on_average),
                                       cmocka_unit_test(all_of_it_is_written),
                                       cmocka_unit_test(what_cannot_be_is_refused),
                                       cmocka_unit_test(latents_are_reconstructed),
                                       cmocka_unit_test(routers_are_fitted_as_damped),
                                       cmocka_unit_test(outputs_without_end_are_refused)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
