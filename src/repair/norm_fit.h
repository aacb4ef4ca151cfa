/* A norm's weights fitted per channel: the factor c_j = sum q_j p_j / sum p_j^2 brings the pruned model's normed states
 * p as close to the dense one's, q, as a factor can. */
#ifndef PARE_REPAIR_NORM_FIT_H
#define PARE_REPAIR_NORM_FIT_H

#include <stdint.h>

/* q, p: float [tokens, d]. products, squares: double [d], added to. */
void pare_norm_fit_add(const float *q, const float *p, int64_t tokens, int64_t d, double *products, double *squares);
/* products <- the factors; 1 where p is nothing. */
void pare_norm_fit_end(double *products, const double *squares, int64_t d);

#endif
