/* What the parts of a repair share: the walk over the blocks (repair.c), its memory, the stages of a block, the fit of
 * readers, the choice of units. */
#ifndef PARE_REPAIR_REPAIR_INTERNAL_H
#define PARE_REPAIR_REPAIR_INTERNAL_H

#include "calibrate/gram.h"
#include "model/walk.h"
#include "repair/repair.h"

/* Fitted matrices of the stage in hand: the output in slot 0, then its readers in the order of their roles. */
enum { PARE_SLOTS = 4, PARE_HEAD_FIT_ROWS = 1024 };

typedef struct pare_slot {
    void *stored;  /* [out, in] in the tensor's own dtype */
    void *operand; /* the same as an operand; NULL where that is the same type */
} pare_slot;

typedef struct pare_repair {
    const pare_repair_job *job;
    const pare_source *source;
    const pare_model *model;
    const pare_backend *backend;
    int64_t tokens, micro_batch, hidden, widest; /* widest: input width of any matrix, or d */
    pare_selection *selection;
    pare_repaired *repaired;
    pare_index_list channels; /* kept hidden channels */

    pare_walk walk;
    pare_block block; /* of the layer in hand, as the dense model has it */
    pare_scratch hidden_memory;
    float *pruned, *dense; /* hidden states [tokens, d]; dense NULL where nothing asks for it */
    bool apart;            /* the pruned hidden states may differ from the dense ones */
    float *gram;           /* [widest, widest] */
    float *cross;          /* [d, widest] */
    float *weights;        /* [d * widest] a matrix in hand */
    float *result;         /* the same, of readers; NULL without */
    float *map;            /* [d, d] the readers' map; NULL without */
    float *norm;           /* [d] the pruned model's norm in hand */
    float *difference;     /* [micro-batch tokens, d] */
    void *residual;        /* operand, the same */
    pare_slot slot[PARE_SLOTS];
} pare_repair;

/* A stage of the block in hand. */
typedef struct pare_stage_run {
    pare_stage stage;
    uint32_t layer;
    pare_block dense, pruned;
    pare_role output, readers[3];
    int reader_count, norm;
    int64_t width; /* of the output's inputs */
    pare_kept *kept;
    const pare_stage_signal *signal; /* never NULL */
    pare_stage_fit fit;
    char what[96]; /* the output's inputs, for messages */
} pare_stage_run;

/* What a job needs at all. */
bool pare_repair_fits_readers(const pare_repair_job *job);

/* Plans, then allocates everything in *out; on failure nothing is held. Free with pare_repair_clear. */
pare_status pare_repair_set_up(const pare_repair_job *job, pare_selection *selection, pare_repaired *repaired,
                               pare_repair *out);
void pare_repair_clear(pare_repair *repair);

/* Everything that happens in one stage; both streams leave it behind them. */
pare_status pare_repair_stage(pare_repair *repair, uint32_t layer, pare_stage stage, pare_stage_fit *fit);

/* Sequences of the micro-batch that begins at `sequence`. */
int64_t pare_repair_batch(const pare_repair *repair, int64_t sequence);

/* The readers of a stage through the map, into their slots and into run->pruned. */
pare_status pare_repair_readers(pare_repair *repair, pare_stage_run *run);
/* Final norm and head, as the options say. */
pare_status pare_repair_end(pare_repair *repair);

/* The pruned model's norm for hidden states with zeros in place of removed channels, into repair->norm: a mean over the
 * d' channels left is that over d times d / d', so weights go up by sqrt(d' / d); *eps goes up by d' / d. */
void pare_repair_norm(pare_repair *repair, const float *weights, double *eps);

/* Chooses run->kept from repair->gram and repair->weights (the output matrix); cross: repair->cross, or NULL where
 * the targets are the output's own. */
pare_status pare_repair_choose(const pare_repair *repair, const pare_stage_run *run, const float *cross);
/* All units of the stage into run->kept: the widths to choose leave them all, whatever the selection said before. */
pare_status pare_repair_choose_all(const pare_repair *repair, const pare_stage_run *run);

/* Rounds float `values` [rows, columns] to the dtype of tensor `id`, into the slot; `values` become what is stored. The
 * operand to compute with is returned. */
const void *pare_slot_fill(const pare_repair *repair, pare_slot *slot, size_t id, int64_t rows, int64_t columns,
                           float *values);

#endif
