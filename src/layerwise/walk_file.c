/* A walk on disk (checkpoint/state_file.h), numbers little-endian:
 *
 *   STATE PART N        a layer that was gone through:
 *     of each tensor of the layer, roles, router and experts, what makes queries' latent: u64 elements of what was
 * repaired, 0: nothing; and the repaired tensor, in the model's dtype what the owner of the walk keeps of the layer
 *   STATE PART states   what the next one begins with:
 *     u32 next layer, apart
 *     u64 whether a layer comes, tokens, hidden size, dtype of the hidden states, whether there are two models
 *     those of the pruned model, and of the dense one where it goes beside; nothing where no layer comes */
#include "layerwise/layerwise.h"
#include "model/expert_tensors.h"
#include "support/file.h"

#include <stdlib.h>

/* One of the two files, and what is described in it. */
typedef struct walk_file {
    pare_layerwise *l;
    const pare_layer_keeper *keeper;
    uint32_t layer; /* in hand; of the states: the next */
} walk_file;

static char *layer_path(const walk_file *f) {
    return pare_format("%s%s%u", f->l->asked.state, f->keeper->part, f->layer);
}

static char *states_path(const walk_file *f) {
    return pare_format("%s%sstates", f->l->asked.state, f->keeper->part);
}

static pare_state_place place_of(const walk_file *f, const char *path, bool states) {
    return (pare_state_place){.path = path,
                              .what = states ? "the states behind a layer" : "a layer that was gone through",
                              .anew = "go through the layers anew",
                              .key = f->l->asked.key,
                              .number = states ? 0 : f->layer};
}

/* What was repaired of a tensor. */
static pare_status pass_tensor(const walk_file *f, size_t id, pare_state_file *file) {
    pare_repaired *r = f->l->repaired;
    bool known = id < r->count && !pare_tensor_is_absent(f->l->model->tensors[id]);
    uint64_t count = !pare_state_reads(file) && known && r->matrix[id] ? r->elements[id] : 0;
    void *unused;
    PARE_TRY(pare_state_pass(file, &count, sizeof count));
    if (!count) return PARE_OK;
    if (!known || count > f->l->model->tensors[id]->count)
        return pare_state_refuse(file->place, "has more of a tensor than the model");
    if (pare_state_reads(file)) PARE_TRY(pare_repaired_add(r, f->l->model, id, count, 1, &unused));
    return pare_state_numbers(file, r->matrix[id], f->l->model->tensors[id]->dtype, count);
}

static pare_status describe_layer(void *context, pare_state_file *file) {
    const walk_file *f = context;
    const pare_config *config = &f->l->model->config;
    for (size_t i = 0; i < pare_layer_tensors(config); i++)
        PARE_TRY(pass_tensor(f, pare_layer_tensor(config, f->layer, i), file));
    return f->keeper->describe ? f->keeper->describe(f->keeper->context, f->layer, file) : PARE_OK;
}

static pare_status describe_states(void *context, pare_state_file *file) {
    walk_file *f = context;
    pare_layerwise *l = f->l;
    int64_t tokens = l->shards.sequences * l->asked.length;
    PARE_TRY(pare_state_pass(file, &f->layer, sizeof f->layer));
    PARE_TRY(pare_state_flag(file, &l->apart));
    if (f->layer < 1 || f->layer > l->model->config.layers)
        return pare_state_refuse(file->place, "names a layer that the model has not");
    bool streams = f->layer < f->keeper->end;
    PARE_TRY(pare_state_same(file, streams));
    PARE_TRY(pare_state_same(file, (uint64_t)tokens));
    PARE_TRY(pare_state_same(file, (uint64_t)l->hidden));
    PARE_TRY(pare_state_same(file, (uint64_t)l->asked.states));
    PARE_TRY(pare_state_same(file, l->asked.two));
    if (!streams) return PARE_OK;
    uint64_t own = (uint64_t)(l->tokens * l->hidden), total = (uint64_t)(tokens * l->hidden);
    PARE_TRY(pare_state_spread(file, l->pruned.now.memory.data, l->asked.states, own, total));
    return l->asked.two ? pare_state_spread(file, l->dense.now.memory.data, l->asked.states, own, total) : PARE_OK;
}

static pare_status save(walk_file *f, bool states) {
    char *path = states ? states_path(f) : layer_path(f);
    pare_state_place place = place_of(f, path, states);
    pare_status status = path ? pare_state_save(&place, states ? describe_states : describe_layer, f) : pare_whole();
    free(path);
    return status;
}

static pare_status load(walk_file *f, bool states, bool *found) {
    char *path = states ? states_path(f) : layer_path(f);
    pare_state_place place = place_of(f, path, states);
    *found = false;
    pare_status status =
        path ? pare_state_load(&place, states ? describe_states : describe_layer, f, found) : pare_whole();
    free(path);
    return status;
}

pare_status pare_layerwise_keep(pare_layerwise *l, const pare_layer_keeper *keeper, uint32_t layer) {
    walk_file f = {.l = l, .keeper = keeper, .layer = layer};
    if (!l->asked.state) return PARE_OK;
    PARE_TRY(save(&f, false));
    f.layer++;
    return save(&f, true);
}

/* The layers before the next one. */
static pare_status load_layers(walk_file *f, uint32_t next) {
    for (f->layer = 0; f->layer < next; f->layer++) {
        bool found;
        PARE_TRY(load(f, false, &found));
        if (found) continue;
        char *path = layer_path(f), *states = states_path(f);
        pare_status status = !path || !states ? pare_whole()
                                              : pare_fail(PARE_FILE_ERROR,
                                                          "%s is not there, but %s goes on from it; delete the latter "
                                                          "to go through the layers anew",
                                                          path, states);
        free(path);
        free(states);
        return status;
    }
    return PARE_OK;
}

pare_status pare_layerwise_begin(pare_layerwise *l, const pare_layer_keeper *keeper, uint64_t steps, uint32_t *next) {
    walk_file f = {.l = l, .keeper = keeper};
    bool found = false;
    pare_residency_measure(&l->residency);
    if (l->asked.state) PARE_TRY(load(&f, true, &found));
    *next = found ? f.layer : 0;
    if (!found) return pare_layerwise_embed(l);
    l->at_middle = false;
    l->done += (l->asked.two ? 2 : 1) * pare_layerwise_batch_count(l) + *next * steps;
    return load_layers(&f, *next);
}
