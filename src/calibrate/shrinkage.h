/* How far a sum of second moments over few sequences is to be believed: Ledoit and Wolf, A well-conditioned estimator
 * for large-dimensional covariance matrices, 2004, with sequences in place of observations.
 *
 * F = sum over n sequences of F_s, F_s = sum over its tokens of g g^T. Sequences are independent draws, their tokens
 * are not, so what F says differs from draw to draw by
 *
 *   V = n / (n - 1) (sum |F_s|^2 - |F|^2 / n)                     |.|: Frobenius norm
 *
 * and the mixture of F with its mean diagonal m that is expected closest to what infinitely many sequences would show
 * is
 *
 *   (1 - r) F + r m I,   r = V / |F - m I|^2,   at most 1
 *
 * A model that is sure of nearly all its predictions is the case for it: a few sequences then make up most of F. */
#ifndef PARE_CALIBRATE_SHRINKAGE_H
#define PARE_CALIBRATE_SHRINKAGE_H

#include <stdint.h>

/* Rows of a product that pare_spread_add makes at a time, at most. */
enum { PARE_SPREAD_PANEL = 1024 };

/* Floats of room that pare_spread_add wants: no more than PARE_SPREAD_PANEL width. */
int64_t pare_spread_room(int64_t width);
/* *sum += |F_s|^2 of each sequence; gradient: [tokens, width], tokens a multiple of length. */
void pare_spread_add(const float *gradient, int64_t tokens, int64_t length, int64_t width, float *room, double *sum);

/* metric: F [width, width], becomes the mixture; spread: sum |F_s|^2. Returns r. One sequence says nothing about
 * others, and a matrix of zeros nothing at all: they stay, and r is 0. */
double pare_metric_shrink(float *metric, int64_t width, int64_t sequences, double spread);

#endif
