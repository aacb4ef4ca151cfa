/* The damping of a correction that is fitted to few tokens, chosen by tokens that it was not fitted to.
 *
 * A correction A of rows x width numbers is fitted to t = x + r over n tokens: A = C (G + lambda I)^-1, G = sum x x^T,
 * C = sum r x^T. On those tokens the error always falls; on others it falls by less, and where x says little about r,
 * it rises: every direction of x that is fitted costs about its share of r's energy over n. With r = B x + e, rows of B
 * of variance b and e of variance s, what is expected of other tokens is least at lambda = s / b, whatever n is.
 * (Closed forms for s / b, such as generalised cross-validation, count tokens as independent; tokens of one sequence
 * are not, and they overfit.)
 *
 * So the calibration sequences are cut into two halves. For each lambda, what is fitted to one half is judged by the
 * other:
 *
 *   S(lambda) = sum over both (a, b) of   sum_b |r - A_a x|^2 - |r|^2  =  tr(A_a G_b A_a^T) - 2 tr(A_a C_b^T)
 *
 * Where single precision is enough for that (lambda is so large that A is off by less than a hundredth at the very
 * most), A is made in single precision. Of more than PARE_HELD_OUT_ROWS rows S is what these many sums of rows with
 * random signs make of it, the same ones for each lambda: E[s s^T] = I, so that it is right on average, whichever rows
 * have the energy. Lambda goes up or down from where it starts, by the square root of ten, as long
 * as S falls. It is then taken as it is, not relative to the number of tokens, for the fit to all of them. Where S is
 * not below 0, the correction would not help what it has not seen, and is better left out. */
#ifndef PARE_REPAIR_HELD_OUT_H
#define PARE_REPAIR_HELD_OUT_H

#include "repair/least_squares.h"
#include "support/work.h"

enum { PARE_HELD_OUT_ROWS = 1024 };

typedef struct pare_held_out {
    const pare_least_squares *all; /* of all tokens, with cross, and where lambda starts as its damping, > 0 */
    float *half_gram,
        *half_cross;   /* of the first half, [width, width] and [rows, width]; of the second one afterwards */
    float *correction; /* [rows, width]: room */
} pare_held_out;

typedef struct pare_held_out_choice {
    double damping; /* of the fit to all tokens */
    double score;   /* S; not below 0: it does not help */
} pare_held_out_choice;

/* Bytes of temporaries beside pare_least_squares_bytes. */
uint64_t pare_held_out_bytes(int64_t rows, int64_t width);
/* What is to be done, about: how often is decided by the way. */
pare_work pare_held_out_work(int64_t rows, int64_t width);

pare_status pare_held_out_damping(const pare_held_out *problem, pare_held_out_choice *out);

#endif
