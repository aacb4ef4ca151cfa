/* Matrices of attention over latents that read one, or make that of the queries. */
#include "layerwise/latents.h"
#include "layerwise/weights_internal.h"
#include "model/latent_tensors.h"

static pare_status prune(pare_weight_walk *w, const pare_matrix_place *place, bool *apart) {
    const pare_matrix_result *result = &w->results[place->id];
    if (!w->job->pruned[place->id]) return PARE_OK;
    PARE_TRY(pare_matrix_prune(w, place));
    *apart = *apart || result->kept < result->rows * result->columns;
    return pare_layerwise_step(&w->l);
}

static pare_status prune_query_down(pare_weight_walk *w, uint32_t layer, bool *apart) {
    if (!pare_layerwise_prunes_query_down(&w->l.asked, layer)) return PARE_OK;
    pare_matrix_place place = pare_matrix_place_of_query_down(w, layer);
    return prune(w, &place, apart);
}

pare_status pare_weights_latents(pare_weight_walk *w, uint32_t layer, bool *apart) {
    static const pare_role roles[] = {PARE_ROLE_Q, PARE_ROLE_V};
    if (!pare_layerwise_prunes_latents(&w->l.asked, layer)) return PARE_OK;
    PARE_TRY(prune_query_down(w, layer, apart));
    if (w->l.latents && w->recipe->sequential) PARE_TRY(pare_layerwise_latents_watch(&w->l, &w->l.asked.needs));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (!pare_reads_latent(&w->l.model->config, roles[i])) continue;
        pare_matrix_place place = pare_matrix_place_of(w, layer, roles[i]);
        PARE_TRY(prune(w, &place, apart));
    }
    return PARE_OK;
}

uint64_t pare_weights_latents_steps(const pare_weight_walk *w) {
    bool any = w->l.model->config.latent.keys > 0;
    return any ? 1 + (w->l.latents ? 2 * pare_layerwise_batch_count(&w->l) : 0) : 0;
}
