/* What drives gates to the share that is to be left, and each of them to one side (DDP, arXiv 2603.08065). Every gate
 * has a retention score (eq. 12 to 14), smooth at first and a step in the end:
 *   s = min(max(1.2 sigma((max(z, 0) - mu) 2.4 / mu) - 0.1, 0), 1),   mu = mu_first - (mu_first - mu_last) sqrt(t / T)
 * With w a unit's weight in its group, and the group's share S = sum w s / sum w and target rho, the group adds
 *   -l1 (S - rho) + l2 (S - rho)^2 + l3 sum w s (1 - s) / sum w                            (eq. 15 and 16)
 * to the loss, while its multipliers l1, l2, l3, zero at first, climb that: AdamW, l2 by a rate of its own. As in the
 * released code the derivative of s passes through both limits. */
#ifndef PARE_TRAIN_GATE_PENALTY_H
#define PARE_TRAIN_GATE_PENALTY_H

#include "train/adamw.h"
#include "train/gates.h"

#include <stdio.h>

typedef struct pare_gate_penalty_options {
    pare_schedule schedule; /* what the rates below are multiplied by, and the number of steps */
    double multiplier_rate; /* of l1 and l3 */
    double square_rate;     /* of l2 */
    double mu_first, mu_last;
} pare_gate_penalty_options;

typedef struct pare_gate_group {
    double target;      /* share of its weight that is to be left, 0 .. 1 */
    double weight;      /* of all its units */
    double left, mixed; /* in the last step: S, and sum w s (1 - s) / sum w */
} pare_gate_group;

typedef struct pare_gate_penalty {
    pare_gate_penalty_options options;
    const pare_gate_part *parts; /* [part_count] borrowed */
    size_t part_count;
    uint32_t *group_of;      /* [part_count] */
    double *weight_of;       /* [part_count] of one unit */
    pare_gate_group *groups; /* [group_count] */
    size_t group_count;
    float *multipliers; /* [3 group_count]: l1 of all groups, l3, l2 */
    float *climb;       /* [3 group_count] their gradients, negative */
    pare_adamw optimizer[2];
    double left, mixed; /* of all groups together, by their weights */
} pare_gate_penalty;

/* group_of, weight_of: [part_count]; targets: [group_count]; all copied. Free with pare_gate_penalty_free. */
pare_status pare_gate_penalty_new(const pare_gate_penalty_options *options, const pare_gate_part *parts,
                                  size_t part_count, const uint32_t *group_of, const double *weight_of,
                                  const double *targets, size_t group_count, pare_gate_penalty *out);
void pare_gate_penalty_free(pare_gate_penalty *penalty);

/* mu in step `step` (from 0), and the retention score of z with it; *slope: ds/dz, or NULL. */
double pare_gate_mu(const pare_gate_penalty_options *options, uint64_t step);
double pare_gate_retention(double z, double mu, double *slope);

/* Adds the penalty's gradient to that of the loss; then the multipliers climb. z, gradient: as the parts lie. */
void pare_gate_penalty_step(pare_gate_penalty *penalty, uint64_t step, const float *z, float *gradient);

/* What a checkpoint holds of it; PARE_FORMAT_ERROR if it ends early. */
pare_status pare_gate_penalty_save(const pare_gate_penalty *penalty, FILE *file);
pare_status pare_gate_penalty_load(pare_gate_penalty *penalty, FILE *file);

#endif
