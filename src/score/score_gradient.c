#include "score/score_internal.h"

/* One plain backward; every dW is scored as it appears. */
pare_status pare_score_gradient(pare_scoring *s, pare_score_result *out) {
    if (s->request->gradient) return pare_score_groups(s, out);
    pare_pass *pass = NULL;
    pare_source source = {.model = s->request->model, .backend = s->request->backend};
    pare_gradient_sink sink = pare_scoring_sink(s);
    s->passes_total = 1;
    PARE_TRY(pare_scoring_take_up(s, &out->loss));
    if (s->passes_done) return PARE_OK;
    PARE_TRY(pare_scoring_pass(s, &pass));
    pare_status status = pare_pass_gradient(pass, &source, s->request->ids, &sink, &out->loss);
    pare_pass_free(pass);
    return status == PARE_OK ? pare_scoring_keep(s, 1, out->loss) : status;
}
