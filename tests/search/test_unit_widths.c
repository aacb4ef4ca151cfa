/* Candidates put together from levels: what they are said to be away from the dense model is what the evaluation says
 * of them, however few of their layers run again; and a search over them keeps the budget. */
#include "evaluate/divergence.h"
#include "layerwise/stories.h"
#include "search/unit_candidate.h"
#include "search/unit_widths.h"
#include "select/size.h"

#include <math.h>

enum { WALKED = 16, SEARCHED = 8 };

typedef struct searched {
    stories s;
    pare_source source;
    pare_unit_levels levels;
    const pare_widths *widths; /* a quarter is gone */
    pare_target target;
} searched;

static pare_candidate_windows windows_of(const searched *t) {
    return (pare_candidate_windows){.ids = t->s.ids + WALKED * t->s.length,
                                    .sequences = SEARCHED,
                                    .length = t->s.length,
                                    .predictions = SEARCHED * (t->s.length - 1)};
}

static searched searched_open(void) {
    searched t = {.s = stories_open(1)};
    uint32_t layers = t.s.model->config.layers;
    pare_selection all;
    pare_repaired repaired;
    t.widths = stories_quarter(&t.s);
    t.target = (pare_target){.attention = {0, layers}, .ffn = {0, layers}};
    assert_int_equal(pare_width_levels(t.s.model, &t.target, t.widths, 1, &t.levels), PARE_OK);
    assert_int_equal(pare_unit_levels_open(&t.levels, NULL), PARE_OK);
    t.source = (pare_source){.model = t.s.model, .backend = t.s.backend};
    pare_repair_job job = stories_job(&t.s, &t.source);
    job.sequences = WALKED;
    job.options.choose[0] = job.options.choose[1] = true;
    job.options.widths = t.widths;
    job.options.fraction = 0.0625;
    job.options.alpha = 0.5;
    job.options.levels = &t.levels;
    assert_int_equal(pare_selection_all(t.s.model, &all), PARE_OK);
    assert_int_equal(pare_repair_run(&job, &all, &repaired, NULL), PARE_OK);
    pare_selection_free(&all);
    pare_repaired_free(&repaired);
    return t;
}

static void searched_close(searched *t) {
    pare_unit_levels_free(&t->levels);
    stories_close(&t->s);
}

/* What `pare eval --against` says of the candidate. */
static double evaluated(const searched *t, const uint32_t (*level)[PARE_STAGES]) {
    pare_candidate_windows w = windows_of(t);
    pare_windows windows = {.ids = (uint32_t *)(uintptr_t)w.ids, .count = SEARCHED, .length = (uint32_t)w.length};
    pare_selection selection;
    pare_repaired repaired;
    pare_mask mask;
    pare_source source = t->source;
    pare_divergence_result result;
    assert_int_equal(pare_unit_levels_select(&t->levels, level, &selection, &repaired), PARE_OK);
    assert_int_equal(pare_mask_new(t->s.model, &selection, &repaired, &mask), PARE_OK);
    pare_mask_apply(&mask, &source);
    pare_evaluation evaluation = {.model = t->s.model, .source = &source, .backend = t->s.backend, .windows = &windows};
    assert_int_equal(pare_divergence(&evaluation, t->s.model, &result, NULL), PARE_OK);
    pare_mask_free(&mask);
    pare_selection_free(&selection);
    pare_repaired_free(&repaired);
    return result.kl;
}

/* 1e-5: logarithms of probabilities are kept in fp32. The vocabulary has no more ids than are kept. */
static void candidates_are_what_evaluation_says(void **state) {
    (void)state;
    searched t = searched_open();
    uint32_t layers = t.s.model->config.layers, level[64][PARE_STAGES] = {{0}};
    const uint32_t(*all)[PARE_STAGES] = (const uint32_t(*)[PARE_STAGES])level;
    pare_candidate_windows windows = windows_of(&t);
    pare_candidates candidates, fresh;
    double kl, again;
    assert_int_equal(pare_candidates_new(t.s.model, t.s.backend, &windows, &candidates), PARE_OK);
    for (uint32_t turn = 0; turn < 6; turn++) {
        uint32_t layer = (turn * 3) % layers;
        int stage = turn % 2;
        level[layer][stage] = (level[layer][stage] + 1 + turn) % t.levels.part[layer][stage].count;
        assert_int_equal(pare_unit_candidate_divergence(&candidates, &t.levels, all, false, &kl), PARE_OK);
        assert_true(fabs(kl - evaluated(&t, all)) <= 1e-5 * (1.0 + kl));
        assert_int_equal(pare_candidates_new(t.s.model, t.s.backend, &windows, &fresh), PARE_OK);
        assert_int_equal(pare_unit_candidate_divergence(&fresh, &t.levels, all, false, &again), PARE_OK);
        assert_true(kl == again);
        pare_candidates_free(&fresh);
    }
    pare_candidates_free(&candidates);
    searched_close(&t);
}

/* Of sequences of which the first quarter is one and the others another, many times: a rough measure is that of the
 * first, and both keep their own hidden states. */
