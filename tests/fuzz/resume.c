/* What --resume takes up: pruning runs that were stopped behind a layer, a pass or a round. The file has any bytes,
 * with the key, the length and the digest that pare looks for first; the run then goes on from there, and ends with a
 * model of numbers, or with a sentence and without a model. */
#include "fuzz/target.h"

#include "checkpoint/scan.h"
#include "forge.h"
#include "prune/prune_run.h"
#include "support/path.h"

typedef struct stop {
    const char *method, *file; /* that is there when the run is stopped */
    pare_setting settings[2];
    size_t count;
    uint32_t iterations;
} stop;

static const stop units = {"best", "walk-repair.0", .iterations = 1},
                  states = {"best", "walk-repair.states", .iterations = 1},
                  probe = {"obs", "walk-probe.0", {{"select", "global"}}, 1, 1},
                  levels = {"obs", "walk-search-0.0", {{"allocate", "search"}, {"search_steps", "2"}}, 2, 1},
                  weights = {"sparsegpt", "walk-prune.0", .iterations = 1},
                  dense = {"best-sparse", "walk-prune.dense.0", .iterations = 1},
                  passes = {"taylor-second", "passes.state", .iterations = 1},
                  felt = {"best", "felt-repair", .iterations = 1},
                  rebuilt = {"taylor", "reconstructed.0", {{"reconstruct", "2"}}, 1, 1},
                  rounds = {"taylor", "progress.json", .iterations = 2};

static const tiny_model stopped = {
    .layers = 2, .hidden = 8, .heads = 2, .kv_heads = 1, .head_size = 4, .ffn = 6, .vocabulary = 12, .scale = 0.3};

/* The run of the target in hand, and its progress as it was left. */
static struct {
    const stop *of;
    prune_run run;
    char *progress, *kept;
    unsigned char key[FORGE_DIGITS];
} scene;

static void copy_tree(const char *from, const char *to) {
    char *list = prune_run_list(from), *rest = list, *name;
    tiny_check(mkdir(to, 0700) == 0, to);
    while ((name = strsep(&rest, " ")) && *name) {
        char *inside = pare_path_join(from, name), *copy = pare_path_join(to, name);
        if (pare_path_is_folder(inside))
            copy_tree(inside, copy);
        else
            fuzz_copy(from, name, to, name);
        free(inside);
        free(copy);
    }
    free(list);
}

static void leave_scene(void) {
    if (!scene.of) return;
    prune_run_close(&scene.run);
    free(scene.progress);
    free(scene.kept);
    scene.of = NULL;
}

/* A round is over where there is a folder of it. */
static bool is_far_enough(const stop *s, const char *path) {
    char *round = pare_path_join(scene.progress, "round-1");
    bool far = pare_file_exists(s->iterations > 1 ? round : path);
    free(round);
    return far;
}

static void enter_scene(const stop *s) {
    static bool registered;
    if (scene.of == s) return;
    leave_scene();
    scene.of = s;
    scene.run = prune_run_open(stopped);
    prune_run_write_ids(scene.run.folder, 2, 5, stopped.vocabulary);
    prune_run_method(&scene.run, s->method);
    scene.run.options.iterations = s->iterations;
    scene.run.options.settings = s->settings;
    scene.run.options.setting_count = s->count;
    scene.run.options.resume = true;
    scene.progress = pare_path_join(scene.run.folder, "output.progress");
    scene.kept = pare_path_join(scene.run.folder, "kept");
    char *path = pare_path_join(scene.progress, s->file);
    for (uint64_t report = 1; !is_far_enough(s, path); report++)
        tiny_check(prune_run_until(&scene.run, report) == PARE_INTERRUPTED, s->file);
    copy_tree(scene.progress, scene.kept);
    char *text;
    size_t bytes;
    tiny_check(pare_file_read(path, 1 << 24, &text, &bytes) == PARE_OK && bytes > FORGE_HEAD, path);
    memcpy(scene.key, text + FORGE_KEY, sizeof scene.key);
    pare_free(text);
    free(path);
    if (!registered) atexit(leave_scene);
    registered = true;
}

