/* Maps, sweeps and ranks drawn while an allocation fails: one sentence, no picture, nothing left beside its place. */
#include "failing_memory.h"
#include "prune/prune_run.h"

static const tiny_model tiny = {.layers = 2, .hidden = 80, .heads = 4, .kv_heads = 2, .head_size = 4, .ffn = 24};

typedef struct place {
    prune_run run;
    const char *name; /* of the picture in the run's folder */
    size_t entries;   /* in that folder without it */
} place;

static size_t entries_of(const char *folder) {
    DIR *directory = opendir(folder);
    size_t count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static place place_open(const char *name) {
    place p = {.run = prune_run_open(tiny), .name = name};
    p.run.options.method = "magnitude-l2";
    assert_int_equal(prune_run_try(&p.run), PARE_OK);
    p.entries = entries_of(p.run.folder);
    return p;
}

static void nothing_but_the_picture(void *context, pare_status status) {
    place *p = context;
    char *path = pare_path_join(p->run.folder, p->name);
    bool there = pare_file_exists(path);
    assert_int_equal(there, status == PARE_OK);
    assert_int_equal(entries_of(p->run.folder), p->entries + there);
    unlink(path);
    free(path);
}

static pare_status draw_map(void *context) {
    const place *p = context;
    char path[512], *report;
    snprintf(path, sizeof path, "%s/%s", p->run.folder, p->name);
    pare_map_options options = PARE_MAP_OPTIONS_INIT;
    options.matrix = "layers.1.mlp.down_proj";
    options.against = p->run.model_folder;
    options.picture = path;
    pare_status status = pare_map(p->run.output, &options, &report);
    pare_text_free(report);
    return status;
}

static void maps(void **state) {
    (void)state;
    static const char *const names[] = {"map.png", "map.svg"};
    for (size_t i = 0; i < 2; i++) {
        place p = place_open(names[i]);
        memory_run run = {.run = draw_map, .after = nothing_but_the_picture, .context = &p};
        memory_fail_everywhere(&run, 12);
        prune_run_close(&p.run);
    }
}

static pare_status draw_sweep(void *context) {
    static const char document[] =
        "{\"sweep\": {\"over\": [\"method\", \"eta\", \"seed\"]}, \"rows\": ["
        "{\"method\": \"a\", \"eta\": 0, \"seed\": 0, \"perplexity before t\": 4, \"perplexity after t\": 5},"
        "{\"method\": \"a\", \"eta\": 1, \"seed\": 0, \"perplexity before t\": 4, \"perplexity after t\": 6},"
        "{\"method\": \"b\", \"eta\": 40, \"seed\": 1, \"perplexity before t\": 4, \"perplexity after t\": 7}]}";
    const place *p = context;
    char path[512], *summary;
    snprintf(path, sizeof path, "%s/%s", p->run.folder, p->name);
    pare_status status = pare_sweep_summary(document, path, &summary);
    pare_text_free(summary);
    return status;
}

static void sweeps(void **state) {
    (void)state;
    place p = place_open("sweep.svg");
    memory_run run = {.run = draw_sweep, .after = nothing_but_the_picture, .context = &p};
    memory_fail_everywhere(&run, 100);
    prune_run_close(&p.run);
}

static pare_status draw_ranks(void *context) {
    const place *p = context;
    static const char *const methods[] = {"magnitude-l2", "magnitude-l1"}, *const changes[] = {"noise=0.1"};
    char path[512], *report;
    snprintf(path, sizeof path, "%s/ranks/", p->run.folder);
    pare_prune_options prune = p->run.options;
    prune.method = NULL;
    prune.output = NULL;
    prune.ratio = 0;
    pare_robust_options options = {
        .prune = &prune, .methods = methods, .method_count = 2, .changes = changes, .change_count = 1, .plot = path};
    pare_status status = pare_robust(p->run.model, &options, &p->run.runtime, &report);
    pare_text_free(report);
    return status;
}

/* All of them or none: three comparisons of two layers, and the table. */
static void all_ranks_or_none(void *context, pare_status status) {
    place *p = context;
    char *folder = pare_path_join(p->run.folder, "ranks");
    assert_int_equal(entries_of(folder), status == PARE_OK ? 2 + 3 * 2 + 1 : 2);
    tiny_remove(folder);
    mkdir(folder, 0700);
    free(folder);
}

static void ranks(void **state) {
    (void)state;
    place p = place_open("ranks");
    char *folder = pare_path_join(p.run.folder, "ranks");
    assert_int_equal(mkdir(folder, 0700), 0);
    memory_run run = {.run = draw_ranks, .after = all_ranks_or_none, .context = &p};
    memory_fail_everywhere(&run, 25);
    free(folder);
    prune_run_close(&p.run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps),
        cmocka_unit_test(sweeps),
        cmocka_unit_test(ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
