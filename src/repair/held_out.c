#include "repair/held_out.h"
#include "repair/single_solve.h"
#include "support/cholesky.h"
#include "support/finite.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/peer.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Columns of a correction that are judged at a time; lambda stays within so many steps of where it starts. */
enum { PANEL = 256, STEPS = 8 };
static const double step = 3.1622776601683795;
/* What a score may be off by in single precision, which then tells dampings apart. */
static const double a_hundredth = 1e-2;

uint64_t pare_held_out_bytes(int64_t rows, int64_t width) {
    uint64_t summed = rows > PARE_HELD_OUT_ROWS ? 2 * PARE_HELD_OUT_ROWS : 0;
    return (PANEL + summed) * (uint64_t)width * sizeof(float);
}

/* Dampings that are tried as a rule: 6.5 with 128 sequences of SmolLM2-135M, where they end a few steps above where
 * they start. */
enum { TRIED = 6 };

pare_work pare_held_out_work(int64_t rows, int64_t width) {
    enum { SQUARE_BYTES = 32, ROWS_BYTES = 44 }; /* of elements of Gram matrices, and of corrections */
    double m = (double)pare_smaller(rows, PARE_HELD_OUT_ROWS), n = (double)width, judged = 2.0 * TRIED;
    pare_work work = {{0}};
    work.amount[PARE_WORK_SOLVES] = judged * (n * n * n / 3.0 + 2.0 * m * n * n);
    work.amount[PARE_WORK_SINGLE] = judged * m * n * n;
    work.amount[PARE_WORK_BYTES] = judged * (SQUARE_BYTES * n * n + ROWS_BYTES * m * n);
    return work;
}

/* Sum over one row of A^T A, from its diagonal on, times what the half in hand lacks of the row of G. */
static double row_sum(const pare_held_out *p, int64_t row, const float *squares) {
    int64_t width = p->all->columns.width, at = row * width;
    const float *all = p->all->columns.gram + at, *half = p->half_gram + at;
    double diagonal = (double)squares[row] * ((double)all[row] - (double)half[row]), sum = 0.0;
    for (int64_t j = row + 1; j < width; j++)
        sum += (double)squares[j] * ((double)all[j] - (double)half[j]);
    return diagonal + 2.0 * sum;
}

/* tr(A G_b A^T): A^T A times G_b, both symmetric, so that a triangle of A^T A does. panel: [PANEL, width] */
static double quadratic_term(const pare_held_out *p, float *panel) {
    int64_t width = p->all->columns.width, rows = p->all->rows;
    double sum = 0.0, of_row[PANEL];
    for (int64_t first = 0; first < width; first += PANEL) {
        int64_t count = width - first < PANEL ? width - first : PANEL;
        const float *a = p->correction + first;
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)count, (int)(width - first), (int)rows, 1.0f, a,
                    (int)width, a, (int)width, 0.0f, panel + first, (int)width);
#pragma omp parallel for schedule(static) if (width > PANEL)
        for (int64_t i = 0; i < count; i++)
            of_row[i] = row_sum(p, first + i, panel + i * width);
        for (int64_t i = 0; i < count; i++)
            sum += of_row[i];
    }
    return sum;
}

/* tr(A C_b^T), in pieces that do not depend on the threads. */
static double linear_term(const pare_held_out *p) {
    enum { PIECES = 64 };
    int64_t count = p->all->rows * p->all->columns.width;
    double sum = 0.0, of_piece[PIECES];
#pragma omp parallel for schedule(static) if (count > PANEL * PANEL)
    for (int64_t piece = 0; piece < PIECES; piece++) {
        of_piece[piece] = 0.0;
        for (int64_t i = piece * count / PIECES; i < (piece + 1) * count / PIECES; i++)
            of_piece[piece] += (double)p->correction[i] * ((double)p->all->cross[i] - (double)p->half_cross[i]);
    }
    for (int piece = 0; piece < PIECES; piece++)
        sum += of_piece[piece];
    return sum;
}

/* The error of the correction on the half that it was not fitted to: G_b and C_b are what the half in hand lacks of
 * all. */
static double judge(const pare_held_out *p, float *panel) {
    return quadratic_term(p, panel) - 2.0 * linear_term(p);
}

static void subtract_from(const float *all, int64_t count, float *half) {
#pragma omp parallel for schedule(static) if (count > PANEL * PANEL)
    for (int64_t i = 0; i < count; i++)
        half[i] = all[i] - half[i];
}

/* The half in hand becomes the other one. */
static void turn(const pare_held_out *p) {
    int64_t width = p->all->columns.width;
    subtract_from(p->all->columns.gram, width * width, p->half_gram);
    subtract_from(p->all->cross, p->all->rows * width, p->half_cross);
}

