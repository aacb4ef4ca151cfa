/* The few numeric operations that everything is written in. A backend is a table of them; cpu/ is the default, and
 * reference/ is plain C that a reader can check against the formulas and tests compare every other backend with.
 *
 * Conventions: n rows (tokens) come first; `float` buffers are fp32; `operand` buffers hold matrix operands in
 * backend->operand (bf16 or fp32). Buffers never overlap unless a comment says so. Operations that only compute cannot
 * fail; those that return a status may need memory.
 *
 * Attention works on head-major buffers: queries and outputs [batch, groups, capacity, shared, head], keys and values
 * the same with shared = 1, where groups = key/value heads, shared = query heads per key/value head, capacity >=
 * tokens. */
#ifndef PARE_BACKEND_BACKEND_H
#define PARE_BACKEND_BACKEND_H

#include "support/dtype.h"
#include "support/status.h"

typedef struct pare_backend pare_backend;

/* C[b] (+)= op(A[b]) op(B[b]), C: float [m, n], op(A): [m, k], op(B): [k, n], row-major operands.
 * transposed: stored [k, m] / [n, k]. lda, ldb, ldc: elements between stored rows, 0: packed. Batches are packed; a
 * batch of more than one has packed C. */
typedef struct pare_matmul {
    int64_t batch, m, n, k;
    bool transpose_a, transpose_b, accumulate;
    int64_t lda, ldb, ldc;
    bool slim; /* a hint: m, n or k is small, as in products with low-rank matrices */
} pare_matmul;

typedef enum pare_activation {
    PARE_ACTIVATION_SILU,
    PARE_ACTIVATION_GELU,      /* x Phi(x), with the error function */
    PARE_ACTIVATION_GELU_TANH, /* its approximation through tanh: gelu_new, gelu_fast, gelu_pytorch_tanh */
    PARE_ACTIVATION_RELU,
    PARE_ACTIVATION_RELU2,   /* max(x, 0)^2 */
    PARE_ACTIVATION_CLAMPED, /* x sigmoid(1.702 x) of min(x, limit); as a gate, times 1 + up within [-limit, limit] */
    PARE_ACTIVATIONS
} pare_activation;

/* How an FFN activates; limit: positive, of the clamped kind. */
typedef struct pare_gating {
    pare_activation activation;
    float limit;
} pare_gating;

typedef enum pare_norm_kind {
    PARE_NORM_RMS,  /* x / sqrt(mean(x^2) + eps) */
    PARE_NORM_LAYER /* (x - mean) / sqrt(variance + eps) */
} pare_norm_kind;

/* ... times weight plus bias, element by element. */
typedef struct pare_norm {
    pare_norm_kind kind;
    const float *weight; /* [d], or NULL: ones */
    const float *bias;   /* [d], or NULL: zeros */
    double eps;
    int64_t repeat; /* weight and bias are [repeat, d] and row i takes part i % repeat of them; 0 or 1: one for all */
    /* [d] 1, or 0 for elements that are no part of a row: they are 0 in it, in what is made of it, and in gradients. */
    const float *kept; /* NULL: all are part of it */
    int64_t kept_count;
} pare_norm;

/* Leading dimensions of each head turn by the angles of a position, in pairs; those behind them stay as they are.
 * A rotation is float [positions, rotated]: the cosines of a position's rotated / 2 angles, then their sines. */
typedef struct pare_heads {
    int64_t batch, tokens, groups, shared, head;
    int64_t capacity;         /* token slots per (batch, group) in the head-major buffer */
    int64_t offset;           /* slot of the first token */
    const int32_t *positions; /* [batch, tokens] rows of the rotation; NULL: each token's slot */
    int64_t rotated;          /* dimensions that turn, an even number; 0: all of them */
    bool interleaved;         /* pairs are (2i, 2i + 1); else (i, i + rotated / 2) */
} pare_heads;

/* The score of a query and a key is scale q.k, then cap tanh(score / cap), then + slope (key's position - query's).
 * Positions are slots: query i has that of key keys - queries + i. Where keys are hidden from query t by start and
 * prefix, key j has, as t sees it, position j if j < prefix[t] and else prefix[t] + j - start[t]: there is no gap. */
typedef struct pare_attention {
    int64_t batch, groups, shared, head;
    int64_t queries, keys; /* tokens; query i sees keys 0 .. keys - queries + i */
    int64_t key_capacity;  /* token slots per (batch, group) of keys and values; queries are packed */
    /* Where keys == queries, query t may be kept from some of these: it sees keys [0, prefix[t]) and [start[t], t],
     * with 0 <= prefix[t] <= start[t] <= t. Both [batch, queries]; NULL: zeros. */
    const int32_t *start, *prefix;
    float scale;         /* positive; 0: head^-1/2 */
    float cap;           /* positive; 0: none */
    int64_t window;      /* a query sees only keys whose position is above its own minus this; 0: no such bound */
    bool chunked;        /* or, that is in the same chunk of so many positions, counted from 0 */
    const float *slopes; /* [groups * shared] ALiBi; NULL: none */
    bool rounded_slopes; /* what they add is scale bf16(slope bf16(key's position)), with slopes that bf16 holds */
    bool bidirectional;  /* every query sees the keys behind it, too; keys == queries, without start and prefix */
    const float *sinks;  /* [groups * shared] a score beside those of every query of a head, as they come out of the
                            above, whose share of the softmax goes nowhere; NULL: none */
} pare_attention;

