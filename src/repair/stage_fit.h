/* What became of the stages of a layer that were fitted. */
#ifndef PARE_REPAIR_STAGE_FIT_H
#define PARE_REPAIR_STAGE_FIT_H

#include "repair/least_squares.h"

typedef enum pare_stage { PARE_STAGE_ATTENTION, PARE_STAGE_FFN, PARE_STAGES } pare_stage;

/* Experts of a layer that were seen by fewer tokens than they have inputs, and by none; the first of the former. */
typedef struct pare_starved {
    uint32_t experts, unreached, first;
} pare_starved;

/* Of one stage. Not fitted: all zero. */
typedef struct pare_stage_fit {
    bool fitted, readers_fitted;
    bool bias;        /* that of the output makes up for the mean of what is missing */
    pare_fit output;  /* errors over all tokens, before and after */
    pare_fit readers; /* of the normed hidden state */
    pare_starved starved;
} pare_stage_fit;

/* What a reconstruction (reconstruct/reconstruct.h) made of a stage: of held-out sequences the mean squared error,
 * relative to the mean square of what the dense stage adds. */
typedef struct pare_rebuilt {
    double before, after;
    double share; /* of the change that training made, which was taken: 1, a half, .., or 0 */
} pare_rebuilt;

#endif
