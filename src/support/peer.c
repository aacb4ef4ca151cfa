#include "support/peer.h"
#include "support/memory.h"
#include "support/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of the process: a launcher starts one per rank. */
static struct {
    const pare_peer_engine *engine; /* NULL: alone */
    int rank, count;
    const char (*hosts)[PARE_PEER_HOST]; /* [count] */
    pare_peer_cost cost;
    bool apart;
} peers = {.count = 1};

void pare_peer_set_apart(bool apart) {
    peers.apart = apart;
}

int pare_peer_rank(void) {
    return peers.apart ? 0 : peers.rank;
}

int pare_peer_count(void) {
    return peers.apart ? 1 : peers.count;
}

const char *pare_peer_host(int rank) {
    static char own[PARE_PEER_HOST];
    if (peers.hosts && rank >= 0 && rank < peers.count) return peers.hosts[rank];
    if (rank != peers.rank) return "";
    if (!*own && gethostname(own, sizeof own - 1) != 0) snprintf(own, sizeof own, "this machine");
    return own;
}

void pare_peer_set(const pare_peer_engine *engine, int rank, int count) {
    peers.engine = engine;
    peers.rank = rank;
    peers.count = count;
}

void pare_peer_set_hosts(const char (*hosts)[PARE_PEER_HOST]) {
    peers.hosts = hosts;
}

pare_peer_cost pare_peer_cost_of(void) {
    return peers.cost;
}

void pare_peer_close(void) {
    if (peers.engine) peers.engine->close();
    peers.engine = NULL;
    peers.rank = 0;
    peers.count = 1;
    peers.hosts = NULL;
}

void pare_peer_abort(int code) {
    if (peers.engine) peers.engine->abort(code);
}

static bool stopped(void) {
    return pare_interrupted() != PARE_OK;
}

static pare_status lost(int rank) {
    PARE_TRY(pare_interrupted());
    return pare_fail(PARE_FILE_ERROR, "rank %d on %s no longer answers; what the launcher says of it tells why", rank,
                     pare_peer_host(rank));
}

pare_status pare_peer_send(const void *data, size_t bytes, int to) {
    double start = pare_clock();
    bool sent = peers.engine && peers.engine->send(data, bytes, to, stopped);
    peers.cost.seconds += pare_clock() - start;
    peers.cost.bytes += bytes;
    return sent ? PARE_OK : lost(to);
}

pare_status pare_peer_receive(void *data, size_t bytes, int from) {
    double start = pare_clock();
    bool received = peers.engine && peers.engine->receive(data, bytes, from, stopped);
    peers.cost.seconds += pare_clock() - start;
    return received ? PARE_OK : lost(from);
}

/* A binomial tree: who has it sends it on, to half as many each time. */
pare_status pare_peer_broadcast(void *data, size_t bytes, int from) {
    int count = pare_peer_count(), place = (pare_peer_rank() - from + count) % count, step = 1;
    for (; step < count && !(place & step); step *= 2) {
    }
    if (place) PARE_TRY(pare_peer_receive(data, bytes, (place - step + from) % count));
    for (step /= 2; step; step /= 2)
        if (place + step < count) PARE_TRY(pare_peer_send(data, bytes, (place + step + from) % count));
    return PARE_OK;
}

pare_status pare_peer_gather(const void *part, size_t bytes, void *all) {
    if (peers.rank) return pare_peer_send(part, bytes, 0);
    memcpy(all, part, bytes);
    for (int rank = 1; rank < peers.count; rank++)
        PARE_TRY(pare_peer_receive((char *)all + (size_t)rank * bytes, bytes, rank));
    return PARE_OK;
}

/* A rank whose number is a multiple of 2 x step adds what the one `step` behind it has. */
static pare_status add_up(double *values, double *other, size_t count) {
    for (int step = 1; step < peers.count; step *= 2) {
        if (peers.rank & step) return pare_peer_send(values, count * sizeof *values, peers.rank - step);
        if (peers.rank + step >= peers.count) continue;
        PARE_TRY(pare_peer_receive(other, count * sizeof *other, peers.rank + step));
        for (size_t i = 0; i < count; i++)
            values[i] += other[i];
    }
    return PARE_OK;
}

pare_status pare_peer_reduce(double *values, size_t count) {
    double *other;
    if (pare_peer_count() == 1 || !count) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&other, count, sizeof *other, "another rank's sums"));
    pare_status status = add_up(values, other, count);
    pare_free(other);
    PARE_TRY(status);
    return pare_peer_broadcast(values, count * sizeof *values, 0);
}

typedef struct verdict {
    int rank; /* that differs; 0: none */
    char value[512], first[512];
} verdict;

static pare_status compare(verdict *found) {
    char(*all)[sizeof found->value] = NULL;
    if (peers.rank == 0)
        PARE_TRY(pare_alloc(&all, (size_t)peers.count, sizeof *all, "what the ranks have to agree about"));
    pare_status status = pare_peer_gather(found->value, sizeof found->value, all);
    for (int rank = 1; peers.rank == 0 && status == PARE_OK && rank < peers.count && !found->rank; rank++) {
        if (memcmp(all[rank], all[0], sizeof *all) == 0) continue;
        found->rank = rank;
        memcpy(found->first, all[0], sizeof *all);
        memcpy(found->value, all[rank], sizeof *all);
    }
    pare_free(all);
    return status;
}

pare_status pare_peer_agree(const char *what, const char *value) {
    if (pare_peer_count() == 1) return PARE_OK;
    verdict found = {0};
    snprintf(found.value, sizeof found.value, "%s", value);
    PARE_TRY(compare(&found));
    PARE_TRY(pare_peer_broadcast(&found, sizeof found, 0));
    if (!found.rank) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "rank %d on %s and rank 0 on %s do not have the same %s: '%.200s' there, '%.200s' here; all ranks "
                     "need the same, or the result would depend on who computes what",
                     found.rank, pare_peer_host(found.rank), pare_peer_host(0), what, found.value, found.first);
}
