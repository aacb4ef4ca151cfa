#include "calibrate/moreau_rows.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/peer.h"

#include <string.h>

/* Numbers that are on their way at a time. */
enum { SLICE = 1 << 18 };

pare_moreau_rows pare_moreau_rows_of(const pare_tensor *tensor, int rank, int ranks) {
    int64_t rows, columns;
    int64_t first = (int64_t)PARE_MOREAU_PIECES * rank / ranks, end = (int64_t)PARE_MOREAU_PIECES * (rank + 1) / ranks;
    pare_tensor_matrix(tensor, &rows, &columns);
    return (pare_moreau_rows){first * rows / PARE_MOREAU_PIECES, end * rows / PARE_MOREAU_PIECES, columns};
}

uint64_t pare_moreau_elements(const pare_tensor *tensor, int rank, int ranks) {
    pare_moreau_rows own = pare_moreau_rows_of(tensor, rank, ranks);
    return (uint64_t)(own.end - own.first) * (uint64_t)own.columns;
}

uint64_t pare_moreau_most_elements(const pare_model *model, const bool *displaced, int ranks) {
    uint64_t most = 0;
    for (int rank = 0; rank < ranks; rank++) {
        uint64_t total = 0;
        for (size_t id = 0; id < model->tensor_count; id++)
            if (displaced[id]) total += pare_moreau_elements(model->tensors[id], rank, ranks);
        most = pare_larger_bytes(most, total);
    }
    return most;
}

void pare_moreau_add_rows(int64_t all, int64_t first, int64_t rows, const double *squares, double *pieces) {
    for (int64_t i = 0; i < rows; i++)
        pieces[((first + i + 1) * PARE_MOREAU_PIECES - 1) / all] += squares[i];
}

/* Sums over the ranks of floats or counts (the other is NULL), a slice at a time; counts are below 2^53. */
static pare_status join(float *floats, uint64_t *counts, uint64_t count) {
    double *slice;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&slice, SLICE, sizeof *slice, "what ranks have counted"));
    pare_status status = PARE_OK;
    for (uint64_t at = 0, n; at < count && status == PARE_OK; at += n) {
        n = count - at < SLICE ? count - at : SLICE;
        for (uint64_t i = 0; i < n; i++)
            slice[i] = floats ? (double)floats[at + i] : (double)counts[at + i];
        status = pare_peer_reduce(slice, n);
        for (uint64_t i = 0; i < n; i++)
            if (floats)
                floats[at + i] = (float)slice[i];
            else
                counts[at + i] = (uint64_t)slice[i];
    }
    pare_free(slice);
    return status;
}

pare_status pare_moreau_join_norms(float *values, uint64_t count) {
    return join(values, NULL, count);
}

pare_status pare_moreau_join_counts(uint64_t *counts, uint64_t count) {
    return join(NULL, counts, count);
}

/* Some of a rank's rows on their way to the first rank. */
static pare_status collect_from(int rank, const float *own, uint64_t count, float *slice, pare_moreau_take_fn take,
                                void *context) {
    for (uint64_t at = 0, n; at < count; at += n) {
        n = count - at < SLICE ? count - at : SLICE;
        if (pare_peer_rank() == rank) PARE_TRY(pare_peer_send(own + at, n * sizeof *own, 0));
        if (pare_peer_rank()) continue;
        PARE_TRY(pare_peer_receive(slice, n * sizeof *slice, rank));
        PARE_TRY(take(context, slice, n * sizeof *slice));
    }
    return PARE_OK;
}

pare_status pare_moreau_collect(const pare_tensor *tensor, int ranks, const float *own, pare_moreau_take_fn take,
                                void *context) {
    float *slice = NULL;
    pare_status status = PARE_OK;
    if (pare_peer_rank() == 0) status = take(context, own, pare_moreau_elements(tensor, 0, ranks) * sizeof *own);
    if (ranks == 1 || status != PARE_OK) return status;
    PARE_TRY(pare_alloc_uninitialized(&slice, SLICE, sizeof *slice, "another rank's displacement"));
    for (int rank = 1; rank < ranks && status == PARE_OK; rank++)
        status = collect_from(rank, own, pare_moreau_elements(tensor, rank, ranks), slice, take, context);
    pare_free(slice);
    return status;
}

pare_status pare_moreau_deal(const pare_tensor *tensor, int ranks, const void *whole, float *own) {
    const char *at = whole;
    for (int rank = 0; rank < ranks; rank++) {
        size_t bytes = pare_moreau_elements(tensor, rank, ranks) * sizeof *own;
        if (pare_peer_rank() == rank && rank && bytes) PARE_TRY(pare_peer_receive(own, bytes, 0));
        if (pare_peer_rank()) continue;
        if (!rank && bytes) memcpy(own, at, bytes);
        if (rank && bytes) PARE_TRY(pare_peer_send(at, bytes, rank));
        at += bytes;
    }
    return PARE_OK;
}
