/* What the dense model answers at each prediction of some windows: its likeliest ids with their probabilities, and what
 * is left for all others together. How far another model is from it:
 *
 *   KL = sum over the likeliest of p log(p / q) + p' log(p' / q'),   p', q': what is left of either
 *
 * which is that over the whole vocabulary where all ids are kept, and else never more than it: the top 512 rank
 * candidates as all ids do (EvoPress, Sieberling et al. 2024, arXiv 2410.14649). Of a large vocabulary, logits are made
 * of the ids that the dense model is likely to say anywhere (likely_ids.h): p and q are then what they are among these,
 * and KL counts as far as p is there, which again is never more than that of all ids. */
#ifndef PARE_SEARCH_ANSWERS_H
#define PARE_SEARCH_ANSWERS_H

#include "search/likely_ids.h"

typedef struct pare_answers {
    int64_t predictions, kept;
    pare_likely_ids among;
    bool all;       /* of these are kept */
    double *share;  /* [predictions] of p that they have */
    int32_t *id;    /* [predictions, kept] places among them, ascending */
    float *log;     /* [predictions, kept] log p */
    double *rest;   /* [predictions] p' */
    float *looked;  /* [predictions, kept] another model's logits */
    int64_t *first; /* [predictions] of the running sweep */
} pare_answers;

enum { PARE_ANSWERS_KEPT = 512 };

/* Bytes for so many predictions of so many ids. */
uint64_t pare_answers_bytes(int64_t predictions, uint32_t vocabulary);

/* From the last forward of the pass, which was the dense model's through `source`. Free with pare_answers_free. */
pare_status pare_answers_new(pare_pass *pass, const pare_source *source, int64_t predictions, pare_answers *out);
void pare_answers_free(pare_answers *answers);

/* Mean KL over the predictions, in nats, of the pass's last forward, of the same windows. */
pare_status pare_answers_divergence(pare_answers *answers, pare_pass *pass, const pare_source *source, double *kl);

#endif
