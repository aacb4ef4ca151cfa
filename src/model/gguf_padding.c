#include "model/gguf_padding.h"

#include <string.h>

void pare_gguf_pad_widths(const pare_config *config, pare_widths *widths) {
    memcpy(widths, config->widths, config->layers * sizeof *widths);
    for (uint32_t i = 0; i < config->layers; i++) {
        pare_widths *w = &widths[i];
        if (i == 0 && !w->heads) w->heads = w->kv_heads = 1;
        if (!w->ffn && !w->experts && (w->heads || i + 1 == config->layers)) w->ffn = 1;
    }
}
