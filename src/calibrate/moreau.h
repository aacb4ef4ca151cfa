/* The Moreau gradient (MoreauPruner, Algorithm 1 and eq. 6-11), in delta form: delta = w_t - w, starting at zero,
 *
 *   g     = mean over m draws z of dL/dw (w + delta + z),   z ~ N(0, (sigma |w|)^2) per element
 *   delta = prox( (1 - gamma/rho) delta - gamma g )
 *
 * for T steps. prox: none; rows of every matrix shrink by gamma eta in L2 norm (group-sparse, eq. after Algorithm 1);
 * or every element shrinks by gamma eta (l1). The Moreau gradient is -delta/rho (eq. 10); its sign does not matter to
 * scores. delta is updated while each dW appears, inside the backward pass. gamma = rho makes exact proximal steps: the
 * first one is the prox of -rho g.
 *
 * The loop that the authors released is another one: no pull to w (`unpulled`: delta, not (1 - gamma/rho) delta), rows
 * measured by their root mean square r (vectors by element), zero where r <= gamma eta and otherwise times 1 - eta/r,
 * which turns the row round where r < eta (PARE_PROX_RELEASED; eta = 0: none); what it hands on is the mean of the last
 * five deltas (`tail`). */
#ifndef PARE_CALIBRATE_MOREAU_H
#define PARE_CALIBRATE_MOREAU_H

#include "calibrate/moreau_window.h"
#include "model/pass.h"

typedef enum pare_prox { PARE_PROX_NONE, PARE_PROX_GROUP, PARE_PROX_L1, PARE_PROX_RELEASED } pare_prox;

enum { PARE_RELEASED_TAIL = 5 }; /* iterates that the released loop takes the mean of */

typedef struct pare_moreau {
    int32_t steps; /* T */
    int32_t draws; /* m */
    double sigma;  /* noise relative to |w| */
    double rho;    /* envelope parameter */
    double gamma;  /* step size */
    double eta;    /* threshold level; the prox thresholds at gamma eta */
    pare_prox prox;
    /* q in (0, 1): instead of `eta`, the level is the q-quantile of what the first step's gradient holds: of the L2
     * norms of its rows, over all displaced matrices (group), or of its absolute values, over all displaced elements
     * (l1). The first step runs without threshold and is thresholded in place once its level is known; the level then
     * stays. After the first step floor(q rows) rows are zero (more only if norms tie); of the elements, a share of q
     * to within the 1/2048 relative width of a bin of the histogram that stands in for them. 0: `eta` holds. */
    double eta_quantile;
    int32_t tail;  /* the signal is the mean of the last min(tail, T) displacements; 0 or 1: the last one */
    bool unpulled; /* delta keeps its whole length in a step: no term of rho */
} pare_moreau;

typedef struct pare_moreau_step {
    double loss;              /* mean over the draws, at w + delta before the step */
    double delta_l2;          /* over all displaced tensors, after the step */
    uint64_t rows, zero_rows; /* of displaced matrices; rows that the threshold keeps at zero */
    double rank_correlation;  /* for whoever computes it in after_step; NaN until then */
} pare_moreau_step;

/* Of ranks each has some rows of every tensor (moreau_rows.h), which is all that delta, next and mean hold; what else
 * there is is every rank's. One process has all rows. */
typedef struct pare_moreau_state {
    float **delta;           /* [tensor_count] rows x columns, NULL where not displaced */
    double *tensor_l2;       /* [tensor_count] of delta after the last step */
    pare_moreau_step *trace; /* [steps] */
    int32_t steps_done;      /* whole steps that delta has behind it; -1 while one is under way or was cut off */
    double level;            /* eta in use: pare_moreau.eta, or what its quantile was found to be (NaN before) */
    pare_scratch memory, next_memory, mean_memory, sample;
    float **next; /* as delta, only with more than one draw */
    float **mean; /* as delta, only with a tail: the part of its mean that is over */
    pare_moreau_window window;
} pare_moreau_state;

/* Bytes of state for these tensors, of one process: one displacement, one more with several draws, one more with a
 * tail, and with eta_quantile four bytes per row of the displaced matrices (group) or 4 MiB (l1). */
uint64_t pare_moreau_state_bytes(const pare_model *model, const bool *displaced, const pare_moreau *moreau);
/* Of that one of so many ranks that has most, with the window through which it sees the others' rows. */
uint64_t pare_moreau_share_bytes(const pare_model *model, const bool *displaced, const pare_moreau *moreau, int ranks);

/* scratch: folder of a scratch file, or NULL for anonymous memory. Made by all ranks alike. Free with
 * pare_moreau_state_free. */
pare_status pare_moreau_state_new(const pare_model *model, const bool *displaced, const pare_moreau *moreau,
                                  const char *scratch, pare_moreau_state *out);
void pare_moreau_state_free(pare_moreau_state *state);

/* What goes on to the scores when all steps are done: -rho times the Moreau gradient, or the mean of the tail.
 * [tensor_count], NULL where not displaced; owned by the state; this rank's rows, of which pare_moreau_window_whole
 * makes all of a tensor. */
float *const *pare_moreau_signal(const pare_moreau_state *state);

/* What may differ from one run over one fixed batch. Functions may be NULL; a status other than PARE_OK ends the run
 * with it. */
typedef struct pare_moreau_schedule {
    /* The number of steps that `state` has behind it (state->steps_done, 0 for a new one). */
    int32_t first_step;
    /* *ids: the batch of step `step`, in the pass's shape; valid until the step is over. */
    pare_status (*ids_of_step)(void *context, int32_t step, const uint32_t **ids);
    /* After each whole step: state->delta is what it left, state->trace[step] its line, which may be added to; the
     * state may be saved. */
    pare_status (*after_step)(void *context, int32_t step, pare_moreau_state *state);
    void *context;
} pare_moreau_schedule;

/* Runs the steps from schedule->first_step to the end over the pass's batch `ids`. Step t, draw i uses noise draw
 * t m + i of stream `seed`. schedule NULL: all steps, the same batch. ids may be NULL where ids_of_step is given. */
pare_status pare_moreau_run(pare_pass *pass, pare_source *source, const uint32_t *ids, const pare_moreau *moreau,
                            const pare_moreau_schedule *schedule, pare_moreau_state *state);

#endif
