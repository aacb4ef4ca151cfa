/* Which blocks of a mapped model are in memory: the one that is needed next is read while the one in hand computes, and
 * where memory cannot hold all, those that are needed last are given back, so that other programs keep what they have
 * there.
 *
 * A model that fits is read once and stays. Of one that does not, as many blocks stay as there is room for: after a
 * forward pass the last ones, with which the backward begins; after a backward, and between forward passes, the first
 * ones. A forward and a backward then read each of the other blocks twice, a forward once. Experts are left to the
 * kernel: which of them are needed is known when tokens have chosen them. */
#ifndef PARE_MODEL_RESIDENCY_H
#define PARE_MODEL_RESIDENCY_H

#include "model/source.h"
#include "support/read_ahead.h"

typedef struct pare_residency {
    const pare_model *model;
    pare_read_ahead *reader; /* NULL: the model is so small that the kernel's own way is as good */
    int64_t room;            /* blocks that memory holds; all, where it holds the model */
} pare_residency;

/* All zero is a residency, too, of which the functions below do nothing. */
void pare_residency_open(const pare_model *model, pare_residency *out);
/* Before the model is closed. */
void pare_residency_close(pare_residency *residency);

/* Before a walk over the blocks: how many of them memory has room for. */
void pare_residency_measure(pare_residency *residency);
/* Asks for a layer, and for what displaces it. Layers that are not there are none. */
void pare_residency_want(pare_residency *residency, const pare_source *source, int64_t layer);
/* A layer was gone through. upwards: the next to be needed are those above, and then downwards again from the last one;
 * otherwise the first ones are needed first. */
void pare_residency_leave(pare_residency *residency, const pare_source *source, int64_t layer, bool upwards);

#endif
