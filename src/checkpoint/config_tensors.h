/* What the tensors of a checkpoint say about its widths, checked against its config.json. */
#ifndef PARE_CHECKPOINT_CONFIG_TENSORS_H
#define PARE_CHECKPOINT_CONFIG_TENSORS_H

#include "checkpoint/config.h"

/* Fills widths[layers] from the shapes of the layers' tensors. layers, hidden, vocabulary, head_size and tied are set
 * before. Fails if a tensor of a LLaMA is missing or has another shape than its neighbours ask for, or if there is a
 * tensor that a LLaMA has no place for (rotary_emb.inv_freq, which old files carry, is ignored). */
pare_status pare_config_measure(const pare_checkpoint *checkpoint, pare_config *config);

#endif
