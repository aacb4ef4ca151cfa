/* What is left after training: kept rows and columns of W + scale B A, rounded once to the tensor's own dtype. */
#include "prune/loraprune.h"
#include "prune/prune_job.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"
#include "surgery/axes.h"

enum { ROWS = 64 };

uint64_t pare_loraprune_merged_bytes(const pare_model *model, const pare_widths *widths) {
    uint64_t bytes = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
            bytes += pare_repaired_bytes_at(model, layer, role, &widths[layer], model->config.hidden);
    return bytes;
}

/* One matrix on its way. */
typedef struct merging {
    const pare_trained *trained;
    size_t id;
    pare_dtype dtype;
    int64_t columns;
    uint32_t *row, *column; /* kept ones, or NULL: all */
    int64_t row_count, column_count;
    float *merged, *gathered; /* [ROWS, columns], [columns] */
    char *out;
} merging;

static void put_row(const merging *m, const float *row, int64_t place) {
    size_t n = (size_t)m->column_count;
    for (int64_t i = 0; m->column && i < m->column_count; i++)
        m->gathered[i] = row[m->column[i]];
    pare_from_float(m->out + (size_t)place * n * pare_dtype_size(m->dtype), m->dtype, m->column ? m->gathered : row, n);
}

static pare_status put_rows(const merging *m, int64_t rows) {
    int64_t next = 0;
    for (int64_t first = 0; first < rows; first += ROWS) {
        int64_t end = rows - first < ROWS ? rows : first + ROWS;
        PARE_TRY(m->trained->merged(m->trained, m->id, first, end - first, m->merged));
        for (; next < m->row_count && (m->row ? m->row[next] : next) < end; next++)
            put_row(m, m->merged + ((m->row ? m->row[next] : next) - first) * m->columns, next);
    }
    return PARE_OK;
}

static pare_status merge_matrix(pare_prune_job *job, size_t id) {
    const pare_axes axes = pare_axes_of(job->model, &job->selection, id);
    merging m = {.trained = job->lora->trained, .id = id, .dtype = job->model->tensors[id]->dtype};
    int64_t rows;
    void *out;
    pare_tensor_matrix(job->model->tensors[id], &rows, &m.columns);
    m.row_count = (int64_t)pare_axis_length(&axes.rows, (uint64_t)rows);
    m.column_count = (int64_t)pare_axis_length(&axes.columns, (uint64_t)m.columns);
    PARE_TRY(pare_repaired_add(&job->repaired, job->model, id, (uint64_t)m.row_count, (uint64_t)m.column_count, &out));
    m.out = out;
    pare_status status = pare_axis_list(&axes.rows, &m.row);
    if (status == PARE_OK) status = pare_axis_list(&axes.columns, &m.column);
    if (status == PARE_OK) status = pare_alloc(&m.merged, (size_t)m.columns, ROWS * sizeof *m.merged, "merging");
    if (status == PARE_OK) status = pare_alloc(&m.gathered, (size_t)m.columns, sizeof *m.gathered, "merging");
    if (status == PARE_OK) status = put_rows(&m, rows);
    pare_free(m.row);
    pare_free(m.column);
    pare_free(m.merged);
    pare_free(m.gathered);
    return status;
}

static pare_status new_room(pare_prune_job *job) {
    uint64_t limit = pare_runtime_limit(job->runtime), bytes;
    pare_widths *widths;
    PARE_TRY(pare_alloc(&widths, job->model->config.layers, sizeof *widths, "widths"));
    pare_selection_widths(&job->selection, widths);
    bytes = pare_loraprune_merged_bytes(job->model, widths);
    pare_free(widths);
    const char *scratch = limit && bytes > limit / 2 ? pare_runtime_scratch(job->runtime) : NULL;
    return pare_repaired_new(job->model, bytes, scratch, &job->repaired);
}

pare_status pare_loraprune_merge(void *context) {
    pare_prune_job *job = context;
    uint32_t layers = job->model->config.layers;
    PARE_TRY(new_room(job));
    for (uint32_t layer = 0; layer < layers; layer++) {
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
            PARE_TRY(merge_matrix(job, pare_tensor_id(layer, role)));
        PARE_TRY(pare_progress_report(job->runtime, "merging", layer + 1, layers));
    }
    return PARE_OK;
}