static void rough_measures_are_of_the_first_quarter(void **state) {
    (void)state;
    searched t = searched_open();
    enum { TIMES = 33 };
    int64_t length = t.s.length, bytes = length * (int64_t)sizeof *t.s.ids;
    uint32_t level[64][PARE_STAGES] = {{0}}, *ids = malloc((size_t)(4 * TIMES * bytes));
    const uint32_t(*all)[PARE_STAGES] = (const uint32_t(*)[PARE_STAGES])level;
    const uint32_t *from = t.s.ids + WALKED * length;
    assert_non_null(ids);
    for (int64_t i = 0; i < 4 * TIMES; i++)
        memcpy(ids + i * length, i < TIMES ? from : from + length, (size_t)bytes);
    pare_candidate_windows windows = {
        .ids = ids, .sequences = 4 * TIMES, .length = length, .predictions = 4 * TIMES * (length - 1)};
    pare_candidate_windows first = {.ids = from, .sequences = 1, .length = length, .predictions = length - 1};
    pare_candidate_windows other = first;
    pare_candidates candidates, alone[2];
    other.ids = from + length;
    assert_true(TIMES * (length - 1) >= PARE_ROUGH_PREDICTIONS);
    assert_int_equal(pare_candidates_new(t.s.model, t.s.backend, &windows, &candidates), PARE_OK);
    assert_int_equal(pare_candidates_new(t.s.model, t.s.backend, &first, &alone[0]), PARE_OK);
    assert_int_equal(pare_candidates_new(t.s.model, t.s.backend, &other, &alone[1]), PARE_OK);
    assert_non_null(candidates.rough);
    assert_null(alone[0].rough);
    for (uint32_t turn = 0; turn < 4; turn++) {
        double roughly, whole, one, two;
        level[(turn * 2) % t.s.model->config.layers][turn % 2] = 1 + turn;
        assert_int_equal(pare_unit_candidate_divergence(&candidates, &t.levels, all, true, &roughly), PARE_OK);
        assert_int_equal(pare_unit_candidate_divergence(&candidates, &t.levels, all, false, &whole), PARE_OK);
        assert_int_equal(pare_unit_candidate_divergence(&alone[0], &t.levels, all, true, &one), PARE_OK);
        assert_int_equal(pare_unit_candidate_divergence(&alone[1], &t.levels, all, false, &two), PARE_OK);
        assert_true(fabs(roughly - one) <= 1e-6 * (1.0 + one) && fabs(one - two) > 1e-4);
        assert_true(fabs(whole - 0.25 * one - 0.75 * two) <= 1e-6 * (1.0 + whole));
    }
    pare_candidates_free(&candidates);
    pare_candidates_free(&alone[0]);
    pare_candidates_free(&alone[1]);
    free(ids);
    searched_close(&t);
}

static void levels_are_nested(void **state) {
    (void)state;
    searched t = searched_open();
    for (uint32_t layer = 0; layer < t.s.model->config.layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++) {
            const pare_level_part *part = &t.levels.part[layer][stage];
            const pare_widths *w = &t.widths[layer];
            assert_true(pare_level_of_width(part, stage ? w->ffn : w->kv_heads) < part->count);
            for (uint32_t i = 1; i < part->count; i++) {
                assert_true(part->width[i] < part->width[i - 1] && part->error[i] >= part->error[i - 1]);
                for (uint32_t j = 0, k = 0; j < part->width[i]; j++, k++) {
                    while (k < part->width[i - 1] && part->kept[i - 1][k] != part->kept[i][j])
                        k++;
                    assert_true(k < part->width[i - 1]);
                }
            }
        }
    searched_close(&t);
}

static void searches_keep_the_budget(void **state) {
    (void)state;
    searched t = searched_open();
    const pare_model *model = t.s.model;
    pare_candidate_windows w = windows_of(&t);
    uint64_t budget = pare_parameters_with(model, t.widths, model->config.hidden), bytes;
    pare_width_search search = {
        .levels = &t.levels, .backend = t.s.backend, .windows = w, .budget = budget, .steps = 40};
    pare_widths found[2][64];
    pare_search_found of[2];
    for (int i = 0; i < 2; i++) {
        memcpy(found[i], t.widths, model->config.layers * sizeof *t.widths);
        pare_memory_peak_reset();
        uint64_t before = pare_memory_current();
        assert_int_equal(pare_width_search_measure(&search, &bytes), PARE_OK);
        assert_int_equal(pare_width_search_run(&search, found[i], &of[i]), PARE_OK);
        assert_true(pare_memory_peak() - before <= bytes + bytes / 50);
        assert_true(of[i].end <= of[i].start && of[i].steps <= 40);
        assert_true(pare_parameters_with(model, found[i], model->config.hidden) <= budget);
        pare_width_fit(model, &t.target, budget, found[i]);
        uint64_t left = pare_parameters_with(model, found[i], model->config.hidden);
        assert_true(left <= budget && budget - left < pare_channel_parameters(&model->config, found[i]));
    }
    assert_memory_equal(found[0], found[1], model->config.layers * sizeof *t.widths);
    assert_true(of[0].end == of[1].end);
    search.windows.limit = 1 << 16;
    assert_int_equal(pare_width_search_measure(&search, &bytes), PARE_OUT_OF_MEMORY);
    searched_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_what_evaluation_says),
        cmocka_unit_test(rough_measures_are_of_the_first_quarter),
        cmocka_unit_test(levels_are_nested),
        cmocka_unit_test(searches_keep_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
