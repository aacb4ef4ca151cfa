/* What is left of a role's tensor as numbers: its kept rows and columns, or what was repaired. */
#ifndef PARE_SURGERY_KEPT_VALUES_H
#define PARE_SURGERY_KEPT_VALUES_H

#include "repair/repaired.h"
#include "surgery/axes.h"

typedef struct pare_values {
    int64_t rows, columns; /* a vector's elements are rows of one column */
    float *data, *room;    /* both [rows, columns] */
} pare_values;

void pare_values_free(pare_values *values);

/* out: the kept elements of a tensor of at most two axes, row by row in its own dtype. */
pare_status pare_kept_elements(const pare_tensor *tensor, const pare_axes *axes, void *out);

/* Of a role that the model has not: a norm of ones, a bias of zeros. Free with pare_values_free. */
pare_status pare_kept_values(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                             uint32_t layer, pare_role role, pare_values *out);
pare_status pare_kept_end_values(const pare_model *model, const pare_selection *selection,
                                 const pare_repaired *repaired, pare_end end, pare_values *out);

/* Rows and columns as in pare_values; an end's vector is one row. */
void pare_kept_shape(const pare_model *model, const pare_selection *selection, uint32_t layer, pare_role role,
                     int64_t *rows, int64_t *columns);
void pare_kept_end_shape(const pare_model *model, const pare_selection *selection, pare_end end, int64_t *rows,
                         int64_t *columns);

#endif
