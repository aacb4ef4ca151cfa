/* The buffers of one block, listed once: the same list is summed for the memory plan and allocated. */
#include "model/block.h"
#include "support/memory.h"

typedef struct buffer {
    size_t offset; /* of the pointer in pare_activations */
    uint64_t elements;
    size_t size;
    pare_room_use use;
} buffer;

enum { BUFFERS = 33 };

/* What the switches of an architecture add: nothing for a LLaMA. Backward of parallel blocks needs dkept. */
static bool has_branch(const pare_config *config) {
    const pare_architecture *a = &config->architecture;
    double scale = a->residual_scale;
    return (a->slots & PARE_NORMS_BEHIND) != 0 || (scale > 0.0 && scale != 1.0) || config->experts.shared_gated;
}

static void list_buffers(const pare_backend *backend, const pare_config *config, int64_t tokens, buffer list[BUFFERS]) {
    uint64_t heads = 0, groups = 0, ffn = 0, d = config->hidden, n = (uint64_t)tokens, h = config->head_size;
    for (uint32_t i = 0; i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        heads = w->heads > heads ? w->heads : heads;
        groups = w->kv_heads > groups ? w->kv_heads : groups;
        ffn = w->ffn > ffn ? w->ffn : ffn;
    }
    uint64_t query = heads * h, key = groups * h, wide = query > ffn ? query : ffn, dout = query > d ? query : d;
    wide = key > wide ? key : wide;
    if (config->latent.keys) wide = pare_latent_widest(config) > wide ? pare_latent_widest(config) : wide;
    size_t operand = pare_operand_size(backend), real = sizeof(float);
    const pare_architecture *a = &config->architecture;
    bool normed = a->head_norm != PARE_HEAD_NORM_NONE, branch = has_branch(config);
    uint64_t kept = normed || a->qkv_clip > 0.0 ? n : 0, clamped = a->qkv_clip > 0.0 ? n : 0, added = branch ? n : 0;
    uint64_t headed = normed ? n : 0, behind = (a->slots & PARE_NORMS_BEHIND) != 0 ? n : 0;
#define FIELD(name) offsetof(pare_activations, name)
    const buffer all[BUFFERS] = {
        {FIELD(normed1), n * d, operand, PARE_ROOM_RESULT},
        {FIELD(normed2), n * d, operand, PARE_ROOM_RESULT},
        {FIELD(inverse1), n, real, PARE_ROOM_RESULT},
        {FIELD(inverse2), n, real, PARE_ROOM_RESULT},
        {FIELD(q), n * query, operand, PARE_ROOM_RESULT},
        {FIELD(k), n * key, operand, PARE_ROOM_RESULT},
        {FIELD(v), n * key, operand, PARE_ROOM_RESULT},
        {FIELD(attended), n * query, real, PARE_ROOM_RESULT},
        {FIELD(logsum), n * heads, real, PARE_ROOM_RESULT},
        {FIELD(merged), n * query, operand, PARE_ROOM_RESULT},
        {FIELD(middle), n * d, real, PARE_ROOM_RESULT},
        {FIELD(gate), a->ungated ? 0 : n * ffn, real, PARE_ROOM_RESULT},
        {FIELD(up), n * ffn, real, PARE_ROOM_RESULT},
        {FIELD(activated), n * ffn, operand, PARE_ROOM_RESULT},
        {FIELD(wide), n * wide, real, PARE_ROOM_TEMPORARY},
        {FIELD(dk), n * key, real, PARE_ROOM_BACKWARD},
        {FIELD(dv), n * key, real, PARE_ROOM_BACKWARD},
        {FIELD(dgate), n * wide, operand, PARE_ROOM_BACKWARD},
        {FIELD(dup), n * wide, operand, PARE_ROOM_BACKWARD},
        {FIELD(dout), n * dout, operand, PARE_ROOM_BACKWARD},
        {FIELD(dnormed), n * d, real, PARE_ROOM_BACKWARD},
        {FIELD(projected[0]), kept * query, real, PARE_ROOM_RESULT},
        {FIELD(projected[1]), kept * key, real, PARE_ROOM_RESULT},
        {FIELD(projected[2]), clamped * key, real, PARE_ROOM_RESULT},
        {FIELD(head_inverse[0]), headed * heads, real, PARE_ROOM_RESULT},
        {FIELD(head_inverse[1]), headed * groups, real, PARE_ROOM_RESULT},
        {FIELD(branch[0]), added * d, real, PARE_ROOM_RESULT},
        {FIELD(branch[1]), added * d, real, PARE_ROOM_RESULT},
        {FIELD(branch_inverse[0]), behind, real, PARE_ROOM_RESULT},
        {FIELD(branch_inverse[1]), behind, real, PARE_ROOM_RESULT},
        {FIELD(branch[2]), behind * d, real, PARE_ROOM_TEMPORARY},
        {FIELD(dbranch), added * d, real, PARE_ROOM_BACKWARD},
        {FIELD(dkept), a->parallel ? n * d : 0, real, PARE_ROOM_BACKWARD},
    };
#undef FIELD
    for (int i = 0; i < BUFFERS; i++)
        list[i] = all[i];
}

