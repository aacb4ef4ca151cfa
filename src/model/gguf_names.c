#include "checkpoint/gguf_tensors.h"
#include "model/gguf_model.h"
#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct naming {
    const pare_gguf_architecture *architecture;
    const pare_config *config;
} naming;

/* Frequencies of rotary positions, which the configuration says already. */
static bool is_rotation(const char *name) {
    return strcmp(name, "rope_freqs.weight") == 0 || strcmp(name, "rope_factors_long.weight") == 0 ||
           strcmp(name, "rope_factors_short.weight") == 0;
}

static bool find_end(const char *name, pare_end *found) {
    char here[PARE_GGUF_NAME_BYTES];
    for (*found = 0; *found < PARE_ENDS; (*found)++)
        if (pare_gguf_end_name(*found, here) && strcmp(here, name) == 0) return true;
    return false;
}

static bool find_role(const naming *n, const char *name, uint32_t *layer, pare_role *found) {
    char here[PARE_GGUF_NAME_BYTES], *end;
    if (strncmp(name, "blk.", 4) != 0) return false;
    unsigned long number = strtoul(name + 4, &end, 10);
    if (*end != '.' || number >= n->config->layers) return false;
    *layer = (uint32_t)number;
    for (*found = 0; *found < PARE_ALL_ROLES; (*found)++)
        if (pare_gguf_role_name(n->architecture, *layer, *found, here) && strcmp(here, name) == 0) return true;
    return false;
}

/* A tensor that no role has keeps its name, and is refused with it. */
static pare_status mean(void *context, const pare_gguf_tensor *tensor, pare_gguf_meaning *out) {
    const naming *n = context;
    const bool unit = n->config->architecture.norm_unit;
    char name[PARE_NAME_BYTES];
    uint32_t layer;
    pare_role role;
    pare_end end;
    if (is_rotation(tensor->name)) return PARE_OK;
    if (find_end(tensor->name, &end)) {
        pare_end_tensor_name(n->config, end, name);
        if (unit && end == PARE_END_FINAL_NORM) out->shift = -1.0f;
    } else if (find_role(n, tensor->name, &layer, &role)) {
        pare_layer_tensor_name(n->config, layer, role, name);
        pare_role of = pare_roles[role].of;
        if (n->architecture->paired && (of == PARE_ROLE_Q || of == PARE_ROLE_K)) out->head = n->config->head_size;
        if (unit && pare_role_is_norm(role)) out->shift = -1.0f;
    } else {
        snprintf(name, sizeof name, "%.150s", tensor->name);
    }
    out->name = pare_format("%s", name);
    return pare_whole();
}

pare_status pare_gguf_interpret(pare_checkpoint *checkpoint, const pare_gguf_architecture *architecture,
                                const pare_config *config) {
    naming n = {.architecture = architecture, .config = config};
    return pare_checkpoint_interpret(checkpoint, mean, &n);
}
