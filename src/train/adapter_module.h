/* Modules that PEFT puts an adapter beside: a matrix of a layer, or several that the family stores as one. The factors
 * of a fused module are those of its parts, exactly: A's lie one below the other, and B is zero but for one block per
 * part, in the rows and columns that are its own.
 *
 *   A = [A_q; A_k; A_v]    B = rows of q: [B_q 0 0], of k: [0 B_k 0], of v: [0 0 B_v]    rank: that of all together
 *
 * Matrices of experts are two parameters of a layer, gate_up_proj and down_proj, whatever the file has: the module is
 * one of them (adapter_experts.h). */
#ifndef PARE_TRAIN_ADAPTER_MODULE_H
#define PARE_TRAIN_ADAPTER_MODULE_H

#include "surgery/composite.h"
#include "train/trained.h"

enum { PARE_ADAPTER_NAME = PARE_NAME_BYTES + 64 };

typedef struct pare_adapter_module {
    pare_composite parts;                           /* one, where nothing is fused; of experts only its count */
    pare_composite_part part[PARE_COMPOSITE_PARTS]; /* rows and columns alone */
    uint32_t layer;
    pare_role role; /* of the first part */
    int64_t rows, columns;
    uint32_t experts; /* whose factors it has, each of so many parts; 0: none of these */
    size_t alone;     /* the id of a matrix that is no role's: the only part; 0: none */
} pare_adapter_module;

/* The module that begins with tensor `id`; false if none does. */
bool pare_adapter_module_of(const pare_model *model, size_t id, pare_adapter_module *out);
/* The module that an expert's matrix was in transformers 4, where each was a linear layer; false for all others. */
bool pare_adapter_expert_alone(const pare_model *model, size_t id, pare_adapter_module *out);

/* Ids of all its matrices of a part are `first` and every `*step`-th behind it, `*count` of them. */
size_t pare_adapter_module_first(const pare_model *model, const pare_adapter_module *module, int part, size_t *step,
                                 size_t *count);
/* The rank of the module's factors in the file where each part has factors of `rank` of its own (blocks), or all have
 * the same A. */
int64_t pare_adapter_module_rank(const pare_adapter_module *module, int64_t rank, bool blocks);

/* How a name is meant: as transformers has the module in memory, or under the root of the model's file, which older
 * versions had in memory; and of gate_up_proj, beneath the adapter of down_proj, or without it. */
typedef enum pare_adapter_form {
    PARE_ADAPTER_IN_MEMORY,
    PARE_ADAPTER_AS_STORED,
    PARE_ADAPTER_OUTERMOST,
    PARE_ADAPTER_OUTERMOST_AS_STORED,
    PARE_ADAPTER_FORMS
} pare_adapter_form;

/* The name of its factor 'A' or 'B'. */
void pare_adapter_module_name(const pare_model *model, const pare_adapter_module *module, char factor,
                              pare_adapter_form form, char name[PARE_ADAPTER_NAME]);

/* PEFT has it as a parameter, beside which there is no dropout: what stands where experts do (its table of modules that
 * are experts' now takes those of the same last word for experts). */
bool pare_adapter_module_is_parameter(const pare_model *model, const pare_adapter_module *module);

/* What adapter_config.json calls it in every layer: "q_proj", and "attn.c_proj" where the last word is that of another
 * module, too; a parameter as "mlp.experts.down_proj" or "mlp.up_proj.weight". */
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
