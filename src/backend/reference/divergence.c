/* The divergence from a teacher over vocabulary chunks. */
#include "backend/reference/reference.h"

#include <math.h>

void pare_reference_divergence_update(const pare_backend *backend, const float *student, const float *teacher,
                                      int64_t n, int64_t columns, const float *maximum, double *value) {
    (void)backend;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = t * columns; i < (t + 1) * columns; i++)
            value[t] += exp((double)teacher[i] - (double)maximum[t]) * ((double)teacher[i] - (double)student[i]);
}

void pare_reference_divergence_gradient(const pare_backend *backend, const pare_divergence_terms *terms,
                                        const float *student, const float *teacher, int64_t n, int64_t columns,
                                        int64_t first, void *out) {
    (void)backend;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < columns; i++) {
            int64_t at = t * columns + i;
            double q = exp((double)student[at] - (double)terms->student_logsum[t]);
            double p = exp((double)teacher[at] - (double)terms->teacher_logsum[t]);
            double onehot = first + i == terms->targets[t] ? 1.0 : 0.0;
            double label = terms->targets[t] < 0 ? 0.0 : (double)terms->ce * (q - onehot);
            ((float *)out)[at] = (float)((double)terms->scale * (label + (double)terms->kd * (q - p)));
        }
}
