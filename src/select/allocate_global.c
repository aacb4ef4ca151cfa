#include "select/ladder.h"
#include "support/memory.h"

#include <stdlib.h>

/* One step of one ladder, in the order in which all of them compete. */
typedef struct rung {
    double price; /* cost per parameter, or the cost */
    uint64_t parameters;
    uint32_t layer, step;
    bool ffn;
} rung;

typedef struct rungs {
    rung *list;
    size_t count;
    uint32_t *heads, *ffn; /* [layers] steps taken */
} rungs;

static int by_price(const void *a, const void *b) {
    const rung *x = a, *y = b;
    if (x->price < y->price) return -1;
    if (x->price > y->price) return 1;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    if (x->ffn != y->ffn) return x->ffn ? 1 : -1;
    return x->step < y->step ? -1 : x->step > y->step;
}

static void add_ladder(const pare_ladder *ladder, bool alone, uint32_t layer, bool ffn, rungs *r) {
    for (uint32_t step = 0; step < ladder->steps; step++)
        r->list[r->count++] = (rung){.price = ladder->cost[step] / (alone ? 1.0 : (double)ladder->parameters),
                                     .parameters = ladder->parameters,
                                     .layer = layer,
                                     .step = step,
                                     .ffn = ffn};
}

static void free_rungs(rungs *r) {
    pare_free(r->list);
    pare_free(r->heads);
    pare_free(r->ffn);
}

static pare_status sort_rungs(const pare_ladders *ladders, bool alone, rungs *out) {
    size_t count = 1;
    *out = (rungs){0};
    for (uint32_t i = 0; i < ladders->layers; i++)
        count += ladders->heads[i].steps + ladders->ffn[i].steps;
    pare_status status = pare_alloc(&out->list, count, sizeof *out->list, "ranking");
    if (status == PARE_OK) status = pare_alloc(&out->heads, ladders->layers, sizeof *out->heads, "ranking");
    if (status == PARE_OK) status = pare_alloc(&out->ffn, ladders->layers, sizeof *out->ffn, "ranking");
    for (uint32_t i = 0; i < ladders->layers && status == PARE_OK; i++) {
        add_ladder(&ladders->heads[i], alone, i, false, out);
        add_ladder(&ladders->ffn[i], alone, i, true, out);
    }
    if (status != PARE_OK)
        free_rungs(out);
    else
        qsort(out->list, out->count, sizeof *out->list, by_price);
    return status;
}

/* Takes a step if it is the next one of its ladder and leaves no less than the budget. */
static void take(rungs *r, const rung *step, uint64_t *remaining, uint64_t budget) {
    uint32_t *taken = step->ffn ? &r->ffn[step->layer] : &r->heads[step->layer];
    if (*taken != step->step || *remaining < budget + step->parameters) return;
    *remaining -= step->parameters;
    ++*taken;
}

pare_status pare_allocate_global(const pare_model *model, const pare_ladders *ladders, const pare_target *target,
                                 uint64_t budget, pare_widths *widths) {
    rungs r;
    uint64_t remaining = pare_parameters_with(model, model->config.widths, model->config.hidden);
    PARE_TRY(sort_rungs(ladders, target->ranking == PARE_RANK_GLOBAL_SCORE, &r));
    for (size_t i = 0; i < r.count; i++)
        take(&r, &r.list[i], &remaining, budget);
    pare_ladders_widths(model, target, r.heads, r.ffn, widths);
    free_rungs(&r);
    return PARE_OK;
}
