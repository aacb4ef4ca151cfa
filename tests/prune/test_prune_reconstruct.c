/* --reconstruct in whole runs: one sequence is refused before any work; while it trains, a run holds what its plan
 * says, with all that was repaired before, and stays under the limit; and what stages hold one after the other is
 * planned once. */
#include "prune/sparse_run.h"
#include "report/matrices.h"

/* Weights outweigh all else, and what is kept for each of them is nothing beside a matrix. */
static const tiny_model large = {
    .layers = 6, .hidden = 64, .heads = 8, .kv_heads = 4, .head_size = 8, .ffn = 192, .vocabulary = 96, .scale = 0.1};

/* Tables of tensors and windows are not in any plan. */
enum { BOOKKEEPING = 48 << 10 };

static const pare_setting settings[] = {{"reconstruct", "2"}};

typedef struct watch {
    pare_plan plan;
    uint64_t most;   /* bytes held while training */
    unsigned passes; /* over the model, before any training */
} watch;

static void note_plan(void *user, const pare_plan *plan) {
    watch *w = user;
    w->plan = *plan;
}

static void note_memory(void *user, const char *stage, uint64_t done, uint64_t total) {
    watch *w = user;
    bool trains = strcmp(stage, "reconstructing") == 0;
    (void)done;
    (void)total;
    w->passes += strcmp(stage, "calibrating") == 0 || strcmp(stage, "pruning") == 0 || strcmp(stage, "repairing") == 0;
    if (trains && pare_memory_current() > w->most) w->most = pare_memory_current();
}

static prune_run open_run(watch *w, tiny_model tiny, const char *method) {
    prune_run r = prune_run_open(tiny);
    prune_run_method(&r, method);
    r.options.settings = settings;
    r.options.setting_count = 1;
    r.options.force = true;
    r.runtime.scratch = r.folder;
    r.runtime.plan = note_plan;
    r.runtime.progress = note_memory;
    r.runtime.progress_user = w;
    *w = (watch){0};
    return r;
}

static void one_sequence_is_refused_before_any_work(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "best", "sparsegpt"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        for (int dry = 0; dry < 2; dry++) {
            watch w;
            prune_run r = open_run(&w, sparse_tiny, methods[i]);
            r.options.calibration.samples = 1;
            r.options.dry_run = dry;
            assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
            assert_non_null(strstr(pare_message(), "give 2 or more with --samples"));
            assert_int_equal(w.passes, 0);
            prune_run_close(&r);
        }
}

/* What a run of this limit holds while it trains, but for the results of matrices, which are histograms. */
static uint64_t held(tiny_model tiny, const char *method, uint64_t limit, pare_plan *plan) {
    watch w;
    prune_run r = open_run(&w, tiny, method);
    r.runtime.memory_limit = limit;
    uint64_t before = pare_memory_current();
    prune_run_do(&r);
    *plan = w.plan;
    before += r.model->tensor_count * sizeof(pare_matrix_result);
    prune_run_close(&r);
    assert_true(w.most > before);
    return w.most - before;
}

static void what_was_repaired_is_in_the_plan(void **state) {
    (void)state;
    static const char *const methods[] = {"sparsegpt", "best-sparse"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        pare_plan roomy, narrow;
        uint64_t usual = held(large, methods[i], 0, &roomy), less = held(large, methods[i], roomy.repair - 1, &narrow);
        print_message("%s: %.1f KiB of %.1f, and %.1f KiB of %.1f\n", methods[i], (double)usual / 1024,
                      (double)roomy.repair / 1024, (double)less / 1024, (double)(roomy.repair - 1) / 1024);
        assert_true(roomy.scratch == 0 && less < usual);
        assert_true(usual <= roomy.repair + BOOKKEEPING);
        assert_true(less <= roomy.repair - 1 + BOOKKEEPING);
    }
}

/* Both stages put what is large into files: what the plan has in memory and in files is that of the one that holds
 * more, which is the training. */
static void files_are_planned_once(void **state) {
    (void)state;
    pare_plan plan;
    tiny_model deep = large;
    deep.layers = 24;
    uint64_t most = held(deep, "wanda", 4 << 20, &plan);
    assert_true(plan.scratch > 0 && plan.scratch <= plan.repair);
    assert_true(most <= plan.repair - plan.scratch + BOOKKEEPING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sequence_is_refused_before_any_work),
        cmocka_unit_test(what_was_repaired_is_in_the_plan),
        cmocka_unit_test(files_are_planned_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
