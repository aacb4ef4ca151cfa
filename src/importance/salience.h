/* How important an element is, from its weight and its signals. One file per idea. */
#ifndef PARE_IMPORTANCE_SALIENCE_H
#define PARE_IMPORTANCE_SALIENCE_H

#include "checkpoint/view.h"
#include "support/dtype.h"
#include "support/status.h"

#include <pare.h>

#include <stdint.h>

/* What a salience reads beside the weight. */
enum {
    PARE_NEEDS_GRADIENT = 1,   /* g: a gradient, plain, smoothed or of the Moreau envelope */
    PARE_NEEDS_SQUARES = 2,    /* A: mean over the samples of the squared gradient of each */
    PARE_NEEDS_INPUTS = 4,     /* ||x||: L2 norm of each input feature over all calibration tokens */
    PARE_NEEDS_OUTPUTS = 8,    /* ||y||: L2 norm of each output over all calibration tokens */
    PARE_NEEDS_INVERSE = 16,   /* U_ii: diagonal of the factor of the inverse Gram matrix (repair/obs_update.h) */
    PARE_NEEDS_WHOLE = 32,     /* the gradient of the whole matrix at once, for `prepare` */
    PARE_NEEDS_MOMENTS = 64,   /* mean and variance of each input feature */
    PARE_NEEDS_CENTERED = 128, /* with INPUTS: ||x - mean|| in place of ||x|| */
};

/* Named constants that saliences share; each reads those that its formula names. */
typedef struct pare_salience_constants {
    double alpha;    /* weight of the gradient term: gblm, wanda++ */
    double exponent; /* a: power of the input norm: ria, ri, stochria, lp */
    double order;    /* p of the rows' and columns' norms: lp, symmetric; 0 counts, INFINITY is the largest */
    double balance;  /* lambda: weight of the output term: symwanda */
    double share;    /* of a row's or column's weights that are sampled: stochria */
    bool squared;    /* symwanda, symmetric: root of the sum of squares instead of the sum */
    uint64_t seed;   /* stochria */
} pare_salience_constants;

/* A matrix as a whole, for what a salience must know of it first. */
typedef struct pare_salience_matrix {
    int64_t rows, columns;
    const void *weight;           /* [rows, columns] of any alignment */
    const pare_tensor *scattered; /* where the weights lie scattered (checkpoint/view.h); NULL: in `weight` */
    pare_dtype dtype;             /* of weight; zero: float */
    const float *inputs;          /* [columns], or NULL */
    const float *outputs;         /* [rows], or NULL */
    const float *mean, *variance; /* [columns], or NULL */
    const float *inverse;         /* [columns] U_ii, or NULL */
    const float *gradient;        /* [rows, columns], or NULL */
    uint64_t tensor;              /* a number of its own (below 2^31), for random draws */
    const char *name;             /* of the tensor; unused but by `whole` */
    int32_t layer;                /* -1: none; likewise */
    const pare_salience_constants *constants; /* NULL: the salience's own */
} pare_salience_matrix;

/* Weights [first, first + count), row after row. */
void pare_salience_weights(const pare_salience_matrix *matrix, size_t first, size_t count, float *out);

/* Made by `prepare`: factors of rows and columns, and scalars; what they mean is the salience's own business. */
typedef struct pare_salience_factors {
    float *row, *column; /* [rows], [columns] */
    float *inputs;       /* [columns], shown to the elements instead of the matrix's inputs */
    float scale, offset;
} pare_salience_factors;

/* Of a run of elements of one row; NULL where not needed. */
typedef struct pare_element_signals {
    const float *gradient, *squares, *inputs;
    const float *column;      /* the factors of these columns */
    float row, scale, offset; /* and of the row */
    const pare_salience_constants *constants;
} pare_element_signals;

typedef struct pare_salience {
    const char *name;
    const char *formula;
    unsigned needs;                    /* PARE_NEEDS_* */
    bool signed_sum;                   /* elements keep their sign; the absolute value is taken of an index's sum */
    pare_salience_constants constants; /* published */
    /* Fills the factors (zeroed) from the matrix as a whole; NULL: the salience has none. */
    pare_status (*prepare)(const pare_salience_matrix *matrix, pare_salience_factors *factors);
    /* salience[n] of n elements; salience overlaps nothing. */
    void (*elements)(const float *weight, const pare_element_signals *signals, int64_t n, float *salience);
    /* In place of both, for what comes from outside: all scores of a matrix of floats at once, checked to be finite and
     * from 0 up; squares: [rows, columns], or NULL. */
    pare_status (*whole)(const struct pare_salience *salience, const pare_salience_matrix *matrix, const float *squares,
                         float *scores);
    const void *context; /* of `whole` */
} pare_salience;

