/* How models answer pictures. */
#ifndef PARE_CLI_EVAL_IMAGES_H
#define PARE_CLI_EVAL_IMAGES_H

#include "eval_tables.h"

/* One table, a row for each model. */
void pare_eval_images_print(const pare_arguments *arguments, const pare_eval_row *rows, size_t count);

#endif
