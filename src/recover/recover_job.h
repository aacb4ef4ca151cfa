/* One recovery: what its stages hand to each other. */
#ifndef PARE_RECOVER_RECOVER_JOB_H
#define PARE_RECOVER_RECOVER_JOB_H

#include "checkpoint/scan.h"
#include "evaluate/expected.h"
#include "recover/recovery_fit.h"
#include "report/ranks.h"
#include "report/recovery.h"
#include "run/resume.h"
#include "run/run.h"
#include "text/corpus.h"
#include "train/trainer.h"

typedef struct pare_recover_job {
    pare_run run;
    const struct pare_recover_before *before; /* the run that it goes on from; or NULL */
    const pare_model *model;
    bool passing; /* the model's folder is gone after the run, and is not named */
    const pare_runtime *runtime;
    pare_recovery settings; /* as asked; what the model and the data settle is filled in on the way */
    pare_backend *backend;
    char *progress, *state; /* folder and file of the checkpoints; NULL: none are kept */
    pare_resume resume;

    pare_model *opened;        /* the teacher, if it was opened for this run */
    const pare_model *teacher; /* that one, or the model before a pruning; or NULL */
    const pare_model *dense;   /* what perplexities are compared with: the model before a pruning, or the teacher; or
                                  NULL */
    pare_scan scan;
    char teacher_digest[PARE_DIGEST_TEXT]; /* of its weights; "" until they are checked */
    pare_teacher_cache *cache;
    pare_chat_style style; /* of chats, and perhaps of instructions */
    pare_examples examples;
    pare_recovery_part *parts; /* [pare_recovery_sources] of the examples, by the file that they are of */
    pare_batches *batches;
    char pictures_digest[PARE_DIGEST_TEXT]; /* of pixels, which are not among the batches' ids; or "" */
    char data_digest[PARE_DIGEST_TEXT];
    pare_trained *trained;
    pare_trainer_options training;
    pare_trainer trainer; /* its curve and losses last, its pass and moments are freed after the last step */
    pare_plan plan;
    pare_expected expected;

    pare_model *written;   /* opened afresh; NULL where an adapter was written */
    pare_text_pair *texts; /* [text_count]; NULL: nothing was measured yet */
    pare_windows *windows; /* [text_count] of them, read once; NULL: not yet */
    pare_rank_cost *ranks; /* [rank_count] that shared the work */
    size_t rank_count;
} pare_recover_job;

/* The run that a recovery goes on from: its files get to their places with the recovery's, and it makes the recovery's
 * report one of both before anything does. */
typedef struct pare_recover_before {
    pare_run *run;
    const pare_model *dense;                             /* that was pruned */
    const char *dense_digest;                            /* of its weights, which were read and checked */
    pare_status (*report)(void *context, char **report); /* frees what it replaces */
    /* What else is made of the model that was written; files go to the recovery's run. NULL: nothing. */
    pare_status (*written)(void *context, pare_recover_job *job);
    void *context;
} pare_recover_before;

/* All of it; *report as pare_recover has it. */
pare_status pare_recovery_run(const pare_model *model, const pare_recovery *recovery, const pare_runtime *runtime,
                              char **report);
/* The same of a model in a scratch folder. */
pare_status pare_recovery_run_passing(const pare_recover_before *before, const pare_model *model,
                                      const pare_recovery *recovery, const pare_runtime *runtime, char **report);

/* Examples, batches, and how many steps they make. */
pare_status pare_recover_read(void *job);
/* The examples alone, of all files (recover_examples.c): job->examples and job->parts. */
pare_status pare_recover_read_examples(pare_recover_job *job);
/* text: a digest of the examples, which goes on over the pictures that their ids stand for. */
pare_status pare_recover_add_pictures(const pare_recover_job *job, char text[PARE_DIGEST_TEXT]);
/* What the training will hold, told to the runtime; refuses what cannot fit. Makes job->trained. */
pare_status pare_recover_plan(void *job);
/* Perplexities of the model that is trained, and of what came of it. The check is made before any work. */
pare_status pare_recover_check_texts(pare_recover_job *job);
pare_status pare_recover_evaluate_before(void *job);
pare_status pare_recover_evaluate_after(void *job);
void pare_recover_windows_free(pare_recover_job *job);
/* Opens the teacher's cache if it is there, so that one of another run is refused before any work; the second has it
 * made if it is not. */
pare_status pare_recover_find_cache(pare_recover_job *job);
pare_status pare_recover_ask_teacher(pare_recover_job *job);
pare_status pare_recover_train(void *job);
pare_status pare_recover_write(void *job);
/* Compares what was written with what was trained. */
pare_status pare_recover_verify(void *job);
pare_status pare_recover_list(void *job);
void pare_recover_remove_progress(const pare_recover_job *job);

/* All settings that the result depends on. */
json_t *pare_recover_settings_json(const pare_recover_job *job);
/* recovery.json */
pare_status pare_recover_record(const pare_recover_job *job, char **text);
pare_status pare_recover_report(const pare_recover_job *job, char **text);

#endif
