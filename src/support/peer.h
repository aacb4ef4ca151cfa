/* The ranks that do a job together: who they are, and bytes between them. Without a launcher there is one, rank 0, and
 * everything here is done at once.
 *
 * The same bytes come out for any number of ranks: work is cut into pieces that do not depend on it, each is computed
 * whole by one rank, and every rank then adds what came of them in the order of the pieces. What is not spread is
 * computed by every rank, so that all of them have the same at every moment and meet in the same calls. */
#ifndef PARE_SUPPORT_PEER_H
#define PARE_SUPPORT_PEER_H

#include "support/peer_engine.h"
#include "support/status.h"

#include <stdint.h>

int pare_peer_rank(void);
int pare_peer_count(void);
/* Its host; "" of a rank that there is none of. */
const char *pare_peer_host(int rank);

/* Bytes between two ranks. All below fail with PARE_FILE_ERROR, naming rank and host, where the other no longer
 * answers, and with PARE_INTERRUPTED. */
pare_status pare_peer_send(const void *data, size_t bytes, int to);
pare_status pare_peer_receive(void *data, size_t bytes, int from);

/* The following are called by all ranks. */

/* data: [bytes] of rank `from`, then of all. */
pare_status pare_peer_broadcast(void *data, size_t bytes, int from);
/* part: [bytes]; all: [count][bytes] on rank 0, NULL on others. */
pare_status pare_peer_gather(const void *part, size_t bytes, void *all);
/* values: [count] on every rank; then the sums over the ranks, in a fixed tree of them, on all. The sums are the same
 * bits for any number of ranks where all but one of them had -0. */
pare_status pare_peer_reduce(double *values, size_t count);

/* Fails with PARE_BAD_ARGUMENT on all ranks, naming the first that differs from rank 0, its host and both values,
 * unless all have the same text. what: "number format". */
pare_status pare_peer_agree(const char *what, const char *value);

/* Of this rank: seconds spent in the calls above, and bytes sent. */
typedef struct pare_peer_cost {
    double seconds;
    uint64_t bytes;
} pare_peer_cost;

pare_peer_cost pare_peer_cost_of(void);

/* What the environment says about a launcher: count 1 where there is none, or one rank alone. */
typedef struct pare_peer_launch {
    int rank, count;
    const char *launcher; /* the variable that says so, for messages */
} pare_peer_launch;

pare_peer_launch pare_peer_launched(void);

/* Loads MPI and joins the others, if there are any. PARE_UNSUPPORTED where it cannot be loaded. */
pare_status pare_peer_open(void);
void pare_peer_close(void);
void pare_peer_abort(int code);

/* While it is true, this rank counts as the only one. */
void pare_peer_set_apart(bool apart);

/* For pare_peer_open. */
void pare_peer_set(const pare_peer_engine *engine, int rank, int count);
void pare_peer_set_hosts(const char (*hosts)[PARE_PEER_HOST]);

#endif
