/* Files to train on, as the command line names them: FILE, or FILE:WEIGHT. */
#ifndef PARE_CLI_TRAINING_FILES_H
#define PARE_CLI_TRAINING_FILES_H

#include "options.h"

typedef struct pare_training_files {
    pare_training_source *list; /* [count] */
    size_t count;
    char **names; /* [count] own, or NULL where a word is the name */
} pare_training_files;

/* What follows a word's last colon is a weight if it is a number, and no file has the whole word's name; without one
 * the weight is 1. Returns the exit code. Free with pare_training_files_free. */
int pare_training_files_read(const pare_word_list *words, pare_training_files *out);
void pare_training_files_free(pare_training_files *files);

/* Puts them into the options: a single one without a weight as their `data`. */
void pare_training_files_put(const pare_training_files *files, pare_recover_options *options);

/* Tells which they are, and which share of a batch each has, a line for each, the first with `name` in front. */
void pare_training_files_say(const pare_training_files *files, const char *name);

#endif
