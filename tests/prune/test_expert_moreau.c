/* Whole experts by Moreau gradients of their weights: scores and choice are what torch computes from its own iteration
 * (tests/data/expert_moreau.json), in every layout of experts; what scores units by their weights alone scores experts,
 * too; an expert that no token reaches scores 0 and is named; rounds; the plan. */
#include "expert_prune_run.h"
#include "model/expert_tensors.h"

#define MOREAU_GOLDEN PARE_SOURCE_DIR "/tests/data/expert_moreau.json"

enum { SETTINGS = 7 };

static int setup_moreau(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), load_json(MOREAU_GOLDEN));
}

/* Numbers of the golden file as settings have them. */
typedef struct numbers {
    char text[4][32];
} numbers;

static const char *written(numbers *n, size_t at, double value) {
    snprintf(n->text[at], sizeof n->text[at], "%.9g", value);
    return n->text[at];
}

static json_t *report_of(const place *p, const pare_prune_options *options) {
    char *text;
    if (expert_run(p, options, &text) != PARE_OK) fail_msg("%s: %s", options->method, pare_message());
    json_t *report = json_loads(text, 0, NULL);
    pare_text_free(text);
    return report;
}

static void check_choice(const place *p, const json_t *report, const json_t *row) {
    const json_t *layers = json_object_get(report, "layers");
    size_t next = 0;
    for (size_t i = 0; i < json_array_size(layers); i++)
        if (p->m.model->config.widths[i].experts)
            assert_true(json_equal(json_object_get(json_array_get(layers, i), "experts_kept"),
                                   json_array_get(json_object_get(row, "kept"), next++)));
    assert_int_equal(next, json_array_size(json_object_get(row, "kept")));
}

static void check_losses(const json_t *report, const json_t *row, double bound) {
    const json_t *trace = json_object_get(report, "trace"), *losses = json_object_get(row, "losses");
    assert_int_equal(json_array_size(trace), json_array_size(losses));
    for (size_t i = 0; i < json_array_size(losses); i++)
        assert_close("loss", family_number(json_array_get(trace, i), "loss"),
                     json_number_value(json_array_get(losses, i)), bound);
}

/* Three steps in fp32 beside three in fp64, in which later gradients are those at displaced weights. */
static void experts_go_as_torch_has_it(void **state) {
    static const double bound = 1e-4;
    const expected *e = *state;
    size_t i, j;
    json_t *one, *row;
    json_array_foreach(json_object_get(e->golden, "cases"), i, one) {
        place p = place_open(e, family_name(one));
        json_array_foreach(json_object_get(one, "rows"), j, row) {
            numbers n;
            double eta = family_number(row, "eta");
            const pare_setting settings[SETTINGS] = {
                {"salience", json_string_value(json_object_get(row, "salience"))},
                {"steps", written(&n, 0, family_number(e->golden, "steps"))},
                {"rho", written(&n, 1, family_number(e->golden, "rho"))},
                {"gamma", written(&n, 2, family_number(e->golden, "gamma"))},
                {"sigma", "0"},
                {"eta", written(&n, 3, eta)},
            };
            pare_prune_options options = expert_options(&p, json_string_value(json_object_get(row, "method")),
                                                        family_number(e->golden, "ratio"));
            options.settings = settings;
            options.setting_count = eta > 0.0 ? 6 : 5;
            options.displace = PARE_DISPLACE_SCORED;
            json_t *report = report_of(&p, &options);
            check_expert_scores(&p, row, bound);
            check_choice(&p, report, row);
            check_losses(report, row, bound);
            json_decref(report);
            tiny_remove(p.output);
            unlink(p.scores);
        }
        place_close(&p);
    }
}

/* Two tokens, each of which reaches one expert of four: the others have no gradient. (Nothing follows the second one,
 * so that the loss does not feel all that it reaches.) */
