/* From what a person names as a model to the folder that holds it. */
#ifndef PARE_CHECKPOINT_PLACE_H
#define PARE_CHECKPOINT_PLACE_H

#include "support/status.h"

typedef struct pare_place {
    char *folder;  /* of a GGUF file: the file itself */
    bool gguf;     /* the model is a GGUF file, or several */
    char *weights; /* the one file of weights in the folder that was named, or NULL: the folder's usual ones */
} pare_place;

/* `path` may be
 *   - a folder;
 *   - a models--ORG--NAME folder of the Hugging Face cache: its snapshot of refs/main (hub.h);
 *   - a .safetensors file, or one of torch.save (.bin, .pth, .pt, .ckpt), with config.json beside it: its folder, and
 *     that file if it is not the folder's own; config.json, the index of shards and model.pare-sparse mean their
 *     folder, and so do params.json and files of Meta's format beside it (meta.h);
 *   - a GGUF file, or one part of a model that is split over several;
 *   - ORG/NAME, where there is no such folder: from the local cache; nothing is ever downloaded.
 * Everything else fails with what it is and what to do. Freed with pare_place_free. */
pare_status pare_place_find(const char *path, pare_place *out);
void pare_place_free(pare_place *place);

#endif
