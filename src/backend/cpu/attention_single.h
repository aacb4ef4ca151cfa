/* Attention of one query per sequence, the last of its keys. */
#ifndef PARE_BACKEND_CPU_ATTENTION_SINGLE_H
#define PARE_BACKEND_CPU_ATTENTION_SINGLE_H

#include "backend/cpu/cpu.h"

/* True of the shapes that pare_attention_single computes. */
bool pare_attention_is_single(const pare_attention *shape);
/* As attention_forward of the backend; needs no memory. */
void pare_attention_single(const pare_backend *backend, const pare_attention *shape, const void *q, const void *k,
                           const void *v, float *out, float *logsum);

#endif
