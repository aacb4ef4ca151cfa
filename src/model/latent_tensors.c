#include "model/latent_tensors.h"
#include "model/expert_tensors.h"
#include "model/names.h"

size_t pare_tensor_id_query_down(const pare_config *config, uint32_t layer) {
    size_t experts = pare_has_experts(config) ? config->layers * pare_expert_tensors(config) : 0;
    return pare_tensor_id_first_expert(config) + experts + layer;
}

bool pare_tensor_id_split_latent(const pare_model *model, size_t id, uint32_t *layer) {
    size_t first = pare_tensor_id_query_down(&model->config, 0);
    if (id < first || id - first >= pare_latent_tensors(&model->config)) return false;
    *layer = (uint32_t)(id - first);
    return true;
}

void pare_latents_bind(pare_model *model) {
    for (uint32_t layer = 0; layer < pare_latent_tensors(&model->config); layer++) {
        char name[PARE_NAME_BYTES];
        pare_query_down_name(&model->config, layer, name);
        model->tensors[pare_tensor_id_query_down(&model->config, layer)] =
            pare_checkpoint_find(model->checkpoint, name);
    }
}

pare_status pare_latents_refuse(const pare_model *model, const char *what) {
    if (!model->config.latent.keys) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED,
                     "%s: %s attends over latents, and %s does not reach such models; remove whole experts (--mode "
                     "expert), channels alone (--attention-layers none), single weights (--sparsity 0.5, --pattern "
                     "2:4) or whole layers (--method layer-influence, --drop-layers)",
                     pare_checkpoint_directory(model->checkpoint), model->config.family->class_name, what);
}
