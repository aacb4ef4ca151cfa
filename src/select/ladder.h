/* The steps in which one part of one layer can shrink, each taking the lowest-scored unit that is left (one query head
 * of every KV group where those are the units). All rankings but the local one are choices of steps from ladders. */
#ifndef PARE_SELECT_LADDER_H
#define PARE_SELECT_LADDER_H

#include "importance/scores.h"
#include "select/target.h"

typedef struct pare_ladder {
    uint32_t steps;      /* that may be taken; at least one unit stays */
    double *cost;        /* [steps] score of what each step removes, never falling */
    uint64_t parameters; /* removed per step */
} pare_ladder;

typedef struct pare_ladders {
    uint32_t layers;
    pare_ladder *heads, *ffn; /* [layers]; no steps where the part is out of range */
} pare_ladders;

pare_status pare_ladders_new(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                             pare_ladders *out);
/* From cumulative errors: curves[layer][0]: [K] after each removed KV group, [1]: [F] after each removed channel. A
 * step costs what the error grows by, and never less than the one before it. */
pare_status pare_ladders_from_curves(const pare_model *model, double *const (*curves)[2], const pare_target *target,
                                     pare_ladders *out);
void pare_ladders_free(pare_ladders *ladders);

/* Widths after taking steps: [layers] of each part. */
void pare_ladders_widths(const pare_model *model, const pare_target *target, const uint32_t *heads, const uint32_t *ffn,
                         pare_widths *widths);

/* Widths of all layers for the budget of parameters that remain, by the cost of the steps: per parameter (or by
 * cost alone, PARE_RANK_GLOBAL_SCORE) over all layers; or the same number of steps in every layer. Never below the
 * budget. */
pare_status pare_allocate_global(const pare_model *model, const pare_ladders *ladders, const pare_target *target,
                                 uint64_t budget, pare_widths *widths);
pare_status pare_allocate_uniform(const pare_model *model, const pare_ladders *ladders, const pare_target *target,
                                  uint64_t budget, pare_widths *widths);
/* Refuses a model whose layers differ in width, which no width for all layers suits. */
pare_status pare_ladders_check_alike(const pare_model *model);
/* By target->ranking; the goal's own widths where it is local. */
pare_status pare_allocate(const pare_model *model, const pare_unit_scores *scores, const pare_ladders *ladders,
                          const pare_target *target, const pare_goal *goal, pare_widths *widths);
/* LLM-Pruner's global_pruning, as it is: of all units, each counting one, the lowest go together with their equals;
 * groups that would lose everything are passed over. */
pare_status pare_allocate_global_raw(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                                     const pare_goal *goal, pare_widths *widths);

#endif
