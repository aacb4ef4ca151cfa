#include "model/config_latent.h"

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
    case PARE_SPAN_HEAD_COUNT:
        return widths->heads;
    case PARE_SPAN_QUERY_LATENT:
        return config->latent.queries;
    case PARE_SPAN_KEY_LATENT:
        return config->latent.keys;
    }
    return 0;
}

pare_span pare_config_columns(const pare_config *config, pare_role role) {
    if (config->latent.keys && role == PARE_ROLE_Q_NORM) return PARE_SPAN_QUERY_LATENT;
    if (config->latent.keys && (role == PARE_ROLE_K_NORM || role == PARE_ROLE_V)) return PARE_SPAN_KEY_LATENT;
    if (config->latent.queries && role == PARE_ROLE_Q) return PARE_SPAN_QUERY_LATENT;
    bool all = config->architecture.head_norm == PARE_HEAD_NORM_ALL || config->architecture.head_norm_own;
    if (all && role == PARE_ROLE_Q_NORM) return PARE_SPAN_HEADS;
    return all && role == PARE_ROLE_K_NORM ? PARE_SPAN_KV_HEADS : pare_roles[role].columns;
}

bool pare_role_is_owned_by_heads(const pare_config *config, pare_role role) {
    return config->architecture.head_norm_own && (role == PARE_ROLE_Q_NORM || role == PARE_ROLE_K_NORM);
}

void pare_config_role_shape(const pare_config *config, const pare_widths *widths, pare_role role, int64_t *rows,
                            int64_t *columns) {
    *rows = *columns = 0;
    if (!pare_has_role(&config->architecture, role)) return;
    if (pare_config_latent_shape(config, widths, role, rows, columns)) return;
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
