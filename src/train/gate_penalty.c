#include "train/gate_penalty.h"
#include "support/finite.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

/* The scores' range is stretched to [LOW, HIGH] before it is cut to [0, 1], so that s(0) = 0 and s(2 mu) = 1. */
static const double LOW = -0.1, HIGH = 1.1, STEEPNESS = 2.4;

pare_status pare_gate_penalty_new(const pare_gate_penalty_options *options, const pare_gate_part *parts,
                                  size_t part_count, const uint32_t *group_of, const double *weight_of,
                                  const double *targets, size_t group_count, pare_gate_penalty *out) {
    *out =
        (pare_gate_penalty){.options = *options, .parts = parts, .part_count = part_count, .group_count = group_count};
    pare_status status = pare_alloc(&out->group_of, part_count, sizeof *out->group_of, "gates");
    if (status == PARE_OK) status = pare_alloc(&out->weight_of, part_count, sizeof *out->weight_of, "gates");
    if (status == PARE_OK) status = pare_alloc(&out->groups, group_count, sizeof *out->groups, "gates");
    if (status == PARE_OK) status = pare_alloc(&out->multipliers, 3 * group_count, sizeof(float), "gates");
    if (status == PARE_OK) status = pare_alloc(&out->climb, 3 * group_count, sizeof(float), "gates");
    for (int i = 0; i < 2 && status == PARE_OK; i++)
        status = pare_adamw_new((i ? 1 : 2) * group_count, 0.9, 0.999, 1e-8, 0.0, &out->optimizer[i]);
    if (status != PARE_OK) {
        pare_gate_penalty_free(out);
        return status;
    }
    memcpy(out->group_of, group_of, part_count * sizeof *group_of);
    memcpy(out->weight_of, weight_of, part_count * sizeof *weight_of);
    for (size_t i = 0; i < group_count; i++)
        out->groups[i].target = targets[i];
    for (size_t i = 0; i < part_count; i++)
        out->groups[group_of[i]].weight += weight_of[i] * (double)parts[i].units;
    return PARE_OK;
}

void pare_gate_penalty_free(pare_gate_penalty *penalty) {
    pare_free(penalty->group_of);
    pare_free(penalty->weight_of);
    pare_free(penalty->groups);
    pare_free(penalty->multipliers);
    pare_free(penalty->climb);
    for (int i = 0; i < 2; i++)
        pare_adamw_free(&penalty->optimizer[i]);
    *penalty = (pare_gate_penalty){0};
}

double pare_gate_mu(const pare_gate_penalty_options *options, uint64_t step) {
    double done = options->schedule.total ? (double)step / (double)options->schedule.total : 1.0;
    return options->mu_first - (options->mu_first - options->mu_last) * sqrt(fmin(done, 1.0));
}

double pare_gate_retention(double z, double mu, double *slope) {
    double v = 1.0 / (1.0 + exp(-(fmax(z, 0.0) - mu) * STEEPNESS / mu));
    if (slope) *slope = (HIGH - LOW) * v * (1.0 - v) * STEEPNESS / mu;
    return fmin(fmax((HIGH - LOW) * v + LOW, 0.0), 1.0);
}

/* What is left of every group, and how much of it is undecided. */
static void measure(pare_gate_penalty *p, double mu, const float *z) {
    double weight = 0.0;
    for (size_t i = 0; i < p->group_count; i++)
        p->groups[i].left = p->groups[i].mixed = 0.0;
    p->left = p->mixed = 0.0;
    for (size_t i = 0; i < p->part_count; i++) {
        pare_gate_group *group = &p->groups[p->group_of[i]];
        for (uint32_t u = 0; u < p->parts[i].units; u++) {
            double s = pare_gate_retention((double)z[p->parts[i].first + u], mu, NULL);
            group->left += p->weight_of[i] * s;
            group->mixed += p->weight_of[i] * s * (1.0 - s);
        }
    }
    for (size_t i = 0; i < p->group_count; i++) {
        pare_gate_group *group = &p->groups[i];
        p->left += group->left;
        p->mixed += group->mixed;
        weight += group->weight;
        group->left /= group->weight;
        group->mixed /= group->weight;
    }
    p->left /= weight;
    p->mixed /= weight;
}

