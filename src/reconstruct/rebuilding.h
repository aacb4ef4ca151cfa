/* What the training of stages and the walk through the layers share. */
#ifndef PARE_RECONSTRUCT_REBUILDING_H
#define PARE_RECONSTRUCT_REBUILDING_H

#include "model/stream.h"
#include "reconstruct/sub_block.h"

/* Tokens of a step, and the share of the sequences that is held out. */
enum { PARE_REBUILT_TOKENS = 2048, PARE_REBUILT_HELD_OUT = 8 };

typedef struct pare_rebuilding {
    const pare_reconstruction *asked;
    pare_rebuilt (*rebuilt)[PARE_STAGES];
    int64_t batch, trained, hidden; /* sequences of a step, and those that are trained on */
    bool in_files;                  /* streams and weights */
    pare_source dense_source, source;
    pare_walk dense_walk, walk;
    pare_stream dense, pruned;
    pare_stream mixed; /* the targets, where they are not the dense stream */
    pare_sub_block sub;
    pare_repaired out;
    float *x, *target, *made; /* [batch tokens, d] */
    float *felt;              /* the same, where there is a metric; or NULL */
    uint64_t done, total;     /* steps */
} pare_rebuilding;

/* Elements of so many sequences' states, and where those of one begin. */
int64_t pare_rebuilding_elements(const pare_rebuilding *b, int64_t sequences);
float *pare_rebuilding_states(const pare_stream *stream, const pare_rebuilding *b, int64_t sequence);
/* Of the sequences from `first` on, how many go at a time. */
int64_t pare_rebuilding_count(const pare_rebuilding *b, int64_t first);

/* The dense stream through one part of a layer, or through all of it. energy: what the stage's error is to be compared
 * with, e being what the stage adds to the held-out sequences. */
pare_status pare_rebuilding_pass_dense(pare_rebuilding *b, pare_block *block, pare_part part, bool whole,
                                       double *energy);
/* Trains a stage of the layer that b->sub is at, and takes both streams through it. kept: an earlier run has, and
 * b->sub holds the result. */
pare_status pare_rebuilding_stage(pare_rebuilding *b, pare_block *dense, pare_part part, bool kept);

#endif
