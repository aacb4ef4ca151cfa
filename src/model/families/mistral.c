#include "model/family.h"

/* Whatever a file says, a Mistral has no biases. Its window is 4096 where the key is absent, and none where it is null.
 */
const pare_family pare_family_mistral = {
    .types = {"mistral"},
    .class_name = "MistralForCausalLM",
    .title = "Mistral 0.1, 0.2, 0.3, Nemo, Zephyr",
    .fallback = {.positions = 131072, .eps = 1e-6, .kv_heads = 8},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .layers = {.window = PARE_WINDOW_ALL, .window_fallback = 4096},
};
