/* Runs that remove whole experts of the models of tests/data/experts.json. */
#ifndef PARE_TESTS_EXPERT_PRUNE_RUN_H
#define PARE_TESTS_EXPERT_PRUNE_RUN_H

#include "model/families.h"
#include "prune_run.h"

#define PRUNING_GOLDEN PARE_SOURCE_DIR "/tests/data/expert_pruning.json"

typedef struct expected {
    families all;
    json_t *golden;
    pare_backend *backend;
} expected;

static inline int setup(void **state) {
    expected *e = *state = calloc(1, sizeof *e);
    e->all = families_load_from(EXPERTS_GOLDEN);
    e->golden = load_json(PRUNING_GOLDEN);
    return pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &e->backend) != PARE_OK;
}

static inline int teardown(void **state) {
    expected *e = *state;
    pare_backend_close(e->backend);
    json_decref(e->golden);
    families_free(&e->all);
    free(e);
    return 0;
}

/* A case's model, and a folder that holds only what comes of it. */
typedef struct place {
    family_model m;
    char *folder, *output, *scores, *ids;
} place;

static inline place place_open(const expected *e, const char *name, family_form form) {
    place p = {.m = family_open(family_case(&e->all, name), form), .folder = tiny_folder()};
    p.output = pare_path_join(p.folder, "output");
    p.scores = pare_path_join(p.folder, "scores.json");
    p.ids = pare_path_join(p.m.folder, "ids.json");
    family_write_ids(&e->all, p.ids);
    return p;
}

static inline void place_close(place *p) {
    family_close(&p->m);
    tiny_remove(p->folder);
    free(p->folder);
    free(p->output);
    free(p->scores);
    free(p->ids);
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
    return prune_on(p, method, ratio,
                    (pare_calibration_options){
                        .source = p->ids, .samples = FAMILY_SEQUENCES, .length = FAMILY_LENGTH, .stream = true},
                    report);
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
