#include "model/teaching.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

void pare_pass_teach(pare_pass *pass, const pare_teacher *teacher) {
    pass->teaching.teacher = pass->shape.taught ? teacher : NULL;
}

pare_taught pare_pass_taught(const pare_pass *pass) {
    return pass->teaching.sums;
}

pare_status pare_teaching_new(size_t tokens, pare_teaching *out) {
    PARE_TRY(pare_alloc_uninitialized(&out->maximum, tokens, sizeof(float), "the teacher's loss"));
    PARE_TRY(pare_alloc_uninitialized(&out->target_logit, tokens, sizeof(float), "the teacher's loss"));
    PARE_TRY(pare_alloc_uninitialized(&out->logsum, tokens, sizeof(float), "the teacher's loss"));
    PARE_TRY(pare_alloc_uninitialized(&out->sum, tokens, sizeof(double), "the teacher's loss"));
    PARE_TRY(pare_alloc_uninitialized(&out->divergence, tokens, sizeof(double), "the teacher's loss"));
    PARE_TRY(pare_alloc_uninitialized(&out->student_best, tokens, sizeof(int32_t), "the teacher's loss"));
    return pare_alloc_uninitialized(&out->teacher_best, tokens, sizeof(int32_t), "the teacher's loss");
}

void pare_teaching_free(pare_teaching *t) {
    void *all[] = {t->maximum, t->target_logit, t->logsum, t->sum, t->divergence, t->student_best, t->teacher_best};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
}

pare_status pare_teaching_begin(pare_pass *pass) {
    pare_teaching *t = &pass->teaching;
    t->sums = (pare_taught){0};
    for (int64_t i = 0; i < pass->predictions; i++) {
        t->maximum[i] = -INFINITY;
        t->target_logit[i] = 0.0f;
        t->sum[i] = t->divergence[i] = 0.0;
        t->student_best[i] = t->teacher_best[i] = 0;
    }
    return t->teacher->begin(t->teacher->context, &pass->layout, pass->ids, pass->sequences);
}

/* Where a row's maximum has risen over `before`, the first place that has it. */
static void find_best(const float *logits, int64_t rows, int64_t row, int64_t count, const float *before,
                      const float *maximum, int32_t *best) {
#pragma omp parallel for schedule(static) if (rows * count > 8192)
    for (int64_t t = 0; t < count; t++) {
        int64_t i = 0;
        if (!(maximum[t] > before[t])) continue;
        while (i < rows - 1 && logits[t * rows + i] < maximum[t])
            i++;
        best[t] = (int32_t)(row + i);
    }
}

pare_status pare_teaching_update(pare_pass *pass, int64_t row, int64_t rows, int64_t first, int64_t count) {
    const pare_backend *backend = pass->backend;
    const pare_backend_operations *run = backend->operations;
    pare_teaching *t = &pass->teaching;
    float before[PARE_HEAD_TOKENS];
    const float *logits;
    memcpy(before, pass->maximum + first, (size_t)count * sizeof *before);
    run->logsum_update(backend, pass->logits, count, rows, row, pass->targets + first, pass->maximum + first,
                       pass->sum + first, pass->target_logit + first);
    find_best(pass->logits, rows, row, count, before, pass->maximum + first, t->student_best + first);
    PARE_TRY(t->teacher->tile(t->teacher->context, first, count, row, rows, &logits));
    memcpy(before, t->maximum + first, (size_t)count * sizeof *before);
    run->logsum_update(backend, logits, count, rows, row, pass->targets + first, t->maximum + first, t->sum + first,
                       t->target_logit + first);
    find_best(logits, rows, row, count, before, t->maximum + first, t->teacher_best + first);
    for (int64_t i = 0; i < count; i++)
        t->divergence[first + i] *= exp((double)before[i] - (double)t->maximum[first + i]);
    run->divergence_update(backend, pass->logits, logits, count, rows, t->maximum + first, t->divergence + first);
    return PARE_OK;
}

void pare_teaching_end(pare_pass *pass) {
    pare_teaching *t = &pass->teaching;
    for (int64_t i = 0; i < pass->predictions; i++) {
        double teacher = (double)t->maximum[i] + log(t->sum[i]), student = (double)pass->maximum[i] + log(pass->sum[i]);
        t->logsum[i] = (float)teacher;
        double add = 0.0;
        if (t->teacher->known) t->teacher->known(t->teacher->context, i, &add, &t->teacher_best[i]);
        t->divergence[i] = t->divergence[i] / t->sum[i] + (student - teacher) + add;
    }
}

double pare_teaching_loss(pare_pass *pass, int64_t prediction, double ce) {
    pare_teaching *t = &pass->teaching;
    double label = pass->targets[prediction] < 0 ? 0.0 : ce, kl = t->divergence[prediction];
    t->sums.ce += label;
    t->sums.known += pass->targets[prediction] >= 0;
    t->sums.kl += kl;
    t->sums.same += t->student_best[prediction] == t->teacher_best[prediction];
    return t->teacher->ce * label + t->teacher->kd * kl;
}

pare_status pare_teaching_gradient(pare_pass *pass, int64_t row, int64_t rows, int64_t first, int64_t count,
                                   float scale) {
    pare_teaching *t = &pass->teaching;
    const float *logits;
    PARE_TRY(t->teacher->tile(t->teacher->context, first, count, row, rows, &logits));
    pare_divergence_terms terms = {.targets = pass->targets + first,
                                   .student_logsum = pass->logsum + first,
                                   .teacher_logsum = t->logsum + first,
                                   .scale = scale,
                                   .ce = (float)t->teacher->ce,
                                   .kd = (float)t->teacher->kd};
    pass->backend->operations->divergence_gradient(pass->backend, &terms, pass->logits, logits, count, rows, row,
                                                   pass->dlogits);
    return PARE_OK;
}
