#include "model/gguf_halves.h"
#include "model/config_inventory.h"
#include "model/gguf_experts.h"
#include "model/gguf_latent.h"

#include <stdio.h>
#include <string.h>

/* Three axes of these sizes. */
static pare_status expect(const pare_gguf_stored *s, const pare_gguf_tensor *tensor, uint64_t outer, uint64_t rows,
                          uint64_t columns) {
    char found[96], wanted[96];
    const pare_tensor here = {.rank = tensor->rank,
                              .shape = {tensor->shape[0], tensor->shape[1], tensor->shape[2], tensor->shape[3]}};
    const pare_tensor there = {.rank = 3, .shape = {outer, rows, columns}};
    if (tensor->rank == 3 && memcmp(here.shape, there.shape, 3 * sizeof *here.shape) == 0) return PARE_OK;
    pare_shape_format(found, sizeof found, &here);
    pare_shape_format(wanted, sizeof wanted, &there);
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has shape %s where %s is expected by the metadata",
                     pare_checkpoint_directory(s->checkpoint), tensor->name, found, wanted);
}

static pare_status find_other(const pare_gguf_stored *s, const char *name, pare_gguf_halves *halves) {
    halves->other = pare_checkpoint_gguf_tensor(s->checkpoint, name, &halves->file);
    if (halves->other) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s has no tensor %s, which belongs to %s; the file is incomplete",
                     pare_checkpoint_directory(s->checkpoint), name, s->tensor->name);
}

/* Gate above up, or beside it where inputs lie before outputs, expert by expert, as the family has them. */
static pare_status join_experts(const pare_gguf_stored *s, uint32_t layer, pare_expert_part part,
                                pare_gguf_meaning *out, bool *spoken_for) {
    char name[PARE_GGUF_NAME_BYTES];
    int64_t rows, columns;
    const uint32_t experts = s->config->experts.count;
    pare_expert_shape(s->config, part, &rows, &columns);
    PARE_TRY(expect(s, s->tensor, experts, (uint64_t)rows, (uint64_t)columns));
    out->turned = s->config->family->experts.turned;
    if (part == PARE_EXPERT_DOWN) return PARE_OK;
    pare_gguf_expert_name(layer, PARE_EXPERT_OWN, part == PARE_EXPERT_GATE ? PARE_EXPERT_UP : PARE_EXPERT_GATE, name);
    PARE_TRY(find_other(s, name, &out->halves));
    PARE_TRY(expect(s, out->halves.other, experts, (uint64_t)rows, (uint64_t)columns));
    *spoken_for = part == PARE_EXPERT_UP;
    out->halves.rank = 3;
    out->halves.shape[0] = experts;
    out->halves.by_columns = out->turned;
    out->halves.block = 2 * (uint64_t)rows;
    out->halves.shape[1] = out->turned ? (uint64_t)columns : out->halves.block;
    out->halves.shape[2] = out->turned ? out->halves.block : (uint64_t)columns;
    out->halves.split = (uint64_t)rows;
    return PARE_OK;
}

static pare_status mean_own(const pare_gguf_stored *s, uint32_t layer, pare_expert_part part, uint64_t piece,
                            pare_gguf_meaning *out, char name[PARE_NAME_BYTES], bool *spoken_for) {
    int64_t rows, columns;
    pare_expert_name(s->config, layer, (uint32_t)piece, part, name);
    if (pare_experts_are_fused(s->config)) return join_experts(s, layer, part, out, spoken_for);
    pare_expert_shape(s->config, part, &rows, &columns);
    out->pieces = s->config->experts.count;
    return expect(s, s->tensor, out->pieces, (uint64_t)rows, (uint64_t)columns);
}

/* Forms that llama.cpp has had, and that pare does not read. */
static pare_status refuse_forms(const pare_gguf_stored *s, uint32_t layer) {
    unsigned of, expert;
    char part[8];
    const char *path = pare_checkpoint_directory(s->checkpoint), *name = s->tensor->name;
    if (sscanf(name, "blk.%u.ffn_%7[a-z].%u.weight", &of, part, &expert) == 3 && of == layer)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: tensor %s is of one expert, as in files of before April 2024; convert the model again",
                         path, name);
    if (sscanf(name, "blk.%u.ffn_gate_up_exps.%7s", &of, part) == 2)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: tensor %s has gate and up of all experts in one, which pare does not read; convert the "
                         "model to a file that has them apart",
                         path, name);
    return PARE_OK;
}

