/* Runs that remove whole experts of the models of tests/data/experts.json. */
#ifndef PARE_TESTS_EXPERT_PRUNE_RUN_H
#define PARE_TESTS_EXPERT_PRUNE_RUN_H

#include "family_place.h"

#define PRUNING_GOLDEN PARE_SOURCE_DIR "/tests/data/expert_pruning.json"

static inline int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), load_json(PRUNING_GOLDEN));
}

static inline pare_prune_options expert_options(const place *p, const char *method, double ratio) {
    static const pare_setting experts = {"mode", "expert"};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    options.output = p->output;
    options.scores = p->scores;
    options.method = method;
    options.ratio = ratio;
    options.settings = &experts;
    options.setting_count = 1;
    options.calibration = calibration_on(p);
    return options;
}

static inline pare_status expert_run(const place *p, const pare_prune_options *options, char **report) {
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    *report = NULL;
    return pare_prune(p->m.model, options, &runtime, report);
}

static inline pare_status prune_on(const place *p, const char *method, double ratio,
                                   pare_calibration_options calibration, char **report) {
    pare_prune_options options = expert_options(p, method, ratio);
    options.calibration = calibration;
    return expert_run(p, &options, report);
}

static inline pare_status prune(const place *p, const char *method, double ratio, char **report) {
    return prune_on(p, method, ratio, calibration_on(p), report);
}

static inline void assert_refused(const place *p, const char *method, double ratio, const char *part) {
    char *report;
    assert_true(prune(p, method, ratio, &report) != PARE_OK);
    assert_null(report);
    if (!strstr(pare_message(), part)) fail_msg("\"%s\" does not say \"%s\"", pare_message(), part);
    assert_null(strchr(pare_message(), '\n'));
    prune_run_assert_holds(p->folder, "");
}

/* Of the scores file, to `bound` of the largest of each layer. Layers with experts come one after the other in the
 * golden lists. */
static inline void check_expert_scores(const place *p, const json_t *row, double bound) {
    json_t *scores = load_json(p->scores), *layers = json_object_get(scores, "layers");
    size_t next = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *found = json_object_get(json_array_get(layers, i), "experts");
        if (!p->m.model->config.widths[i].experts) continue;
        const json_t *wanted = json_array_get(json_object_get(row, "scores"), next++);
        double largest = 0.0;
        assert_int_equal(json_array_size(found), json_array_size(wanted));
        for (size_t j = 0; j < json_array_size(wanted); j++)
            largest = fmax(largest, json_number_value(json_array_get(wanted, j)));
        for (size_t j = 0; j < json_array_size(wanted); j++) {
            double has = json_number_value(json_array_get(found, j));
            double should = json_number_value(json_array_get(wanted, j));
            if (!(fabs(has - should) <= bound * largest))
                fail_msg("layer %zu, expert %zu: %g in place of %g", i, j, has, should);
        }
    }
    json_decref(scores);
}

#endif
