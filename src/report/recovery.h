/* A training that recovered a model: recovery.json beside what it left, and the report. Strings are borrowed. */
#ifndef PARE_REPORT_RECOVERY_H
#define PARE_REPORT_RECOVERY_H

#include "report/curve.h"
#include "report/parts.h"
#include "report/ranks.h"

#include <stdbool.h>

/* One of several files that were trained on. */
typedef struct pare_recovery_part {
    const char *file;
    double share;
    bool calibration;
    uint64_t examples, held_out, shortened, left_out, odd_rows, not_utf8;
} pare_recovery_part;

/* The rows that were trained on. */
typedef struct pare_recovery_data {
    const char *file, *digest; /* of several files the first; of all */
    uint64_t examples, held_out, shortened, left_out, odd_rows, not_utf8;
    const pare_recovery_part *parts; /* [part_count], of one file or more */
    size_t part_count;
} pare_recovery_data;

/* Means over the held-out examples: cross-entropy with the labels, KL(teacher || model), and the share of predictions
 * whose likeliest id is the teacher's. */
typedef struct pare_recovery_lesson {
    double ce, kl, top1;
} pare_recovery_lesson;

typedef struct pare_recovery_results {
    const char *model; /* NULL: its folder is gone */
    const char *digest;
    uint64_t parameters;
    const json_t *settings; /* as the job has them; borrowed */
    pare_recovery_data data;
    const char *teacher, *teacher_digest; /* NULL: there was none */
    pare_recovery_lesson first_taught, best_taught;
    const char *trained; /* what was trained */
    uint64_t trained_parameters;
    uint64_t steps, tokens;
    const pare_curve *curve;
    double first_validation, last_validation, best_validation; /* NaN: there was none */
    uint64_t best_step;
    /* The report alone. */
    double training_seconds; /* of all runs */
    const pare_text_pair *texts;
    size_t text_count;
    bool adapter; /* that was written, and not merged */
    pare_written written;
    double zeros_lost;     /* share of the trained weights that were zeros and are not any more */
    const pare_plan *plan; /* of its memory */
    const pare_stage_cost *times;
    size_t time_count;
    const pare_rank_cost *ranks; /* [rank_count] that shared the work */
    size_t rank_count;
} pare_recovery_results;

/* recovery.json */
json_t *pare_report_recovery_record(const pare_recovery_results *results);
/* results: pare_recovery_results. */
json_t *pare_report_recovery(const void *results);

#endif
