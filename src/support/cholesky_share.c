/* An inverse in blocks of columns. Of (L L^T)^-1 the lower part of columns [s, s + b) is that of the trailing square
 * alone, L_ss^-T L_ss^-1 E, so that blocks do not depend on each other, and the work is that of an inverse in one
 * piece. */
#include "support/cholesky_share.h"
#include "support/cholesky.h"
#include "support/memory.h"
#include "support/peer.h"

#include <cblas.h>
#include <string.h>

enum { BLOCKS = 16, LEAST_COLUMNS = 32 };

static int64_t blocks_of(int64_t n) {
    int64_t blocks = n / LEAST_COLUMNS;
    return blocks < 1 ? 1 : blocks < BLOCKS ? blocks : BLOCKS;
}

uint64_t pare_inverse_share_bytes(int64_t n) {
    int64_t blocks = blocks_of(n);
    return (uint64_t)((n + blocks - 1) / blocks * n) * sizeof(double);
}

/* Columns [first, end). */
typedef struct block {
    int64_t first, end;
} block;

static block block_at(int64_t n, int64_t index) {
    return (block){n * index / blocks_of(n), n * (index + 1) / blocks_of(n)};
}

/* panel: [n - first, end - first] */
static void solve_block(const double *factor, int64_t n, block b, double *panel) {
    int64_t rows = n - b.first, columns = b.end - b.first;
    const double *trailing = factor + b.first * (n + 1);
    memset(panel, 0, (size_t)(rows * columns) * sizeof *panel);
    for (int64_t i = 0; i < columns; i++)
        panel[i * (columns + 1)] = 1.0;
    for (int back = 0; back < 2; back++)
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, back ? CblasTrans : CblasNoTrans, CblasNonUnit, (int)rows,
                    (int)columns, 1.0, trailing, (int)n, panel, (int)columns);
}

/* The lower part of the block, over what was L there, which no later block needs. */
static void put_block(const double *panel, int64_t n, block b, double *matrix) {
    int64_t columns = b.end - b.first;
    for (int64_t row = b.first; row < n; row++) {
        int64_t count = row < b.end ? row - b.first + 1 : columns;
        memcpy(matrix + row * n + b.first, panel + (row - b.first) * columns, (size_t)count * sizeof *matrix);
    }
}

/* A block of each rank, from `first` on: all of them read what none has written. */
static pare_status run_turn(double *factor, int64_t n, int64_t first, double *panel, double *other) {
    int64_t ranks = pare_peer_count(), left = blocks_of(n) - first, count = left < ranks ? left : ranks;
    int rank = pare_peer_rank();
    if (rank < count) solve_block(factor, n, block_at(n, first + rank), panel);
    for (int from = 0; from < count; from++) {
        block b = block_at(n, first + from);
        double *of = from == rank ? panel : other;
        if (ranks > 1)
            PARE_TRY(pare_peer_broadcast(of, (size_t)((n - b.first) * (b.end - b.first)) * sizeof *of, from));
        put_block(of, n, b, factor);
    }
    return PARE_OK;
}

pare_status pare_inverse_share(double *factor, int64_t n) {
    double *panel, *other = NULL;
    bool several = pare_peer_count() > 1;
    size_t elements = (size_t)(pare_inverse_share_bytes(n) / sizeof(double));
    PARE_TRY(pare_alloc_uninitialized(&panel, elements, sizeof *panel, "columns of an inverse"));
    pare_status status = PARE_OK;
    if (several) status = pare_alloc_uninitialized(&other, elements, sizeof *other, "columns of an inverse");
    pare_blas_threads();
    for (int64_t first = 0; n && first < blocks_of(n) && status == PARE_OK; first += pare_peer_count())
        status = run_turn(factor, n, first, panel, other);
    pare_free(panel);
    pare_free(other);
    if (status == PARE_OK) pare_mirror(factor, n, n);
    return status;
}
