/* Matrices whose surviving weights were computed anew. They are kept as they will be written: only the columns that
 * remain, in the tensor's own dtype. */
#ifndef PARE_REPAIR_REPAIRED_H
#define PARE_REPAIR_REPAIRED_H

#include "select/selection.h"
#include "support/scratch.h"

typedef struct pare_repaired {
    size_t count;       /* of tensor ids */
    void **matrix;      /* [count] rows x columns as they remain after the selection; NULL: cut from the original */
    uint64_t *elements; /* [count] of each */
    pare_scratch memory;
    uint64_t used; /* bytes of memory */
} pare_repaired;

/* Some indices of an axis, ascending; index NULL: the first `count`. */
typedef struct pare_index_list {
    const uint32_t *index;
    int64_t count;
} pare_index_list;

enum { PARE_REPAIRED_ALIGNMENT = 64 };

/* Room for `bytes`, every matrix being rounded up to PARE_REPAIRED_ALIGNMENT; scratch as in pare_scratch_open. Free
 * with pare_repaired_free. */
pare_status pare_repaired_new(const pare_model *model, uint64_t bytes, const char *scratch, pare_repaired *out);
void pare_repaired_free(pare_repaired *repaired);

/* Bytes that a matrix of this tensor takes. */
uint64_t pare_repaired_bytes(const pare_model *model, size_t id, uint64_t rows, uint64_t columns);
/* The same of a layer's matrix, cut to these widths and this hidden size. */
uint64_t pare_repaired_bytes_at(const pare_model *model, uint32_t layer, pare_role role, const pare_widths *widths,
                                uint64_t hidden);

/* Makes matrix[id] of rows x columns elements, for the caller to fill. PARE_OUT_OF_MEMORY if there is no room left. */
pare_status pare_repaired_add(pare_repaired *repaired, const pare_model *model, size_t id, uint64_t rows,
                              uint64_t columns, void **out);

/* out <- the given rows and columns of `matrix`, whose rows lie `stride` elements of `size` bytes apart. */
void pare_matrix_cut(const void *matrix, int64_t stride, size_t size, pare_index_list rows, pare_index_list columns,
                     void *out);

#endif
