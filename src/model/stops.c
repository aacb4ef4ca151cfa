#include "model/stops.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"

bool pare_end_leads(pare_end end) {
    static const bool leads[PARE_ENDS] = {
        [PARE_END_EMBEDDING] = true,           [PARE_END_POSITIONS] = true,         [PARE_END_EMBEDDING_NORM] = true,
        [PARE_END_EMBEDDING_NORM_BIAS] = true, [PARE_END_PROJECT_IN] = true,        [PARE_END_PROJECT_IN_BIAS] = true,
        [PARE_END_CLASS_TOKEN] = true,         [PARE_END_DISTILLATION_TOKEN] = true};
    return leads[end];
}

int64_t pare_tensor_stop(const pare_model *model, size_t id) {
    uint32_t layer;
    pare_role role;
    pare_expert_place place;
    if (pare_tensor_id_split(model, id, &layer, &role) || pare_tensor_id_split_latent(model, id, &layer)) return layer;
    if (pare_tensor_id_split_expert(model, id, &place)) return place.layer;
    for (pare_end end = 0; end < PARE_ENDS; end++)
        if (pare_end_leads(end) && pare_tensor_id_end(model, end) == id) return PARE_STOP_FRONT;
    return pare_stop_behind(model);
}

bool pare_tensor_stops_at(const pare_model *model, size_t id, int64_t stop) {
    bool head = stop == pare_stop_behind(model) && id == pare_tensor_id_head(model);
    return head || pare_tensor_stop(model, id) == stop;
}
