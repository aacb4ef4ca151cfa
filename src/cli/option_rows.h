/* The rows of the table of options, which are in several files, and what these share. */
#ifndef PARE_CLI_OPTION_ROWS_H
#define PARE_CLI_OPTION_ROWS_H

#include "options.h"

#include <stddef.h>

typedef struct pare_option_rows {
    const pare_option *list;
    size_t count;
} pare_option_rows;

/* In the order in which help shows them; the rest is in option_table.c. */
extern const pare_option_rows pare_option_rows_units;
extern const pare_option_rows pare_option_rows_elements;
extern const pare_option_rows pare_option_rows_calibration;
extern const pare_option_rows pare_option_rows_training;

/* Where the value goes. */
#define AT(member) offsetof(pare_arguments, member)

/* Commands. SWEPT: one pruning run; a sweep takes them, too, and has them as axes. */
#define STUDIES (PARE_IN_SWEEP | PARE_IN_ROBUST)
#define SWEPT (PARE_IN_PRUNE | PARE_IN_SWEEP | PARE_IN_OVER)
#define SHARED (SWEPT | PARE_IN_ROBUST)
#define WORKING                                                                                                        \
    (PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_MERGE | STUDIES | PARE_IN_EVAL | PARE_IN_CLASSIFY | PARE_IN_GENERATE |  \
     PARE_IN_BENCH | PARE_IN_EXPORT | PARE_IN_CONVERT | PARE_IN_IMATRIX)
/* Those whose report has a page. */
#define REPORTING (PARE_IN_PRUNE | PARE_IN_RECOVER | STUDIES | PARE_IN_EVAL)
/* Those with so many options that help shows the common ones first. */
#define SHORTENED (PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_EVAL | STUDIES)
#define EVERYWHERE (WORKING | PARE_IN_INSPECT)

/* The choices of one setting as a function of their index alone. */
#define CHOICES(function, key)                                                                                         \
    static const char *function(size_t index) {                                                                        \
        return pare_setting_choice(key, index);                                                                        \
    }

#endif
