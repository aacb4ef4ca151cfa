#include "surgery/convert.h"
#include "checkpoint/writer.h"
#include "model/config_experts.h"
#include "model/config_write.h"
#include "model/names.h"
#include "support/memory.h"
#include "surgery/kept_values.h"

#include <math.h>
#include <string.h>

/* One tensor of the other class. layer -1: outside the layers. */
typedef struct made {
    int64_t layer; /* of the model */
    pare_role role[2];
    int roles; /* more than one: fused, one behind the other */
    pare_end end;
    char name[PARE_NAME_BYTES];
} made;

typedef struct conversion {
    const pare_model *model;
    pare_config as; /* the configuration with the other family in place of its own */
    uint32_t roles, ends;
    const pare_selection *selection;
    const pare_repaired *repaired;
    const pare_dtype *dtype; /* of all tensors; NULL: as the model's are */
    made *list;
    pare_declaration *declarations;
    size_t count;
} conversion;

static bool turns_alike(const pare_architecture *a, const pare_architecture *b) {
    return a->interleaved == b->interleaved;
}

/* Two norms that read the same become one: their weights go into what reads them. */
static bool folds_norms(const pare_architecture *a, const pare_architecture *b) {
    return b->shared_norm && !a->shared_norm;
}

bool pare_convert_needed(const pare_model *model, const pare_family *family) {
    const pare_config *config = &model->config;
    if (!family || family == config->family) return false;
    if (config->family->transposed || config->family->fused[0].name || family->fused[0].name) return true;
    if (!turns_alike(&config->architecture, &family->architecture)) return true;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if (pare_has_role(&config->architecture, role) &&
            strcmp(pare_family_role(config->family, role), pare_family_role(family, role)) != 0)
            return true;
    return false;
}

bool pare_convert_rounds(const pare_model *model, const pare_family *family) {
    return pare_convert_needed(model, family) && folds_norms(&model->config.architecture, &family->architecture);
}

static pare_dtype dtype_of(const conversion *c, uint32_t layer) {
    if (c->dtype) return *c->dtype;
    return c->model->tensors[pare_tensor_id(layer, PARE_ROLE_O)]->dtype;
}

/* Rows of queries and keys, in each head: from pairs (2i, 2i + 1) to (i, i + half), or back. */
static void reorder_rows(const conversion *c, pare_role role, pare_values *v) {
    const pare_config *config = &c->model->config;
    bool together = config->architecture.interleaved;
    int64_t h = config->head_size, half = config->rope[0].rotated / 2, columns = v->columns;
    pare_role of = pare_roles[role].of;
    if ((of != PARE_ROLE_Q && of != PARE_ROLE_K) || turns_alike(&config->architecture, &c->as.family->architecture))
        return;
    for (int64_t head = 0; head < v->rows / h; head++) {
        float *from = v->data + head * h * columns;
        memcpy(v->room, from, (size_t)(2 * half * columns) * sizeof *from);
        for (int64_t i = 0; i < half; i++)
            for (int64_t second = 0; second < 2; second++) {
                int64_t apart = i + second * half, pair = 2 * i + second;
                memcpy(from + (together ? apart : pair) * columns, v->room + (together ? pair : apart) * columns,
                       (size_t)columns * sizeof *from);
            }
    }
}

static pare_role norm_before(pare_role role) {
    return pare_role_in(role, PARE_PART_ATTENTION) ? PARE_ROLE_INPUT_NORM : PARE_ROLE_POST_NORM;
}

static bool reads_norm(pare_role of) {
    return pare_roles[of].reads == PARE_INPUT_QKV || pare_roles[of].reads == PARE_INPUT_GATE_UP;
}

