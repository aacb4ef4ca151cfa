#include "model/observer.h"

pare_input_kind pare_input_of(pare_role role) {
    return pare_roles[role].reads;
}

int64_t pare_input_width(const pare_model *model, uint32_t layer, pare_input_kind kind) {
    const pare_config *config = &model->config;
    int64_t rows, columns;
    pare_config_role_shape(config, &config->widths[layer], PARE_ROLE_O, &rows, &columns);
    if (kind == PARE_INPUT_O) return columns;
    return kind == PARE_INPUT_DOWN ? config->widths[layer].ffn : config->hidden;
}
