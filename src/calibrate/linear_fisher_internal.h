/* What gathering Fisher matrices is made of: the pass (linear_fisher.c), and what groups of sequences give to them
 * (linear_fisher_share.c). */
#ifndef PARE_CALIBRATE_LINEAR_FISHER_INTERNAL_H
#define PARE_CALIBRATE_LINEAR_FISHER_INTERNAL_H

#include "calibrate/linear_fisher.h"
#include "support/blocks.h"

/* What one group gives to a matrix. */
typedef struct pare_fisher_room {
    float *full;     /* blocks of rows, or NULL */
    double *squares; /* [rows] or NULL */
    double spread;
} pare_fisher_room;

typedef struct pare_fisher_gathering {
    const pare_fisher_request *request;
    pare_linear_fisher *out;
    double **squares; /* [tensor_count] [rows], NULL: not wanted */
    double *sums;     /* what all of `squares` points into */
    uint64_t rows;    /* of `sums` */
    float scale;      /* from the mean loss of a group to the sum: products and their sums are happier near 1 */
    float *scaled;    /* CHUNK tokens of the widest full matrix; first the room of pare_spread_add */
    void *operand;    /* the same as operands */
    pare_fisher_room room[PARE_MATRIX_ROLES]; /* of the layer in hand */
    int64_t tokens;                           /* of a group */
    uint64_t passes_done, passes;
} pare_fisher_gathering;

bool pare_fisher_wants(const pare_model *model, const pare_fisher_choice *choice, size_t id);
int64_t pare_fisher_rows(const pare_model *model, size_t id);

/* g->room. */
uint64_t pare_fisher_rooms_bytes(const pare_model *model, const pare_fisher_choice *choice);
pare_status pare_fisher_rooms_new(pare_fisher_gathering *g, const pare_fisher_choice *choice);
void pare_fisher_rooms_free(pare_fisher_gathering *g);

/* A group's matrix in the room is whole: it, and those of the other ranks' groups of the round behind it, are added to
 * the sums, on rank 0. */
pare_status pare_fisher_share(pare_fisher_gathering *g, pare_role role, size_t id, int64_t rows);
/* All sums, to all ranks. */
pare_status pare_fisher_hand_out(pare_fisher_gathering *g);

#endif
