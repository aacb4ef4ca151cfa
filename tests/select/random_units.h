/* Random scores for a shape, and a target over all of its layers. */
#ifndef PARE_TESTS_RANDOM_UNITS_H
#define PARE_TESTS_RANDOM_UNITS_H

#include "select/ladder.h"
#include "select/shape.h"
#include "support/random.h"

/* Scores of every unit; those of heads are `head_weight` times as large. */
static inline pare_unit_scores random_units(const shape *s, uint64_t seed, double head_weight) {
    pare_unit_scores scores;
    assert_int_equal(pare_unit_scores_new(&s->model, &scores), PARE_OK);
    pare_unit_scores_random(&s->model, seed, &scores);
    for (uint32_t i = 0; i < s->model.config.layers; i++) {
        for (uint32_t j = 0; j < s->widths[i].kv_heads; j++)
            scores.heads[i][j] *= head_weight;
        for (uint32_t j = 0; j < s->widths[i].heads; j++)
            scores.query[i][j] *= head_weight;
    }
    return scores;
}

static inline pare_target whole_model(const shape *s, pare_ranking ranking, double ratio) {
    uint32_t layers = s->model.config.layers;
    return (pare_target){.ranking = ranking, .ratio = ratio, .attention = {0, layers}, .ffn = {0, layers}};
}

/* What pare_select keeps, and its widths. */
static inline pare_selection random_select(const shape *s, const pare_unit_scores *scores, const pare_target *target,
                                           pare_goal *goal, pare_widths *widths) {
    pare_selection selection;
    assert_int_equal(pare_goal_new(&s->model, target, 1.0, goal), PARE_OK);
    pare_status status = pare_select(&s->model, scores, target, goal, &selection);
    if (status) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    pare_selection_widths(&selection, widths);
    return selection;
}

#endif
