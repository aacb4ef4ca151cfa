#include "evaluate/pair.h"
#include "evaluate/divergence.h"
#include "evaluate/perplexity.h"
#include "evaluate/pictures.h"
#include "model/patches.h"

pare_status pare_evaluate_pair(const pare_evaluation *e, int side, pare_text_pair *pair) {
    double *nll = side ? &pair->after : &pair->before;
    pair->pictures = pare_reads_pictures(&e->model->config);
    if (!pair->pictures) return pare_perplexity(e, nll);
    PARE_TRY(pare_pictures_evaluate(e, NULL, &pair->answers[side], NULL));
    *nll = pair->answers[side].loss;
    return PARE_OK;
}

pare_status pare_compare_pair(const pare_evaluation *e, const pare_model *dense, pare_text_pair *pair) {
    pare_divergence_result result;
    pair->pictures = pare_reads_pictures(&e->model->config);
    if (!pair->pictures) {
        PARE_TRY(pare_divergence(e, dense, &result, &pair->before));
        pair->compared = true;
        pair->after = result.nll, pair->kl = result.kl, pair->top1 = result.top1;
        return PARE_OK;
    }
    PARE_TRY(pare_pictures_evaluate(e, dense, &pair->answers[1], &pair->answers[0]));
    pair->before = pair->answers[0].loss;
    pair->after = pair->answers[1].loss;
    return PARE_OK;
}
