/* A matrix of what is left: kept rows and columns of something, rounded once to the tensor's own dtype. */
#include "prune/prune_job.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "surgery/axes.h"

enum { ROWS = 64 };

uint64_t pare_prune_merged_bytes(const pare_model *model, const pare_widths *widths, bool writers) {
    uint64_t bytes = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
            if (!writers || pare_role_writes(role))
                bytes += pare_repaired_bytes_at(model, layer, role, &widths[layer], model->config.hidden);
    return bytes;
}

bool pare_prune_merges_in_file(const pare_prune_job *job, uint64_t bytes) {
    return pare_limit_wants_file(pare_runtime_limit(job->runtime), bytes);
}

pare_status pare_prune_merge_begin(pare_prune_job *job, bool writers) {
    const pare_model *model = job->current;
    pare_widths *widths;
    PARE_TRY(pare_alloc(&widths, model->config.layers, sizeof *widths, "widths"));
    pare_selection_widths(&job->selection, widths);
    uint64_t bytes = pare_prune_merged_bytes(model, widths, writers);
    const char *scratch = pare_prune_merges_in_file(job, bytes) ? pare_runtime_scratch(job->runtime) : NULL;
    pare_free(widths);
    return pare_repaired_new(model, bytes, scratch, &job->repaired);
}

/* One matrix on its way. */
typedef struct merging {
    pare_merged_fn *rows_of;
    const void *context;
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
        PARE_TRY(m->rows_of(m->context, m->id, first, end - first, m->merged));
        for (; next < m->row_count && (m->row ? m->row[next] : next) < end; next++)
            put_row(m, m->merged + ((m->row ? m->row[next] : next) - first) * m->columns, next);
    }
    return PARE_OK;
}

pare_status pare_prune_merge(pare_prune_job *job, size_t id, pare_merged_fn *rows_of, const void *context) {
    const pare_axes axes = pare_axes_of(job->current, &job->selection, id);
    merging m = {.rows_of = rows_of, .context = context, .id = id, .dtype = job->current->tensors[id]->dtype};
    int64_t rows;
    void *out;
    pare_tensor_matrix(job->current->tensors[id], &rows, &m.columns);
    m.row_count = (int64_t)pare_axis_length(&axes.rows, (uint64_t)rows);
    m.column_count = (int64_t)pare_axis_length(&axes.columns, (uint64_t)m.columns);
    PARE_TRY(
        pare_repaired_add(&job->repaired, job->current, id, (uint64_t)m.row_count, (uint64_t)m.column_count, &out));
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
