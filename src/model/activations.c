/* The buffers of one block, listed once: the same list is summed for the memory plan and allocated. */
#include "model/block.h"
#include "support/memory.h"

typedef struct buffer {
    size_t offset; /* of the pointer in pare_activations */
    uint64_t elements;
    size_t size;
    bool backward;
} buffer;

enum { BUFFERS = 20 };

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
    size_t operand = pare_operand_size(backend), real = sizeof(float);
#define FIELD(name) offsetof(pare_activations, name)
    const buffer all[BUFFERS] = {
        {FIELD(normed1), n * d, operand, false}, {FIELD(normed2), n * d, operand, false},
        {FIELD(inverse1), n, real, false},       {FIELD(inverse2), n, real, false},
        {FIELD(q), n * query, operand, false},   {FIELD(k), n * key, operand, false},
        {FIELD(v), n * key, operand, false},     {FIELD(attended), n * query, real, false},
        {FIELD(logsum), n * heads, real, false}, {FIELD(merged), n * query, operand, false},
        {FIELD(middle), n * d, real, false},     {FIELD(gate), n * ffn, real, false},
        {FIELD(up), n * ffn, real, false},       {FIELD(activated), n * ffn, operand, false},
        {FIELD(wide), n * wide, real, false},    {FIELD(dk), n * key, real, true},
        {FIELD(dv), n * key, real, true},        {FIELD(dgate), n * wide, operand, true},
        {FIELD(dup), n * wide, operand, true},   {FIELD(dout), n * dout, operand, true},
    };
#undef FIELD
    for (int i = 0; i < BUFFERS; i++)
        list[i] = all[i];
}

uint64_t pare_attention_workspace_bytes(const pare_backend *backend, const pare_config *config, int64_t batch,
                                        int64_t length, bool backward) {
    uint64_t most = 0;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        pare_attention shape = {.batch = batch,
                                .groups = config->widths[layer].kv_heads,
                                .shared = pare_widths_shared(&config->widths[layer]),
                                .head = config->head_size,
                                .queries = length,
                                .keys = length,
                                .key_capacity = length};
        uint64_t bytes = backend->operations->attention_bytes(backend, &shape, backward);
        most = bytes > most ? bytes : most;
    }
    return most;
}

uint64_t pare_activations_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens, bool backward) {
    buffer list[BUFFERS];
    list_buffers(backend, config, tokens, list);
    uint64_t total = backward ? (uint64_t)tokens * config->hidden * sizeof(float) : 0;
    for (int i = 0; i < BUFFERS; i++)
        if (backward || !list[i].backward) total += list[i].elements * list[i].size;
    return total;
}

pare_status pare_activations_new(const pare_backend *backend, const pare_config *config, int64_t tokens, bool backward,
                                 pare_activations *out) {
    *out = (pare_activations){0};
    buffer list[BUFFERS];
    list_buffers(backend, config, tokens, list);
    pare_status status = PARE_OK;
    for (int i = 0; i < BUFFERS && status == PARE_OK; i++)
        if (backward || !list[i].backward)
            status =
                pare_alloc_uninitialized((char *)out + list[i].offset, list[i].elements, list[i].size, "activations");
    if (status == PARE_OK && backward)
        status = pare_alloc_uninitialized(&out->dnormed, (size_t)tokens * config->hidden, sizeof(float), "activations");
    if (status != PARE_OK) pare_activations_free(out);
    return status;
}

void pare_activations_free(pare_activations *a) {
    void *all[] = {a->normed1,  a->normed2, a->inverse1, a->inverse2, a->q,    a->k,    a->v,
                   a->attended, a->logsum,  a->merged,   a->middle,   a->gate, a->up,   a->activated,
                   a->wide,     a->dk,      a->dv,       a->dgate,    a->dup,  a->dout, a->dnormed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    *a = (pare_activations){0};
}
