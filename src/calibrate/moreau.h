/* The Moreau gradient (MoreauPruner, Algorithm 1 and eq. 6-11), in delta form: delta = w_t - w, starting at zero,
 *
 *   g     = mean over m draws z of dL/dw (w + delta + z),   z ~ N(0, (sigma |w|)^2) per element
 *   delta = prox( (1 - gamma/rho) delta - gamma g )
 *
 * for T steps. prox: none; rows of every matrix shrink by gamma eta in L2 norm (group-sparse, eq. after Algorithm 1);
 * or every element shrinks by gamma eta (l1). The Moreau gradient is -delta/rho (eq. 10); its sign does not matter to
 * scores. delta is updated while each dW appears, inside the backward pass. */
#ifndef PARE_CALIBRATE_MOREAU_H
#define PARE_CALIBRATE_MOREAU_H

#include "model/pass.h"
#include "support/scratch.h"

typedef enum pare_prox { PARE_PROX_NONE, PARE_PROX_GROUP, PARE_PROX_L1 } pare_prox;

typedef struct pare_moreau {
    int32_t steps; /* T */
    int32_t draws; /* m */
    double sigma;  /* noise relative to |w| */
    double rho;    /* envelope parameter */
    double gamma;  /* step size */
    double eta;    /* threshold level; the prox thresholds at gamma eta */
    pare_prox prox;
} pare_moreau;

typedef struct pare_moreau_step {
    double loss;              /* mean over the draws, at w + delta before the step */
    double delta_l2;          /* over all displaced tensors, after the step */
    uint64_t rows, zero_rows; /* of displaced matrices; rows that the threshold keeps at zero */
} pare_moreau_step;

typedef struct pare_moreau_state {
    float **delta;           /* [tensor_count] rows x columns, NULL where not displaced */
    double *tensor_l2;       /* [tensor_count] after the last step */
    pare_moreau_step *trace; /* [steps] */
    pare_scratch memory, next_memory;
    float **next; /* as delta, only with more than one draw */
} pare_moreau_state;

/* Bytes of displacement state for these tensors. */
uint64_t pare_moreau_state_bytes(const pare_model *model, const bool *displaced, int32_t draws);

/* scratch: folder of a scratch file, or NULL for anonymous memory. Free with pare_moreau_state_free. */
pare_status pare_moreau_state_new(const pare_model *model, const bool *displaced, const pare_moreau *moreau,
                                  const char *scratch, pare_moreau_state *out);
void pare_moreau_state_free(pare_moreau_state *state);

/* Runs all steps over the pass's batch `ids`. Step t, draw i uses noise draw t m + i of stream `seed`. */
pare_status pare_moreau_run(pare_pass *pass, pare_source *source, const uint32_t *ids, const pare_moreau *moreau,
                            pare_moreau_state *state);

#endif
