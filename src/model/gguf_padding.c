#include "model/gguf_padding.h"

#include <string.h>

void pare_gguf_pad_widths(const pare_config *config, pare_widths *widths) {
    memcpy(widths, config->widths, config->layers * sizeof *widths);
    for (uint32_t i = 0; i < config->layers; i++) {
        pare_widths *w = &widths[i];
        if (i == 0 && !w->heads) w->heads = w->kv_heads = 1;
        if (!w->ffn && (w->heads || i + 1 == config->layers)) w->ffn = 1;
    }
}

bool pare_gguf_lacks_norm(const pare_widths *widths, pare_role role) {
    pare_role of = pare_roles[role].of;
    return (of == PARE_ROLE_INPUT_NORM && !widths->heads) || (of == PARE_ROLE_POST_NORM && !widths->ffn);
}
