/* Models of families in folders, pruned into others beside them, and what an oracle says of it. */
#ifndef PARE_TESTS_FAMILY_PLACE_H
#define PARE_TESTS_FAMILY_PLACE_H

#include "model/families.h"
#include "prune_run.h"

typedef struct expected {
    families all;
    json_t *golden;
    pare_backend *backend;
} expected;

/* For a group's setup; takes both over. */
static inline int expected_open(void **state, families all, json_t *golden) {
    expected *e = *state = calloc(1, sizeof *e);
    e->all = all;
    e->golden = golden;
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

static inline place place_of(const expected *e, const json_t *one, family_form form) {
    place p = {.m = family_open(one, form), .folder = tiny_folder()};
    p.output = pare_path_join(p.folder, "output");
    p.scores = pare_path_join(p.folder, "scores.json");
    p.ids = pare_path_join(p.m.folder, "ids.json");
    family_write_ids(&e->all, p.ids);
    return p;
}

static inline place place_open(const expected *e, const char *name) {
    return place_of(e, family_case(&e->all, name), (family_form){0});
}

static inline void place_close(place *p) {
    family_close(&p->m);
    tiny_remove(p->folder);
    free(p->folder);
    free(p->output);
    free(p->scores);
    free(p->ids);
}

static inline pare_calibration_options calibration_on(const place *p) {
    return (pare_calibration_options){
        .source = p->ids, .samples = FAMILY_SEQUENCES, .length = FAMILY_LENGTH, .stream = true};
}

#endif
