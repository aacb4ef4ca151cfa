/* What the parts of scoring share: one file per kind of signal. */
#ifndef PARE_SCORE_SCORE_INTERNAL_H
#define PARE_SCORE_SCORE_INTERNAL_H

#include "checkpoint/state_file.h"
#include "score/score.h"

enum { PARE_SCORE_SETS = 5 };

/* What a signal that measures itself is measured for. */
typedef struct pare_signal_sizes {
    const pare_model *model;
    const pare_backend *backend;
    const pare_runtime *runtime;
    const pare_recipe *recipe;
    const pare_target *target;
} pare_signal_sizes;

typedef struct pare_scoring {
    const pare_score_request *request;
    pare_index_scores sets[PARE_SCORE_SETS]; /* the recipe's salience, of heads too where they go with hidden channels,
                                                and others that the same signal serves */
    int count;
    uint64_t passes_done, passes_total; /* for progress */
    float share;                        /* of a pass in what is stored */
} pare_scoring;

/* A pass of the plan's shape that reports its steps as shares of passes_total. */
pare_status pare_scoring_pass(pare_scoring *scoring, pare_pass **pass);
/* True if heads are scored beside hidden channels: their class ties them. */
bool pare_scoring_ties(const pare_score_request *request);
/* The axis that the recipe's mode cuts. */
pare_score_axis pare_scoring_axis(const pare_recipe *recipe);

/* What is beside stored matrices, multiplied by `scale`. */
typedef struct pare_beside_stored {
    /* *signal: all of a tensor's, until the next call; NULL: it has none. */
    pare_status (*of)(void *context, size_t id, const float **signal);
    /* Where ranks have some rows each, in their order: rows [*first, *first + *rows) of this rank's, and their signal.
     * NULL: every rank has all. */
    void (*own)(void *context, size_t id, int64_t *first, int64_t *rows, const float **signal);
    void *context;
    float scale;
} pare_beside_stored;

/* Adds stored matrices to some sets, with what is beside them unless that is NULL; on all ranks, whoever has the rows.
 * Progress is reported for the scoring's own sets alone: others are looked at in between. */
pare_status pare_scoring_stored(pare_scoring *scoring, pare_index_scores *sets, int count,
                                const pare_beside_stored *beside);
/* Adds rows to all of the scoring's sets. */
pare_status pare_scoring_add(pare_scoring *scoring, size_t id, int64_t first, int64_t rows,
                             const pare_row_signals *signals);
/* Or to where the request wants the signal itself. */
pare_status pare_scoring_store(pare_scoring *scoring, size_t id, int64_t first, int64_t rows,
                               const pare_row_signals *signals);
/* Gradients of the whole calibration set in groups of sequences, into the request's store. */
pare_status pare_score_groups(pare_scoring *scoring, pare_score_result *out);
/* Gradients to the indices, as they appear. */
pare_gradient_sink pare_scoring_sink(pare_scoring *scoring);

/* With request->state, between two passes (score_file.c): s->passes_done <- those that an earlier process has made,
 * with what they came to in the request's stores or the scoring's sets, and *losses <- the sum of theirs; 0 where there
 * are none. After each pass, all of that is kept. */
pare_status pare_scoring_take_up(pare_scoring *scoring, double *losses);
pare_status pare_scoring_keep(pare_scoring *scoring, uint64_t done, double losses);
pare_state_place pare_scoring_place(const pare_scoring *scoring);

/* The runs of signals.c. */
pare_status pare_score_gradient(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_moreau(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_smooth(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_smooth_rows(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_inputs(pare_scoring *scoring, pare_score_result *out);
/* Fills out->scores, too, and all that gates leave; and what that takes, for the plan. */
pare_status pare_score_gates(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_gates_measure(const pare_signal_sizes *sizes, pare_calibration_plan *plan);
/* Those that fill out->scores.layer. */
pare_status pare_score_depth(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_influence(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_removal(pare_scoring *scoring, pare_score_result *out);

/* Those that fill out->scores.expert and out->load. */
pare_status pare_score_expert_outputs(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_expert_tokens(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_expert_shares(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_expert_errors(pare_scoring *scoring, pare_score_result *out);
pare_status pare_score_expert_gradient(pare_scoring *scoring, pare_score_result *out);

#endif
