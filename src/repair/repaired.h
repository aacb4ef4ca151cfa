/* Matrices whose surviving weights were computed anew. They are kept as they will be written: only the columns that
 * remain, in the tensor's own dtype. */
#ifndef PARE_REPAIR_REPAIRED_H
#define PARE_REPAIR_REPAIRED_H

#include "select/selection.h"
#include "support/scratch.h"

typedef struct pare_repaired {
    size_t count;  /* of tensor ids */
    void **matrix; /* [count] rows x columns as they remain after the selection; NULL: cut from the original */
    pare_scratch memory;
} pare_repaired;

#endif
