/* What all ranks do together on a factored Gram matrix (support/peer.h), each some of the columns: the same bits for
 * any number of them. */
#ifndef PARE_SUPPORT_CHOLESKY_SHARE_H
#define PARE_SUPPORT_CHOLESKY_SHARE_H

#include "support/status.h"

#include <stdint.h>

/* (L L^T)^-1 in place of L, as pare_cholesky_damped leaves it, both triangles. All ranks have the same L, and call this
 * at the same time. */
pare_status pare_inverse_share(double *factor, int64_t n);
/* Bytes of temporaries; of several ranks twice that. */
uint64_t pare_inverse_share_bytes(int64_t n);

#endif
