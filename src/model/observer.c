#include "model/observer.h"

pare_input_kind pare_input_of(pare_role role) {
    if (role <= PARE_ROLE_V) return PARE_INPUT_QKV;
    if (role == PARE_ROLE_O) return PARE_INPUT_O;
    return role == PARE_ROLE_DOWN ? PARE_INPUT_DOWN : PARE_INPUT_GATE_UP;
}

int64_t pare_input_width(const pare_model *model, uint32_t layer, pare_input_kind kind) {
    const pare_config *config = &model->config;
    if (kind == PARE_INPUT_O) return (int64_t)config->widths[layer].heads * config->head_size;
    return kind == PARE_INPUT_DOWN ? config->widths[layer].ffn : config->hidden;
}
