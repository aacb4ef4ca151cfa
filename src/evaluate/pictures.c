#include "evaluate/pictures.h"
#include "evaluate/logits_compare.h"
#include "model/patches.h"
#include "support/memory.h"

#include <math.h>

typedef struct answering {
    size_t length, classes;
    bool compared;
    pare_pictures_see see;
    void *context;
    float *logits, *dense; /* [classes] of the picture in hand; dense: or NULL */
} answering;

/* The first token of every picture has the classes' logits. Record: of each picture [classes] of the model, then as
 * many of the dense one, if there is one; numbers of fp32, which fp64 holds as they are. */
static pare_status answer_group(void *context, const pare_evaluation_group *group, double *record) {
    const answering *a = context;
    const pare_evaluated *of[] = {group->model, group->dense};
    for (int64_t i = 0; i < group->count; i++)
        for (int side = 0; side < (a->compared ? 2 : 1); side++) {
            PARE_TRY(pare_pass_logits(of[side]->pass, &of[side]->source, i * (int64_t)a->length, 1, a->logits));
            for (size_t c = 0; c < a->classes; c++)
                *record++ = (double)a->logits[c];
        }
    return PARE_OK;
}

static void show_group(void *context, const pare_evaluation_group *group, const double *record) {
    const answering *a = context;
    for (int64_t i = 0; i < group->count; i++) {
        for (size_t c = 0; c < a->classes; c++)
            a->logits[c] = (float)*record++;
        for (size_t c = 0; a->compared && c < a->classes; c++)
            a->dense[c] = (float)*record++;
        a->see(a->context, (size_t)(group->first + i), a->logits, a->dense);
    }
}

pare_status pare_pictures_answer(const pare_evaluation *e, const pare_model *dense, pare_pictures_see see,
                                 void *context) {
    answering a = {.length = e->windows->length,
                   .classes = e->model->config.vocabulary,
                   .compared = dense != NULL,
                   .see = see,
                   .context = context};
    size_t rows = dense ? 2 : 1;
    const pare_evaluation_view view = {.see = answer_group,
                                       .take = show_group,
                                       .context = &a,
                                       .of_window = rows * a.classes,
                                       .beside = rows * a.classes * sizeof *a.logits};
    PARE_TRY(pare_alloc_uninitialized(&a.logits, rows * a.classes, sizeof *a.logits, "logits"));
    if (dense) a.dense = a.logits + a.classes;
    pare_status status = pare_evaluation_groups(e, dense, &view);
    pare_free(a.logits);
    return status;
}

/* Classes that are likelier than `label`; of equal ones the lower index is. */
static int64_t rank_of(const float *logits, int64_t classes, int64_t label) {
    int64_t rank = 0;
    for (int64_t i = 0; i < classes; i++)
        rank += logits[i] > logits[label] || (i < label && !(logits[i] < logits[label]));
    return rank;
}

static double loss_of(const float *logits, int64_t classes, int64_t label) {
    double highest = (double)logits[pare_logits_likeliest(logits, classes)], sum = 0.0;
    for (int64_t i = 0; i < classes; i++)
        sum += exp((double)logits[i] - highest);
    return log(sum) + highest - (double)logits[label];
}

/* Sums, of which means are made at the end. */
typedef struct scoring {
    const pare_evaluation *evaluation;
    pare_picture_scores *out, *before; /* before: or NULL */
    double unsound[2];                 /* of the model, of the dense one: NaN after a logit that is not finite, or 0 */
} scoring;

static void add_scores(const pare_evaluation *e, size_t picture, const float *logits, pare_picture_scores *out) {
    enum { FEW = 5 };
    int64_t classes = e->model->config.vocabulary;
    int64_t label = pare_patches_label(e->model, e->windows->ids[picture * e->windows->length]);
    if (label < 0) return;
    int64_t rank = rank_of(logits, classes, label);
    out->labelled++;
    out->top1 += rank == 0;
    out->top5 += rank < FEW;
    out->loss += loss_of(logits, classes, label);
}

static void add_comparison(const float *q, const float *p, int64_t classes, pare_picture_scores *out) {
    int64_t p_best = pare_logits_likeliest(p, classes), q_best = pare_logits_likeliest(q, classes);
    out->kl += pare_logits_divergence(p, q, (double)p[p_best], (double)q[q_best], classes);
    out->agreement += p_best == q_best;
}

static void see_picture(void *context, size_t picture, const float *logits, const float *dense) {
    scoring *s = context;
    const pare_evaluation *e = s->evaluation;
    int64_t classes = e->model->config.vocabulary;
    for (int64_t i = 0; i < classes; i++) {
        s->unsound[0] += isfinite(logits[i]) ? 0.0 : NAN;
        s->unsound[1] += !dense || isfinite(dense[i]) ? 0.0 : NAN;
    }
    add_scores(e, picture, logits, s->out);
    if (dense) add_comparison(logits, dense, classes, s->out);
    if (s->before) add_scores(e, picture, dense, s->before);
}

/* Means of sums over so many pictures; fails if they are not finite. */
static pare_status finish(const pare_evaluation *e, pare_picture_scores *scores, bool compared, double unsound) {
    double *means[] = {&scores->top1, &scores->top5, &scores->loss};
    for (size_t i = 0; i < sizeof means / sizeof *means; i++)
        *means[i] = scores->labelled ? *means[i] / (double)scores->labelled : NAN;
    scores->compared = compared;
    scores->kl /= (double)e->windows->count;
    scores->agreement /= (double)e->windows->count;
    PARE_TRY(pare_evaluation_check(e, "loss", scores->labelled ? scores->loss : unsound));
    return pare_evaluation_check(e, "divergence", scores->kl + unsound);
}

pare_status pare_pictures_evaluate(const pare_evaluation *e, const pare_model *dense, pare_picture_scores *out,
                                   pare_picture_scores *before) {
    scoring s = {.evaluation = e, .out = out, .before = before};
    pare_evaluation other = {.model = dense, .windows = e->windows, .name = e->name};
    *out = (pare_picture_scores){.files = e->windows->count};
    if (before) *before = *out;
    PARE_TRY(pare_pictures_answer(e, dense, see_picture, &s));
    if (before) PARE_TRY(finish(&other, before, false, s.unsound[1]));
    return finish(e, out, dense != NULL, s.unsound[0]);
}
