/* What enters the linear layers of one block: sums of squares, sums, and the variance within sequences. */
#ifndef PARE_CALIBRATE_INPUT_MOMENTS_H
#define PARE_CALIBRATE_INPUT_MOMENTS_H

#include "calibrate/gram.h"
#include "support/shards.h"

typedef struct pare_input_moments {
    int64_t width, tokens, sequences;
    double *squares; /* [width] sum over all tokens of x^2 */
    double *sums;    /* [width] of x; NULL where not asked for */
    double *within; /* [width] sum over sequences of (tokens of the sequence) x (population variance in it); likewise */
} pare_input_moments;

/* Zeroed. Free with pare_input_moments_free. */
pare_status pare_input_moments_new(int64_t width, bool variance, pare_input_moments *out);
void pare_input_moments_free(pare_input_moments *moments);
void pare_input_moments_clear(pare_input_moments *moments);
/* What adds up over the sequences, into `sums`; half_sums, half_tokens: those of the first half of the shards, or NULL.
 */
pare_status pare_input_moments_sum(pare_input_moments *moments, double *half_sums, int64_t *half_tokens,
                                   pare_shard_sums *sums);
/* Bytes of that. */
uint64_t pare_input_moments_sum_bytes(int64_t width, bool variance);
/* inputs: whole sequences of `length` tokens, else PARE_BAD_ARGUMENT. Sums in double, the same for any number of
 * threads. */
pare_status pare_input_moments_add(const pare_backend *backend, const pare_inputs *inputs, int64_t length,
                                   pare_input_moments *moments);

/* [width] ||X_i||_2 / sqrt(sequences): the square root of Wanda's s_i. */
void pare_input_moments_norm(const pare_input_moments *moments, float *out);
/* [width] ||X_i - mean||_2 / sqrt(sequences), the mean being that of all tokens. */
void pare_input_moments_deviation(const pare_input_moments *moments, float *out);
/* [width] DSnoT's statistics: mean over sequences of the sum over tokens; pooled within-sequence variance. */
void pare_input_moments_mean(const pare_input_moments *moments, float *out);
void pare_input_moments_variance(const pare_input_moments *moments, float *out);

/* squares[rows] += sum over tokens of y_o^2, y = W x: what leaves a linear layer. weight: operand [rows, width].
 * The product is made in pieces of tokens, which take pare_output_norms_bytes for that long. */
pare_status pare_output_norms_add(const pare_backend *backend, const pare_inputs *inputs, const void *weight,
                                  int64_t rows, double *squares);
uint64_t pare_output_norms_bytes(int64_t tokens, int64_t rows);

#endif
