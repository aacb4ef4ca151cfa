/* What this machine does in a second of each kind of work (support/work.h), for a model's own shapes: measured within
 * about two seconds. */
#ifndef PARE_EVALUATE_RATES_H
#define PARE_EVALUATE_RATES_H

#include "model/work.h"

typedef struct pare_rates_request {
    const pare_model *model;
    const pare_backend *backend; /* whose operands and threads are used */
    int64_t length;              /* tokens of a sequence */
    int64_t written;             /* sequences that text is written for at a time; 0: a few dozen */
    uint64_t limit;              /* bytes of anonymous memory; 0: none set */
    const pare_work *work;       /* kinds without an amount are left out, and have no rate */
} pare_rates_request;

/* Of the processor time that a thread takes, so that what else runs has next to no part in it: what a quiet machine
 * does in a second. */
pare_status pare_rates_measure(const pare_rates_request *request, pare_rates *out);

/* Without a measurement: those of one core of some years ago, for work that is over soon anyway. */
pare_rates pare_rates_assumed(void);

/* A part of the measurement (rates_blocks.c): blocks, their backward and decoding, where there is work of them; out has
 * the rate of products. */
pare_status pare_rates_measure_blocks(const pare_rates_request *request, pare_rates *out);

#endif
