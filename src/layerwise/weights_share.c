/* Matrices that read the same inputs do not depend on each other: where a repair takes long, each is pruned by one
 * rank, which sends what has become of it. */
#include "layerwise/weights_internal.h"
#include "support/memory.h"
#include "support/peer.h"

/* Of a matrix and the factor of its inputs, next to other matrices. */
static double cost_of(const pare_weight_walk *w, size_t id) {
    int64_t rows, columns;
    pare_tensor_matrix(w->l.model->tensors[id], &rows, &columns);
    return (double)(rows + columns) * (double)columns * (double)columns;
}

/* A mask by itself is made sooner than it is sent; factors of what was lost stay where they are. */
static bool is_shared(const pare_weight_walk *w) {
    bool solves = pare_compensation_has(w->job->recipe->compensation, PARE_TRAITS_REFIT) || w->recipe->refinement;
    return pare_peer_count() > 1 && solves && !w->job->residual;
}

static int least_loaded(const double *load) {
    int least = 0;
    for (int rank = 1; rank < pare_peer_count(); rank++)
        if (load[rank] < load[least]) least = rank;
    return least;
}

/* The dearest of those that have no owner yet, or PARE_MATRIX_ROLES. */
static pare_role dearest(const pare_weight_walk *w, uint32_t layer, unsigned kinds, const int *owner) {
    pare_role found = PARE_MATRIX_ROLES;
    double most = -1.0;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (owner[role] >= 0 || !pare_weights_prunes(w, layer, role, kinds)) continue;
        double cost = cost_of(w, pare_tensor_id(layer, role));
        if (cost > most) found = role;
        if (cost > most) most = cost;
    }
    return found;
}

pare_status pare_weights_owners(const pare_weight_walk *w, uint32_t layer, unsigned kinds,
                                int owner[PARE_MATRIX_ROLES]) {
    double *load;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        owner[role] = is_shared(w) ? -1 : pare_peer_rank();
    if (!is_shared(w)) return PARE_OK;
    PARE_TRY(pare_alloc(&load, (size_t)pare_peer_count(), sizeof *load, "owners of matrices"));
    for (pare_role role; (role = dearest(w, layer, kinds, owner)) < PARE_MATRIX_ROLES;) {
        owner[role] = least_loaded(load);
        load[owner[role]] += cost_of(w, pare_tensor_id(layer, role));
    }
    pare_free(load);
    return PARE_OK;
}

/* A repaired tensor as it is written. */
static pare_status share_tensor(pare_weight_walk *w, size_t id, int owner, uint64_t rows, uint64_t columns) {
    const pare_tensor *tensor = w->l.model->tensors[id];
    void *to = w->l.repaired->matrix[id];
    if (owner != pare_peer_rank()) PARE_TRY(pare_repaired_add(w->l.repaired, w->l.model, id, rows, columns, &to));
    return pare_peer_broadcast(to, (size_t)(rows * columns) * pare_dtype_size(tensor->dtype), owner);
}

static pare_status share_bias(pare_weight_walk *w, uint32_t layer, pare_role role, int owner, uint64_t rows) {
    pare_role of = pare_roles[role].bias;
    float *bias = w->l.intercept.bias[role];
    if (!pare_layerwise_intercepts(&w->l.asked, layer, pare_input_of(role))) return PARE_OK;
    PARE_TRY(share_tensor(w, pare_tensor_id_in(&w->l.model->config, layer, of), owner, 1, rows));
    PARE_TRY(pare_peer_broadcast(bias, (size_t)rows * sizeof *bias, owner));
    w->l.block.weights.vector[of] = bias;
    return PARE_OK;
}

/* What it is at other shares. */
static pare_status share_levels(const pare_weight_walk *w, size_t id, int owner) {
    const pare_weight_levels *levels = w->job->levels;
    const pare_tensor *tensor = w->l.model->tensors[id];
    size_t bytes = (size_t)tensor->count * pare_dtype_size(tensor->dtype);
    for (uint32_t i = 0; levels && i < levels->count; i++)
        PARE_TRY(pare_peer_broadcast(levels->matrix[id][i], bytes, owner));
    return PARE_OK;
}

pare_status pare_weights_share(pare_weight_walk *w, uint32_t layer, pare_role role, int owner) {
    size_t id = pare_tensor_id(layer, role);
    const pare_tensor *tensor = w->l.model->tensors[id];
    int64_t rows, columns;
    if (!is_shared(w)) return PARE_OK;
    pare_tensor_matrix(tensor, &rows, &columns);
    PARE_TRY(pare_peer_broadcast(&w->results[id], sizeof w->results[id], owner));
    PARE_TRY(share_tensor(w, id, owner, (uint64_t)rows, (uint64_t)columns));
    PARE_TRY(share_levels(w, id, owner));
    PARE_TRY(share_bias(w, layer, role, owner, (uint64_t)rows));
    if (owner == pare_peer_rank()) return PARE_OK;
    void *stored = w->l.repaired->matrix[id];
    pare_to_float(w->weights, stored, tensor->dtype, (size_t)(rows * columns));
    pare_layerwise_install(&w->l, layer, role, w->weights, stored);
    return PARE_OK;
}
