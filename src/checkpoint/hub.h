/* The local cache of the Hugging Face Hub, which is only ever read:
 *
 *   CACHE/models--ORG--NAME/refs/main          the commit that the name means, as text
 *   CACHE/models--ORG--NAME/snapshots/COMMIT/  links to the files of that commit (into blobs/)
 *
 * CACHE is $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else hub/ in $HF_HOME, else huggingface/hub/ in $XDG_CACHE_HOME,
 * else ~/.cache/huggingface/hub; a model that is not there is also looked for in $TRANSFORMERS_CACHE. */
#ifndef PARE_CHECKPOINT_HUB_H
#define PARE_CHECKPOINT_HUB_H

#include "support/status.h"

/* True for a folder with snapshots/ in it and no config.json of its own. */
bool pare_hub_is_repository(const char *folder);

/* *snapshot: the folder of refs/main, or the only one where there is no refs/main; freed with free(). */
pare_status pare_hub_snapshot(const char *folder, char **snapshot);

/* `name`: ORG/NAME, NAME, or a Hub address of it, where there is no file of that name. Fails with what was looked for
 * where, and that pare does not download. */
pare_status pare_hub_find(const char *name, char **snapshot);

/* The name ORG/NAME or NAME of the model whose snapshot `model` is, or of which it is a file, by where that lies in a
 * cache, through links; freed with free(). NULL: it is none, or there is no memory (noted). */
char *pare_hub_id(const char *model);

#endif
