/* What becomes of experts in a smaller model: those that are left get the numbers from 0 on. */
#ifndef PARE_SURGERY_CUT_EXPERTS_H
#define PARE_SURGERY_CUT_EXPERTS_H

#include "checkpoint/writer.h"
#include "model/expert_tensors.h"
#include "repair/repaired.h"
#include "surgery/axes.h"

/* *name: that of tensor `id` in the smaller model, in place of the one that it had, which is freed; NULL where its
 * expert goes. Nothing for other tensors. */
void pare_cut_expert_name(const pare_model *model, const pare_selection *selection, size_t id, char **name);

/* Of a tensor that holds all experts, one behind the other: those that are left. Nothing for other tensors. */
void pare_cut_experts_axes(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                           pare_axes *axes);

/* shape: of such a tensor, in, with all channels, out, with those that its experts and the hidden state keep. */
void pare_cut_experts_shape(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                            uint64_t *shape);

/* [rows, columns] of a part of an expert, each of `size` bytes; a bias's elements are rows. */
typedef struct pare_expert_numbers {
    const void *values;
    int64_t rows, columns;
    size_t size;
} pare_expert_numbers;

/* Where they lie in the expert's share of a tensor that holds those of all. */
void pare_expert_part_put(const pare_config *config, const pare_expert_place *place, pare_expert_numbers part,
                          void *share);

/* True of such a tensor if some part of it was repaired, channels of it go, or it lies in another order than it is
 * written in; and its experts that are left, with what was repaired, and of the others the channels that they keep.
 * repaired: NULL: nothing. */
bool pare_cut_experts_apart(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                            const pare_tensor *tensor);
pare_status pare_cut_experts_write(const pare_model *model, const pare_selection *selection,
                                   const pare_repaired *repaired, const pare_tensor *tensor, pare_writer *writer);

#endif
