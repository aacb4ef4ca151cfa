/* The CPU backend: matrix products through oneDNN, everything else in own kernels, threaded with OpenMP. */
#ifndef PARE_BACKEND_CPU_CPU_H
#define PARE_BACKEND_CPU_CPU_H

#include "backend/backend.h"

pare_status pare_cpu_matmul(const pare_backend *backend, const pare_matmul *shape, const void *a, const void *b,
                            float *c);

void pare_cpu_norm_forward(const pare_backend *backend, const pare_norm *norm, const float *x, int64_t n, int64_t d,
                           void *out, bool as_float, float *inverse);
void pare_cpu_norm_backward(const pare_backend *backend, const pare_norm *norm, const float *x, const float *inverse,
                            const float *dy, int64_t n, int64_t d, float *dx, bool accumulate, double *dweight,
                            double *dbias);
void pare_cpu_split_heads(const pare_backend *backend, const pare_heads *heads, const float *in, const float *rotation,
                          void *out);
void pare_cpu_merge_heads(const pare_backend *backend, const pare_heads *heads, const float *in, const float *rotation,
                          void *out);
void pare_cpu_rotate(const pare_backend *backend, const pare_heads *heads, float *x, const float *rotation, bool back);
uint64_t pare_cpu_attention_bytes(const pare_backend *backend, const pare_attention *shape, bool backward);
pare_status pare_cpu_attention_forward(const pare_backend *backend, const pare_attention *shape, const void *q,
                                       const void *k, const void *v, float *out, float *logsum);
pare_status pare_cpu_attention_backward(const pare_backend *backend, const pare_attention *shape, const void *q,
                                        const void *k, const void *v, const float *out, const float *logsum,
                                        const void *dout, float *dq, float *dk, float *dv);
void pare_cpu_sinks_backward(const pare_backend *backend, const pare_attention *shape, const float *out,
                             const float *logsum, const void *dout, double *dsinks);
void pare_cpu_gated_forward(const pare_backend *backend, pare_gating gating, const float *gate, const float *up,
                            int64_t n, void *out);
void pare_cpu_gated_backward(const pare_backend *backend, pare_gating gating, const float *gate, const float *up,
                             const float *dout, int64_t n, void *dgate, void *dup);
void pare_cpu_logsum_update(const pare_backend *backend, const float *logits, int64_t n, int64_t columns, int64_t first,
                            const int32_t *targets, float *maximum, double *sum, float *target_logit);
void pare_cpu_logits_gradient(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                              int64_t first, const int32_t *targets, const float *logsum, float scale, void *out);
void pare_cpu_divergence_update(const pare_backend *backend, const float *student, const float *teacher, int64_t n,
                                int64_t columns, const float *maximum, double *value);
void pare_cpu_divergence_gradient(const pare_backend *backend, const pare_divergence_terms *terms, const float *student,
                                  const float *teacher, int64_t n, int64_t columns, int64_t first, void *out);
void pare_cpu_entropy_update(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                             const float *logsum, double *value);
void pare_cpu_entropy_gradient(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                               const float *logsum, const double *value, float scale, void *out);
void pare_cpu_to_operand(const pare_backend *backend, const float *in, int64_t n, void *out);
void pare_cpu_from_operand(const pare_backend *backend, const void *in, int64_t n, float *out);
void pare_cpu_compose(const pare_backend *backend, const pare_weight_view *view, int64_t first, int64_t rows,
                      int64_t columns, void *out);
void pare_cpu_compose_float(const pare_backend *backend, const pare_weight_view *view, int64_t first, int64_t rows,
                            int64_t columns, float *out);
void pare_cpu_proximal_step(const pare_backend *backend, const pare_proximal *step, int64_t rows, int64_t columns,
                            const float *base, const float *gradient, float *next, pare_displacement_sums *sums);

#endif
