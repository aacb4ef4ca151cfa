/* What libpare_mpi.so (support/mpi/peer_mpi.c) hands to support/peer.c: the only thing that is known of MPI. */
#ifndef PARE_SUPPORT_PEER_ENGINE_H
#define PARE_SUPPORT_PEER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

enum { PARE_PEER_ENGINE_VERSION = 1, PARE_PEER_HOST = 128 };

#define PARE_PEER_ENGINE_SYMBOL "pare_peer_engine_mpi"

typedef struct pare_peer_engine {
    int version; /* PARE_PEER_ENGINE_VERSION */
    /* host: [PARE_PEER_HOST]. False, with one line in reason, if it fails. */
    bool (*open)(int *rank, int *count, char *host, char *reason, size_t reason_size);
    /* True once the bytes have gone, or come. stop is asked while they have not; false if it says so, or MPI fails. */
    bool (*send)(const void *data, size_t bytes, int to, bool (*stop)(void));
    bool (*receive)(void *data, size_t bytes, int from, bool (*stop)(void));
    void (*close)(void);
    void (*abort)(int code);
} pare_peer_engine;

#endif
