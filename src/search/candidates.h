/* Models that differ from the dense one layer by layer, and how far what each of them says is from what that says. */
#ifndef PARE_SEARCH_CANDIDATES_H
#define PARE_SEARCH_CANDIDATES_H

#include "repair/stage_fit.h"
#include "search/answers.h"
#include "support/work.h"

typedef struct pare_candidate_windows {
    const uint32_t *ids; /* [sequences, length] */
    int64_t sequences, length, predictions;
    uint64_t limit;  /* bytes of anonymous memory; 0: none set */
    uint64_t beside; /* of which so many are taken meanwhile, by what searches */
} pare_candidate_windows;

/* A quarter of the sequences tells parts apart nearly as well as all of them, where it has so many predictions. */
enum { PARE_ROUGH_SHARE = 4, PARE_ROUGH_PREDICTIONS = 1000 };

typedef struct pare_candidates {
    pare_source source; /* the dense model */
    const uint32_t *ids;
    int64_t sequences;
    pare_pass *pass;
    pare_answers answers;
    uint32_t (*ran)[PARE_STAGES];  /* [layers] what the pass holds the hidden states of */
    bool runs;                     /* it holds some */
    struct pare_candidates *rough; /* the same on the first sequences alone; NULL: there are too few, or no room */
} pare_candidates;

/* Bytes held, `beside` among them. PARE_OUT_OF_MEMORY, naming what to change, if that does not fit. */
pare_status pare_candidates_measure(const pare_model *model, const pare_backend *backend,
                                    const pare_candidate_windows *windows, uint64_t *bytes);
/* True where there are windows enough for rough measures. */
bool pare_candidates_has_rough(const pare_candidate_windows *windows);

typedef struct pare_candidates_shape {
    double whole, rough; /* measurements on all of the windows, and on a part of them */
    double left;         /* of the blocks' operations, in what is measured */
    bool alike;          /* every layer is another in each of them */
} pare_candidates_shape;

/* What they have to do, about: layers in front of the first that changes do not run. */
pare_work pare_candidates_work(const pare_model *model, const pare_candidate_windows *windows,
                               const pare_candidates_shape *shape);
/* Runs the dense model. Free with pare_candidates_free. */
pare_status pare_candidates_new(const pare_model *model, const pare_backend *backend,
                                const pare_candidate_windows *windows, pare_candidates *out);
void pare_candidates_free(pare_candidates *candidates);

/* Mean KL(dense || candidate) over the windows' predictions, in nats; source: the candidate, level [layers]: what its
 * layers are, by any numbers. Layers in front of the first that is another than in the last candidate do not run again,
 * where memory has room for the hidden states of all. roughly: over a part of the windows, if there is one. */
pare_status pare_candidates_divergence(pare_candidates *candidates, const pare_source *source,
                                       const uint32_t (*level)[PARE_STAGES], bool roughly, double *kl);

#endif
