/* Experts that go are merged into those that stay: the mean of their weights, each as often as tokens reach it (M-SMoE,
 * arXiv 2310.01334; HC-SMoE, arXiv 2410.08589). Channels of an expert have no order of their own, so each expert's are
 * first brought into the one in which their weights are nearest to the kept expert's: the assignment with the largest
 * sum of inner products over gate, up and down. */
#include "layerwise/expert_repair_internal.h"
#include "select/permute.h"
#include "support/memory.h"

#include <cblas.h>
#include <string.h>

/* Weights of one expert: gate and up [f, d], down transposed, [f, d]: a channel is a row of each. */
typedef struct channels {
    float *part[PARE_EXPERT_PARTS];
    float *bias[PARE_EXPERT_PARTS]; /* [f], [f], [d]; not read where there are none */
} channels;

typedef struct merge {
    pare_expert_walk *walk;
    int64_t f, d;
    channels kept, member, sum;
    float *products; /* [f, f] */
    double *gain;    /* [f, f] */
    uint32_t *place; /* [f] the member's channel that a kept one's gets */
    float *matrix;   /* [d, f] down as it is stored */
} merge;

static void transpose(const float *from, int64_t rows, int64_t columns, float *to) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
}

static void load(const merge *m, uint32_t expert, const channels *out) {
    const pare_config *config = &m->walk->l.model->config;
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        size_t id = pare_tensor_id_expert(config, m->walk->layer, expert, part);
        bool down = part == PARE_EXPERT_DOWN;
        pare_source_rows(m->walk->l.asked.source, id, 0, down ? m->d : m->f, down ? m->matrix : out->part[part]);
        if (down) transpose(m->matrix, m->d, m->f, out->part[part]);
        if (!config->experts.biased) continue;
        id = pare_tensor_id_expert_bias(config, m->walk->layer, expert, part);
        pare_source_rows(m->walk->l.asked.source, id, 0, 1, out->bias[part]);
    }
}

static pare_status align(const merge *m) {
    float beta = 0.0f;
    pare_blas_threads();
    for (int part = 0; part < PARE_EXPERT_PARTS; part++, beta = 1.0f)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m->f, (int)m->f, (int)m->d, 1.0f, m->kept.part[part],
                    (int)m->d, m->member.part[part], (int)m->d, beta, m->products, (int)m->f);
    for (int64_t i = 0; i < m->f * m->f; i++)
        m->gain[i] = (double)m->products[i];
    return pare_linear_assignment(m->gain, m->f, m->place);
}

/* The biases of down are of the hidden state's channels, which have an order. */
static void add_biases(const merge *m, const channels *from, const uint32_t *place, float weight) {
    for (int part = 0; part < PARE_EXPERT_PARTS; part++) {
        bool down = part == PARE_EXPERT_DOWN;
        for (int64_t i = 0; i < (down ? m->d : m->f); i++)
            m->sum.bias[part][i] += weight * from->bias[part][place && !down ? (int64_t)place[i] : i];
    }
}

static void add(const merge *m, const channels *from, const uint32_t *place, float weight) {
    for (int part = 0; part < PARE_EXPERT_PARTS; part++)
        for (int64_t i = 0; i < m->f; i++) {
            const float *row = from->part[part] + (place ? (int64_t)place[i] : i) * m->d;
            float *to = m->sum.part[part] + i * m->d;
            for (int64_t j = 0; j < m->d; j++)
                to[j] += weight * row[j];
        }
    if (m->walk->l.model->config.experts.biased) add_biases(m, from, place, weight);
}

static pare_status store(const merge *m, uint32_t expert) {
    const pare_config *config = &m->walk->l.model->config;
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        size_t id = pare_tensor_id_expert(config, m->walk->layer, expert, part);
        bool down = part == PARE_EXPERT_DOWN;
        float *values = down ? m->matrix : m->sum.part[part];
        if (down) transpose(m->sum.part[part], m->f, m->d, values);
        PARE_TRY(pare_expert_walk_put(m->walk, id, down ? m->d : m->f, down ? m->f : m->d, NULL, values));
        if (!config->experts.biased) continue;
        id = pare_tensor_id_expert_bias(config, m->walk->layer, expert, part);
        PARE_TRY(pare_expert_walk_put(m->walk, id, 1, down ? m->d : m->f, NULL, m->sum.bias[part]));
    }
    return PARE_OK;
}

