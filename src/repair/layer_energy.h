/* The energy that a matrix's outputs have over the calibration tokens: sum ||D x||^2 = tr(D G D^T). */
#ifndef PARE_REPAIR_LAYER_ENERGY_H
#define PARE_REPAIR_LAYER_ENERGY_H

#include "backend/backend.h"
#include "support/work.h"

/* d: float [rows, columns]; gram: as pare_layer_error has it. Where operands are bf16 and hold d exactly, as they do
 * weights of a bf16 file under a mask, the sum is that of G and D^T D, whose products of operands are exact, and added
 * up in fp32 before they meet G in double: by the bound of pare_gram_add, off by `rows` 2^-24 at most of the sum of
 * |d_oi| |G_ij| |d_oj|, in practice by the root of that. Else it is pare_layer_error's. */
pare_status pare_layer_energy(const pare_backend *backend, const float *d, const float *gram, int64_t rows,
                              int64_t columns, double *energy);
uint64_t pare_layer_energy_bytes(int64_t rows, int64_t columns); /* of temporaries */
/* exact: operands are bf16, and hold d. */
pare_work pare_layer_energy_work(bool exact, int64_t rows, int64_t columns);

#endif
