/* Finished layers of a reconstruction, one file each, to be continued by another process. */
#ifndef PARE_RECONSTRUCT_RECONSTRUCT_FILE_H
#define PARE_RECONSTRUCT_RECONSTRUCT_FILE_H

#include "reconstruct/rebuilding.h"

/* The layer that b->out has: its tensors, and the errors of its stages, go to asked->state and the layer's number. */
pare_status pare_reconstruct_save(pare_rebuilding *b, uint32_t layer);

/* If there is such a file, *kept, and b->sub, which has entered the layer, has its weights. Nothing in it is believed
 * before its key, its sizes and its digest are right. */
pare_status pare_reconstruct_load(pare_rebuilding *b, uint32_t layer, bool *kept);

#endif
