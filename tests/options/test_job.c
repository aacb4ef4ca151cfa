/* What options of a pruning become before a model is known: every default in its place, what a protocol, a recipe and a
 * recovery settle settled, and what contradicts itself refused in one sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "options/resolve.h"

#include <string.h>

static pare_job resolve(pare_prune_options options) {
    pare_job job;
    pare_status status = pare_job_resolve(&options, &job);
    if (status != PARE_OK) print_message("%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    return job;
}

static void nothing_said(void **state) {
    (void)state;
    const pare_prune_options ways[] = {{0}, PARE_PRUNE_OPTIONS_INIT};
    for (size_t i = 0; i < 2; i++) {
        pare_prune_options options = ways[i];
        options.ratio = 0.2;
        options.output = "out";
        pare_job job = resolve(options);
        assert_string_equal(job.recipe.name, "best");
        assert_int_equal(job.target.rounds, 1);
        assert_false(job.target.layers.given || job.target.drops_alone);
        assert_true(job.calibration.needed && job.calibration.of.stream); /* it repairs layer by layer */
        assert_int_equal(job.calibration.batches, 1);
        assert_int_equal(job.calibration.usual_samples, 128);
        assert_int_equal(job.evaluation.window, 128);
        assert_string_equal(job.outputs.folder, "out");
        assert_null(job.outputs.progress);
        assert_null(job.ignored[0]);
        assert_null(job.recovery);
        assert_int_equal(pare_job_check(&job), PARE_OK);
        pare_job_free(&job);
    }
}

static void protocols_are_filled_in(void **state) {
    (void)state;
    pare_prune_options options = {.method = "moreau", .ratio = 0.2, .steps = 7, .protocol = "moreau-head"};
    pare_job job = resolve(options);
    assert_int_equal(job.calibration.of.samples, 4);
    assert_int_equal(job.calibration.of.length, 2048);
    assert_true(job.calibration.of.stream);
    assert_int_equal(job.calibration.batches, 7); /* drawn anew in every step */
    pare_job_free(&job);
    options.method = "taylor";
    options.calibration.length = 50;
    job = resolve(options);
    assert_int_equal(job.calibration.of.length, 50); /* what was given stays */
    assert_int_equal(job.calibration.batches, 1);
    assert_string_equal(job.ignored[0], "--steps");
    assert_null(job.ignored[1]);
    pare_job_free(&job);
}

/* Of a method that never could, nothing is lacking; nor of an option that is alone in its meaning. */
static void what_is_ignored_says_what_it_lacks(void **state) {
    (void)state;
    const pare_setting settings[] = {{"reconstruct_rank", "4"}, {"search_steps", "5"}, {"rise", "0.1"}};
    pare_prune_options options = {.method = "best", .ratio = 0.2, .settings = settings, .setting_count = 3};
    static const char *const lacking[] = {"--reconstruct", "--allocate search", NULL};
    pare_job job = resolve(options);
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(job.ignored[i]);
        if (lacking[i])
            assert_string_equal(job.lacking[i], lacking[i]);
        else
            assert_null(job.lacking[i]);
    }
    pare_job_free(&job);
    options.method = "loraprune";
    options.setting_count = 1;
    job = resolve(options);
    assert_string_equal(job.ignored[0], "--reconstruct-rank");
    assert_null(job.lacking[0]);
    pare_job_free(&job);
}

static void dry_runs_have_no_folder(void **state) {
    (void)state;
    pare_job job = resolve((pare_prune_options){.ratio = 0.2, .output = "a/out/", .dry_run = true, .resume = true});
    assert_null(job.outputs.folder);
    assert_string_equal(job.outputs.progress, "a/out.progress");
    assert_int_equal(pare_job_check(&job), PARE_OK);
    pare_job_free(&job);
}

/* Both have one output, seed and texts, and zeros that were just made stay. */
static void a_recovery_goes_along(void **state) {
    (void)state;
    const char *texts[] = {"a.txt", "b.txt"};
    pare_recover_options recover = PARE_RECOVER_OPTIONS_INIT;
    recover.data = "rows.json";
    recover.output = "elsewhere";
    recover.seed = 1;
    pare_prune_options options = {.sparsity = {.given = true, .share = 0.5},
                                  .output = "out",
                                  .force = true,
                                  .seed = 5,
                                  .texts = texts,
                                  .text_count = 2,
                                  .window = 64,
                                  .recover = &recover};
    pare_job job = resolve(options);
    assert_string_equal(job.recovery->output, "out");
    assert_true(job.recovery->force && job.recovery->keep_sparsity && job.recovery->lora.dropout == 0.0);
    assert_true(job.recovery->seed == 5 && job.recovery->lora.seed == 5);
    assert_true(job.recovery->texts == texts && job.recovery->text_count == 2 && job.recovery->window == 64);
    assert_int_equal(pare_job_check(&job), PARE_OK);
    pare_job_free(&job);
}

