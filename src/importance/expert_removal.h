/* The order in which a layer's experts go: greedily that one next without which the layer's output, with the shares
 * that its tokens then give to those that are left, is nearest to the dense layer's. */
#ifndef PARE_IMPORTANCE_EXPERT_REMOVAL_H
#define PARE_IMPORTANCE_EXPERT_REMOVAL_H

#include "calibrate/expert_outputs.h"

/* scores: [experts] the squared error of the layer's outputs when the expert goes, as a share of their squares, or what
 * the one before it has where that is more: each larger than those of experts that go earlier. */
pare_status pare_expert_removal(const pare_expert_outputs *outputs, double *scores);

/* What that has to do for all layers, and the bytes that it holds for one. */
pare_work pare_expert_removal_work(const pare_model *model, int64_t tokens);
uint64_t pare_expert_removal_bytes(const pare_model *model, int64_t tokens);

#endif
