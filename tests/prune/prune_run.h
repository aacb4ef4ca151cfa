/* A folder with a tiny model and calibration ids in it, pare_prune over them, and a look at what is left there. */
#ifndef PARE_TESTS_PRUNE_RUN_H
#define PARE_TESTS_PRUNE_RUN_H

#include "golden.h"
#include "model/model.h"
#include "options/resolve.h"
#include "support/digest.h"
#include "support/memory.h"
#include "tiny_model.h"

#include <dirent.h>
#include <signal.h>

typedef struct prune_run {
    char *folder; /* holds only what this header or the test put there */
    char *model_folder, *ids, *output, *scores;
    pare_model *model;
    pare_prune_options options; /* taylor, ratio 0.5, on the ids, in fp32 on one thread, into `output` */
    pare_runtime runtime;
} prune_run;

static inline void prune_run_write_ids(const char *folder, uint32_t sequences, uint32_t length, uint32_t vocabulary) {
    json_t *lists = json_array();
    uint64_t state = 23;
    for (uint32_t i = 0; i < sequences; i++) {
        json_t *list = json_array();
        for (uint32_t j = 0; j < length; j++)
            json_array_append_new(list, json_integer((json_int_t)(tiny_random(&state) % vocabulary)));
        json_array_append_new(lists, list);
    }
    char *text = json_dumps(lists, JSON_COMPACT);
    tiny_write_text(folder, "ids.json", text);
    free(text);
    json_decref(lists);
}

static inline prune_run prune_run_open(tiny_model tiny) {
    prune_run r = {.folder = tiny_folder()};
    char *written = tiny_model_write(tiny);
    r.model_folder = pare_path_join(r.folder, "model");
    assert_int_equal(rename(written, r.model_folder), 0);
    free(written);
    r.ids = pare_path_join(r.folder, "ids.json");
    r.output = pare_path_join(r.folder, "output");
    r.scores = pare_path_join(r.folder, "scores.json");
    assert_int_equal(pare_model_open(r.model_folder, &r.model), PARE_OK);
    prune_run_write_ids(r.folder, 3, 9, r.model->config.vocabulary);
    r.options = (pare_prune_options)PARE_PRUNE_OPTIONS_INIT;
    r.options.method = "taylor";
    r.options.ratio = 0.5;
    r.options.calibration.source = r.ids;
    r.options.output = r.output;
    r.runtime = (pare_runtime){.threads = 1, .compute = PARE_COMPUTE_FP32};
    return r;
}

/* The method, with half of what it removes as the target. */
static inline void prune_run_method(prune_run *r, const char *method) {
    bool element = pare_recipe_find(method)->mode == PARE_MODE_ELEMENT;
    r->options.method = method;
    r->options.ratio = element ? 0.0 : 0.5;
    r->options.sparsity = (pare_sparsity){.given = element, .share = element ? 0.5 : 0.0};
}

static inline void prune_run_close(prune_run *r) {
    pare_model_close(r->model);
    tiny_remove(r->folder);
    free(r->folder);
    free(r->model_folder);
    free(r->ids);
    free(r->output);
    free(r->scores);
}

static inline pare_status prune_run_try(const prune_run *r) {
    char *report = NULL;
    pare_status status = pare_prune(r->model, &r->options, &r->runtime, &report);
    assert_int_equal(report != NULL, status == PARE_OK);
    pare_text_free(report);
    return status;
}

/* The report of a run that must succeed. */
static inline json_t *prune_run_report(const prune_run *r) {
    char *text = NULL;
    pare_status status = pare_prune(r->model, &r->options, &r->runtime, &text);
    if (status) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    json_t *report = json_loads(text, 0, NULL);
    assert_non_null(report);
    pare_text_free(text);
    return report;
}

static inline void prune_run_do(const prune_run *r) {
    json_decref(prune_run_report(r));
}

/* The names in a folder, sorted, each followed by a space; freed with free(). */
static inline char *prune_run_list(const char *folder) {
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    assert_true(count >= 0);
    char *list = pare_format("%s", "");
    for (int i = 0; i < count; i++) {
        bool dots = strcmp(entries[i]->d_name, ".") == 0 || strcmp(entries[i]->d_name, "..") == 0;
        char *longer = dots ? pare_format("%s", list) : pare_format("%s%s ", list, entries[i]->d_name);
        free(list);
        free(entries[i]);
        list = longer;
    }
    free(entries);
    return list;
}

static inline void prune_run_assert_holds(const char *folder, const char *expected) {
    char *list = prune_run_list(folder);
    assert_string_equal(list, expected);
    free(list);
}

static inline void prune_run_digest_file(pare_digest *digest, const char *path) {
    pare_mapping file;
    assert_int_equal(pare_mapping_open(path, &file), PARE_OK);
    pare_digest_add(digest, file.data, file.bytes);
    pare_mapping_close(&file);
}

/* Of the names and bytes of all files in a folder. */
static inline void prune_run_digest(const char *folder, char text[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    char *list = prune_run_list(folder), *rest = list, *name;
    assert_int_equal(pare_digest_new(&digest), PARE_OK);
    pare_digest_add(digest, list, strlen(list));
    while ((name = strsep(&rest, " ")) && *name) {
        char *path = pare_path_join(folder, name);
        prune_run_digest_file(digest, path);
        free(path);
    }
    free(list);
    pare_digest_finish(digest, text);
}

/* A progress function that interrupts at a report, and watches the counts. */
typedef struct prune_countdown {
    uint64_t calls, stop_at; /* the report to interrupt at, counted from 1; 0: none */
    char stage[96];          /* of the last report; "": none */
    uint64_t done, total;
    bool backwards; /* a stage's count fell, or rose above its total */
    bool die;       /* the process is killed there instead */
} prune_countdown;

static inline void prune_count_down(void *user, const char *stage, uint64_t done, uint64_t total) {
    prune_countdown *c = user;
    bool same = strcmp(c->stage, stage) == 0;
    c->backwards |= done > total || (same && (done < c->done || total != c->total));
    snprintf(c->stage, sizeof c->stage, "%s", stage);
    c->done = done;
    c->total = total;
    if (++c->calls != c->stop_at) return;
    if (c->die) raise(SIGKILL);
    pare_interrupt();
}

/* Interrupted at that report; or done, if there are fewer. */
static inline pare_status prune_run_until(prune_run *r, uint64_t report) {
    prune_countdown c = {.stop_at = report};
    r->runtime.progress = prune_count_down;
    r->runtime.progress_user = &c;
    pare_status status = prune_run_try(r);
    pare_interrupt_clear();
    r->runtime.progress = NULL;
    return status;
}

/* A file holds that text. */
static inline void prune_run_assert_content(const char *path, const char *expected) {
    char *text;
    assert_int_equal(pare_file_read(path, 1000, &text, NULL), PARE_OK);
    assert_string_equal(text, expected);
    pare_free(text);
}

#endif
