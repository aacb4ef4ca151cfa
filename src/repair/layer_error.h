/* The squared error that a changed matrix leaves in its layer's output over the calibration tokens:
 * sum ||(W' - W) x||^2 = tr((W' - W) G (W' - W)^T). */
#ifndef PARE_REPAIR_LAYER_ERROR_H
#define PARE_REPAIR_LAYER_ERROR_H

#include "support/status.h"
#include "support/work.h"

#include <stdint.h>

/* before, after: float [rows, columns]; gram: float [columns, columns] symmetric, whose upper triangle may be empty but
 * for squares of 512 on the diagonal. *error in double; *energy (may be NULL): tr(W G W^T) of `before`. Products in
 * fp32 as backends have them would lose small errors: tiles of G are multiplied in fp32, 512 deep, and added up in
 * double. */
pare_status pare_layer_error(const float *before, const float *after, const float *gram, int64_t rows, int64_t columns,
                             double *error, double *energy);
/* The same for every row: errors [rows]. after NULL: zeros, so the rows' energies. */
pare_status pare_layer_error_rows(const float *before, const float *after, const float *gram, int64_t rows,
                                  int64_t columns, double *errors);
uint64_t pare_layer_error_bytes(int64_t rows, int64_t columns); /* of temporaries */
pare_work pare_layer_error_work(int64_t rows, int64_t columns); /* of one error */

#endif
