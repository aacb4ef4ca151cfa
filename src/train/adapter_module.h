/* Modules that PEFT puts an adapter beside: a matrix of a layer, or several that the family stores as one. The factors
 * of a fused module are those of its parts, exactly: A's lie one below the other, and B is zero but for one block per
 * part, in the rows and columns that are its own.
 *
 *   A = [A_q; A_k; A_v]    B = rows of q: [B_q 0 0], of k: [0 B_k 0], of v: [0 0 B_v]    rank: that of all together */
#ifndef PARE_TRAIN_ADAPTER_MODULE_H
#define PARE_TRAIN_ADAPTER_MODULE_H

#include "surgery/composite.h"
#include "train/trained.h"

enum { PARE_ADAPTER_NAME = PARE_NAME_BYTES + 64 };

typedef struct pare_adapter_module {
    pare_composite parts;                           /* one, where nothing is fused */
    pare_composite_part part[PARE_COMPOSITE_PARTS]; /* rows and columns alone */
    uint32_t layer;
    pare_role role; /* of the first part */
    int64_t rows, columns;
} pare_adapter_module;

/* The module that begins with tensor `id`; false if none does. */
bool pare_adapter_module_of(const pare_model *model, size_t id, pare_adapter_module *out);

/* The name of its factor 'A' or 'B': as transformers has the module in memory, or under the root of the model's file,
 * which older versions had in memory. */
void pare_adapter_module_name(const pare_model *model, const pare_adapter_module *module, char factor, bool as_stored,
                              char name[PARE_ADAPTER_NAME]);

/* What adapter_config.json calls it in every layer: "q_proj", and "attn.c_proj" where the last word is that of another
 * module, too. */
void pare_adapter_module_target(const pare_model *model, const pare_adapter_module *module,
                                char target[PARE_NAME_BYTES]);

/* Whether a part has factors. */
bool pare_adapter_module_has(const pare_trained *lora, const pare_adapter_module *module);

/* The module's factor 'A' [module rank, columns] or 'B' [rows, module rank] of a LoRA of this rank. */
void pare_adapter_module_join(const pare_trained *lora, const pare_adapter_module *module, int64_t rank, char factor,
                              float *out);

/* The other way: factors of the module to those of the parts that the LoRA has. blocks: made by the join; else of a
 * module's usual rank, where all parts have the same A. */
void pare_adapter_module_split(pare_trained *lora, const pare_adapter_module *module, bool blocks, char factor,
                               const float *values);

/* Of factors with blocks: which parts have one, from A and B, [module rank, columns] and [rows, module rank]. False if
 * B has a weight outside its blocks. */
bool pare_adapter_module_blocks(const pare_adapter_module *module, int64_t rank, const float *a, const float *b,
                                bool has[PARE_COMPOSITE_PARTS]);

#endif