/* Matrices behind a folded norm: W diag(w). Their biases: b + W b'. */
static pare_status fold_norm(const conversion *c, uint32_t layer, pare_role role, pare_values *v) {
    const pare_architecture *a = &c->model->config.architecture;
    pare_role of = pare_roles[role].of, norm = norm_before(of);
    pare_values weights = {0}, biases = {0}, matrix = {0};
    if (!folds_norms(a, &c->as.family->architecture) || !pare_role_is_matrix(of) || !reads_norm(of)) return PARE_OK;
    pare_status status = pare_kept_values(c->model, c->selection, c->repaired, layer, norm, &weights);
    if (status == PARE_OK && role == of)
        for (int64_t row = 0; row < v->rows; row++)
            for (int64_t i = 0; i < v->columns; i++)
                v->data[row * v->columns + i] *= weights.data[i];
    if (status == PARE_OK && role != of) {
        status = pare_kept_values(c->model, c->selection, c->repaired, layer, pare_roles[norm].bias, &biases);
        if (status == PARE_OK) status = pare_kept_values(c->model, c->selection, c->repaired, layer, of, &matrix);
        for (int64_t row = 0; row < matrix.rows && status == PARE_OK; row++) {
            double sum = 0;
            for (int64_t i = 0; i < matrix.columns; i++)
                sum += (double)matrix.data[row * matrix.columns + i] * (double)biases.data[i];
            v->data[row] += (float)sum;
        }
    }
    pare_values_free(&weights);
    pare_values_free(&biases);
    pare_values_free(&matrix);
    return status;
}

/* A folded norm is left with ones and zeros. */
static void clear_norm(const conversion *c, pare_role role, pare_values *v) {
    if (!folds_norms(&c->model->config.architecture, &c->as.family->architecture)) return;
    if (pare_roles[role].of != PARE_ROLE_INPUT_NORM) return;
    for (int64_t i = 0; i < v->rows * v->columns; i++)
        v->data[i] = pare_role_is_bias(role) ? 0.0f : 1.0f;
}

static pare_status make_role(const conversion *c, uint32_t layer, pare_role role, pare_values *v) {
    PARE_TRY(pare_kept_values(c->model, c->selection, c->repaired, layer, role, v));
    PARE_TRY(fold_norm(c, layer, role, v));
    clear_norm(c, role, v);
    reorder_rows(c, role, v);
    return PARE_OK;
}

static pare_status write_values(pare_writer *writer, pare_dtype dtype, const pare_values *v) {
    enum { PIECE = 4096 };
    float stored[PIECE];
    for (int64_t at = 0, n; at < v->rows * v->columns; at += n) {
        n = v->rows * v->columns - at < PIECE ? v->rows * v->columns - at : PIECE;
        pare_from_float(stored, dtype, v->data + at, (size_t)n);
        PARE_TRY(pare_writer_write(writer, stored, (size_t)n * pare_dtype_size(dtype)));
    }
    return PARE_OK;
}

static pare_status write_made(void *context, pare_writer *writer, size_t index) {
    const conversion *c = context;
    const made *m = &c->list[index];
    pare_dtype dtype = c->declarations[index].dtype;
    pare_status status = PARE_OK;
    for (int i = 0; i < m->roles && status == PARE_OK; i++) {
        pare_values v = {0};
        status = m->layer < 0 ? pare_kept_end_values(c->model, c->selection, c->repaired, m->end, &v)
                              : make_role(c, (uint32_t)m->layer, m->role[i], &v);
        if (status == PARE_OK) status = write_values(writer, dtype, &v);
        pare_values_free(&v);
    }
    return status;
}

static void declare(conversion *c, const made *m, pare_dtype dtype, bool matrix, int64_t rows, int64_t columns) {
    c->list[c->count] = *m;
    pare_declaration d = {.name = c->list[c->count].name, .dtype = dtype, .rank = matrix ? 2 : 1};
    d.shape[0] = (uint64_t)rows;
    if (matrix) d.shape[1] = (uint64_t)columns;
    c->declarations[c->count++] = d;
}

