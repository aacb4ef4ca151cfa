/* What a head makes of its teacher: the divergence, found in the same sweep over the vocabulary as the loss, and the
 * gradient of both. With m the teacher's highest logit t so far, and s the student's logits,
 *   KL(p || q) = sum exp(t - m) (t - s) / sum exp(t - m) - log sum exp t + log sum exp s. */
#ifndef PARE_MODEL_TEACHING_H
#define PARE_MODEL_TEACHING_H

#include "model/pass_internal.h"

/* Bytes of pare_teaching for each token. */
enum { PARE_TEACHING_BYTES = 3 * sizeof(float) + 2 * sizeof(double) + 2 * sizeof(int32_t) };

/* Room for so many tokens; whatever a failure leaves is freed with pare_teaching_free. */
pare_status pare_teaching_new(size_t tokens, pare_teaching *out);
void pare_teaching_free(pare_teaching *teaching);

/* Before the first tile of a batch: runs the teacher. */
pare_status pare_teaching_begin(pare_pass *pass);
/* The student's and the teacher's sums go on over a tile of the head, ids [row, row + rows), whose logits are in
 * pass->logits. */
pare_status pare_teaching_update(pare_pass *pass, int64_t row, int64_t rows, int64_t first, int64_t count);
/* After the last tile, when pass->logsum is known. */
void pare_teaching_end(pare_pass *pass);
/* The loss of a prediction that has this cross-entropy. */
double pare_teaching_loss(pare_pass *pass, int64_t prediction, double ce);
/* pass->dlogits of the tile whose logits are in pass->logits. */
pare_status pare_teaching_gradient(pare_pass *pass, int64_t row, int64_t rows, int64_t first, int64_t count,
                                   float scale);

#endif