/* damping: relative to the mean diagonal of all tokens. */
static pare_status judge_half(const pare_held_out *p, double damping, float *panel, double *score) {
    pare_least_squares half = *p->all;
    double all, mean;
    bool solved = false;
    pare_fit fit;
    PARE_TRY(pare_gram_mean(p->all->columns.gram, half.columns.width, half.columns.what, &all));
    PARE_TRY(pare_gram_mean(p->half_gram, half.columns.width, half.columns.what, &mean));
    if (!(mean > 0.0)) return PARE_OK; /* it has nothing to be fitted to */
    half.columns.gram = p->half_gram;
    half.columns.damping = damping * all / mean;
    half.cross = p->half_cross;
    half.residual = 0.0;
    half.shared = false;
    if (pare_single_solve_serves(&half.columns, a_hundredth)) {
        memcpy(p->correction, half.cross, (size_t)(half.rows * half.columns.width) * sizeof *p->correction);
        PARE_TRY(pare_single_solve(&half.columns, p->correction, half.rows, &solved));
    }
    if (!solved) {
        memset(p->correction, 0, (size_t)(half.rows * half.columns.width) * sizeof *p->correction);
        PARE_TRY(pare_least_squares_solve(&half, p->correction, &fit));
    }
    *score += judge(p, panel);
    return PARE_OK;
}

/* Each half is one rank's. */
static int judge_of(int half) {
    return half % pare_peer_count();
}

static pare_status judge_both(const pare_held_out *p, double damping, float *panel, double *score) {
    double of_half[2] = {0.0, 0.0};
    for (int half = 0; half < 2; half++) {
        if (judge_of(half) == pare_peer_rank()) PARE_TRY(judge_half(p, damping, panel, &of_half[half]));
        turn(p);
    }
    for (int half = 0; half < 2; half++)
        PARE_TRY(pare_peer_broadcast(&of_half[half], sizeof of_half[half], judge_of(half)));
    *score = of_half[0] + of_half[1];
    return PARE_OK;
}

/* Goes on by `factor` as long as the score falls. */
static pare_status go(const pare_held_out *p, double factor, float *panel, pare_held_out_choice *best) {
    for (int i = 0; i < STEPS; i++) {
        pare_held_out_choice next = {.damping = best->damping * factor};
        PARE_TRY(judge_both(p, next.damping, panel, &next.score));
        if (!(next.score < best->score)) return PARE_OK;
        *best = next;
    }
    return PARE_OK;
}

static pare_status choose(const pare_held_out *problem, pare_held_out_choice *out) {
    double start = problem->all->columns.damping;
    float *panel;
    *out = (pare_held_out_choice){.damping = start};
    PARE_TRY(
        pare_alloc_uninitialized(&panel, PANEL * (size_t)problem->all->columns.width, sizeof *panel, "least squares"));
    pare_blas_threads();
    pare_status status = judge_both(problem, start, panel, &out->score);
    if (status == PARE_OK) status = go(problem, step, panel, out);
    if (status == PARE_OK && out->damping == start) status = go(problem, 1.0 / step, panel, out);
    pare_free(panel);
    return status;
}

/* 1 or -1, by the row alone (the finaliser of SplitMix64). */
static float sign_of(int64_t row) {
    uint64_t bits = ((uint64_t)row + 1) * 0x9e3779b97f4a7c15u;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
    return bits >> 63 ? 1.0f : -1.0f;
}

/* to: [PARE_HELD_OUT_ROWS, width], sums of every so-manieth row. */
static void sum_rows(const float *from, int64_t rows, int64_t width, float *to) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < PARE_HELD_OUT_ROWS; i++) {
        float *sum = to + i * width;
        memset(sum, 0, (size_t)width * sizeof *sum);
        for (int64_t row = i; row < rows; row += PARE_HELD_OUT_ROWS) {
            const float *values = from + row * width, sign = sign_of(row);
            for (int64_t j = 0; j < width; j++)
                sum[j] += sign * values[j];
        }
    }
}

pare_status pare_held_out_damping(const pare_held_out *problem, pare_held_out_choice *out) {
    const pare_least_squares *all = problem->all;
    int64_t width = all->columns.width;
    size_t summed = PARE_HELD_OUT_ROWS * (size_t)width;
    float *sums;
    if (all->rows <= PARE_HELD_OUT_ROWS) return choose(problem, out);
    PARE_TRY(pare_alloc_uninitialized(&sums, 2 * summed, sizeof *sums, "least squares"));
    sum_rows(all->cross, all->rows, width, sums);
    sum_rows(problem->half_cross, all->rows, width, sums + summed);
    pare_least_squares few = *all;
    few.rows = PARE_HELD_OUT_ROWS;
    few.cross = sums;
    pare_held_out halves = {&few, problem->half_gram, sums + summed, problem->correction};
    pare_status status = choose(&halves, out);
    pare_free(sums);
    return status;
}
