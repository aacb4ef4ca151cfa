/* The model card of a run's output (report/card.h), README.md. It is made when all else is written, before the page of
 * the report; whatever fails about it is a note, and the run goes on without it. */
#ifndef PARE_RUN_CARD_H
#define PARE_RUN_CARD_H

#include "run/run.h"

/* Strings are the caller's; any may be NULL. */
typedef struct pare_card_job {
    bool wanted;
    const char *command;        /* that makes the model again */
    const char *method, *paper; /* of the method: in words, and whose it is */
} pare_card_job;

/* source: the folder of the model before, whose card is kept and added to; target: the folder that the output is to
 * become: a card of pare's that lies there and was edited is the one that is kept, though the folder is replaced.
 * *report names the card among its files. */
void pare_run_card_make(pare_run *run, const pare_card_job *card, const char *source, const char *target,
                        const pare_runtime *runtime, char **report);

#endif
