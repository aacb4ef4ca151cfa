/* libpare_mpi.so: pare_peer_engine by MPI. It is loaded where a launcher has started several ranks
 * (support/peer_open.c), so that nothing else of pare needs MPI.
 *
 * MPI's own waiting takes a core; here one that waits for long sleeps between two looks, and asks meanwhile whether to
 * stop. */
#include "support/peer_engine.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Looks before the first sleep, and how long that and later ones are. */
enum { EAGER_LOOKS = 2000, SHORT_SLEEP = 50000, LONG_SLEEP = 1000000, LATE = 2 * EAGER_LOOKS, PIECE = 1 << 30 };

static bool tell(int code, char *reason, size_t size) {
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
    snprintf(reason, size, "%.*s", length, text);
    for (char *c = reason; *c; c++)
        if (*c == '\n') *c = ' ';
    return false;
}

static bool open_mpi(int *rank, int *count, char *host, char *reason, size_t size) {
    char name[MPI_MAX_PROCESSOR_NAME];
    int given, length = 0, code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
    if (code != MPI_SUCCESS) return tell(code, reason, size);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    code = MPI_Comm_rank(MPI_COMM_WORLD, rank);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(MPI_COMM_WORLD, count);
    if (code == MPI_SUCCESS) code = MPI_Get_processor_name(name, &length);
    if (code != MPI_SUCCESS) return tell(code, reason, size);
    snprintf(host, PARE_PEER_HOST, "%.*s", length, name);
    return true;
}

static bool wait_for(MPI_Request *request, bool (*stop)(void)) {
    for (long look = 0;; look++) {
        int done = 0;
        if (MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
        if (done) return true;
        if (look < EAGER_LOOKS) continue;
        if (stop()) return false;
        nanosleep(&(struct timespec){.tv_nsec = look < LATE ? SHORT_SLEEP : LONG_SLEEP}, NULL);
    }
}

static int piece_of(size_t left) {
    return left < PIECE ? (int)left : PIECE;
}

static bool send_mpi(const void *data, size_t bytes, int to, bool (*stop)(void)) {
    for (size_t at = 0; at < bytes; at += PIECE) {
        MPI_Request request;
        if (MPI_Isend((const char *)data + at, piece_of(bytes - at), MPI_BYTE, to, 0, MPI_COMM_WORLD, &request) !=
                MPI_SUCCESS ||
            !wait_for(&request, stop))
            return false;
    }
    return true;
}

static bool receive_mpi(void *data, size_t bytes, int from, bool (*stop)(void)) {
    for (size_t at = 0; at < bytes; at += PIECE) {
        MPI_Request request;
        if (MPI_Irecv((char *)data + at, piece_of(bytes - at), MPI_BYTE, from, 0, MPI_COMM_WORLD, &request) !=
                MPI_SUCCESS ||
            !wait_for(&request, stop))
            return false;
    }
    return true;
}

static void close_mpi(void) {
    MPI_Finalize();
}

static void abort_mpi(int code) {
    MPI_Abort(MPI_COMM_WORLD, code);
}

__attribute__((visibility("default"))) const pare_peer_engine pare_peer_engine_mpi = {
    .version = PARE_PEER_ENGINE_VERSION,
    .open = open_mpi,
    .send = send_mpi,
    .receive = receive_mpi,
    .close = close_mpi,
    .abort = abort_mpi,
};
