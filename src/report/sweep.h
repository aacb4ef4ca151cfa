/* What a sweep measured, over its seeds: as numbers, as JSON, as a picture. Made of the document of pare sweep,
 *
 *   {"sweep": {"over": [axis, ..], ..}, "rows": [{axis: value, .., "perplexity before FILE", "perplexity after FILE"}]}
 *
 * or, of models that read pictures, "accuracy before DIR" and "accuracy after DIR". */
#ifndef PARE_REPORT_SWEEP_H
#define PARE_REPORT_SWEEP_H

#include "report/spread.h"
#include "support/status.h"

enum { PARE_SWEEP_AXES = 16 };

/* Runs that differ in their seed alone. */
typedef struct pare_sweep_point {
    const json_t *row; /* of the first of them */
    size_t runs;
    pare_spread *after; /* [texts] of the measure */
} pare_sweep_point;

typedef struct pare_sweep {
    json_t *document;
    const char *axes[PARE_SWEEP_AXES]; /* [axis_count], without the seed where there are others */
    size_t axis_count;
    bool seeds;          /* points are means over seeds */
    const char *measure; /* "perplexity" or "accuracy" */
    const char **texts;  /* [text_count] files, or the folder of pictures */
    size_t text_count;
    double *before;           /* [texts] of the dense model; NaN: not there */
    pare_sweep_point *points; /* [count] in the order of their first runs */
    size_t count;
    pare_spread *storage; /* behind the points */
} pare_sweep;

/* Fails if `text` is no document of a sweep with rows that have perplexities or accuracies.
 * Free with pare_sweep_free in any case. */
pare_status pare_sweep_read(const char *text, pare_sweep *out);
void pare_sweep_free(pare_sweep *sweep);

/* The number that a value of an axis is: itself, or the middle of layers A to B - 1 for "A:B"; else NaN. */
double pare_sweep_number(const json_t *value);
/* As people write it; freed with free(). */
char *pare_sweep_word(const json_t *value);

/* {"over", "measure", "texts", "points": [{axis: value, .., "runs", "values": [{"mean", "sd"}, ..]}], "before": [..]}
 */
json_t *pare_report_sweep(const pare_sweep *sweep);

/* A panel for each text: the measure over the first axis of numbers, one line for each combination of the others, error
 * bars of one standard deviation over seeds, the dense model as a level; bars where no axis has numbers. Freed with
 * free(); NULL without memory. */
char *pare_sweep_svg(const pare_sweep *sweep);

#endif
