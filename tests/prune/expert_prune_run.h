/* Runs that remove whole experts of the models of tests/data/experts.json. */
#ifndef PARE_TESTS_EXPERT_PRUNE_RUN_H
#define PARE_TESTS_EXPERT_PRUNE_RUN_H

#include "family_place.h"

#define PRUNING_GOLDEN PARE_SOURCE_DIR "/tests/data/expert_pruning.json"

static inline int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), load_json(PRUNING_GOLDEN));
}

static inline pare_status prune_on(const place *p, const char *method, double ratio,
                                   pare_calibration_options calibration, char **report) {
    static const pare_setting experts = {"mode", "expert"};
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    options.output = p->output;
    options.scores = p->scores;
    options.method = method;
    options.ratio = ratio;
    options.settings = &experts;
    options.setting_count = 1;
    options.calibration = calibration;
    *report = NULL;
    return pare_prune(p->m.model, &options, &runtime, report);
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

#endif
