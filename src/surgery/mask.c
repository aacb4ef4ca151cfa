#include "surgery/mask.h"
#include "support/memory.h"

static pare_status mask_layer(const pare_model *model, uint32_t layer, const pare_kept *kept, float **column_scale) {
    const pare_widths *w = &model->config.widths[layer];
    uint32_t group = pare_widths_shared(w) * model->config.head_size;
    float **output = &column_scale[pare_tensor_id(layer, PARE_ROLE_O)];
    float **down = &column_scale[pare_tensor_id(layer, PARE_ROLE_DOWN)];
    PARE_TRY(pare_alloc(output, (size_t)w->kv_heads * group, sizeof(float), "mask"));
    PARE_TRY(pare_alloc(down, w->ffn, sizeof(float), "mask"));
    for (uint32_t i = 0; i < kept->kv_heads; i++)
        for (uint32_t j = 0; j < group; j++)
            (*output)[(size_t)kept->kv_head[i] * group + j] = 1.0f;
    for (uint32_t i = 0; i < kept->ffn; i++)
        (*down)[kept->ffn_channel[i]] = 1.0f;
    return PARE_OK;
}

pare_status pare_mask_new(const pare_model *model, const pare_selection *selection, float ***column_scale) {
    PARE_TRY(pare_alloc(column_scale, model->tensor_count, sizeof **column_scale, "mask"));
    pare_status status = PARE_OK;
    for (uint32_t layer = 0; layer < selection->layers && status == PARE_OK; layer++) {
        const pare_widths *w = &model->config.widths[layer];
        const pare_kept *kept = &selection->layer[layer];
        if (kept->kv_heads == w->kv_heads && kept->ffn == w->ffn) continue;
        status = mask_layer(model, layer, kept, *column_scale);
    }
    if (status != PARE_OK) {
        pare_mask_free(model, *column_scale);
        *column_scale = NULL;
    }
    return status;
}

void pare_mask_free(const pare_model *model, float **column_scale) {
    for (size_t id = 0; column_scale && id < model->tensor_count; id++)
        pare_free(column_scale[id]);
    pare_free(column_scale);
}
