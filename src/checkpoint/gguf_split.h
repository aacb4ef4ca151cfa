/* A model in one GGUF file, or split over several: NAME-00001-of-00003.gguf, with split.no and split.count. */
#ifndef PARE_CHECKPOINT_GGUF_SPLIT_H
#define PARE_CHECKPOINT_GGUF_SPLIT_H

#include "checkpoint/gguf.h"

typedef struct pare_gguf_set {
    pare_gguf *files; /* [count]; the metadata of the model is the first one's */
    size_t count;
} pare_gguf_set;

/* Opens the file, and where it is one of several, all of them: any may be named. Parts that are missing, of another
 * model or of another place are refused. On failure *out is empty. */
pare_status pare_gguf_set_open(const char *path, pare_gguf_set *out);
void pare_gguf_set_close(pare_gguf_set *set);

#endif