/* Tokens that reach an expert; one is enough where none of a group is reached. */
static double weight_of(const merge *m, uint32_t expert) {
    const pare_expert_load *load = m->walk->job->load;
    double tokens = load->tokens[pare_expert_load_at(load, m->walk->layer, expert)];
    return tokens > 0.0 ? tokens : 1e-6;
}

static pare_status merge_group(const merge *m, const uint32_t *into, uint32_t kept) {
    uint32_t experts = m->walk->l.model->config.widths[m->walk->layer].experts, members = 0;
    double all = 0.0;
    for (uint32_t e = 0; e < experts; e++) {
        if (into[e] != kept) continue;
        all += weight_of(m, e);
        members++;
    }
    if (members < 2) return PARE_OK;
    for (int part = 0; part < PARE_EXPERT_PARTS; part++) {
        memset(m->sum.part[part], 0, (size_t)(m->f * m->d) * sizeof(float));
        memset(m->sum.bias[part], 0, (size_t)(part == PARE_EXPERT_DOWN ? m->d : m->f) * sizeof(float));
    }
    load(m, kept, &m->kept);
    add(m, &m->kept, NULL, (float)(weight_of(m, kept) / all));
    for (uint32_t e = 0; e < experts; e++) {
        if (into[e] != kept || e == kept) continue;
        load(m, e, &m->member);
        PARE_TRY(align(m));
        add(m, &m->member, m->place, (float)(weight_of(m, e) / all));
    }
    return store(m, kept);
}

static pare_status new_merge(merge *m) {
    size_t f = (size_t)m->f, n = f * (size_t)m->d;
    channels *all[] = {&m->kept, &m->member, &m->sum};
    for (int i = 0; i < 3; i++)
        for (int part = 0; part < PARE_EXPERT_PARTS; part++) {
            size_t outputs = part == PARE_EXPERT_DOWN ? (size_t)m->d : f;
            PARE_TRY(pare_alloc_uninitialized(&all[i]->part[part], n, sizeof(float), "merging experts"));
            PARE_TRY(pare_alloc_uninitialized(&all[i]->bias[part], outputs, sizeof(float), "merging experts"));
        }
    PARE_TRY(pare_alloc_uninitialized(&m->products, f * f, sizeof *m->products, "merging experts"));
    PARE_TRY(pare_alloc_uninitialized(&m->gain, f * f, sizeof *m->gain, "merging experts"));
    PARE_TRY(pare_alloc_uninitialized(&m->place, f, sizeof *m->place, "merging experts"));
    return pare_alloc_uninitialized(&m->matrix, n, sizeof *m->matrix, "merging experts");
}

static void free_merge(merge *m) {
    channels *all[] = {&m->kept, &m->member, &m->sum};
    for (int i = 0; i < 3; i++)
        for (int part = 0; part < PARE_EXPERT_PARTS; part++) {
            pare_free(all[i]->part[part]);
            pare_free(all[i]->bias[part]);
        }
    pare_free(m->products);
    pare_free(m->gain);
    pare_free(m->place);
    pare_free(m->matrix);
}

pare_status pare_expert_merge(pare_expert_walk *w) {
    const pare_config *config = &w->l.model->config;
    const pare_kept *kept = &w->job->selection->layer[w->layer];
    const pare_expert_groups *g = w->job->groups;
    merge m = {.walk = w, .f = config->experts.width, .d = config->hidden};
    pare_status status = new_merge(&m);
    for (uint32_t i = 0; i < kept->experts && status == PARE_OK; i++) {
        status = merge_group(&m, g->into + (size_t)w->layer * g->experts, kept->expert[i]);
        if (status == PARE_OK) status = pare_interrupted();
    }
    free_merge(&m);
    return status;
}
