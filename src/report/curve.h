/* The loss curve of a training run, as a table and as a picture. */
#ifndef PARE_REPORT_CURVE_H
#define PARE_REPORT_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line of it; NaN where something was not measured. */
typedef struct pare_curve_point {
    uint64_t step;     /* steps done; 0: before training, with a validation alone */
    double loss;       /* mean over the step's predictions, before its update */
    double validation; /* of the held-out examples, after the update */
    double rate, norm; /* learning rate; gradient's norm before clipping */
    double seconds;    /* since the run began, other runs of the same before it included */
    uint64_t tokens;   /* real tokens of the step */
} pare_curve_point;

typedef struct pare_curve {
    pare_curve_point *list; /* [count] */
    size_t count, room;
    bool pictures; /* what is predicted: their labels, not tokens */
} pare_curve;

/* step,loss,validation,rate,norm,tokens,seconds, one line a point, nothing where a number was not measured; and a
 * drawing of both losses over the steps, of a few hundred points at most however long the run was. To be freed with
 * free(); NULL without memory. title: any bytes, or NULL. */
char *pare_curve_csv(const pare_curve *curve);
char *pare_curve_svg(const pare_curve *curve, const char *title);

#endif