/* scale * B A, a: [rank, columns], b: [rows, rank]. */
typedef struct pare_low_rank {
    int64_t rank; /* 0: none */
    const float *a, *b;
    float scale;
    bool keep_zeros; /* not where the stored weight is zero */
} pare_low_rank;

/* What a weight looks like to the pass: (stored + delta + sigma |stored| z + low rank) * column mask. */
typedef struct pare_weight_view {
    const void *stored; /* [rows, columns], any alignment */
    pare_dtype dtype;
    const float *delta; /* [rows, columns] or NULL */
    float sigma;        /* 0: no noise */
    uint64_t seed;
    uint64_t draw;                 /* which draw of the noise (step and draw within it) */
    uint64_t tensor;               /* which tensor */
    const float *column_scale;     /* [columns] factors (a mask), or NULL */
    const pare_low_rank *low_rank; /* or NULL */
} pare_weight_view;

/* One proximal gradient step on rows of the displacement (MoreauPruner Algorithm 1, lines 5-7, in delta form):
 *   next = shrunk(base_factor * base - gamma * gradient)
 * Rows (group_rows) by their L2 norm, else elements by their absolute value: what is no larger than `threshold` becomes
 * zero, anything else loses `shrink` of its size. A soft threshold has shrink == threshold; with a larger one the sign
 * of what lies between the two turns. threshold <= 0: nothing shrinks. */
typedef struct pare_proximal {
    float base_factor, gamma, threshold, shrink;
    bool group_rows;
    float *row_norms;    /* [rows], receives the L2 norms before anything shrinks; or NULL */
    double *row_squares; /* [rows], receives the sums of squares of what is left; or NULL */
} pare_proximal;

/* Sums over rows of a displacement after a step. */
typedef struct pare_displacement_sums {
    double squares;     /* sum of delta^2 */
    uint64_t zero_rows; /* rows that are zero as a whole */
} pare_displacement_sums;

/* What a gradient by a teacher is made of. */
typedef struct pare_divergence_terms {
    const int32_t *targets;                       /* [n] */
    const float *student_logsum, *teacher_logsum; /* [n] of the whole vocabulary */
    float scale, ce, kd;
} pare_divergence_terms;

