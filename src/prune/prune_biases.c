/* Biases that a recipe compensates by: of every matrix that loses something. Where the model has none, its class, or
 * one that computes the same, may have them: then it gets them, zero at first; else it is refused before any work. */
#include "model/family.h"
#include "prune/prune_job.h"
#include "support/memory.h"
#include "surgery/biased_model.h"

#include <stdlib.h>
#include <string.h>

static bool is_empty(pare_layer_range range) {
    return range.begin >= range.end;
}

/* Bits of the biases of what loses units, or weights. */
static uint32_t biases_wanted(const pare_prune_job *job) {
    const pare_model *model = job->model;
    uint32_t wanted = 0, layer;
    pare_role role;
    if (!job->sparse.pruned) {
        if (!is_empty(job->target.attention)) wanted |= pare_role_bit(PARE_ROLE_O_BIAS);
        return is_empty(job->target.ffn) ? wanted : wanted | pare_role_bit(PARE_ROLE_DOWN_BIAS);
    }
    for (size_t id = 0; id < model->tensor_count; id++)
        if (job->sparse.pruned[id] && pare_tensor_id_split(model, id, &layer, &role))
            wanted |= pare_role_bit(pare_roles[role].bias);
    return wanted;
}

/* The first of these roles, as people call it. */
static const char *name_of(uint32_t roles) {
    static const char *const names[PARE_MATRIX_ROLES] = {"query", "key", "value", "attention's output",
                                                         "gate",  "up",  "down"};
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
        if (roles & pare_role_bit(pare_roles[role].bias)) return names[role];
    return "";
}

/* Of the roles, those that no class gives the model one by one. */
static uint32_t impossible(const pare_model *model, uint32_t roles) {
    uint32_t left = 0;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        uint32_t one = roles & pare_role_bit(role);
        if (one && !pare_biased_family(model, &one)) left |= pare_role_bit(role);
    }
    return left ? left : roles;
}

/* True if its row has biases of both outputs, or switches for them. */
static bool has_both(const pare_family *family) {
    const uint32_t outputs = pare_role_bit(PARE_ROLE_O_BIAS) | pare_role_bit(PARE_ROLE_DOWN_BIAS);
    uint32_t has = family->architecture.roles;
    for (int i = 0; i < PARE_OPTIONS && family->options[i].key; i++)
        if (family->options[i].kind == PARE_OPTION_ROLES) has |= family->options[i].roles;
    return (has & outputs) == outputs;
}

/* Tensors of one are those of the other, as far as the rows say. */
static bool alike(const pare_family *a, const pare_family *b) {
    return !a->fused[0].name && !a->transposed && a->architecture.interleaved == b->architecture.interleaved;
}

/* "llama, qwen2, ...": those whose class has them, or another that computes the same. Freed with free(). */
static char *families_with(void) {
    const char *last = "";
    char *list = pare_format("%s", "");
    for (size_t i = 0; pare_family_at(i); i++) {
        const pare_family *f = pare_family_at(i);
        bool any = has_both(f);
        for (int k = 0; k < PARE_OTHERS && f->others[k].family; k++)
            any = any || (alike(f, f->others[k].family) && has_both(f->others[k].family));
        if (!any || strcmp(f->types[0], last) == 0) continue;
        last = f->types[0];
        char *longer = pare_format("%s%s%s", list, *list ? ", " : "", f->types[0]);
        free(list);
        list = longer;
    }
    return list;
}

static pare_status refuse(const pare_prune_job *job, uint32_t roles) {
    const pare_model *model = job->model;
    uint32_t none = impossible(model, roles);
    bool attention = none & PARE_ROLES_QKVO_BIAS, ffn = none & PARE_ROLES_FFN_BIAS;
    const char *rest = attention && ffn ? ""
                       : attention      ? "prune its FFN alone (--attention-layers none), "
                                        : "prune its attention alone (--ffn-layers none), ";
    char *list = families_with();
    pare_status status = pare_fail(
        PARE_UNSUPPORTED,
        "%s: --compensate bias needs a bias of every matrix that loses something, and %s has "
        "none of the %s projection; %stake --compensate ls or none, or a model of a family "
        "that can have them (%s)",
        pare_checkpoint_directory(model->checkpoint), model->config.family->class_name, name_of(none), rest, list);
    free(list);
    return status;
}

/* *roles: biases that the model is to get; *family: as one of which. */
static pare_status find_missing(const pare_prune_job *job, uint32_t *roles, const pare_family **family) {
    bool means = pare_compensation_has(job->asked->recipe.compensation, PARE_TRAIT_MEANS);
    *roles = means ? biases_wanted(job) & ~job->model->config.architecture.roles : 0;
    *family = NULL;
    if (!*roles) return PARE_OK;
    uint32_t wanted = *roles;
    *family = pare_biased_family(job->model, roles);
    return *family ? PARE_OK : refuse(job, wanted);
}

pare_status pare_prune_check_biases(const pare_prune_job *job) {
    const pare_family *family;
    uint32_t roles;
    return find_missing(job, &roles, &family);
}

pare_status pare_prune_give_biases(pare_prune_job *job) {
    const char *scratch = job->runtime ? job->runtime->scratch : NULL;
    pare_prune_job probe = {.model = job->model, .origin = job->model, .asked = job->asked};
    const pare_family *family = NULL;
    uint32_t roles = 0;
    if (!pare_compensation_has(job->asked->recipe.compensation, PARE_TRAIT_MEANS)) return PARE_OK;
    probe.procedure = pare_procedure_of(job->asked);
    pare_status status = probe.procedure->choose_target(&probe);
    if (status == PARE_OK) status = find_missing(&probe, &roles, &family);
    if (status == PARE_OK && roles) {
        status = pare_biased_model_new(job->model, family, roles, scratch, job->runtime, &job->biased);
        if (status == PARE_OK) job->model = job->biased.model;
    }
    if (probe.procedure->release) probe.procedure->release(&probe);
    pare_goal_free(&probe.goal);
    return status;
}
