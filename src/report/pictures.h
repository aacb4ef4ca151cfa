/* How a model answers pictures. */
#ifndef PARE_REPORT_PICTURES_H
#define PARE_REPORT_PICTURES_H

#include "support/json_build.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pare_picture_scores {
    uint64_t files, labelled;
    double top1, top5, loss; /* of those with a label: share whose label is the likeliest class, or among the five
                                likeliest; mean cross-entropy in nats. NaN: none has a label */
    bool compared;           /* with another model */
    double kl, agreement;    /* mean divergence from it in nats; share whose likeliest class is the same */
} pare_picture_scores;

/* {"files", "labelled"?, "top1", "top5", "loss", "kl"?, "agreement"?}; labelled: where it is not all of them. */
json_t *pare_report_picture_scores(const pare_picture_scores *scores);

#endif
