/* What becomes of experts in a smaller model: those that are left get the numbers from 0 on. */
#ifndef PARE_SURGERY_CUT_EXPERTS_H
#define PARE_SURGERY_CUT_EXPERTS_H

#include "checkpoint/writer.h"
#include "repair/repaired.h"
#include "surgery/axes.h"

/* *name: that of tensor `id` in the smaller model, in place of the one that it had, which is freed; NULL where its
 * expert goes. Nothing for other tensors. */
void pare_cut_expert_name(const pare_model *model, const pare_selection *selection, size_t id, char **name);

/* Of a tensor that holds all experts, one behind the other: those that are left. Nothing for other tensors. */
void pare_cut_experts_axes(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                           pare_axes *axes);

/* shape: of such a tensor, in, with all channels, out, with those that its experts keep. */
void pare_cut_experts_shape(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                            uint64_t *shape);

/* True of such a tensor if some part of it was repaired, or its experts lose channels; and its experts that are left,
 * with what was, and of the others the channels that they keep. */
bool pare_cut_experts_apart(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                            const pare_tensor *tensor);
pare_status pare_cut_experts_write(const pare_model *model, const pare_selection *selection,
                                   const pare_repaired *repaired, const pare_tensor *tensor, pare_writer *writer);

#endif
