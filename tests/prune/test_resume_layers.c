/* Walks layer by layer with --resume: layers that were finished are taken up, whatever is done to them, and a file of
 * one is believed only when it is whole and of this run. */
#include "prune/resume_run.h"

typedef struct walk_case {
    const char *method, *file; /* that is there when a walk is under way */
    pare_setting settings[3];
    size_t count;
    uint64_t stride;
} walk_case;

static void assert_taken_up(const walk_case *cases, size_t count, uint32_t iterations) {
    for (size_t i = 0; i < count; i++) {
        resume_scene s = resume_open_with(cases[i].method, iterations, cases[i].settings, cases[i].count);
        if (!resume_stop_again_and_again(&s, cases[i].file, cases[i].stride))
            fail_msg("%s kept nothing", cases[i].method);
        resume_close(&s);
    }
}

static void layers_of_units(void **state) {
    (void)state;
    static const walk_case cases[] = {
        {"best", "walk-repair.1", .stride = 7},
        {"obs", "walk-probe.1", {{"select", "global"}}, 1, 7},
        {"flap", "walk-repair.1", .stride = 5},
        {"obs", "walk-search-0.0", {{"allocate", "search"}, {"search_steps", "2"}, {"search_rounds", "2"}}, 3, 17},
    };
    assert_taken_up(cases, sizeof cases / sizeof *cases, 1);
}

static void passes(void **state) {
    (void)state;
    static const walk_case cases[] = {
        {"smoothgrad", "passes.state", .stride = 7},    {"taylor-rownorm", "passes.state", .stride = 7},
        {"taylor-second", "passes.state", .stride = 3}, {"wanda-structured", "passes.state", .stride = 2},
        {"gblm", "passes.state", .stride = 5},          {"best", "felt-repair", .stride = 11},
        {"best-sparse", "felt-prune", .stride = 19},
    };
    assert_taken_up(cases, sizeof cases / sizeof *cases, 1);
}

static void layers_of_later_rounds(void **state) {
    (void)state;
    static const walk_case cases[] = {{"obs", "walk-repair.1", .stride = 17}};
    assert_taken_up(cases, 1, 2);
}

static void layers_of_single_weights(void **state) {
    (void)state;
    static const walk_case cases[] = {
        {"wanda", "walk-prune.1", .stride = 5},
        {"sparsegpt", "walk-prune.1", .stride = 5},
        {"best-sparse", "walk-prune.dense.1", .stride = 17},
        {"wanda", "walk-prune.dense.1", {{"compare", "global"}}, 1, 9},
        {"sparsegpt", "walk-search.1", {{"allocate", "search"}, {"search_steps", "2"}}, 2, 13},
    };
    assert_taken_up(cases, sizeof cases / sizeof *cases, 1);
}

/* What a reconstruction has finished is kept layer by layer, and which numbers it trains makes no difference. */
static void layers_of_a_reconstruction(void **state) {
    (void)state;
    static const pare_setting settings[] = {{"reconstruct", "3"},
                                            {"reconstruct_rank", "2"},
                                            {"reconstruct_metric", "fisher"},
                                            {"reconstruct_dense", "0.5"}};
    for (size_t count = 1; count <= 4; count += 3) {
        resume_scene s = resume_open_with("taylor", 1, settings, count);
        char *layer = pare_path_join(s.progress, "reconstructed.1");
        uint64_t kept = 0;
        for (uint64_t report = 1; prune_run_until(&s.run, report) == PARE_INTERRUPTED; report += 5) {
            kept += pare_file_exists(layer);
            prune_run_do(&s.run);
            resume_assert_same(&s);
            tiny_remove(s.run.output);
        }
        assert_true(kept > 0);
        free(layer);
        resume_close(&s);
    }
}

static void write_bytes(const char *path, const char *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_layer_is_refused(void **state) {
    (void)state;
    static const pare_setting settings[] = {{"reconstruct", "3"}};
    resume_scene s = resume_open_with("taylor", 1, settings, 1);
    char *layer = pare_path_join(s.progress, "reconstructed.0");
    for (uint64_t report = 1; !pare_file_exists(layer); report++)
        assert_int_equal(prune_run_until(&s.run, report), PARE_INTERRUPTED);
    char *text;
    size_t bytes;
    assert_int_equal(pare_file_read(layer, 1 << 20, &text, &bytes), PARE_OK);
    static const struct {
        size_t at; /* from the end, if below 100 */
        const char *says;
    } faults[] = {{1, "damaged"}, {80, "damaged"}, {1000, "damaged"}, {0, ""}};
    for (size_t i = 0; faults[i].at; i++) {
        size_t at = faults[i].at < 100 ? bytes - faults[i].at : faults[i].at;
        text[at] ^= 1;
        write_bytes(layer, text, bytes);
        resume_expect_refusal(&s, PARE_FORMAT_ERROR, faults[i].says);
        text[at] ^= 1;
    }
    write_bytes(layer, text, bytes - 8);
    resume_expect_refusal(&s, PARE_FORMAT_ERROR, "of another shape than a reconstructed layer");
    write_bytes(layer, text, 100);
    resume_expect_refusal(&s, PARE_FORMAT_ERROR, "too short to be a reconstructed layer");
    text[20] ^= 1;
    write_bytes(layer, text, bytes);
    resume_expect_refusal(&s, PARE_FORMAT_ERROR, "other options");
    unlink(layer);
    prune_run_do(&s.run);
    resume_assert_same(&s);
    pare_free(text);
    free(layer);
    resume_close(&s);
}

/* Bytes of a file are changed, it is cut off, or gone: each is refused, and untouched it is taken up. */
static void assert_guarded(resume_scene *s, const char *name) {
    char *path = pare_path_join(s->progress, name), *text;
    size_t bytes;
    assert_int_equal(pare_file_read(path, 1 << 24, &text, &bytes), PARE_OK);
    for (size_t at = 3; at < bytes; at += bytes / 5) {
        text[at] ^= 1;
        write_bytes(path, text, bytes);
        resume_expect_refusal(s, PARE_FORMAT_ERROR, name);
        text[at] ^= 1;
    }
    write_bytes(path, text, bytes - 100);
    resume_expect_refusal(s, PARE_FORMAT_ERROR, name);
    write_bytes(path, text, bytes);
    pare_free(text);
    free(path);
}

static void damaged_walks_are_refused(void **state) {
    (void)state;
    resume_scene s = resume_open("obs", 1);
    char *layer = pare_path_join(s.progress, "walk-repair.1"),
         *states = pare_path_join(s.progress, "walk-repair.states");
    for (uint64_t report = 1; !pare_file_exists(layer); report += 3)
        assert_int_equal(prune_run_until(&s.run, report), PARE_INTERRUPTED);
    assert_guarded(&s, "walk-repair.1");
    assert_guarded(&s, "walk-repair.states");
    unlink(layer);
    resume_expect_refusal(&s, PARE_FILE_ERROR, "is not there");
    unlink(states);
    prune_run_do(&s.run);
    resume_assert_same(&s);
    free(layer);
    free(states);
    resume_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_units),
        cmocka_unit_test(layers_of_later_rounds),
        cmocka_unit_test(passes),
        cmocka_unit_test(layers_of_single_weights),
        cmocka_unit_test(layers_of_a_reconstruction),
        cmocka_unit_test(a_damaged_layer_is_refused),
        cmocka_unit_test(damaged_walks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
