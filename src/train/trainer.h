/* One training run: steps of gradient, clipping and optimiser over batches, with validation, checkpoints and a loss
 * curve. Whoever prunes while it trains (LoRAPrune) looks in between. */
#ifndef PARE_TRAIN_TRAINER_H
#define PARE_TRAIN_TRAINER_H

#include "model/kept_rule.h"
#include "model/teacher.h"
#include "report/curve.h"
#include "support/work.h"
#include "train/adamw.h"
#include "train/batches.h"
#include "train/teacher_cache.h"
#include "train/trained.h"

#include <stdio.h>

/* Who teaches, and what its word is worth (model/teacher.h). */
typedef struct pare_trainer_teacher {
    const pare_model *model; /* NULL: nobody */
    bool cached;             /* what it says is in `cache`, which is there when the trainer is made */
    const pare_teacher_cache *cache;
    double ce, kd;
} pare_trainer_teacher;

typedef struct pare_trainer_options {
    pare_schedule schedule;
    double clip; /* of the gradient's norm; 0: none */
    double beta1, beta2, epsilon, weight_decay;
    uint32_t micro_batch;    /* sequences through a block at a time; 0: as many as stay in the cache, and fit */
    uint64_t memory;         /* bytes that the passes may take; 0: no limit */
    pare_kept_rule keep;     /* activations for the backward */
    uint64_t validate_every; /* steps; 0: only at the end */
    uint64_t seed;           /* of the dropout */
    pare_trainer_teacher teacher;
    bool kept; /* its state may be saved after any step, so every rank has all of it */
    /* After a step's gradient is complete and clipped, before the optimiser uses it; may be NULL. A failure ends the
     * run. */
    pare_status (*clipped)(void *context, uint64_t step, pare_trained *trained);
    /* State of the context that a checkpoint must hold beside the trainer's own; may be NULL. */
    pare_status (*save)(void *context, FILE *file);
    pare_status (*load)(void *context, FILE *file);
    void *context;
} pare_trainer_options;

typedef struct pare_trainer {
    pare_trained *trained;
    pare_batches *batches;
    const pare_trainer_options *options;
    const pare_runtime *runtime;
    pare_pass *pass;
    pare_pass_shape shape;       /* of the pass: as many sequences as go through it at a time */
    pare_layout layout;          /* of the batch in the pass */
    pare_model_teacher *teacher; /* or NULL */
    pare_cached_teacher *cached; /* in its place; or NULL */
    bool owned;                  /* each rank has the optimiser's state of a slice of the numbers, and steps these */
    pare_adamw optimizer;        /* of that slice, or of all */
    float *sum;                  /* of the shards so far, this rank's slice of it; NULL: a batch is one shard */
    pare_curve curve;
    float
        *best; /* [count] the values with the lowest validation loss so far, or NULL: there are no held-out examples */
    double first_validation, last_validation, best_validation; /* NaN: none yet */
    pare_taught first_taught, best_taught; /* means over the held-out examples then, where there is a teacher */
    uint64_t best_step, validated_step;    /* UINT64_MAX: none yet */
    uint64_t steps_done, tokens;           /* tokens: real ones of all steps */
    double seconds_before, start;          /* of earlier runs; clock of this one's start */
} pare_trainer;

/* `trained`, `batches` and `options` must outlive the trainer. Free with pare_trainer_free. */
pare_status pare_trainer_new(pare_trained *trained, pare_batches *batches, const pare_trainer_options *options,
                             const pare_runtime *runtime, pare_trainer *out);
void pare_trainer_free(pare_trainer *trainer);
/* Those of the student and the teacher alone, after the last step. */
void pare_trainer_free_passes(pare_trainer *trainer);

/* Whether batches may be of more than one shard (trainer_sum.c), whose sums take a float for every number beside the
 * gradient. */
bool pare_trainer_sums(const pare_batches_options *batches);
/* Numbers of the largest slice that a rank adds up, and steps, of so many; all of one process. */
uint64_t pare_trainer_largest_slice(uint64_t count);
/* Bytes that the trainer's pass would hold, for the memory plan; fails if not even one sequence fits. It takes a whole
 * shard of a batch at a time if that fits the memory, and the largest equal parts of it that do otherwise. */
pare_status pare_trainer_measure(const pare_trained *trained, const pare_batches_options *batches,
                                 const pare_trainer_options *options, pare_pass_memory *out);
/* What all steps have to do, of so many sequences of so many tokens each. */
pare_work pare_trainer_work(const pare_trained *trained, const pare_trainer_options *options, int64_t sequences,
                            int64_t length);

/* The next step; appends to the curve. Fails with PARE_NUMERIC_ERROR, naming step and rate, when the loss or the
 * gradient's norm is not finite. */
pare_status pare_trainer_step(pare_trainer *trainer);
/* Mean loss of the held-out examples now (no dropout), which goes to the curve; remembers the values if they are the
 * best so far. NaN without held-out examples. */
pare_status pare_trainer_validate(pare_trainer *trainer, double *loss);
/* Puts the best values back in trained->value (if validation ever ran), and refreshes. */
pare_status pare_trainer_take_best(pare_trainer *trainer);

/* Seconds of training, those of earlier runs of the same included. */
double pare_trainer_seconds(const pare_trainer *trainer);

/* trainer_state.c: the whole state as one file, which appears at one stroke. key: SHA-256 text of what the run depends
 * on; a file of another key, or a damaged one, is refused with what to do. Loaded and run on, a run ends with the same
 * bits as one that was never stopped, by any number of ranks, of which the first has the file: the parts that its
 * batches go through a pass in are those of the file, too. After a load that failed the trainer may only be freed. */
pare_status pare_trainer_save(const pare_trainer *trainer, const char *path, const char *key);
pare_status pare_trainer_load(pare_trainer *trainer, const char *path, const char *key);

#endif
