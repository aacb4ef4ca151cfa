#include "evaluate/perplexity.h"

static pare_status see_group(void *context, const pare_evaluation_group *group, double *record) {
    (void)context;
    return pare_pass_loss(group->model->pass, &group->model->source, NULL, record);
}

static void add_group(void *context, const pare_evaluation_group *group, const double *record) {
    (void)group;
    *(double *)context += *record;
}

pare_status pare_perplexity(const pare_evaluation *e, double *nll) {
    double total = 0.0;
    const pare_evaluation_view view = {.see = see_group, .take = add_group, .context = &total, .numbers = 1};
    PARE_TRY(pare_evaluation_groups(e, NULL, &view));
    *nll = total / ((double)e->windows->count * (double)(e->windows->length - 1));
    return pare_evaluation_check(e, "loss", *nll);
}
