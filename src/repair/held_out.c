#include "repair/held_out.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Rows of a correction that are judged at a time; lambda stays within so many steps of where it starts. */
enum { PANEL = 256, STEPS = 8 };
static const double step = 3.1622776601683795;

uint64_t pare_held_out_bytes(int64_t width) {
    return PANEL * (uint64_t)width * sizeof(float);
}

/* Dampings that are tried as a rule: 6.5 with 128 sequences of SmolLM2-135M, where they end a few steps above where
 * they start. */
enum { TRIED = 6 };

pare_work pare_held_out_work(int64_t rows, int64_t width) {
    pare_work fit = pare_least_squares_work(rows, width, width), work = {{0}};
    pare_work_add(&work, &fit, 2.0 * TRIED);
    work.amount[PARE_WORK_SINGLE] = 2.0 * TRIED * 4.0 * (double)rows * (double)width * (double)width;
    return work;
}

/* sum over A of A (A G_b - 2 C_b), G_b and C_b being what the half in hand lacks of all. */
static double judge(const pare_held_out *p, float *panel) {
    const pare_least_squares *all = p->all;
    int64_t width = all->columns.width;
    double sum = 0.0;
    for (int64_t first = 0; first < all->rows; first += PANEL) {
        int64_t count = all->rows - first < PANEL ? all->rows - first : PANEL, at = first * width;
        const float *a = p->correction + at;
        const float *grams[] = {all->columns.gram, p->half_gram};
        for (int i = 0; i < 2; i++)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count, (int)width, (int)width, i ? -1.0f : 1.0f,
                        a, (int)width, grams[i], (int)width, i ? 1.0f : 0.0f, panel, (int)width);
        for (int64_t i = 0; i < count * width; i++)
            sum +=
                (double)a[i] * ((double)panel[i] - 2.0 * ((double)all->cross[at + i] - (double)p->half_cross[at + i]));
    }
    return sum;
}

/* The half in hand becomes the other one. */
static void turn(const pare_held_out *p) {
    int64_t width = p->all->columns.width;
    for (int64_t i = 0; i < width * width; i++)
        p->half_gram[i] = p->all->columns.gram[i] - p->half_gram[i];
    for (int64_t i = 0; i < p->all->rows * width; i++)
        p->half_cross[i] = p->all->cross[i] - p->half_cross[i];
}

/* damping: relative to the mean diagonal of all tokens. */
static pare_status judge_half(const pare_held_out *p, double damping, float *panel, double *score) {
    pare_least_squares half = *p->all;
    double all, mean;
    pare_fit fit;
    PARE_TRY(pare_gram_mean(p->all->columns.gram, half.columns.width, half.columns.what, &all));
    PARE_TRY(pare_gram_mean(p->half_gram, half.columns.width, half.columns.what, &mean));
    if (!(mean > 0.0)) return PARE_OK; /* it has nothing to be fitted to */
    half.columns.gram = p->half_gram;
    half.columns.damping = damping * all / mean;
    half.cross = p->half_cross;
    half.residual = 0.0;
    memset(p->correction, 0, (size_t)(half.rows * half.columns.width) * sizeof *p->correction);
    PARE_TRY(pare_least_squares_solve(&half, p->correction, &fit));
    *score += judge(p, panel);
    return PARE_OK;
}

static pare_status judge_both(const pare_held_out *p, double damping, float *panel, double *score) {
    *score = 0.0;
    for (int half = 0; half < 2; half++) {
        PARE_TRY(judge_half(p, damping, panel, score));
        turn(p);
    }
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

pare_status pare_held_out_damping(const pare_held_out *problem, pare_held_out_choice *out) {
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