/* The role's tensor, or the fused one that it begins in the other class; a role that comes later in one is in it. */
static void declare_role(conversion *c, uint32_t layer, uint32_t number, pare_role role) {
    const pare_fused *fused = pare_family_fused(c->as.family, role);
    made m = {.layer = layer, .role = {role}, .roles = 1};
    int64_t rows, columns, total;
    if (fused && fused->parts[0] != pare_roles[role].of) return;
    pare_layer_tensor_name(&c->as, number, role, m.name);
    pare_kept_shape(c->model, c->selection, layer, role, &rows, &columns);
    total = rows;
    for (int i = 1; fused && i < fused->count; i++) {
        m.role[m.roles++] = fused->parts[i];
        pare_kept_shape(c->model, c->selection, layer, fused->parts[i], &rows, &columns);
        total += rows;
    }
    declare(c, &m, dtype_of(c, layer), pare_role_is_matrix(role), total, columns);
}

static void declare_end(conversion *c, pare_end end) {
    const pare_config *config = &c->model->config;
    made m = {.layer = -1, .roles = 1, .end = end};
    int64_t rows, columns;
    if (end == PARE_END_HEAD && config->tied) return;
    pare_end_tensor_name(&c->as, end, m.name);
    pare_kept_end_shape(c->model, c->selection, end, &rows, &columns);
    bool matrix = end == PARE_END_EMBEDDING || end == PARE_END_HEAD || end == PARE_END_POSITIONS;
    pare_dtype dtype = c->dtype ? *c->dtype : c->model->tensors[pare_tensor_id_embedding()]->dtype;
    declare(c, &m, dtype, matrix, matrix ? rows : columns, columns);
}

static pare_status make_list(conversion *c) {
    const pare_config *config = &c->model->config;
    size_t most = (size_t)config->layers * PARE_ALL_ROLES + PARE_ENDS;
    uint32_t number = 0;
    PARE_TRY(pare_alloc(&c->list, most, sizeof *c->list, "tensor list"));
    PARE_TRY(pare_alloc(&c->declarations, most, sizeof *c->declarations, "tensor list"));
    for (pare_end end = 0; end < PARE_ENDS; end++)
        if (c->ends & pare_end_bit(end)) declare_end(c, end);
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        if (c->selection->layer[layer].dropped) continue;
        for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
            if (c->roles & pare_role_bit(role)) declare_role(c, layer, number, role);
        number++;
    }
    return PARE_OK;
}

static pare_status run(conversion *c, const char *directory, const pare_runtime *runtime) {
    pare_writing writing = {.write = write_made, .context = c, .stage = "writing"};
    pare_status status = make_list(c);
    if (status == PARE_OK) status = pare_writer_run(directory, c->declarations, c->count, &writing, runtime);
    pare_free(c->list);
    pare_free(c->declarations);
    return status;
}

pare_status pare_convert_write(const pare_model *model, const pare_family *family, const pare_selection *selection,
                               const pare_repaired *repaired, const char *directory, const pare_runtime *runtime) {
    conversion c = {.model = model, .as = model->config, .selection = selection, .repaired = repaired};
    c.as.family = family;
    c.roles = pare_config_roles_as(&model->config, family);
    c.ends = family->architecture.ends;
    pare_names_usual_root(&c.as);
    return run(&c, directory, runtime);
}

pare_status pare_convert_write_as(const pare_model *model, pare_dtype dtype, const pare_selection *all,
                                  const char *directory, const pare_runtime *runtime) {
    conversion c = {.model = model, .as = model->config, .selection = all, .dtype = &dtype};
    const pare_family *family = model->config.family;
    c.roles = model->config.architecture.roles;
    c.ends = model->config.architecture.ends;
    pare_names_usual_root(&c.as);
    bool grouped = pare_has_experts(&model->config) || model->config.latent.keys;
    for (int i = 0; i < PARE_FUSED; i++)
        grouped |= family->fused[i].name && family->fused[i].how == PARE_FUSION_GROUPS;
    if (!grouped && !family->transposed && !pare_reads_pictures(&model->config)) return run(&c, directory, runtime);
    return pare_fail(PARE_UNSUPPORTED,
                     "%s is a %s, whose tensors pare writes in the type that they have; leave out --type",
                     pare_checkpoint_directory(model->checkpoint), model->config.model_type);
}
