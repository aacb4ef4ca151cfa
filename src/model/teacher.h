/* Who teaches a pass: a distribution over the vocabulary for each of its predictions, beside or in place of the label.
 * The loss of a prediction is ce (-log q(label)) + kd KL(p || q), q being the pass's own distribution, p the teacher's.
 */
#ifndef PARE_MODEL_TEACHER_H
#define PARE_MODEL_TEACHER_H

#include "model/pass.h"

typedef struct pare_teacher {
    double ce, kd;
    /* Before the first tile of a batch, which is the pass's last forward. */
    pare_status (*begin)(void *context, const pare_layout *layout, const uint32_t *ids, int64_t sequences);
    /* *logits: float [count, rows] of ids [row, row + rows) at predictions [first, first + count), whose softmax over
     * all ids is p; valid until the next call. */
    pare_status (*tile)(void *context, int64_t first, int64_t count, int64_t row, int64_t rows, const float **logits);
    /* Of a prediction: what is added to KL, and the id that p holds for the likeliest. NULL: 0, and what tiles say. */
    void (*known)(void *context, int64_t prediction, double *add, int32_t *likeliest);
    void *context;
} pare_teacher;

/* Sums over the predictions of a batch. */
typedef struct pare_taught {
    double ce, kl; /* of those with a label; of all */
    double same;   /* whose likeliest id is the teacher's */
    double known;  /* with a label */
} pare_taught;

/* Whoever teaches all losses and gradients from now on; NULL: nobody. The pass's shape must be `taught`. */
void pare_pass_teach(pare_pass *pass, const pare_teacher *teacher);
/* Of the last loss or gradient. */
pare_taught pare_pass_taught(const pare_pass *pass);

/* A model that teaches by a forward pass of its own over the same batch. Its pass is shaped like the student's,
 * without what only gradients need. */
typedef struct pare_model_teacher pare_model_teacher;

pare_pass_shape pare_model_teacher_shape(const pare_pass_shape *student);
pare_status pare_model_teacher_new(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape,
                                   double ce, double kd, pare_model_teacher **out);
void pare_model_teacher_free(pare_model_teacher *teacher);
const pare_teacher *pare_model_teacher_of(const pare_model_teacher *teacher);

#endif
