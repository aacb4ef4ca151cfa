/* The choices of a method that learns a gate for every unit (DDP): docs/methods.md has the published constants. */
#ifndef PARE_METHOD_GATES_H
#define PARE_METHOD_GATES_H

#include <stdint.h>

typedef struct pare_gates_recipe {
    int32_t steps, batch;     /* of training; sequences of each */
    double rate;              /* of the gates, in 1000 steps: this and the next two are higher in fewer */
    double warmup;            /* share of the steps in which rates rise */
    double multiplier_rate;   /* of the multipliers of the share, and of what makes gates decide */
    double square_rate;       /* of the multiplier of the share's squared distance */
    double mu_first, mu_last; /* of the retention score */
    double ce, kd;            /* weights of the loss, and of KL from the dense model */
} pare_gates_recipe;

pare_gates_recipe pare_gates_recipe_usual(void);

#endif
