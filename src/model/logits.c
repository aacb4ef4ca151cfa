#include "model/logits.h"
#include "support/memory.h"

pare_status pare_logits_compute(const pare_logits_request *r, float **logits) {
    const pare_model *model = r->source->model;
    pare_pass_shape shape = {.sequences = 1,
                             .length = r->length,
                             .composed = pare_source_is_composed(r->source),
                             .rank = r->adapters ? r->adapters->rank : 0,
                             .limit = r->limit};
    pare_pass *pass;
    size_t count = (size_t)r->length * model->config.vocabulary;
    PARE_TRY(pare_alloc_uninitialized(logits, count, sizeof(float), "logits"));
    PARE_TRY(pare_pass_new(model, r->source->backend, &shape, &pass));
    if (r->adapters) pare_pass_adapt(pass, r->adapters);
    if (r->step) pare_pass_on_step(pass, r->step, r->context);
    pare_status status = pare_pass_forward(pass, r->source, r->ids, 1);
    if (status == PARE_OK) status = pare_pass_logits(pass, r->source, 0, r->length, *logits);
    pare_pass_free(pass);
    return status;
}
