/* What bench_regression measures and what it measures it by: kernels and commands of pare as rows, references that are
 * none of pare's own code, and the buffers that all of them work on. */
#ifndef BENCH_REGRESSION_WORK_H
#define BENCH_REGRESSION_WORK_H

#include "backend/backend.h"
#include "pare.h"
#include "select/element_select.h"

enum { HIDDEN = 1024, FFN = 2752, TOKENS = 512, HEADS = 16, HEAD = 64, SIDE = 500, SWAP = 256, PRODUCT_ROWS = 256 };

/* Elements of each large buffer. */
#define ELEMENTS ((int64_t)FFN * HIDDEN)

typedef struct bench {
    const char *pare, *model, *folder;
    pare_backend *fp32, *bf16;
    float *a, *b, *c, *d; /* [FFN, HIDDEN] each */
    void *x, *y, *z;      /* operands of the backend at work, as many */
    pare_backend *backend;
    float *gram;
    pare_element_mask mask, small;
    pare_tokenizer *tokenizer;
    char *text;
    size_t text_bytes;
    int threads, outputs;
    uint64_t hash;
} bench;

typedef pare_status (*work_fn)(bench *b, int variant);

typedef enum reference { PRODUCT, COPY, HASH, PLAIN_FILE } reference;

typedef struct reference_row {
    const char *name;
    work_fn run;
} reference_row;

typedef struct row {
    const char *name;
    work_fn run;
    int variant;
    reference reference;
    double work; /* nominal, in the reference's unit; its absolute value says nothing, its ratio over time does */
    bool bf16;
} row;

extern const reference_row references[]; /* by reference */
extern const row rows[];
extern const size_t row_count;

/* Nominal work of a call: operations, bytes moved, or calls. */
double reference_work(const bench *b, reference r);

/* A run of the whole program; a variant is its arguments. */
pare_status run_command(bench *b, int variant);

#endif
