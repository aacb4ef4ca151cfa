#include "evaluate/pair.h"
#include "evaluate/continuations.h"
#include "evaluate/divergence.h"
#include "evaluate/pictures.h"
#include "model/patches.h"

/* dense_nll: that of the dense model; or NULL. */
static pare_status compare(const pare_evaluation *e, const pare_model *dense, pare_text_side *out, double *dense_nll) {
    pare_divergence_result result;
    PARE_TRY(pare_divergence(e, dense, &result, dense_nll));
    out->compared = true;
    out->nll = result.nll, out->kl = result.kl, out->top1 = result.top1;
    return PARE_OK;
}

static pare_status write_on(const pare_evaluation *e, const pare_model *speaker, pare_text_side *out) {
    return e->continuations ? pare_continuations_measure(e, speaker, &out->continuations) : PARE_OK;
}

pare_status pare_evaluate_pair(const pare_evaluation *e, const pare_model *dense, int side, pare_text_pair *pair) {
    pair->pictures = pare_reads_pictures(&e->model->config);
    return pare_evaluate_side(e, dense, side ? &pair->after : &pair->before);
}

pare_status pare_evaluate_side(const pare_evaluation *e, const pare_model *dense, pare_text_side *out) {
    if (pare_reads_pictures(&e->model->config)) {
        PARE_TRY(pare_pictures_evaluate(e, dense, &out->answers, NULL));
        out->nll = out->answers.loss;
        return PARE_OK;
    }
    PARE_TRY(dense ? compare(e, dense, out, NULL) : pare_perplexity(e, &out->nll));
    return write_on(e, dense ? dense : e->model, out);
}

pare_status pare_compare_pair(const pare_evaluation *e, const pare_model *dense, pare_text_pair *pair) {
    pair->pictures = pare_reads_pictures(&e->model->config);
    if (pair->pictures) {
        PARE_TRY(pare_pictures_evaluate(e, dense, &pair->after.answers, &pair->before.answers));
        pair->before.nll = pair->before.answers.loss;
        pair->after.nll = pair->after.answers.loss;
        return PARE_OK;
    }
    pare_evaluation before = *e;
    before.model = dense;
    before.source = NULL;
    before.adapters = NULL;
    PARE_TRY(compare(e, dense, &pair->after, &pair->before.nll));
    PARE_TRY(write_on(&before, dense, &pair->before));
    return write_on(e, dense, &pair->after);
}

/* Both models say everything of every token twice, once for the loss and once for the comparison; what they write is
 * read by nobody. */
pare_work pare_pair_work(const pare_model *model, int64_t windows, int64_t length, uint32_t continuations) {
    bool pictures = pare_reads_pictures(&model->config);
    if (pictures) length = model->config.max_positions;
    pare_work side = pare_work_forward(model, windows, length), work = {{0}};
    pare_work written = pare_work_forward(model, continuations, length);
    pare_work again = pare_work_head(model, windows * length);
    pare_work_add(&work, &side, 2.0);
    if (!pictures) pare_work_add(&work, &again, 2.0);
    work.amount[PARE_WORK_DECODING] = 2.0 * pare_work_operations(&written);
    return work;
}
