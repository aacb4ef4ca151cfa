#include "model/head.h"
#include "support/memory.h"

pare_status pare_pass_sweep(pare_pass *pass, const pare_source *source, pare_pass_tile_fn visit, void *context) {
    PARE_TRY(pare_head_logsum(pass, source));
    int64_t vocabulary = pass->model->config.vocabulary;
    for (int64_t row = 0; row < vocabulary && pass->predictions; row += PARE_HEAD_VOCABULARY) {
        pare_head_chunk chunk = pare_head_chunk_at(pass, source, row);
        for (int64_t first = 0; first < pass->predictions; first += PARE_HEAD_TOKENS) {
            int64_t left = pass->predictions - first, count = left < PARE_HEAD_TOKENS ? left : PARE_HEAD_TOKENS;
            PARE_TRY(pare_head_logits(pass, &chunk, first, count, pass->logits));
            PARE_TRY(visit(context, first, count, row, chunk.rows, pass->logits, pass->logsum + first));
        }
    }
    return PARE_OK;
}

static pare_status list_biases(pare_pass *pass, const pare_listed_ids *only) {
    if (!only || !pass->head_bias) return PARE_OK;
    PARE_TRY(
        pare_alloc_uninitialized(&pass->listed_bias, (size_t)only->count, sizeof *pass->listed_bias, "LM head biases"));
    for (int64_t i = 0; i < only->count; i++)
        pass->listed_bias[i] = pass->head_bias[only->id[i]];
    return PARE_OK;
}

pare_status pare_pass_look(pare_pass *pass, const pare_source *source, const pare_listed_ids *only,
                           pare_pass_tile_fn visit, void *context, const float **logsum, int64_t *predictions) {
    PARE_TRY(list_biases(pass, only));
    pass->look = visit;
    pass->look_context = context;
    pass->listed = only;
    pare_status status = pare_head_logsum(pass, source);
    pass->look = NULL;
    pass->listed = NULL;
    pare_free(pass->listed_bias);
    pass->listed_bias = NULL;
    *logsum = pass->logsum;
    *predictions = pass->predictions;
    return status;
}