static uint64_t workspace_bytes(const pare_backend *backend, const pare_config *config, int64_t batch, int64_t queries,
                                int64_t keys, bool backward) {
    uint64_t most = 0;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        pare_attention shape = {.batch = batch,
                                .groups = config->widths[layer].kv_heads,
                                .shared = pare_widths_shared(&config->widths[layer]),
                                .head = config->head_size,
                                .queries = queries,
                                .keys = keys,
                                .key_capacity = keys,
                                .cap = (float)config->architecture.attention_cap,
                                .window = config->plan[layer].window,
                                .bidirectional = config->architecture.bidirectional};
        uint64_t bytes = backend->operations->attention_bytes(backend, &shape, backward);
        most = bytes > most ? bytes : most;
    }
    return most;
}

uint64_t pare_attention_workspace_bytes(const pare_backend *backend, const pare_config *config, int64_t batch,
                                        int64_t length, bool backward) {
    return workspace_bytes(backend, config, batch, length, length, backward);
}

uint64_t pare_attention_cached_bytes(const pare_backend *backend, const pare_config *config, int64_t batch,
                                     int64_t queries, int64_t keys) {
    return workspace_bytes(backend, config, batch, queries, keys, false);
}

static uint64_t sum_buffers(const pare_backend *backend, const pare_config *config, int64_t tokens,
                            pare_room_use last_use) {
    buffer list[BUFFERS];
    uint64_t total = pare_expert_room_bytes(backend, config, tokens, last_use) +
                     pare_latent_room_bytes(backend, config, tokens, last_use);
    list_buffers(backend, config, tokens, list);
    for (int i = 0; i < BUFFERS; i++)
        if (list[i].use <= last_use) total += list[i].elements * list[i].size;
    return total;
}

static pare_status new_buffers(const pare_backend *backend, const pare_config *config, int64_t tokens,
                               pare_room_use last_use, pare_activations *out) {
    buffer list[BUFFERS];
    list_buffers(backend, config, tokens, list);
    for (int i = 0; i < BUFFERS; i++)
        if (list[i].use <= last_use)
            PARE_TRY(
                pare_alloc_uninitialized((char *)out + list[i].offset, list[i].elements, list[i].size, "activations"));
    PARE_TRY(pare_latent_room_new(backend, config, tokens, last_use, &out->latent));
    return pare_expert_room_new(backend, config, tokens, last_use, &out->experts);
}

static pare_room_use last_use(bool backward) {
    return backward ? PARE_ROOM_BACKWARD : PARE_ROOM_TEMPORARY;
}

uint64_t pare_activations_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens, bool backward) {
    return sum_buffers(backend, config, tokens, last_use(backward));
}

pare_status pare_activations_new(const pare_backend *backend, const pare_config *config, int64_t tokens, bool backward,
                                 pare_activations *out) {
    *out = (pare_activations){0};
    pare_status status = new_buffers(backend, config, tokens, last_use(backward), out);
    if (status != PARE_OK) pare_activations_free(out);
    return status;
}

uint64_t pare_activations_results_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens) {
    return sum_buffers(backend, config, tokens, PARE_ROOM_RESULT);
}

pare_status pare_activations_results_new(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                         const pare_activations *shared, pare_activations *out) {
    *out = (pare_activations){0};
    pare_status status = new_buffers(backend, config, tokens, PARE_ROOM_RESULT, out);
    if (status != PARE_OK) {
        pare_activations_free(out);
        return status;
    }
    out->wide = shared->wide;
    out->dk = shared->dk;
    out->dv = shared->dv;
    out->dgate = shared->dgate;
    out->dup = shared->dup;
    out->dout = shared->dout;
    out->dnormed = shared->dnormed;
    out->branch[2] = shared->branch[2];
    out->dbranch = shared->dbranch;
    out->dkept = shared->dkept;
    pare_expert_room_share(&shared->experts, &out->experts);
    pare_latent_room_share(&shared->latent, &out->latent);
    return PARE_OK;
}

void pare_activations_results_free(pare_activations *a) {
    a->wide = a->dk = a->dv = a->dnormed = a->branch[2] = a->dbranch = a->dkept = NULL;
    a->dgate = a->dup = a->dout = NULL;
    pare_expert_room_unshare(&a->experts);
    pare_latent_room_unshare(&a->latent);
    pare_activations_free(a);
}

void pare_activations_free(pare_activations *a) {
    void *all[] = {a->normed1,
                   a->normed2,
                   a->inverse1,
                   a->inverse2,
                   a->q,
                   a->k,
                   a->v,
                   a->attended,
                   a->logsum,
                   a->merged,
                   a->middle,
                   a->gate,
                   a->up,
                   a->activated,
                   a->wide,
                   a->dk,
                   a->dv,
                   a->dgate,
                   a->dup,
                   a->dout,
                   a->dnormed,
                   a->projected[0],
                   a->projected[1],
                   a->projected[2],
                   a->head_inverse[0],
                   a->head_inverse[1],
                   a->branch[0],
                   a->branch[1],
                   a->branch[2],
                   a->branch_inverse[0],
                   a->branch_inverse[1],
                   a->dbranch,
                   a->dkept};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_expert_room_free(&a->experts);
    pare_latent_room_free(&a->latent);
    *a = (pare_activations){0};
}
