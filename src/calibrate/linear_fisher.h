/* How the loss feels the output of every linear layer: F = sum over tokens of g g^T, with g the gradient of the summed
 * next-token cross-entropy at the layer's output (the empirical Fisher matrix of the output; divided by the number of
 * tokens, the mean that papers write). An error e of the output costs about e^T F e / 2, in one unit for all layers.
 * Gathered from one forward and backward over the calibration set, which is taken in equal groups of sequences, so that
 * block inputs of one group at a time are kept. What a group gives to a matrix adds up by itself, and is added to what
 * those before have given: ranks (support/peer.h) take groups in turns. */
#ifndef PARE_CALIBRATE_LINEAR_FISHER_H
#define PARE_CALIBRATE_LINEAR_FISHER_H

#include "model/pass.h"
#include "support/scratch.h"
#include "support/work.h"

typedef struct pare_fisher_request {
    const pare_source *source;
    const pare_runtime *runtime; /* for progress; may be NULL */
    const uint32_t *ids;         /* [sequences, length] */
    int64_t sequences, length;
    bool composed;       /* the source displaces or masks */
    uint64_t limit;      /* bytes of anonymous memory for the pass; 0: none set */
    const char *scratch; /* folder of the matrices, or NULL: in memory */
    const char *state;   /* file that all sums are saved to after every group, and taken up from; NULL: none */
    const char *key;     /* what that file belongs to, 64 hexadecimal digits */
} pare_fisher_request;

/* Of which matrices, and how much. */
typedef struct pare_fisher_choice {
    const bool *wanted; /* [tensor_count]; what is not a matrix of a block is ignored */
    int64_t widest;     /* matrices of more rows than this get the diagonal only */
    bool by_head;       /* of Q, K and V: what is within each head alone, whatever their rows */
    bool spread;        /* also how far sequences differ in the outputs of O and Down */
} pare_fisher_choice;

/* Rows of each block of a matrix's metric; 0: it gets the diagonal only, or nothing. */
int64_t pare_fisher_block(const pare_model *model, const pare_fisher_choice *choice, size_t id);

typedef struct pare_linear_fisher {
    size_t tensor_count;
    float **full;     /* [tensor_count] blocks of rows, symmetric up to rounding; NULL: not asked for */
    int64_t *block;   /* [tensor_count] rows of each block (support/blocks.h): all, or those of a head */
    float **diagonal; /* [tensor_count] [rows]; NULL: not wanted */
    double *spread;   /* [tensor_count] sum over sequences of |F_s|^2 (shrinkage.h), of O and Down; NULL: not asked */
    double loss;      /* of the calibration set */
    float *diagonals; /* what all of `diagonal` points into */
    pare_scratch memory;
} pare_linear_fisher;

/* Bytes of the full matrices: in memory or in the scratch file. */
uint64_t pare_linear_fisher_bytes(const pare_model *model, const pare_fisher_choice *choice);
/* What gathering takes beside them and the pass, always in memory: diagonals, and gradients on their way. Not part of
 * the request's limit. */
uint64_t pare_linear_fisher_room_bytes(const pare_model *model, const pare_backend *backend,
                                       const pare_fisher_choice *choice);
/* Sequences of a group: the largest divisor of `sequences` that fits the limit, at most 32; *memory: what the pass then
 * holds, with room for what a group gives to the matrices of a layer. */
pare_status pare_linear_fisher_group(const pare_fisher_request *request, const pare_fisher_choice *choice,
                                     int64_t *group, pare_pass_memory *memory);
/* What gathering has to do. */
pare_work pare_linear_fisher_work(const pare_fisher_request *request, const pare_fisher_choice *choice);

/* Diagonals are sums in double of squares of the gradients as the backward has them. Full matrices are products of
 * operands with sums in fp32: off by at most n 2^-24 of the sum of n absolute products, and with bf16 operands by the
 * rounding of each factor besides. A layer that the source skips gets zeros. Free with pare_linear_fisher_free. */
pare_status pare_linear_fisher_run(const pare_fisher_request *request, const pare_fisher_choice *choice,
                                   pare_linear_fisher *out);
void pare_linear_fisher_free(pare_linear_fisher *fisher);

#endif
