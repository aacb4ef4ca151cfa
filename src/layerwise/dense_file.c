/* What is kept of a layer of the dense model (walk_file.c), numbers little-endian: of each kind of input u64 what there
 * is of it (squares 1, sums and what is within sequences 2, diagonal of the inverse 4), and where there is something
 * i64 tokens and sequences, and these, in f64, the diagonal in f32; of each matrix u64 whether there are norms of its
 * outputs, and these in f64. What there is follows from what the layer was looked at for: the file must say the same.
 */
#include "layerwise/dense_statistics.h"
#include "support/memory.h"

enum { HAS_SQUARES = 1, HAS_SUMS = 2, HAS_INVERSE = 4 };

static pare_status pass_doubles(double **values, bool there, int64_t count, pare_state_file *file) {
    if (!there) return PARE_OK;
    if (pare_state_reads(file)) PARE_TRY(pare_alloc(values, (size_t)count, sizeof **values, "statistics"));
    return pare_state_doubles(file, *values, (uint64_t)count);
}

static bool is_never_negative(const double *values, int64_t count) {
    for (int64_t i = 0; values && i < count; i++)
        if (values[i] < 0.0) return false;
    return true;
}

/* What is seen of a kind of inputs, as dense_statistics.c keeps it. */
static uint32_t expected(const pare_dense_file *of, uint32_t layer, pare_input_kind kind) {
    const pare_element_needs *needs = of->needs;
    pare_element_needs means = pare_layerwise_needs(&of->w->l, layer, PARE_ALL_INPUTS);
    bool sums = needs->variance || (needs->gram && means.variance);
    if (!pare_layerwise_concerns(&of->w->l, layer, 1u << kind)) return 0;
    return (needs->norms ? HAS_SQUARES : 0) | (needs->norms && sums ? HAS_SUMS : 0) | (needs->gram ? HAS_INVERSE : 0);
}

static pare_status pass_moments(const pare_dense_file *of, uint32_t has, int64_t width, pare_input_moments *m,
                                pare_state_file *file) {
    const pare_layerwise *l = &of->w->l;
    if (!(has & HAS_SQUARES)) return PARE_OK;
    m->width = width;
    PARE_TRY(pare_state_pass(file, &m->tokens, sizeof m->tokens));
    PARE_TRY(pare_state_pass(file, &m->sequences, sizeof m->sequences));
    if (m->sequences != l->shards.sequences || m->tokens != l->shards.sequences * l->asked.length)
        return pare_state_refuse(file->place, "is of other calibration data");
    PARE_TRY(pass_doubles(&m->squares, true, width, file));
    PARE_TRY(pass_doubles(&m->sums, has & HAS_SUMS, width, file));
    PARE_TRY(pass_doubles(&m->within, has & HAS_SUMS, width, file));
    return is_never_negative(m->squares, width) && is_never_negative(m->within, width)
               ? PARE_OK
               : pare_state_refuse(file->place, "has squares below zero");
}

static pare_status pass_inverse(float **inverse, int64_t width, pare_state_file *file) {
    if (pare_state_reads(file)) PARE_TRY(pare_alloc(inverse, (size_t)width, sizeof **inverse, "inverse diagonal"));
    PARE_TRY(pare_state_numbers(file, *inverse, PARE_DTYPE_F32, (uint64_t)width));
    for (int64_t i = 0; i < width; i++)
        if ((*inverse)[i] < 0.0f) return pare_state_refuse(file->place, "has the diagonal of an inverse below zero");
    return PARE_OK;
}

static pare_status pass_input(const pare_dense_file *of, uint32_t layer, pare_input_kind kind, pare_state_file *file) {
    pare_input_moments *m = &of->s->inputs[layer][kind];
    float **inverse = &of->s->inverse[layer][kind];
    int64_t width = pare_input_width(of->w->l.model, layer, kind);
    uint32_t has = (m->squares ? HAS_SQUARES : 0) | (m->sums ? HAS_SUMS : 0) | (*inverse ? HAS_INVERSE : 0);
    if (pare_state_reads(file)) has = expected(of, layer, kind);
    PARE_TRY(pare_state_same(file, has));
    PARE_TRY(pass_moments(of, has, width, m, file));
    return has & HAS_INVERSE ? pass_inverse(inverse, width, file) : PARE_OK;
}

static pare_status pass_outputs(const pare_dense_file *of, uint32_t layer, pare_role role, pare_state_file *file) {
    double **outputs = &of->s->outputs[layer][role];
    size_t id = pare_tensor_id(layer, role);
    const pare_tensor *tensor = of->w->l.model->tensors[id];
    bool there = *outputs != NULL;
    int64_t rows, columns;
    if (pare_state_reads(file)) there = of->needs->outputs && of->w->job->pruned[id] && !pare_tensor_is_absent(tensor);
    PARE_TRY(pare_state_same(file, there));
    if (!there) return PARE_OK;
    pare_tensor_matrix(tensor, &rows, &columns);
    PARE_TRY(pass_doubles(outputs, true, rows, file));
    return is_never_negative(*outputs, rows) ? PARE_OK : pare_state_refuse(file->place, "has squares below zero");
}

pare_status pare_dense_statistics_describe(void *context, uint32_t layer, pare_state_file *file) {
    const pare_dense_file *of = context;
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        PARE_TRY(pass_input(of, layer, (pare_input_kind)kind, file));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        PARE_TRY(pass_outputs(of, layer, (pare_role)role, file));
    return PARE_OK;
}
