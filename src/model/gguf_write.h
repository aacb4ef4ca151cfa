/* A model as a GGUF file: written straight from its tensors, some rows at a time. */
#ifndef PARE_MODEL_GGUF_WRITE_H
#define PARE_MODEL_GGUF_WRITE_H

#include "checkpoint/gguf_writer.h"
#include "checkpoint/imatrix.h"
#include "model/gguf_form.h"
#include "model/gguf_target.h"
#include "model/model.h"

/* What becomes of one tensor: parts in their order, one behind the other. */
typedef struct pare_gguf_item {
    char name[PARE_GGUF_NAME_BYTES];
    const float *values;               /* [columns] that are no tensor of the model's; or NULL */
    const pare_tensor *tensor[3];      /* [parts]; one that the model has not is zeros */
    const pare_tensor *const *experts; /* [parts] in their place, or NULL */
    uint32_t parts;
    uint32_t head;  /* rows of a head that are stored in pairs; 0: as they are */
    float shift;    /* is added */
    uint32_t block; /* only some rows of each so many: `rows` from number `first` on; 0: all */
    uint32_t first, rows;
    bool turned; /* with rows and columns of each block exchanged */
    pare_gguf_place place;
} pare_gguf_item;

typedef struct pare_gguf_plan {
    const pare_model *model;
    pare_config config; /* the model's, with the widths that are written; borrows all else */
    pare_gguf_target target;
    const pare_gguf_form *form;
    pare_gguf_item *items;
    const pare_tensor **experts;         /* that items point to; NULL: the model has none */
    pare_gguf_declaration *declarations; /* [count] */
    size_t count;
    size_t matrices, narrow;          /* narrow: those that have another type, for their width */
    const pare_imatrix_file *imatrix; /* by which columns are weighed; or NULL */
    float **importance;               /* [count] of the columns of each; or NULL */
    struct pare_gguf_factors *factors;
    size_t factor_count;
} pare_gguf_plan;

/* imatrix: weighs the columns of matrices, as llama-quantize does, where their types feel it; it must have all matrices
 * of the layers, and lives as long as the plan. NULL: all columns alike. Free with pare_gguf_plan_free. */
pare_status pare_gguf_plan_make(const pare_model *model, const pare_gguf_form *form, const pare_imatrix_file *imatrix,
                                pare_gguf_plan *out);
void pare_gguf_plan_free(pare_gguf_plan *plan);

/* Item `index` is a matrix that inputs are multiplied with: one of the layers, or the head that the model has beside
 * its embedding. */
bool pare_gguf_plan_reads(const pare_gguf_plan *plan, size_t index);

/* The file `path`, new. metadata: all of it. */
pare_status pare_gguf_plan_write(const pare_gguf_plan *plan, const pare_gguf_metadata *metadata, const char *path,
                                 const pare_runtime *runtime);

#endif
