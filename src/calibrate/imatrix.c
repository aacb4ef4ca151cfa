#include "calibrate/imatrix.h"
#include "model/expert_tensors.h"
#include "model/gguf_write.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

typedef struct filling {
    const pare_imatrix_file *imatrix;
    const bool *wanted;  /* or NULL */
    pare_gguf_plan plan; /* for the names */
    pare_input_norms *norms;
    const char *(*from)[PARE_INPUT_KINDS]; /* [layers] the matrix whose sums these are; NULL: none yet */
    double *room;                          /* [widest] */
} filling;

/* A fused tensor is wanted for any of its parts, which read the same. */
static bool is_wanted(const filling *f, const pare_gguf_place *place) {
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        bool here = role == place->role || (place->fused && pare_input_of(role) == pare_input_of(place->role));
        if (here && (!f->wanted || f->wanted[pare_tensor_id(place->layer, role)])) return true;
    }
    return false;
}

/* Sums of the same inputs, which llama-imatrix adds up matrix by matrix in one order. */
static pare_status compare(const filling *f, const char *name, const char *other, const double *sums, int64_t width) {
    static const double rounding = 1e-5;
    for (int64_t i = 0; i < width; i++)
        if (fabs(f->room[i] - sums[i]) > rounding * fmax(f->room[i], sums[i]))
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s: %s and %s read the same inputs, but the sums of input %lld differ: %g and %g",
                             f->imatrix->path, other, name, (long long)i, sums[i], f->room[i]);
    return PARE_OK;
}

static pare_status fill_item(filling *f, const pare_gguf_item *item) {
    const pare_gguf_place *place = &item->place;
    pare_input_kind kind = pare_input_of(place->role);
    int64_t width = (int64_t)place->columns;
    double tokens, *sums = f->norms->squares[place->layer][kind];
    const char **from = &f->from[place->layer][kind];
    PARE_TRY(pare_imatrix_take(f->imatrix, item->name, width, f->room, &tokens));
    if (*from) return compare(f, item->name, *from, sums, width);
    *from = item->name;
    memcpy(sums, f->room, (size_t)width * sizeof *sums);
    if (tokens > (double)f->norms->tokens) f->norms->tokens = (uint64_t)fmin(tokens, 0x1p52);
    return PARE_OK;
}

static pare_status fill(filling *f, const pare_model *model) {
    int64_t widest = 1;
    for (size_t i = 0; i < f->plan.count; i++)
        if ((int64_t)f->plan.items[i].place.columns > widest) widest = (int64_t)f->plan.items[i].place.columns;
    PARE_TRY(pare_alloc(&f->room, (size_t)widest, sizeof *f->room, "input norms"));
    PARE_TRY(pare_alloc(&f->from, model->config.layers, sizeof *f->from, "input norms"));
    for (size_t i = 0; i < f->plan.count; i++) {
        const pare_gguf_item *item = &f->plan.items[i];
        if (pare_gguf_plan_reads(&f->plan, i) && item->place.layered && is_wanted(f, &item->place))
            PARE_TRY(fill_item(f, item));
    }
    return PARE_OK;
}

pare_status pare_imatrix_norms(const pare_imatrix_file *imatrix, const pare_model *model, const bool *wanted,
                               pare_input_norms *out) {
    filling f = {.imatrix = imatrix, .wanted = wanted, .norms = out};
    const pare_gguf_form *form;
    *out = (pare_input_norms){0};
    PARE_TRY(pare_experts_refuse(model, "an importance matrix in place of text"));
    PARE_TRY(pare_gguf_form_find(NULL, &form));
    PARE_TRY(pare_gguf_plan_make(model, form, NULL, &f.plan));
    pare_status status = pare_input_norms_new(model, NULL, false, out);
    if (status == PARE_OK) status = fill(&f, model);
    out->sequences = imatrix->chunks ? imatrix->chunks : 1;
    pare_gguf_plan_free(&f.plan);
    pare_free(f.room);
    pare_free(f.from);
    if (status != PARE_OK) pare_input_norms_free(out);
    return status;
}
