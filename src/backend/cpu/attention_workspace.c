#include "backend/cpu/attention_workspace.h"
#include "backend/cpu/attention_single.h"
#include "support/memory.h"

enum { BUFFERS = 13, FORWARD = 1, BACKWARD = 2, BOTH = 3 };

typedef struct buffer {
    size_t offset; /* of the pointer in pare_attention_workspace */
    uint64_t elements;
    size_t size;
    int used;
} buffer;

/* Scores that are in the operands' format are operands where they lie. */
static bool is_apart(const pare_backend *backend) {
    return backend->operand != PARE_DTYPE_F32;
}

static void list_buffers(const pare_backend *backend, const pare_attention *s, buffer list[BUFFERS]) {
    enum { TILE = PARE_ATTENTION_TILE };
    uint64_t pairs = (uint64_t)(s->batch * s->groups), shared = (uint64_t)s->shared, head = (uint64_t)s->head;
    uint64_t queries = (uint64_t)(s->queries < TILE ? s->queries : TILE),
             tile = (uint64_t)(s->keys < TILE ? s->keys : TILE);
    uint64_t rows = pairs * queries * shared, keys = pairs * tile, all = pairs * (uint64_t)s->queries * shared;
    uint64_t apart = is_apart(backend) ? rows * tile : 0;
    size_t operand = pare_operand_size(backend), real = sizeof(float);
#define FIELD(name) offsetof(pare_attention_workspace, name)
    const buffer buffers[BUFFERS] = {
        {FIELD(scores), rows * tile, real, BOTH},
        {FIELD(partial), (rows > keys ? rows : keys) * head, real, BOTH},
        {FIELD(operand_a), apart, operand, BOTH},
        {FIELD(queries), rows * head, operand, BOTH},
        {FIELD(keys), keys * head, operand, BOTH},
        {FIELD(values), keys * head, operand, BOTH},
        {FIELD(maximum), all, real, FORWARD},
        {FIELD(sum), all, real, FORWARD},
        {FIELD(factors), rows, real, FORWARD},
        {FIELD(dscores), rows * tile, real, BACKWARD},
        {FIELD(operand_b), apart, operand, BACKWARD},
        {FIELD(dout), rows * head, operand, BACKWARD},
        {FIELD(dot), all, real, BACKWARD},
    };
#undef FIELD
    for (int i = 0; i < BUFFERS; i++)
        list[i] = buffers[i];
}

uint64_t pare_cpu_attention_bytes(const pare_backend *backend, const pare_attention *shape, bool backward) {
    buffer list[BUFFERS];
    uint64_t total = 0;
    if (!backward && pare_attention_is_single(shape)) return 0;
    list_buffers(backend, shape, list);
    for (int i = 0; i < BUFFERS; i++)
        if (list[i].used & (backward ? BACKWARD : FORWARD)) total += list[i].elements * list[i].size;
    return total;
}

pare_status pare_attention_workspace_new(pare_attention_workspace *workspace, const pare_backend *backend,
                                         const pare_attention *shape, bool backward) {
    buffer list[BUFFERS];
    pare_status status = PARE_OK;
    *workspace = (pare_attention_workspace){0};
    list_buffers(backend, shape, list);
    for (int i = 0; i < BUFFERS && status == PARE_OK; i++)
        if (list[i].elements && list[i].used & (backward ? BACKWARD : FORWARD))
            status = pare_alloc_uninitialized((char *)workspace + list[i].offset, list[i].elements, list[i].size,
                                              "attention tiles");
    if (status != PARE_OK) pare_attention_workspace_free(workspace);
    if (status == PARE_OK && !is_apart(backend)) {
        workspace->operand_a = workspace->scores;
        workspace->operand_b = workspace->dscores;
    }
    return status;
}

void pare_attention_workspace_free(pare_attention_workspace *w) {
    void *a = w->operand_a == w->scores ? NULL : w->operand_a, *b = w->operand_b == w->dscores ? NULL : w->operand_b;
    void *all[] = {w->scores, w->partial, w->dscores, a,      b,      w->queries, w->keys,
                   w->values, w->dout,    w->maximum, w->sum, w->dot, w->factors};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
}
