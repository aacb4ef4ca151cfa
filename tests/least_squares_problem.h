/* Small random layers y = W x with targets t = W x + r, whose moments are exact in fp32 (inputs are eighths), and their
 * least squares solved another way: normal equations by Gauss elimination, errors token by token. */
#ifndef PARE_TESTS_LEAST_SQUARES_PROBLEM_H
#define PARE_TESTS_LEAST_SQUARES_PROBLEM_H

#include "golden.h"
#include "support/random.h"

#include <stdbool.h>

enum { LS_ROWS = 5, LS_WIDTH = 12, LS_TOKENS = 60 };

typedef struct ls_problem {
    int tokens;
    float x[LS_TOKENS][LS_WIDTH], r[LS_TOKENS][LS_ROWS];
    float weights[LS_ROWS * LS_WIDTH], gram[LS_WIDTH * LS_WIDTH], cross[LS_ROWS * LS_WIDTH];
    double residual, mean; /* mean of gram's diagonal */
    double metric[LS_ROWS][LS_ROWS];
} ls_problem;

static inline float ls_eighth(pare_random *random) {
    return (float)((double)pare_random_below(random, 17) - 8.0) / 8.0f;
}

/* dead: a column without inputs, or -1. The metric is the unit matrix. */
static inline void ls_make(ls_problem *p, int tokens, int dead, uint64_t seed) {
    pare_random random = {.seed = seed};
    memset(p, 0, sizeof *p);
    p->tokens = tokens;
    for (int i = 0; i < LS_ROWS * LS_WIDTH; i++)
        p->weights[i] = (float)(pare_random_uniform(&random) - 0.5);
    for (int t = 0; t < tokens; t++) {
        for (int j = 0; j < LS_WIDTH; j++)
            p->x[t][j] = ls_eighth(&random);
        for (int j = 1; j < LS_WIDTH; j += 3) /* so that columns can stand in for each other */
            p->x[t][j] = p->x[t][j - 1] * 0.5f + p->x[t][j] * 0.25f;
        if (dead >= 0) p->x[t][dead] = 0.0f;
        for (int i = 0; i < LS_ROWS; i++)
            p->r[t][i] = ls_eighth(&random) * 0.25f;
    }
    for (int t = 0; t < tokens; t++) {
        for (int j = 0; j < LS_WIDTH; j++) {
            for (int k = 0; k < LS_WIDTH; k++)
                p->gram[j * LS_WIDTH + k] += p->x[t][j] * p->x[t][k];
            for (int i = 0; i < LS_ROWS; i++)
                p->cross[i * LS_WIDTH + j] += p->r[t][i] * p->x[t][j];
        }
        for (int i = 0; i < LS_ROWS; i++)
            p->residual += (double)p->r[t][i] * (double)p->r[t][i];
    }
    for (int j = 0; j < LS_WIDTH; j++)
        p->mean += (double)p->gram[j * (LS_WIDTH + 1)] / (double)LS_WIDTH;
    for (int i = 0; i < LS_ROWS; i++)
        p->metric[i][i] = 1.0;
}

/* The targets are W x. */
static inline void ls_forget_targets(ls_problem *p) {
    memset(p->r, 0, sizeof p->r);
    memset(p->cross, 0, sizeof p->cross);
    p->residual = 0.0;
}

/* solution: the least-squares weights in the kept columns (keep[j]), zero in others. */
static inline void ls_solve(const ls_problem *p, const bool *keep, double lambda, double *solution) {
    double a[LS_WIDTH][LS_WIDTH + LS_ROWS] = {{0}};
    for (int j = 0; j < LS_WIDTH; j++) {
        for (int k = 0; k < LS_WIDTH; k++)
            a[j][k] = keep[j] && keep[k] ? (double)p->gram[j * LS_WIDTH + k] : 0.0;
        a[j][j] += keep[j] ? lambda : 1.0;
        for (int i = 0; i < LS_ROWS; i++) {
            double side = (double)p->cross[i * LS_WIDTH + j] + lambda * (double)p->weights[i * LS_WIDTH + j];
            for (int k = 0; k < LS_WIDTH; k++)
                side += (double)p->weights[i * LS_WIDTH + k] * (double)p->gram[k * LS_WIDTH + j];
            a[j][LS_WIDTH + i] = keep[j] ? side : 0.0;
        }
    }
    for (int j = 0; j < LS_WIDTH; j++) {
        assert_true(a[j][j] > 1e-12);
        for (int k = 0; k < LS_WIDTH; k++) {
            double factor = a[k][j] / a[j][j];
            for (int c = 0; c < LS_WIDTH + LS_ROWS && k != j; c++)
                a[k][c] -= factor * a[j][c];
        }
    }
    for (int i = 0; i < LS_ROWS; i++)
        for (int j = 0; j < LS_WIDTH; j++)
            solution[i * LS_WIDTH + j] = a[j][LS_WIDTH + i] / a[j][j];
}

static inline double ls_product(const ls_problem *p, const double *d) {
    double sum = 0.0;
    for (int i = 0; i < LS_ROWS; i++)
        for (int j = 0; j < LS_ROWS; j++)
            sum += p->metric[i][j] * d[i] * d[j];
    return sum;
}

/* sum over tokens of (t - V x)^T M (t - V x), and + lambda trace(M (V - W) (V - W)^T). */
static inline double ls_objective(const ls_problem *p, const double *v, double lambda) {
    double sum = 0.0, d[LS_ROWS];
    for (int t = 0; t < p->tokens; t++) {
        for (int i = 0; i < LS_ROWS; i++) {
            d[i] = (double)p->r[t][i];
            for (int j = 0; j < LS_WIDTH; j++)
                d[i] += ((double)p->weights[i * LS_WIDTH + j] - v[i * LS_WIDTH + j]) * (double)p->x[t][j];
        }
        sum += ls_product(p, d);
    }
    for (int j = 0; j < LS_WIDTH && lambda > 0.0; j++) {
        for (int i = 0; i < LS_ROWS; i++)
            d[i] = v[i * LS_WIDTH + j] - (double)p->weights[i * LS_WIDTH + j];
        sum += lambda * ls_product(p, d);
    }
    return sum;
}

#endif
