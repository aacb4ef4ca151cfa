/* model.safetensors.index.json or pytorch_model.bin.index.json, beside the shards it names. */
#ifndef PARE_CHECKPOINT_SHARD_INDEX_H
#define PARE_CHECKPOINT_SHARD_INDEX_H

#include "support/status.h"

#include <jansson.h>

typedef struct pare_shard_index {
    json_t *json;
    const char **names; /* [count]: the shards, sorted, each once; they live as long as `json` */
    size_t count;
} pare_shard_index;

/* A shard is a .safetensors file of the index's own folder, or, for an index of .bin files, one of those; others are
 * refused. On failure *out is empty. */
pare_status pare_shard_index_read(const char *path, pare_shard_index *out);
void pare_shard_index_free(pare_shard_index *index);

/* The shard that the index puts the tensor into, or NULL. */
const char *pare_shard_of(const pare_shard_index *index, const char *tensor);

#endif