typedef struct pare_backend_operations {
    pare_status (*matmul)(const pare_backend *backend, const pare_matmul *shape, const void *a, const void *b,
                          float *c);

    /* x: [n, d]; out: operand or, as_float, float, which may be x; inverse: [n] 1 / the root that x is divided by. */
    void (*norm_forward)(const pare_backend *backend, const pare_norm *norm, const float *x, int64_t n, int64_t d,
                         void *out, bool as_float, float *inverse);
    /* dx = d(out)/dx^T dy, or += where `accumulate`; else it may be dy. dy: float [n, d]. dweight, dbias (either may be
     * NULL): double [repeat, d] += sums over rows. */
    void (*norm_backward)(const pare_backend *backend, const pare_norm *norm, const float *x, const float *inverse,
                          const float *dy, int64_t n, int64_t d, float *dx, bool accumulate, double *dweight,
                          double *dbias);

    /* Token-major float [batch * tokens, groups * shared * head] -> head-major operand, rotated by position if
     * `rotation` is given, whose first row is slot 0 or position 0. */
    void (*split_heads)(const pare_backend *backend, const pare_heads *heads, const float *in, const float *rotation,
                        void *out);
    /* Head-major float -> token-major operand, rotated back if `rotation` is given. */
    void (*merge_heads)(const pare_backend *backend, const pare_heads *heads, const float *in, const float *rotation,
                        void *out);
    /* Token-major float, in place, rotated or rotated back: for what comes between the rotation and the split. */
    void (*rotate)(const pare_backend *backend, const pare_heads *heads, float *x, const float *rotation, bool back);

    /* Bytes of workspace that attention takes for this shape while it runs: for the memory plan. */
    uint64_t (*attention_bytes)(const pare_backend *backend, const pare_attention *shape, bool backward);
    /* out: float head-major, packed; logsum: [batch, groups, queries, shared] log of the softmax denominators; NULL:
     * nobody wants them, where there are no sinks. */
    pare_status (*attention_forward)(const pare_backend *backend, const pare_attention *shape, const void *q,
                                     const void *k, const void *v, float *out, float *logsum);
    /* dq, dk, dv: float head-major, packed, overwritten. keys == queries == key_capacity here. */
    pare_status (*attention_backward)(const pare_backend *backend, const pare_attention *shape, const void *q,
                                      const void *k, const void *v, const float *out, const float *logsum,
                                      const void *dout, float *dq, float *dk, float *dv);
    /* dsinks: [groups * shared] += what attention_backward leaves out. */
    void (*sinks_backward)(const pare_backend *backend, const pare_attention *shape, const float *out,
                           const float *logsum, const void *dout, double *dsinks);

    /* out = act(gate) * up, n elements; act(up) where gate is NULL. */
    void (*gated_forward)(const pare_backend *backend, pare_gating gating, const float *gate, const float *up,
                          int64_t n, void *out);
    /* dgate: not written where gate is NULL. */
    void (*gated_backward)(const pare_backend *backend, pare_gating gating, const float *gate, const float *up,
                           const float *dout, int64_t n, void *dgate, void *dup);

    /* Streaming log-sum-exp over vocabulary chunks: logits: [n, columns], column 0 being token `first`. Updates the
     * running maximum and sum of each row and keeps the target's logit when it is in this chunk. */
    void (*logsum_update)(const pare_backend *backend, const float *logits, int64_t n, int64_t columns, int64_t first,
                          const int32_t *targets, float *maximum, double *sum, float *target_logit);
    /* out = scale * (softmax - onehot(target)); rows whose target is -1 give zeros. */
    void (*logits_gradient)(const pare_backend *backend, const float *logits, int64_t n, int64_t columns, int64_t first,
                            const int32_t *targets, const float *logsum, float scale, void *out);

    /* value += -sum of p log p over the columns, p = exp(logits - logsum): entropies, over vocabulary chunks. */
    void (*entropy_update)(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                           const float *logsum, double *value);
    /* out = scale * dH/dlogits = -scale * p (log p + H), H = value of all chunks. */
    void (*entropy_gradient)(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                             const float *logsum, const double *value, float scale, void *out);

    /* value += sum of exp(teacher - maximum) (teacher - student) over the columns: with maximum that of the teacher's
     * logits up to and with this chunk, and value rescaled when that rises, KL(teacher || student) comes of it. */
    void (*divergence_update)(const pare_backend *backend, const float *student, const float *teacher, int64_t n,
                              int64_t columns, const float *maximum, double *value);
    /* out = scale * (ce (q - onehot(target)) + kd (q - p)), q and p being the softmaxes of student and teacher; no
     * first term where the target is negative. */
    void (*divergence_gradient)(const pare_backend *backend, const pare_divergence_terms *terms, const float *student,
                                const float *teacher, int64_t n, int64_t columns, int64_t first, void *out);

    void (*to_operand)(const pare_backend *backend, const float *in, int64_t n, void *out);
    void (*from_operand)(const pare_backend *backend, const void *in, int64_t n, float *out);

    /* Rows [first, first + rows) of a weight as the pass sees it; operand or float. */
    void (*compose)(const pare_backend *backend, const pare_weight_view *view, int64_t first, int64_t rows,
                    int64_t columns, void *out);
    void (*compose_float)(const pare_backend *backend, const pare_weight_view *view, int64_t first, int64_t rows,
                          int64_t columns, float *out);

    /* base, gradient, next: float [rows, columns]; base may be next, and with gamma 0 gradient may be, too: then next
     * only shrinks. sums are added to. */
    void (*proximal_step)(const pare_backend *backend, const pare_proximal *step, int64_t rows, int64_t columns,
                          const float *base, const float *gradient, float *next, pare_displacement_sums *sums);
} pare_backend_operations;

struct pare_backend {
    const pare_backend_operations *operations;
    const char *name;
    pare_dtype operand;
    bool native;           /* products of such operands are the machine's own, not made of wider ones */
    unsigned instructions; /* that products may use, as oneDNN numbers sets of them; 0: plain C */
    void *state;
    void (*close)(pare_backend *backend); /* releases state; may be NULL */
};

/* compute AUTO picks bf16 where the CPU multiplies it natively; elsewhere bf16 operands are widened as they are
 * multiplied, with the same rounding points. threads 0: all. Free with pare_backend_close. */
pare_status pare_backend_open_cpu(pare_compute compute, int threads, pare_backend **out);
/* As the runtime asks for it; NULL: all open. alone: one thread where it names no number. */
pare_status pare_backend_open(const pare_runtime *runtime, bool alone, pare_backend **out);
/* Another with the operands of `like`, for one thread of a parallel region, which opens it there: nothing that it does
 * wakes other threads, and others may do the same meanwhile. */
pare_status pare_backend_open_alone(const pare_backend *like, pare_backend **out);
pare_status pare_backend_open_reference(pare_backend **out);
void pare_backend_close(pare_backend *backend);

static inline size_t pare_operand_size(const pare_backend *backend) {
    return pare_dtype_size(backend->operand);
}

/* data + index elements, for an operand buffer. */
static inline void *pare_operand_at(const pare_backend *backend, const void *data, int64_t index) {
    return (char *)(uintptr_t)data + (size_t)index * pare_operand_size(backend);
}

#endif
