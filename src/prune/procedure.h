/* The ways to carry a method out: a row each. Nothing else asks which one a run goes. */
#ifndef PARE_PRUNE_PROCEDURE_H
#define PARE_PRUNE_PROCEDURE_H

#include "method/job.h"
#include "report/manifest.h"

struct pare_prune_job;

typedef struct pare_procedure {
    bool zeroes;        /* weights become zero in matrices that keep their shape; else units or layers go */
    bool recorded;      /* pruning.json has what `report` gives, too */
    const char *member; /* of the report that `report` gives; NULL: it has none */
    bool (*applies)(const pare_job *asked);
    /* Before any work: settles what is to go (job->goal, current), and what is read for it (job->calibration); refuses
     * what makes no sense. */
    pare_status (*choose_target)(struct pare_prune_job *job);
    pare_status (*choose_data)(struct pare_prune_job *job); /* NULL: nothing is read */
    /* Reads it, and makes and shows the plan, of the weights their shapes alone. NULL: neither. */
    pare_status (*calibrate)(struct pare_prune_job *job);
    /* What of it the model itself writes, once its weights are known to be sound. NULL: nothing. */
    pare_status (*write_text)(struct pare_prune_job *job);
    pare_status (*plan)(struct pare_prune_job *job); /* adds what it will hold to job->plan; NULL: next to nothing */
    /* Fills job->selection, composed and result, and job->repaired where something is repaired. */
    pare_status (*run)(struct pare_prune_job *job);
    json_t *(*recipe)(const struct pare_prune_job *job); /* the choices of the method; a new reference */
    void (*record)(const struct pare_prune_job *job,
                   pare_record *record);                 /* what it knows of the data; NULL: nothing */
    json_t *(*report)(const struct pare_prune_job *job); /* a new reference */
    void (*release)(struct pare_prune_job *job);         /* NULL: it holds nothing */
} pare_procedure;

extern const pare_procedure pare_units, pare_weights, pare_training, pare_named_layers;

const pare_procedure *pare_procedure_of(const pare_job *asked);

#endif
