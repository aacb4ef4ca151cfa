/* What the parts of a repair of units share, beside the walk (layerwise.h): its stages, the choice of units, memory. */
#ifndef PARE_LAYERWISE_UNITS_INTERNAL_H
#define PARE_LAYERWISE_UNITS_INTERNAL_H

#include "layerwise/expert_fit.h"
#include "layerwise/units.h"
#include "select/obs.h"

enum { PARE_SLOTS = 4 };

/* A changed matrix of the stage in hand, whole: the output in slot 0, then its readers. */
typedef struct pare_slot {
    void *stored;  /* [out, in] in the tensor's own dtype */
    void *operand; /* room for the same as an operand */
} pare_slot;

/* The stage of the layer in hand. */
typedef struct pare_stage_run {
    pare_stage stage;
    uint32_t layer;
    pare_stage_roles roles;
    int64_t width; /* of the output's inputs */
    pare_kept *kept;
    const pare_stage_signal *signal; /* never NULL */
    bool fits_readers;
    bool scaled; /* the output has gates in its columns, which its file has not */
    pare_stage_fit fit;
    pare_obs
        *chosen;   /* the choice, whose weights are the output's fit; NULL: there is none, or its damping was raised */
    char what[96]; /* the output's inputs, for messages */
} pare_stage_run;

typedef struct pare_unit_walk {
    pare_layerwise l;
    const pare_repair_job *job;
    pare_selection *selection;
    pare_stage_fit (*fits)[PARE_STAGES]; /* [layers], or NULL */
    float *weights;                      /* [d * widest] a matrix in hand */
    float *result;                       /* the same, of readers; NULL without */
    pare_slot slot[PARE_SLOTS];
    pare_expert_fit joint; /* where pare_units_fit_jointly */
    pare_stage_run run;
} pare_unit_walk;

/* What a job needs at all. */
bool pare_repair_fits_readers(const pare_repair_job *job);
/* What it asks of the walk; and the widths of a layer when it was repaired. */
pare_layerwise_request pare_repair_request(const pare_repair_job *job, const pare_selection *selection);
pare_widths pare_repair_widths(const pare_repair_job *job, const pare_selection *selection, uint32_t layer);

/* Plans, then allocates everything in *out; on failure nothing is held. Free with pare_units_clear. */
pare_status pare_units_set_up(const pare_repair_job *job, pare_selection *selection, pare_repaired *repaired,
                              pare_unit_walk *out);
void pare_units_clear(pare_unit_walk *u);

/* The inputs of one kind, of readers or of an output, and what follows from them. */
pare_status pare_units_visit(void *walk, uint32_t layer, unsigned kinds, bool last);

/* True if experts of the model lose channels, and of a layer (units_experts.c); and of the layer in hand those that
 * stay and what they put out, which goes into the block, the selection and run->fit. */
bool pare_units_narrow_experts(const pare_repair_job *job, const pare_selection *selection, uint32_t layer);
/* Where targets have a share of the dense model, experts are then fitted to what the dense layer puts out. */
bool pare_units_fit_jointly(const pare_repair_job *job, const pare_selection *selection);
pare_status pare_units_experts(pare_unit_walk *u);
/* Runs over all micro-batches that this takes of a layer; 0 where no expert is narrowed. */
uint64_t pare_units_expert_runs(const pare_unit_walk *u);

/* What is kept of a layer that was gone through (units_file.c). */
pare_status pare_units_describe(void *walk, uint32_t layer, pare_state_file *file);

/* Chooses run->kept from the Gram matrix of the output's inputs and u->weights, the output matrix; cross: of the walk,
 * or NULL where the targets are the output's own. Leaves run->chosen. */
pare_status pare_units_choose(pare_unit_walk *u, const float *gram, const float *cross);
/* u->weights <- the fit of what run->chosen left; energy: how far the targets are from W x. */
pare_status pare_units_take_fit(pare_unit_walk *u, const float *gram, const float *cross, double energy);
/* True if the stage in hand is to be left at several widths. */
bool pare_units_has_levels(const pare_unit_walk *u);
/* All units of the stage into run->kept: the widths to choose leave them all, whatever the selection said before. */
pare_status pare_units_choose_all(const pare_unit_walk *u);

#endif