/* One that a caller of the library brings, named "own"; its formula is the caller's name for it. own must live as long.
 */
pare_status pare_salience_own(const pare_own_salience *own, pare_salience *out);

/* scores: float [rows, columns] of the whole matrix; absolute values where the salience is signed. squares: [rows,
 * columns], or NULL. The same bits for any number of threads. PARE_NUMERIC_ERROR, naming the row and column, if one is
 * not finite; PARE_BAD_ARGUMENT if a signal is missing or a constant makes no sense. */
pare_status pare_salience_scores(const pare_salience *salience, const pare_salience_matrix *matrix,
                                 const float *squares, float *scores);

/* The two halves of that, for callers with their own loops. The factors of a matrix, which must have all signals that
 * the salience needs but the gradient (that one only with PARE_NEEDS_WHOLE); free with pare_salience_factors_free. */
pare_status pare_salience_prepare(const pare_salience *salience, const pare_salience_matrix *matrix,
                                  pare_salience_factors *out);
void pare_salience_factors_free(pare_salience_factors *factors);

enum { PARE_SALIENCE_PIECE = 1024 };

/* salience[n] of columns [column, column + n) of a row, n <= PARE_SALIENCE_PIECE. gradient, squares: of these n
 * elements, or NULL. */
void pare_salience_piece(const pare_salience *salience, const pare_salience_matrix *matrix,
                         const pare_salience_factors *factors, int64_t row, int64_t column, int64_t n,
                         const float *gradient, const float *squares, float *out);

/* The salience of that name, or NULL; and the names, NULL after the last. */
const pare_salience *pare_salience_find(const char *name);
const char *pare_salience_name(size_t index);

/* |w g|, abs before the sum: LLM-Pruner's param_first (eq. 3); with g the Moreau gradient, MoreauPruner (eq. 9, 11). */
extern const pare_salience pare_salience_first_order;
/* w g, abs after the sum: LLM-Pruner's vectorize. */
extern const pare_salience pare_salience_vectorize;
/* |w^2 A| and |w g - w A w / 2|, A being the diagonal Fisher: LLM-Pruner's param_second (no 1/2 there) and param_mix.
 */
extern const pare_salience pare_salience_second_order, pare_salience_mixed;
/* |w| and w^2 (no square root, as in the reference). */
extern const pare_salience pare_salience_absolute, pare_salience_square;
/* |w| ||x||: Wanda. */
extern const pare_salience pare_salience_activation;
/* w^2 ||x - mean||^2: FLAP. */
extern const pare_salience pare_salience_fluctuation;
/* w^2 / U_ii^2: SparseGPT. */
extern const pare_salience pare_salience_inverse;
/* |w| ||x|| + alpha |w| |g|: GBLM-Pruner, g the norm over samples of each one's gradient; Wanda++, g the regional one.
 */
extern const pare_salience pare_salience_gblm;
/* |w| |g|: the gradient's norm over samples alone (GBLM-Pruner's ablation). */
extern const pare_salience pare_salience_gradient;
/* w^2 (|g| - min |g|) / (max |g| - min |g|): Pruner-Zero; 0 where all are equal. */
extern const pare_salience pare_salience_pruner_zero;
/* |w| (1 / column sum + 1 / row sum) ||x||^a: RIA; without the input norm, RI. Sums are of absolute values, in fp64;
 * where one is 0, so is its term. */
extern const pare_salience pare_salience_ria, pare_salience_ri;
/* The same with sums over max(1, round(share min(rows, columns))) weights of the row or column, drawn without
 * replacement and scaled up to the whole; over all where the drawn ones are 0 or share is 1: stochRIA. */
extern const pare_salience pare_salience_stochria;
/* The same with l_p norms of rows and columns instead of sums: Symmetric Pruning, Lemma 3.8. */
extern const pare_salience pare_salience_lp;
/* |w| (||x|| / mean + lambda ||y|| / mean), squared: |w| sqrt((||x|| / mean)^2 + lambda (||y|| / mean)^2); |w| ||y||;
 * |w| (||row||_p + ||column||_p), squared: |w| sqrt(||row||_p^2 + ||column||_p^2). Symmetric Pruning, Lemma 3.1,
 * Corollaries 3.3 and 3.4. */
extern const pare_salience pare_salience_symwanda, pare_salience_owanda, pare_salience_symmetric;

#endif
