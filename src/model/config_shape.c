#include "model/config.h"

int64_t pare_config_span(const pare_config *config, const pare_widths *widths, pare_span kind) {
    int64_t h = config->head_size;
    switch (kind) {
    case PARE_SPAN_ONE:
        return 1;
    case PARE_SPAN_HIDDEN:
        return config->hidden;
    case PARE_SPAN_HEADS:
        return h * widths->heads;
    case PARE_SPAN_KV_HEADS:
        return h * widths->kv_heads;
    case PARE_SPAN_FFN:
        return widths->ffn;
    case PARE_SPAN_HEAD:
        return h;
    }
    return 0;
}

pare_span pare_config_columns(const pare_config *config, pare_role role) {
    bool all = config->architecture.head_norm == PARE_HEAD_NORM_ALL;
    if (all && role == PARE_ROLE_Q_NORM) return PARE_SPAN_HEADS;
    return all && role == PARE_ROLE_K_NORM ? PARE_SPAN_KV_HEADS : pare_roles[role].columns;
}

void pare_config_role_shape(const pare_config *config, const pare_widths *widths, pare_role role, int64_t *rows,
                            int64_t *columns) {
    *rows = *columns = 0;
    if (!pare_has_role(&config->architecture, role)) return;
    *rows = pare_config_span(config, widths, pare_roles[role].rows);
    *columns = pare_config_span(config, widths, pare_config_columns(config, role));
}

uint64_t pare_config_vector_elements(const pare_config *config) {
    uint64_t most = 0;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        uint64_t total = 0;
        for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++) {
            int64_t rows, columns;
            pare_config_role_shape(config, &config->widths[layer], role, &rows, &columns);
            total += (uint64_t)columns;
        }
        most = total > most ? total : most;
    }
    return most;
}

static uint64_t span_with(const pare_config *config, const pare_widths *widths, uint32_t hidden, pare_span span) {
    return span == PARE_SPAN_HIDDEN ? hidden : (uint64_t)pare_config_span(config, widths, span);
}

uint64_t pare_config_role_elements(const pare_config *config, const pare_widths *widths, uint32_t hidden,
                                   pare_role role) {
    if (!pare_has_role(&config->architecture, role)) return 0;
    return span_with(config, widths, hidden, pare_roles[role].rows) *
           span_with(config, widths, hidden, pare_config_columns(config, role));
}

uint64_t pare_config_layer_elements(const pare_config *config, const pare_widths *widths, uint32_t hidden) {
    uint64_t total = 0;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        total += pare_config_role_elements(config, widths, hidden, role);
    return total;
}

uint64_t pare_config_end_elements(const pare_config *config, uint32_t hidden, pare_end end) {
    const pare_architecture *a = &config->architecture;
    uint64_t width = config->embedding_width == config->hidden ? hidden : config->embedding_width;
    if (!pare_has_end(a, end) || (end == PARE_END_HEAD && config->tied)) return 0;
    switch (end) {
    case PARE_END_EMBEDDING:
    case PARE_END_HEAD:
        return config->vocabulary * width;
    case PARE_END_FINAL_NORM:
    case PARE_END_FINAL_NORM_BIAS:
        return hidden;
    case PARE_END_POSITIONS:
        return ((uint64_t)config->stated_positions + a->position_offset) * hidden;
    case PARE_END_EMBEDDING_NORM:
    case PARE_END_EMBEDDING_NORM_BIAS:
        return width;
    case PARE_END_PROJECT_IN:
    case PARE_END_PROJECT_OUT:
        return width * hidden;
    case PARE_END_HEAD_BIAS:
        return config->vocabulary;
    case PARE_ENDS:
        break;
    }
    return 0;
}
