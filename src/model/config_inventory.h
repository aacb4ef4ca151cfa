/* The tensors of a checkpoint while they are held against config.json: taken by name, each with the shape that is
 * expected of it. All fail with one sentence that names the file and the tensor. */
#ifndef PARE_MODEL_CONFIG_INVENTORY_H
#define PARE_MODEL_CONFIG_INVENTORY_H

#include "checkpoint/view.h"
#include "model/config.h"

typedef struct pare_inventory {
    const pare_checkpoint *checkpoint;
    const pare_config *config;
    bool *known; /* [tensors]: has a place in the model */
} pare_inventory;

/* The tensor, which has a place from now on. */
pare_status pare_inventory_take(const pare_inventory *from, const char *name, const pare_tensor **tensor);
pare_status pare_inventory_vector(const pare_inventory *from, const char *name, uint64_t length);
pare_status pare_inventory_matrix(const pare_inventory *from, const char *name, uint64_t rows, uint64_t columns);
/* "FILE: tensor NAME has shape ... where EXPECTED is expected" */
pare_status pare_inventory_refuse(const pare_inventory *from, const pare_tensor *tensor, const char *expected);

/* "[4, 48, 32]" */
void pare_shape_format(char *text, size_t size, const pare_tensor *tensor);

#endif
