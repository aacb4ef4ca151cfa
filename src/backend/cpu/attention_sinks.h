/* Sinks of attention: what the softmax over keys alone becomes with one score more, and that score's gradient. */
#ifndef PARE_BACKEND_CPU_ATTENTION_SINKS_H
#define PARE_BACKEND_CPU_ATTENTION_SINKS_H

#include "backend/cpu/cpu.h"

/* out, logsum: of the keys alone; become those with the sinks. */
void pare_attention_add_sinks(const pare_attention *shape, float *out, float *logsum);

/* dots[row] = sum(out * dout). */
void pare_attention_row_dots(const pare_backend *backend, const pare_attention *shape, const float *out,
                             const void *dout, int64_t first, int64_t rows, float *dots);

#endif
