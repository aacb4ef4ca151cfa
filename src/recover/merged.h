/* A folder with a model whose weights are another's with what was learnt merged in: its files, and its check. */
#ifndef PARE_RECOVER_MERGED_H
#define PARE_RECOVER_MERGED_H

#include "checkpoint/output.h"
#include "train/trained.h"

/* Copies the file `name` of a folder into the output, if it is there. */
pare_status pare_merged_copy(const pare_output *output, const char *folder, const char *name);

/* Weights, config.json, pruning.json, and what belongs to a model beside them. */
pare_status pare_merged_write(const pare_trained *trained, const pare_output *output, const pare_runtime *runtime);

/* What is shown to both models: ids [length]. limit: bytes of memory for each forward; 0: none set.
 * threads: 0: all. */
typedef struct pare_merged_check {
    const uint32_t *ids;
    int64_t length;
    uint64_t limit;
    int threads;
} pare_merged_check;

/* PARE_CHECK_FAILED unless the written model, opened afresh, computes what the model does with what was learnt beside
 * its weights (adapters without dropout); of a model with experts, with that in its weights. */
pare_status pare_merged_verify(const pare_trained *trained, const pare_model *written, const pare_merged_check *check);

#endif