/* An empty file has no mapping. */
static const void *mapped_bytes(const pare_mapping *file) {
    return file->bytes ? (const void *)file->data : "";
}

/* progress.json: the key of its run, and its digest. */
static void mend_progress(const char *to, const pare_mapping *file) {
    char *kept = pare_path_join(scene.kept, scene.of->file), *path = pare_path_join(to, scene.of->file);
    json_t *sound = json_load_file(kept, 0, NULL), *json = json_loadb(mapped_bytes(file), file->bytes, 0, NULL);
    tiny_check(sound != NULL, kept);
    if (json_is_object(json)) {
        json_object_set(json, "key", json_object_get(sound, "key"));
        forge_progress(json, path);
    } else {
        tiny_write_file(to, scene.of->file, mapped_bytes(file), file->bytes);
    }
    json_decref(json);
    json_decref(sound);
    free(kept);
    free(path);
}

static void mend_state(const char *to, const pare_mapping *file) {
    unsigned char *data = malloc(file->bytes + 1);
    tiny_check(data != NULL, "malloc");
    if (file->bytes) memcpy(data, file->data, file->bytes);
    if (file->bytes >= FORGE_HEAD + FORGE_DIGITS) {
        memcpy(data + FORGE_KEY, scene.key, sizeof scene.key);
        forge_length(data, file->bytes);
        forge_seal(data, file->bytes);
    }
    tiny_write_file(to, scene.of->file, data, file->bytes);
    free(data);
}

static void check_output(void) {
    pare_model *model;
    pare_scan scan;
    fuzz_check(pare_model_open(scene.run.output, &model) == PARE_OK, "what was written opens");
    fuzz_check(pare_checkpoint_scan(model->checkpoint, NULL, &scan) == PARE_OK, "its weights are numbers");
    pare_scan_free(&scan);
    pare_model_close(model);
}

static pare_status read_kept(const char *path) {
    pare_mapping file;
    PARE_TRY(pare_mapping_open(path, &file));
    if (pare_file_exists(scene.progress)) tiny_remove(scene.progress);
    copy_tree(scene.kept, scene.progress);
    if (scene.of == &rounds)
        mend_progress(scene.progress, &file);
    else
        mend_state(scene.progress, &file);
    pare_mapping_close(&file);
    pare_status status = prune_run_try(&scene.run);
    if (status != PARE_OK)
        fuzz_check(!pare_file_exists(scene.run.output), "a refusal leaves no model");
    else
        check_output();
    if (status == PARE_OK) tiny_remove(scene.run.output);
    return status;
}

#define TAKEN_UP(of)                                                                                                   \
    static void prepare_##of(const char *folder) {                                                                     \
        (void)folder;                                                                                                  \
        enter_scene(&of);                                                                                              \
    }                                                                                                                  \
    static void seed_##of(const char *folder) {                                                                        \
        enter_scene(&of);                                                                                              \
        fuzz_copy(scene.kept, of.file, folder, "kept");                                                                \
    }                                                                                                                  \
    static pare_status read_##of(const char *folder, const char *path) {                                               \
        (void)folder;                                                                                                  \
        return read_kept(path);                                                                                        \
    }
TAKEN_UP(units)
TAKEN_UP(states)
TAKEN_UP(probe)
TAKEN_UP(levels)
TAKEN_UP(weights)
TAKEN_UP(dense)
TAKEN_UP(passes)
TAKEN_UP(felt)
TAKEN_UP(rebuilt)
TAKEN_UP(rounds)

#define ROW(name, of)                                                                                                  \
    &(const fuzz_target) {                                                                                             \
        name, "kept.state", prepare_##of, seed_##of, read_##of, 6                                                      \
    }
const fuzz_target *const fuzz_resume_targets[] = {ROW("walk-units", units),
                                                  ROW("walk-states", states),
                                                  ROW("walk-probe", probe),
                                                  ROW("walk-levels", levels),
                                                  ROW("walk-weights", weights),
                                                  ROW("walk-dense", dense),
                                                  ROW("passes", passes),
                                                  ROW("felt", felt),
                                                  ROW("rebuilt-layer", rebuilt),
                                                  ROW("rounds", rounds),
                                                  NULL};
