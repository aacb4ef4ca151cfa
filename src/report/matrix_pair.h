/* A matrix of a pruned model beside that of the model it was pruned from. */
#ifndef PARE_REPORT_MATRIX_PAIR_H
#define PARE_REPORT_MATRIX_PAIR_H

#include "report/matrix_name.h"

/* Where the pruned matrix lies in the dense one. */
typedef struct pare_matrix_pair {
    pare_named_matrix dense;
    uint32_t *rows, *columns; /* [of the pruned one] of the dense one, ascending; NULL: all */
    bool rescaled;            /* the norm before it was folded in: what is kept can be compared, sizes cannot */
} pare_matrix_pair;

/* The dense model's matrix in the role of `pruned`, or of its name where it plays none, and which of its rows and
 * columns are left, as pruning.json in the pruned model's folder says (also which layers went). PARE_BAD_ARGUMENT, with
 * what does not fit, where that file is not there and the shapes differ, is of another model, or says that channels
 * have another order; and for queries and keys of a class that orders their rows otherwise. Free with
 * pare_matrix_pair_free in any case. */
pare_status pare_matrix_pair_find(const pare_matrix_source *dense, const pare_matrix_source *source,
                                  const pare_named_matrix *pruned, pare_matrix_pair *out);
void pare_matrix_pair_free(pare_matrix_pair *pair);

#endif
