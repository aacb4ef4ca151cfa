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

/* True of such a tensor if some part of it was repaired, or it is packed; and its experts that are left, with what was
 * repaired. repaired: NULL: nothing. */
bool pare_cut_experts_differ(const pare_model *model, const pare_repaired *repaired, const pare_tensor *tensor);
pare_status pare_cut_experts_write(const pare_model *model, const pare_selection *selection,
                                   const pare_repaired *repaired, const pare_tensor *tensor, pare_writer *writer);

#endif
