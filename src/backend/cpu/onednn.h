/* oneDNN, versions 2 and 3, whose C interfaces differ: the one place that includes its header. */
#ifndef PARE_BACKEND_CPU_ONEDNN_H
#define PARE_BACKEND_CPU_ONEDNN_H

#include "backend/backend.h"

typedef struct pare_onednn pare_onednn;                 /* engine and stream */
typedef struct pare_onednn_product pare_onednn_product; /* a primitive for one shape */

/* A product as oneDNN takes it. */
typedef struct pare_onednn_shape {
    pare_matmul matmul;
    int64_t ldc;        /* elements between rows of C, 0: packed */
    pare_dtype operand; /* of A and B; C is fp32 */
    bool packed_gemm;   /* oneDNN's packing GEMM where it has one for this shape, else its own favourite */
} pare_onednn_shape;

pare_status pare_onednn_new(pare_onednn **out);
void pare_onednn_free(pare_onednn *onednn);

/* Neither m, n, k nor the batch may be zero. Free with pare_onednn_product_free, before `onednn`. */
pare_status pare_onednn_product_new(pare_onednn *onednn, const pare_onednn_shape *shape, pare_onednn_product **out);
void pare_onednn_product_free(pare_onednn_product *product);
pare_status pare_onednn_product_run(const pare_onednn *onednn, const pare_onednn_product *product, const void *a,
                                    const void *b, float *c);

/* oneDNN's number of the instruction set that it may use. */
unsigned pare_onednn_instructions(void);
/* The CPU multiplies bf16 numbers natively, and oneDNN may use that (ONEDNN_MAX_CPU_ISA). */
bool pare_onednn_has_bf16(const pare_onednn *onednn);

#endif
