/* Regional optimisation (RO of Wanda++, arXiv 2503.04992; spec 8.1): rounds of pruning a block and of letting its
 * weights follow the gradient of the squared error that pruning leaves in its output,
 *   v <- decay v + (1 - decay) g^2,   w <- w - rate g / (sqrt(v) + epsilon)      (RMSprop),
 *   g = d ||f(x_n) - f0(x_n)||^2 / dW, f: the block with its weights under the masks, f0: the dense block,
 * one step per sequence. Gradients of the masked forward go to all weights of the pruned matrices, pruned ones
 * included; v starts at 0 and lives through all rounds. */
#ifndef PARE_REPAIR_REGIONAL_OPTIMISE_H
#define PARE_REPAIR_REGIONAL_OPTIMISE_H

#include "calibrate/regional.h"
#include "select/element_mask.h"

/* What a round prunes from. */
typedef struct pare_regional_round {
    int32_t round;
    const int64_t *drawn; /* [samples] the sequences of its steps, in their order */
    /* The block as it is now: dense in round 0, then with the weights of the last step under the masks of the last
     * round, one sequence at a time in the room, whose x and output are free: an observer may be hung on a copy to see
     * the inputs of its matrices. */
    const pare_block *block;
} pare_regional_round;

typedef struct pare_regional_optimise {
    const pare_block *dense; /* its weights give the target */
    const pare_regional_inputs *inputs;
    pare_regional_room *room;
    int32_t rounds;              /* K: 5 */
    int64_t samples;             /* M: 32 of the sequences, drawn anew in each round without repetition */
    double rate, decay, epsilon; /* 3e-7, 0.99, 1e-8 */
    uint64_t seed;               /* of the draws, which depend on it, the layer and the round alone */
    bool revive; /* pruned weights keep their values, so that a later round may choose them again; false, as in the
                  * released form: they are set to 0 where a round prunes them, and start from there */
    /* Fills the mask of every matrix whose weights are given. weights: as they are now. */
    pare_status (*prune)(void *context, const pare_regional_round *round, float *const weights[PARE_MATRIX_ROLES],
                         pare_element_mask masks[PARE_MATRIX_ROLES]);
    void *context;
} pare_regional_optimise;

/* weights[role]: float [out, in], in: dense, out: optimised, not pruned (the caller prunes once more); NULL: the role
 * stays dense. masks: of their shapes, out: those of the last round. errors: [rounds] mean over the round's sequences
 * of ||f - f0||^2, each taken before its own step; or NULL. PARE_NUMERIC_ERROR if an output is not finite. The result
 * is the same for any number of threads, where the backend's products are. */
pare_status pare_regional_optimise_run(const pare_regional_optimise *request, float *const weights[PARE_MATRIX_ROLES],
                                       pare_element_mask masks[PARE_MATRIX_ROLES], double *errors);
/* Bytes held while it runs in any block of the model, beside the room, the weights and the masks. */
uint64_t pare_regional_optimise_bytes(const pare_model *model, const pare_backend *backend, int64_t length);

#endif