static void layers_alone_need_no_method(void **state) {
    (void)state;
    const pare_layers drops[] = {{true, 1, 2}};
    pare_job job = resolve((pare_prune_options){.drops = drops, .drop_count = 1, .output = "out"});
    assert_true(job.target.drops_alone && !job.calibration.needed && !pare_job_zeroes(&job));
    assert_int_equal(pare_job_check(&job), PARE_OK);
    pare_job_free(&job);
    pare_prune_options options = {.drops = drops, .drop_count = 1, .method = "taylor", .output = "out"};
    assert_int_equal(pare_job_resolve(&options, &job), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--drop-layers alone needs no method"));
    pare_job_free(&job);
}

#define WEIGHTS .sparsity = {.given = true, .share = 0.5}

static void contradictions_are_refused(void **state) {
    (void)state;
    static const double shares[] = {0.1, 0.2};
    static const pare_layers drops[] = {{true, 1, 2}};
    static const struct {
        pare_prune_options options;
        const char *sentence;
    } rows[] = {
        {{.ratio = 0.2}, "-o OUT is missing"},
        {{.ratio = 0.2, .dry_run = true, .resume = true}, "--resume keeps the progress beside OUT"},
        {{.ratio = 0.2, .bytes = 7, .output = "o"}, "give only one of --ratio, --params, --bytes and --latency"},
        {{.latency = 0.7, .output = "o"}, "--latency chooses widths by the time that they take: it needs --allocate"},
        {{.latency = 0.7, .resume = true, .output = "o"}, "--resume needs the times that the first run went by"},
        {{.latency = 1.5, .output = "o"}, "--latency 1.5: give a share"},
        {{.ratio = 0.2, .latency_table = "t", .output = "o"}, "--latency-table has the times for --latency"},
        {{WEIGHTS, .latency_table = "t", .output = "o"}, "--latency-table has the times for --latency"},
        {{.ratio = 0.2, .seed = UINT64_MAX, .output = "o"}, "--seed 18446744073709551615: give a number below 2^63"},
        {{.ratios = shares, .ratio_count = 2, .method = "layer-first", .output = "o"}, "needs --mode block"},
        {{.ratio = 0.2, .iterations = 1001, .output = "o"}, "--iterations 1001"},
        {{.ratio = 0.2, .archive = true, .output = "o"}, "--archive packs zeros"},
        {{.ratio = 0.2, .densities = "d", .output = "o"}, "--densities shows masks of single weights"},
        {{.ratio = 0.2, .scores = "s", .output = "o"}, "--scores: best removes units one after the other"},
        {{.method = "loraprune", .ratio = 0.2, .output = "o"}, "give a file of examples"},
        {{WEIGHTS, .ratio = 0.2, .output = "o"}, "give only one of --ratio, --params, --bytes, --latency, --sparsity"},
        {{WEIGHTS, .iterations = 2, .output = "o"}, "--iterations removes units in rounds"},
        {{WEIGHTS, .round_to = 8, .output = "o"}, "--round-to rounds the widths"},
        {{WEIGHTS, .scores = "s", .output = "o"}, "for single weights take --densities"},
        {{WEIGHTS, .method = "magnitude", .resume = true, .output = "o"}, "magnitude takes none with these options"},
        {{.sparsity = {.given = true, .share = 1.5}, .output = "o"}, "--sparsity 1.5: give a share from 0 to 1"},
        {{.sparsity = {.given = true, .keep = 3, .of = 2}, .output = "o"}, "--pattern 3:2"},
        {{.ratio = 0.2, .drops = drops, .drop_count = 1, .resume = true, .output = "o"},
         "does not go with --drop-layers"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pare_job job = resolve(rows[i].options);
        pare_status status = pare_job_check(&job);
        if (status != PARE_BAD_ARGUMENT || !strstr(pare_message(), rows[i].sentence))
            print_message("row %zu: %s\n", i, status == PARE_OK ? "taken" : pare_message());
        assert_int_equal(status, PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), rows[i].sentence));
        pare_job_free(&job);
    }
}

/* A row is found by the member that it sets, whichever way it is spelt. */
static void keys_are_rows(void **state) {
    (void)state;
    for (size_t i = 0; pare_key_at(i); i++)
        assert_ptr_equal(pare_key_of(pare_key_at(i)->offset), pare_key_at(i));
    assert_string_equal(PARE_KEY_OF(element.compare)->name, "compare");
    assert_string_equal(PARE_KEY_OF(moreau.eta)->name, "eta");
    assert_string_equal(PARE_KEY_OF(mode)->choices[PARE_MODE_ELEMENT], "element");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said),
        cmocka_unit_test(protocols_are_filled_in),
        cmocka_unit_test(what_is_ignored_says_what_it_lacks),
        cmocka_unit_test(dry_runs_have_no_folder),
        cmocka_unit_test(a_recovery_goes_along),
        cmocka_unit_test(layers_alone_need_no_method),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(keys_are_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
