#include "evaluate/perplexity.h"

static pare_status add_group(void *context, const pare_evaluation_group *group) {
    double sum;
    PARE_TRY(pare_pass_loss(group->model->pass, &group->model->source, NULL, &sum));
    *(double *)context += sum;
    return PARE_OK;
}

pare_status pare_perplexity(const pare_evaluation *e, double *nll) {
    double total = 0.0;
    PARE_TRY(pare_evaluation_groups(e, NULL, 0, add_group, &total));
    *nll = total / ((double)e->windows->count * (double)(e->windows->length - 1));
    return pare_evaluation_check(e, "loss", *nll);
}
