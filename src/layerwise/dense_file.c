/* What is kept of a layer of the dense model (walk_file.c), numbers little-endian: of each kind of input u32 what there
 * is of it (squares 1, sums and what is within sequences 2, diagonal of the inverse 4), i64 tokens and sequences, and
 * these, in f64, the diagonal in f32; of each matrix u32 whether there are norms of its outputs, and these in f64. */
#include "layerwise/dense_statistics.h"
#include "support/memory.h"

enum { HAS_SQUARES = 1, HAS_SUMS = 2, HAS_INVERSE = 4 };

static pare_status pass_doubles(double **values, bool there, int64_t count, pare_state_file *file) {
    if (!there) return PARE_OK;
    if (pare_state_reads(file)) PARE_TRY(pare_alloc(values, (size_t)count, sizeof **values, "statistics"));
    return pare_state_pass(file, *values, (uint64_t)count * sizeof **values);
}

static pare_status pass_input(const pare_dense_file *of, uint32_t layer, pare_input_kind kind, pare_state_file *file) {
    pare_input_moments *m = &of->s->inputs[layer][kind];
    float **inverse = &of->s->inverse[layer][kind];
    int64_t width = pare_input_width(of->w->l.model, layer, kind);
    uint32_t has = (m->squares ? HAS_SQUARES : 0) | (m->sums ? HAS_SUMS : 0) | (*inverse ? HAS_INVERSE : 0);
    PARE_TRY(pare_state_pass(file, &has, sizeof has));
    if (has & HAS_SQUARES) m->width = width;
    PARE_TRY(pare_state_pass(file, &m->tokens, sizeof m->tokens));
    PARE_TRY(pare_state_pass(file, &m->sequences, sizeof m->sequences));
    PARE_TRY(pass_doubles(&m->squares, has & HAS_SQUARES, width, file));
    PARE_TRY(pass_doubles(&m->sums, has & HAS_SUMS, width, file));
    PARE_TRY(pass_doubles(&m->within, has & HAS_SUMS, width, file));
    if (!(has & HAS_INVERSE)) return PARE_OK;
    if (pare_state_reads(file)) PARE_TRY(pare_alloc(inverse, (size_t)width, sizeof **inverse, "inverse diagonal"));
    return pare_state_pass(file, *inverse, (uint64_t)width * sizeof **inverse);
}

pare_status pare_dense_statistics_describe(void *context, uint32_t layer, pare_state_file *file) {
    const pare_dense_file *of = context;
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        PARE_TRY(pass_input(of, layer, (pare_input_kind)kind, file));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        const pare_tensor *tensor = pare_model_tensor(of->w->l.model, layer, (pare_role)role);
        bool there = !pare_state_reads(file) && of->s->outputs[layer][role];
        int64_t rows = 0, columns;
        PARE_TRY(pare_state_flag(file, &there));
        if (!there) continue;
        if (pare_tensor_is_absent(tensor)) return pare_state_refuse(file->place, "has a matrix that the model has not");
        pare_tensor_matrix(tensor, &rows, &columns);
        PARE_TRY(pass_doubles(&of->s->outputs[layer][role], there, rows, file));
    }
    return PARE_OK;
}
