/* What a pruning is to do: the options of pare_prune, read once (options/resolve.h), with every default in its place
 * and checked as far as that needs no model. Stages read a job, never options; whoever runs variants of one changes a
 * copy. Strings and lists are the caller's but for those marked "own"; recipe.salience may point into the job itself,
 * which therefore outlives its copies. */
#ifndef PARE_METHOD_JOB_H
#define PARE_METHOD_JOB_H

#include "method/recipe.h"
#include "method/recovery.h"
#include "run/card.h"
#include "run/page.h"

/* How much goes, and where; of the amounts exactly one is given in a job that was checked. Numbers of layers are those
 * of the model that the job is run on. */
typedef struct pare_job_target {
    double ratio;         /* 0: not given */
    const double *ratios; /* [ratio_count] one for each layer, or NULL */
    size_t ratio_count;
    uint64_t parameters, bytes;         /* 0: not given */
    double latency;                     /* share of the time per token; 0: not given */
    const char *latency_table;          /* file of measured times; NULL: they are measured */
    pare_sparsity sparsity;             /* of single weights */
    pare_layers layers, attention, ffn; /* layers: of parts that have no range of their own; not given: all */
    uint32_t round_to, rounds;          /* round_to 0: not */
    const pare_layers *drops;           /* [drop_count] whole layers that go first */
    size_t drop_count;
    bool drops_alone; /* and nothing else goes: the recipe is a name */
} pare_job_target;

typedef struct pare_job_calibration {
    bool needed;
    pare_calibration_options of; /* the protocol's values in it; samples, length 0: left to the source */
    const char *protocol;        /* NULL: none */
    uint32_t usual_samples;      /* where nobody says how many */
    bool imatrix;                /* the source is an importance matrix, not text */
    bool asked_samples;          /* the options said how many samples there are, or how long */
    uint32_t batches;            /* of samples: one, or one for each step of an iteration */
} pare_job_calibration;

/* Perplexities before and after. */
typedef struct pare_job_evaluation {
    const char *const *texts;
    size_t text_count;
    uint32_t window, max_windows; /* max_windows 0: all */
    uint32_t continuations;       /* texts to be written on; 0: none */
} pare_job_evaluation;

typedef struct pare_job_outputs {
    const char *folder; /* NULL: no model is written */
    bool each;          /* every rank writes one of its own; else the first alone */
    bool force, archive;
    bool remote_code;               /* asked for: a modeling file beside layers that differ */
    const char *type;               /* of a GGUF file's numbers; or NULL */
    bool dry;                       /* no model is to be written */
    bool resumable;                 /* progress is kept, and taken up */
    char *progress;                 /* own: where; NULL: none is kept */
    const char *scores, *densities; /* files, or NULL */
    const char *imatrix;            /* likewise */
    const pare_named_file *besides; /* [beside_count] what the caller writes */
    size_t beside_count;
    pare_page_job page; /* of the report */
    pare_card_job card; /* of the folder */
} pare_job_outputs;

typedef struct pare_job {
    pare_recipe recipe;
    const char *recipe_file; /* NULL: it is none of a file */
    bool own_salience;       /* scored by the caller's function, which may give other scores the next time */
    const char **ignored;    /* own: options that were given and mean nothing here, NULL after the last */
    const char **lacking;    /* own: for each of them the option that it lacks, or NULL */
    pare_job_target target;
    pare_job_calibration calibration;
    pare_displace displace;
    uint64_t seed;
    pare_job_evaluation evaluation;
    pare_job_outputs outputs;
    pare_cache *cache;       /* or NULL */
    pare_recovery *recovery; /* own: what follows the pruning; NULL: nothing */
} pare_job;

/* Refuses what contradicts itself or the recipe. */
pare_status pare_job_check(const pare_job *job);
/* Where there are several ranks, refuses recipes that are not the same (job_agree.c). */
pare_status pare_job_agree(const pare_job *job);
/* True if something else goes than whole layers by name. */
bool pare_job_has_amount(const pare_job *job);
/* True if single weights become zero. */
bool pare_job_zeroes(const pare_job *job);
void pare_job_free(pare_job *job);

#endif
