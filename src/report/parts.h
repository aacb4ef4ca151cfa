/* What the reports of several commands have in common. */
#ifndef PARE_REPORT_PARTS_H
#define PARE_REPORT_PARTS_H

#include "report/continuations.h"
#include "report/files.h"
#include "report/pictures.h"
#include "report/stages.h"

#include <pare/base.h>

/* {"stage": seconds} */
json_t *pare_report_seconds(const pare_stage_time *times, size_t count);

/* A model's folder that was written. Strings are borrowed. */
typedef struct pare_written {
    const char *path, *kind;
    const char *load;           /* what reads it */
    const char *speed;          /* what becomes faster; or NULL */
    const char *const *engines; /* report/engines.h */
    const char *pipeline;       /* what the Hub calls what the model does */
    const pare_file_list *files;
    uint64_t parameters; /* 0: not said */
} pare_written;

json_t *pare_report_written(const pare_written *written);

/* Puts "id", the name by which the Hub knows a model, where its folder tells (checkpoint/hub.h). */
void pare_report_put_id(json_t *model, const char *folder);

/* {"anonymous_peak": bytes of this process as it counts them, "resident_peak": {"anonymous", "mapped"} as the kernel
 * counted them when it looked (support/usage.h), "plan": {"mapped", "weights", .., "limit", "seconds"?: {"stage":
 * expected}}}, as pare_plan has them; without a plan that is NULL or was not made. */
json_t *pare_report_memory(const pare_plan *plan);

/* {"before", "after"} */
json_t *pare_report_change(uint64_t before, uint64_t after);

/* Puts the list, of which the reference is taken, unless it is empty. */
void pare_report_put_warnings(json_t *report, json_t *warnings);

/* What a model makes of a text, or of a set of pictures. */
typedef struct pare_text_side {
    double nll;    /* mean negative log-likelihood of the tokens, or of the labels */
    bool compared; /* with the dense model, or another: */
    double kl, top1;
    pare_continuation_scores continuations;
    pare_picture_scores answers; /* of pictures, which have their own comparison */
} pare_text_side;

/* A text, or a set of pictures, and what two models make of it. */
typedef struct pare_text_pair {
    const char *file; /* borrowed */
    uint32_t windows;
    bool pictures, adapted;
    pare_text_side before, after;
    pare_text_side with_adapter; /* adapted: the model after, with the adapter that was made beside it */
} pare_text_pair;

/* Puts "texts": [{"file", "windows", "before": {"perplexity", "nll", "kl"?, "top1"?, "continuations"?:
 * (continuations.h)}, "after"}], or of a set of pictures "images": {"file", "before": (pictures.h), "after"}.
 * "adapted": with the adapter, where there is one. Nothing where there is none. */
void pare_report_put_texts(json_t *report, const pare_text_pair *pairs, size_t count);

#endif
