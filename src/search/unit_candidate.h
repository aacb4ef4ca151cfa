/* One combination of levels: the original model with some columns switched off and refitted matrices in place, and how
 * far what it says is from what the dense model says. */
#ifndef PARE_SEARCH_UNIT_CANDIDATE_H
#define PARE_SEARCH_UNIT_CANDIDATE_H

#include "layerwise/unit_levels.h"
#include "repair/repaired.h"
#include "search/answers.h"

typedef struct pare_unit_candidates {
    const pare_unit_levels *levels;
    pare_source source; /* the dense model */
    const uint32_t *ids;
    int64_t sequences;
    pare_pass *pass;
    pare_answers answers;
    uint32_t (*ran)[PARE_STAGES]; /* [layers] levels whose hidden states the pass holds */
    bool runs;                    /* it holds some */
} pare_unit_candidates;

typedef struct pare_candidate_windows {
    const uint32_t *ids; /* [sequences, length] */
    int64_t sequences, length, predictions;
    uint64_t limit; /* bytes of anonymous memory; 0: none set */
} pare_candidate_windows;

/* Bytes held. PARE_OUT_OF_MEMORY, naming what to change, if that does not fit. */
pare_status pare_unit_candidates_measure(const pare_model *model, const pare_backend *backend,
                                         const pare_candidate_windows *windows, uint64_t *bytes);
/* Runs the dense model. Free with pare_unit_candidates_free. */
pare_status pare_unit_candidates_new(const pare_unit_levels *levels, const pare_backend *backend,
                                     const pare_candidate_windows *windows, pare_unit_candidates *out);
void pare_unit_candidates_free(pare_unit_candidates *candidates);

/* The selection that these levels [layers] stand for; free with pare_selection_free. And their matrices, which stay
 * the levels' (pare_repaired_free does not touch them). */
pare_status pare_unit_levels_select(const pare_unit_levels *levels, const uint32_t (*level)[PARE_STAGES],
                                    pare_selection *selection, pare_repaired *repaired);

/* Mean KL(dense || candidate) over the windows' predictions. Layers in front of the first one that differs from the
 * last candidate do not run again, where memory has room for the hidden states of all. */
pare_status pare_unit_candidates_divergence(pare_unit_candidates *candidates, const uint32_t (*level)[PARE_STAGES],
                                            double *kl);

#endif