pare_status pare_gguf_mean_expert(const pare_gguf_stored *s, uint32_t layer, uint64_t piece, pare_gguf_meaning *out,
                                  char name[PARE_NAME_BYTES], bool *known, bool *spoken_for) {
    const pare_config *config = s->config;
    char here[PARE_GGUF_NAME_BYTES];
    if (!config->plan[layer].routed) return PARE_OK;
    *known = true;
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        pare_gguf_expert_name(layer, PARE_EXPERT_OWN, part, here);
        if (strcmp(here, s->tensor->name) == 0) return mean_own(s, layer, part, piece, out, name, spoken_for);
    }
    pare_gguf_expert_name(layer, PARE_EXPERT_ROUTER, 0, here);
    if (strcmp(here, s->tensor->name) == 0) {
        pare_router_name(config, layer, name);
        return PARE_OK;
    }
    pare_gguf_expert_name(layer, PARE_EXPERT_SHARED_GATE, 0, here);
    if (config->experts.shared_gated && strcmp(here, s->tensor->name) == 0) {
        pare_shared_gate_name(config, layer, name);
        out->row = true;
        return PARE_OK;
    }
    pare_gguf_expert_name(layer, PARE_EXPERT_CORRECTION, 0, here);
    if (config->experts.corrected && strcmp(here, s->tensor->name) == 0) {
        pare_correction_name(config, layer, name);
        return PARE_OK;
    }
    *known = false;
    return refuse_forms(s, layer);
}

/* Head by head what makes its key, stored the other way round, above what makes its value. */
static pare_status join_latent(const pare_gguf_stored *s, uint32_t layer, pare_gguf_latent_part part,
                               pare_gguf_meaning *out, bool *spoken_for) {
    const pare_latent *l = &s->config->latent;
    char name[PARE_GGUF_NAME_BYTES];
    bool keys = part == PARE_GGUF_KEYS_UP;
    pare_gguf_latent_name(layer, keys ? PARE_GGUF_VALUES_UP : PARE_GGUF_KEYS_UP, name);
    PARE_TRY(find_other(s, name, &out->halves));
    *spoken_for = !keys;
    if (!keys) return PARE_OK;
    uint64_t heads = s->tensor->rank == 3 ? s->tensor->shape[0] : 0;
    PARE_TRY(expect(s, s->tensor, heads, l->keys, l->plain));
    PARE_TRY(expect(s, out->halves.other, heads, l->value, l->keys));
    out->halves.turned = true;
    out->halves.split = l->plain;
    out->halves.block = (uint64_t)l->plain + l->value;
    out->halves.rank = 2;
    out->halves.shape[0] = heads * out->halves.block;
    out->halves.shape[1] = l->keys;
    return PARE_OK;
}

pare_status pare_gguf_mean_latent(const pare_gguf_stored *s, uint32_t layer, pare_gguf_meaning *out,
                                  char name[PARE_NAME_BYTES], bool *known, bool *spoken_for) {
    char here[PARE_GGUF_NAME_BYTES];
    if (!s->config->latent.keys) return PARE_OK;
    for (pare_gguf_latent_part part = 0; part < PARE_GGUF_LATENT_PARTS; part++) {
        pare_gguf_latent_name(layer, part, here);
        if (strcmp(here, s->tensor->name) != 0) continue;
        *known = true;
        if (part == PARE_GGUF_QUERY_DOWN) {
            if (s->config->latent.queries) pare_query_down_name(s->config, layer, name);
            return PARE_OK;
        }
        pare_layer_tensor_name(s->config, layer, PARE_ROLE_V, name);
        return join_latent(s, layer, part, out, spoken_for);
    }
    return PARE_OK;
}
