/* From logits to a token: the likeliest one, or a random one by temperature and top-p. */
#ifndef PARE_GENERATE_SAMPLING_H
#define PARE_GENERATE_SAMPLING_H

#include "support/random.h"
#include "support/status.h"

typedef struct pare_sampler pare_sampler;

/* temperature 0: greedy; top_p 0 or 1: all tokens, else the fewest likeliest ones whose probabilities reach it. Fails
 * with PARE_BAD_ARGUMENT on other values. Free with pare_sampler_free. */
pare_status pare_sampler_new(uint32_t vocabulary, double temperature, double top_p, pare_sampler **out);
void pare_sampler_free(pare_sampler *sampler);

/* Probabilities in fp64; one draw of `random` per token, none if greedy. Ties go to the lower id. Fails with
 * PARE_NUMERIC_ERROR if no token has a finite logit, or one is NaN or +infinity. */
pare_status pare_sample(pare_sampler *sampler, const float *logits, pare_random *random, uint32_t *token);

#endif
