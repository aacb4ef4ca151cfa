/* Stored tensors that hold several roles' matrices, or one that is transposed: taken apart when a model is opened
 * (model/parts.h), put together again when one is written. */
#ifndef PARE_SURGERY_COMPOSITE_H
#define PARE_SURGERY_COMPOSITE_H

#include "model/model.h"
#include "model/parts.h"

enum { PARE_COMPOSITE_PARTS = 3 };

typedef struct pare_composite {
    const pare_tensor *whole;
    int count;
    size_t id[PARE_COMPOSITE_PARTS];
    bool grouped, transposed, vector;
    bool by_head; /* a vector, stored as [heads, head size] */
    int64_t head;
} pare_composite;

/* One part as it is left, in the whole's dtype: [rows, columns], a vector's elements being rows. */
typedef struct pare_composite_part {
    void *data;
    int64_t rows, columns;
} pare_composite_part;

/* A tensor that holds one head's share of a role's: the role's id, else tensor_count. */
size_t pare_piece_of(const pare_model *model, const pare_tensor *tensor, uint32_t *head);

/* False if the stored tensor is one role's as it stands, or nobody's. */
bool pare_composite_of(const pare_model *model, const pare_tensor *whole, pare_composite *out);

/* Shape of what the parts make together. */
void pare_composite_shape(const pare_composite *composite, const pare_composite_part *parts,
                          uint64_t shape[PARE_TENSOR_MAX_RANK]);
/* The row of the whole, as an untransposed matrix, that a part's row comes to stand in. */
int64_t pare_composite_place(const pare_composite *composite, const pare_composite_part *parts, int part, int64_t row);
/* out: all elements of it. */
void pare_composite_join(const pare_composite *composite, const pare_composite_part *parts, void *out);

#endif
