/* params.json, which stands in the place of config.json in Meta's and Mistral's own format. */
#ifndef PARE_CHECKPOINT_META_PARAMS_H
#define PARE_CHECKPOINT_META_PARAMS_H

#include "checkpoint/checkpoint.h"

#include <jansson.h>
#include <stdint.h>

struct pare_meta_params {
    char *path;
    json_t *file, *json; /* as read, and the object in it that has the keys; borrowed */
    uint32_t width, layers, heads, kv_heads, head_size;
};

/* Reads params.json of the folder. A key that is none of those that such models have, and neither null, false nor zero,
 * is refused: it may change what the model computes. On failure *out is empty. */
pare_status pare_meta_params_read(const char *folder, pare_meta_params *out);
void pare_meta_params_free(pare_meta_params *params);

#endif
