#include "report/matrix_name.h"
#include "model/parts.h"
#include "support/suggest.h"

#include <stdio.h>
#include <string.h>

pare_status pare_matrix_source_open(const char *path, pare_matrix_source *out) {
    *out = (pare_matrix_source){0};
    pare_status status = pare_model_open(path, &out->model);
    if (status == PARE_OK) out->checkpoint = out->model->checkpoint;
    if (status != PARE_UNSUPPORTED && status != PARE_FILE_ERROR) return status;
    out->model = NULL;
    return pare_checkpoint_open(path, &out->checkpoint);
}

void pare_matrix_source_close(pare_matrix_source *source) {
    if (source->model)
        pare_model_close(source->model);
    else
        pare_checkpoint_close(source->checkpoint);
    *source = (pare_matrix_source){0};
}

/* A name under which a tensor can be asked for. */
typedef struct candidate {
    char name[256];
    const pare_tensor *tensor;
    size_t id;
} candidate;

/* A stored tensor that holds one matrix of a layer and nothing else is that matrix, whichever way it is stored. */
static void set_stored(const pare_matrix_source *source, const pare_tensor *stored, candidate *out) {
    const pare_model *model = source->model;
    const pare_stored_part *only = NULL;
    size_t parts = 0;
    *out = (candidate){.tensor = stored, .id = SIZE_MAX};
    snprintf(out->name, sizeof out->name, "%.255s", stored->name);
    for (size_t i = 0; model && i < model->tensor_count && out->id == SIZE_MAX; i++)
        if (model->tensors[i] == stored) out->id = i;
    for (size_t i = 0; model && i < model->part_count; i++) {
        if (model->parts[i].whole != stored) continue;
        parts++;
        only = &model->parts[i];
    }
    if (parts != 1) return;
    out->tensor = &only->tensor;
    out->id = only->id;
}

/* Candidate `index`: what is stored, then matrices by the names of their roles. False behind the last. */
static bool candidate_at(const pare_matrix_source *source, size_t index, candidate *out) {
    const pare_model *model = source->model;
    size_t stored = pare_checkpoint_count(source->checkpoint);
    if (index < stored) {
        set_stored(source, pare_checkpoint_at(source->checkpoint, index), out);
        return true;
    }
    index -= stored;
    if (!model || index >= (size_t)model->config.layers * PARE_MATRIX_ROLES) return false;
    uint32_t layer = (uint32_t)(index / PARE_MATRIX_ROLES);
    pare_role role = (pare_role)(index % PARE_MATRIX_ROLES);
    *out = (candidate){.id = pare_tensor_id(layer, role), .tensor = pare_model_tensor(model, layer, role)};
    pare_role_name(layer, role, out->name, sizeof out->name);
    return true;
}

static size_t without_suffix(const char *name) {
    static const char suffix[] = ".weight";
    size_t length = strlen(name), end = sizeof suffix - 1;
    return length > end && strcmp(name + length - end, suffix) == 0 ? length - end : length;
}

/* The end of a candidate's name with as many parts as `typed` has, without the suffix. */
static void same_parts(const char *name, const char *typed, char *out, size_t size) {
    size_t begin = without_suffix(name);
    int dots = 0;
    for (size_t i = 0, end = without_suffix(typed); i < end; i++)
        dots += typed[i] == '.';
    size_t end = begin;
    while (begin > 0 && (name[begin - 1] != '.' || dots-- > 0))
        begin--;
    snprintf(out, size, "%.*s", (int)(end - begin), name + begin);
}

/* 2: the whole name; 1: its end, behind a dot; 0: neither. */
static int match(const char *name, const char *typed) {
    size_t length = without_suffix(name), own = without_suffix(typed);
    if (own > length || strncmp(name + length - own, typed, own) != 0) return 0;
    return own == length ? 2 : name[length - own - 1] == '.' ? 1 : 0;
}

static pare_status fail_unknown(const pare_matrix_source *source, const char *typed) {
    const char *folder = pare_checkpoint_directory(source->checkpoint);
    char best[256] = "", part[256], wanted[256];
    unsigned least = PARE_SUGGESTION_NONE;
    candidate c;
    snprintf(wanted, sizeof wanted, "%.*s", (int)without_suffix(typed), typed);
    for (size_t i = 0; candidate_at(source, i, &c); i++) {
        if (pare_tensor_is_absent(c.tensor) || c.tensor->rank < 2) continue;
        same_parts(c.name, typed, part, sizeof part);
        unsigned distance = pare_suggestion_distance(wanted, part);
        if (distance >= least) continue;
        least = distance;
        snprintf(best, sizeof best, "%s", part);
    }
    if (*best)
        return pare_fail(PARE_BAD_ARGUMENT, "%s has no matrix '%.200s', did you mean '%s'?", folder, typed, best);
    return pare_fail(PARE_BAD_ARGUMENT, "%s has no matrix '%.200s'; 'pare inspect %s --tensors' lists what there is",
                     folder, typed, folder);
}

pare_status pare_matrix_of(const pare_matrix_source *source, const pare_tensor *tensor, size_t id,
                           pare_named_matrix *out) {
    const char *folder = pare_checkpoint_directory(source->checkpoint);
    if (tensor->rank < 2)
        return pare_fail(PARE_BAD_ARGUMENT, "%s of %s is a vector of %llu numbers; a map takes a matrix", tensor->name,
                         folder, (unsigned long long)tensor->count);
    if (tensor->count == 0)
        return pare_fail(PARE_BAD_ARGUMENT, "%s of %s is empty: there is nothing to draw", tensor->name, folder);
    int first = 0;
    while (tensor->rank - first > 2 && tensor->shape[first] == 1)
        first++;
    *out = (pare_named_matrix){.tensor = tensor, .id = id, .rows = (int64_t)tensor->shape[first]};
    out->columns = (int64_t)tensor->count / out->rows;
    return PARE_OK;
}

/* Whole names before ends of names, matrices before vectors. */
pare_status pare_matrix_find(const pare_matrix_source *source, const char *name, pare_named_matrix *out) {
    candidate c, found = {0}, other = {0};
    int best = 0;
    for (size_t i = 0; candidate_at(source, i, &c); i++) {
        int how = pare_tensor_is_absent(c.tensor) ? 0 : match(c.name, name);
        int rank = how ? 2 * how + (c.tensor->rank >= 2) : 0;
        if (rank > best) {
            best = rank;
            found = c;
            other.tensor = NULL;
        } else if (rank && rank == best && c.tensor != found.tensor) {
            other = c;
        }
    }
    if (!best) return fail_unknown(source, name);
    if (other.tensor)
        return pare_fail(PARE_BAD_ARGUMENT, "'%.200s' is %s as well as %s in %s; give more of its name", name,
                         found.name, other.name, pare_checkpoint_directory(source->checkpoint));
    return pare_matrix_of(source, found.tensor, found.id, out);
}
