/* What all ranks see of a displacement that each has some rows of (moreau_rows.h): where a pass reads weights
 * (model/stops.h), they get the others' rows of what is read there, into memory as large as the largest block, or as
 * what stands at an end of the model. One process sees its own rows, which are all.
 *
 * Called by all ranks alike; own: [tensor_count] of each its own rows, NULL where a tensor is not displaced. */
#ifndef PARE_CALIBRATE_MOREAU_WINDOW_H
#define PARE_CALIBRATE_MOREAU_WINDOW_H

#include "model/model.h"
#include "support/scratch.h"

typedef struct pare_moreau_window {
    const pare_model *model;
    int ranks; /* 1: there is no window, and nothing else is set */
    pare_scratch memory;
    float **seen;  /* [tensor_count] into the memory; NULL where a tensor is not displaced, or not there now */
    size_t *list;  /* displaced tensors, stop by stop */
    size_t *begin; /* [stops + 1] where each stop's begin in the list */
    int64_t stop;  /* whose tensors are there */
    bool unmoved;  /* set in the first step: what a pass comes by is zero, and nothing needs to be sent */
} pare_moreau_window;

/* 0 for one process. */
uint64_t pare_moreau_window_bytes(const pare_model *model, const bool *displaced, int ranks);
/* scratch: as pare_scratch_open has it. Free with pare_moreau_window_free. */
pare_status pare_moreau_window_new(const pare_model *model, const bool *displaced, const char *scratch, int ranks,
                                   pare_moreau_window *out);
void pare_moreau_window_free(pare_moreau_window *window);

/* `seen` has what is displaced at a stop. */
pare_status pare_moreau_window_arrive(pare_moreau_window *window, float *const *own, int64_t stop);
/* What is there will not hold any more. */
void pare_moreau_window_leave(pare_moreau_window *window);
/* *whole: all rows of a tensor until the next call; NULL where it is not displaced. */
pare_status pare_moreau_window_whole(pare_moreau_window *window, float *const *own, size_t id, const float **whole);

#endif