static void add_gradient(const pare_gate_penalty *p, double mu, const float *z, float *gradient) {
    size_t n = p->group_count;
    for (size_t i = 0; i < p->part_count; i++) {
        size_t g = p->group_of[i];
        const pare_gate_group *group = &p->groups[g];
        double first = (double)p->multipliers[g], binary = (double)p->multipliers[n + g];
        double square = (double)p->multipliers[2 * n + g], share = p->weight_of[i] / group->weight;
        double pull = 2.0 * square * (group->left - group->target) - first;
        for (uint32_t u = 0; u < p->parts[i].units; u++) {
            size_t at = p->parts[i].first + u;
            double slope, s = pare_gate_retention((double)z[at], mu, &slope);
            gradient[at] += (float)(share * slope * (pull + binary * (1.0 - 2.0 * s)));
        }
    }
}

/* AdamW descends, so it is handed what falls where the penalty rises. */
static void ascend(pare_gate_penalty *p, uint64_t step) {
    size_t n = p->group_count;
    double rate = pare_schedule_rate(&p->options.schedule, step);
    for (size_t g = 0; g < n; g++) {
        double gap = p->groups[g].left - p->groups[g].target;
        p->climb[g] = (float)gap;
        p->climb[n + g] = -(float)p->groups[g].mixed;
        p->climb[2 * n + g] = -(float)(gap * gap);
    }
    pare_adamw_step(&p->optimizer[0], rate * p->options.multiplier_rate, p->climb, p->multipliers);
    pare_adamw_step(&p->optimizer[1], rate * p->options.square_rate, p->climb + 2 * n, p->multipliers + 2 * n);
}

void pare_gate_penalty_step(pare_gate_penalty *penalty, uint64_t step, const float *z, float *gradient) {
    double mu = pare_gate_mu(&penalty->options, step);
    measure(penalty, mu, z);
    add_gradient(penalty, mu, z, gradient);
    ascend(penalty, step);
}

static bool put(const void *data, size_t size, size_t count, FILE *file) {
    return fwrite(data, size, count, file) == count;
}

pare_status pare_gate_penalty_save(const pare_gate_penalty *p, FILE *file) {
    bool whole = put(p->multipliers, sizeof(float), 3 * p->group_count, file);
    for (int i = 0; i < 2; i++) {
        const pare_adamw *o = &p->optimizer[i];
        whole = whole && put(&o->steps, sizeof o->steps, 1, file) && put(o->first, sizeof(float), o->count, file) &&
                put(o->second, sizeof(float), o->count, file);
    }
    return whole ? PARE_OK : pare_fail(PARE_FILE_ERROR, "the progress of the gates could not be kept");
}

static bool get(void *data, size_t size, size_t count, FILE *file) {
    return fread(data, size, count, file) == count;
}

pare_status pare_gate_penalty_load(pare_gate_penalty *p, FILE *file) {
    bool whole = get(p->multipliers, sizeof(float), 3 * p->group_count, file);
    for (int i = 0; i < 2; i++) {
        pare_adamw *o = &p->optimizer[i];
        whole = whole && get(&o->steps, sizeof o->steps, 1, file) && get(o->first, sizeof(float), o->count, file) &&
                get(o->second, sizeof(float), o->count, file);
    }
    if (!whole) return pare_fail(PARE_FORMAT_ERROR, "what was kept of the gates ends early");
    for (int i = 0; i < 2 && whole; i++)
        whole = pare_all_finite(p->optimizer[i].first, (int64_t)p->optimizer[i].count) &&
                pare_all_finite(p->optimizer[i].second, (int64_t)p->optimizer[i].count);
    whole = whole && pare_all_finite(p->multipliers, 3 * (int64_t)p->group_count);
    return whole ? PARE_OK : pare_fail(PARE_FORMAT_ERROR, "what was kept of the gates is damaged");
}
