/* A checkpoint of a well-known shape without its weights, to measure speed and memory on: the embedding and the first
 * layer hold small random numbers, the rest is a hole in a sparse file. */
#ifndef PARE_EVALUATE_SYNTHETIC_H
#define PARE_EVALUATE_SYNTHETIC_H

#include "support/status.h"

/* Makes a folder in `parent` and opens it as a model. The vocabulary is cut to 1024, so that the blocks are what is
 * measured. The folder's files are removed before this returns; the mapping keeps them alive. */
pare_status pare_synthetic_open(const char *shape, uint32_t layers, const char *parent, pare_model **out);

#endif