static void unreached_experts_score_nothing(void **state) {
    static const pare_setting still[] = {{"sigma", "0"}};
    place p = place_open(*state, "olmoe normalised, one of four");
    pare_prune_options options = expert_options(&p, "expert-moreau", 0.5);
    size_t i, j, none = 0, felt = 0;
    json_t *load, *score;
    tiny_write_text(p.m.folder, "ids.json", "[[3,7]]");
    options.calibration = (pare_calibration_options){.source = p.ids, .samples = 1, .length = 2};
    options.settings = still;
    options.setting_count = 1;
    json_t *report = report_of(&p, &options), *scores = load_json(p.scores);
    json_array_foreach(json_object_get(json_object_get(report, "experts"), "layers"), i, load) {
        const json_t *layer = json_array_get(json_object_get(scores, "layers"), i);
        json_array_foreach(json_object_get(layer, "experts"), j, score) {
            json_int_t tokens = json_integer_value(json_array_get(json_object_get(load, "tokens_before"), j));
            assert_true(tokens > 0 || !(json_number_value(score) > 0.0));
            felt += json_number_value(score) > 0.0;
        }
        none += json_array_size(json_object_get(load, "unreached"));
    }
    assert_true(none >= 4 && felt >= 2);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(report, "warnings"), 0)),
                           "no token of the calibration text reaches"));
    json_decref(scores);
    json_decref(report);
    place_close(&p);
}

/* What scores units by their weights, in as many ways as experts have to be repaired. */
static void other_scores_of_all_weights(void **state) {
    static const struct {
        const char *method;
        pare_setting settings[2];
    } ways[] = {
        {"moreau-l1", {{"mode", "expert"}, {"compensate", "ls"}}},
        {"smoothgrad", {{"mode", "expert"}, {"steps", "3"}}},
        {"taylor-rownorm", {{"mode", "expert"}, {"experts", "merge"}}},
        {"magnitude-l2", {{"mode", "expert"}, {"router", "fit"}}},
        {"magnitude-l1", {{"mode", "expert"}, {"reduction", "max"}}},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        place p = place_open(*state, i % 2 ? "qwen2_moe every second layer" : "granitemoe");
        pare_prune_options options = expert_options(&p, ways[i].method, 0.35);
        options.settings = ways[i].settings;
        options.setting_count = 2;
        json_decref(report_of(&p, &options));
        place_close(&p);
    }
}

/* The sum of all elements' squares is that of all channels'. */
static void magnitudes_add_up(void **state) {
    place p = place_open(*state, "granitemoe");
    pare_prune_options options = expert_options(&p, "magnitude-l2", 0.35);
    const pare_setting settings[] = {{"mode", "expert"}, {"reduction", "sum"}};
    options.settings = settings;
    options.setting_count = 2;
    json_decref(report_of(&p, &options));
    json_t *scores = load_json(p.scores);
    const pare_config *config = &p.m.model->config;
    for (uint32_t expert = 0; expert < config->experts.count; expert++) {
        double sum = 0.0;
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
            const pare_tensor *tensor = p.m.model->tensors[pare_tensor_id_expert(config, 1, expert, part)];
            float *values = malloc(tensor->count * sizeof *values);
            pare_tensor_values(tensor, 0, tensor->count, values);
            for (uint64_t i = 0; i < tensor->count; i++)
                sum += (double)values[i] * (double)values[i];
            free(values);
        }
        const json_t *layer = json_array_get(json_object_get(scores, "layers"), 1);
        assert_close("expert", json_number_value(json_array_get(json_object_get(layer, "experts"), expert)), sum,
                     1e-6 * sum);
    }
    json_decref(scores);
    place_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(experts_go_as_torch_has_it),
        cmocka_unit_test(unreached_experts_score_nothing),
        cmocka_unit_test(other_scores_of_all_weights),
        cmocka_unit_test(magnitudes_add_up),
    };
    return cmocka_run_group_tests(tests, setup_moreau, teardown);
}
