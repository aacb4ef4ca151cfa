#include "checkpoint/gguf_tensors.h"
#include "model/gguf_halves.h"
#include "model/gguf_model.h"
#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct naming {
    const pare_checkpoint *checkpoint;
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

/* "blk.3.": false for other names, and layers that the model has not. */
static bool find_layer(const naming *n, const char *name, uint32_t *layer) {
    char *end;
    if (strncmp(name, "blk.", 4) != 0) return false;
    unsigned long number = strtoul(name + 4, &end, 10);
    *layer = (uint32_t)number;
    return *end == '.' && number < n->config->layers;
}

static bool find_role(const naming *n, const char *name, uint32_t layer, pare_role *found) {
    char here[PARE_GGUF_NAME_BYTES];
    pare_gguf_layer in = pare_gguf_layer_of(n->config, layer);
    for (*found = 0; *found < PARE_ALL_ROLES; (*found)++)
        if (pare_gguf_role_name(n->architecture, in, *found, here) && strcmp(here, name) == 0) return true;
    return false;
}

static void mean_role(const naming *n, uint32_t layer, pare_role role, pare_gguf_meaning *out,
                      char name[PARE_NAME_BYTES]) {
    pare_role of = pare_roles[role].of;
    pare_layer_tensor_name(n->config, layer, role, name);
    if (n->architecture->paired && (of == PARE_ROLE_Q || of == PARE_ROLE_K)) out->head = n->config->head_size;
    if (n->config->architecture.norm_unit && pare_role_is_norm(role)) out->shift = -1.0f;
}

/* A tensor that the model does not know keeps its name, and is refused with it. */
static pare_status mean(void *context, const pare_gguf_tensor *tensor, uint64_t piece, pare_gguf_meaning *out) {
    const naming *n = context;
    const pare_gguf_stored stored = {.checkpoint = n->checkpoint, .config = n->config, .tensor = tensor};
    char name[PARE_NAME_BYTES];
    bool known = false, spoken_for = false;
    uint32_t layer;
    pare_role role;
    pare_end end;
    if (is_rotation(tensor->name)) return PARE_OK;
    snprintf(name, sizeof name, "%.150s", tensor->name);
    if (find_end(tensor->name, &end)) {
        pare_end_tensor_name(n->config, end, name);
        if (n->config->architecture.norm_unit && end == PARE_END_FINAL_NORM) out->shift = -1.0f;
    } else if (find_layer(n, tensor->name, &layer)) {
        PARE_TRY(pare_gguf_mean_latent(&stored, layer, out, name, &known, &spoken_for));
        if (!known) PARE_TRY(pare_gguf_mean_expert(&stored, layer, piece, out, name, &known, &spoken_for));
        if (!known && find_role(n, tensor->name, layer, &role)) mean_role(n, layer, role, out, name);
    }
    if (!spoken_for) out->name = pare_format("%s", name);
    return pare_whole();
}

pare_status pare_gguf_interpret(pare_checkpoint *checkpoint, const pare_gguf_architecture *architecture,
                                const pare_config *config) {
    naming n = {.checkpoint = checkpoint, .architecture = architecture, .config = config};
    return pare_checkpoint_interpret(checkpoint, mean, &n);
}
