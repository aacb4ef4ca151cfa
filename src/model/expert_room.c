#include "model/expert_room.h"
#include "support/memory.h"

#include <stddef.h>

typedef struct buffer {
    size_t offset; /* of the pointer in pare_expert_room */
    uint64_t elements;
    size_t size;
    pare_room_use use;
} buffer;

enum { BUFFERS = 28 };

static void list_buffers(const pare_backend *backend, const pare_config *config, int64_t tokens, buffer list[BUFFERS]) {
    const pare_experts *x = &config->experts;
    uint64_t n = (uint64_t)tokens, d = config->hidden, f = x->width, chosen = n * x->chosen, all = n * x->count;
    size_t operand = pare_operand_size(backend), real = sizeof(float);
#define FIELD(name) offsetof(pare_expert_room, name)
    const buffer buffers[BUFFERS] = {
        {FIELD(routing.probability), all, real, PARE_ROOM_RESULT},
        {FIELD(routing.share), chosen, real, PARE_ROOM_RESULT},
        {FIELD(routing.expert), chosen, sizeof(int32_t), PARE_ROOM_RESULT},
        {FIELD(routing.order), chosen, sizeof(int32_t), PARE_ROOM_RESULT},
        {FIELD(routing.first), (uint64_t)x->count + 1, sizeof(int64_t), PARE_ROOM_RESULT},
        {FIELD(shared_share), x->shared_gated ? n : 0, real, PARE_ROOM_RESULT},
        {FIELD(matrix[0]), f * d, operand, PARE_ROOM_TEMPORARY},
        {FIELD(matrix[1]), f * d, operand, PARE_ROOM_TEMPORARY},
        {FIELD(matrix[2]), f * d, operand, PARE_ROOM_TEMPORARY},
        {FIELD(router), x->count * d, operand, PARE_ROOM_TEMPORARY},
        {FIELD(shared_gate), x->shared_gated ? d : 0, real, PARE_ROOM_TEMPORARY},
        {FIELD(correction), x->corrected ? x->count : 0, real, PARE_ROOM_TEMPORARY},
        {FIELD(router_bias), x->biased ? x->count : 0, real, PARE_ROOM_TEMPORARY},
        {FIELD(bias[0]), x->biased ? f : 0, real, PARE_ROOM_TEMPORARY},
        {FIELD(bias[1]), x->biased ? f : 0, real, PARE_ROOM_TEMPORARY},
        {FIELD(bias[2]), x->biased ? d : 0, real, PARE_ROOM_TEMPORARY},
        {FIELD(x), n * d, operand, PARE_ROOM_TEMPORARY},
        {FIELD(gate), n * f, real, PARE_ROOM_TEMPORARY},
        {FIELD(up), n * f, real, PARE_ROOM_TEMPORARY},
        {FIELD(activated), n * f, operand, PARE_ROOM_TEMPORARY},
        {FIELD(y), n * d, real, PARE_ROOM_TEMPORARY},
        {FIELD(dy), n * d, operand, PARE_ROOM_BACKWARD},
        {FIELD(dactivated), n * f, real, PARE_ROOM_BACKWARD},
        {FIELD(dgate), n * f, operand, PARE_ROOM_BACKWARD},
        {FIELD(dup), n * f, operand, PARE_ROOM_BACKWARD},
        {FIELD(felt), chosen, real, PARE_ROOM_BACKWARD},
        {FIELD(dlogits), all, real, PARE_ROOM_BACKWARD},
        {FIELD(dlogits_operand), all, operand, PARE_ROOM_BACKWARD},
    };
#undef FIELD
    for (int i = 0; i < BUFFERS; i++)
        list[i] = buffers[i];
}

uint64_t pare_expert_room_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                pare_room_use last) {
    buffer list[BUFFERS];
    uint64_t total = 0;
    if (!config->experts.count) return 0;
    list_buffers(backend, config, tokens, list);
    for (int i = 0; i < BUFFERS; i++)
        if (list[i].use <= last) total += list[i].elements * list[i].size;
    return total;
}

pare_status pare_expert_room_new(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                 pare_room_use last, pare_expert_room *out) {
    buffer list[BUFFERS];
    if (!config->experts.count) return PARE_OK;
    list_buffers(backend, config, tokens, list);
    for (int i = 0; i < BUFFERS; i++)
        if (list[i].use <= last)
            PARE_TRY(pare_alloc_uninitialized((char *)out + list[i].offset, list[i].elements, list[i].size, "experts"));
    return PARE_OK;
}

void pare_expert_room_share(const pare_expert_room *shared, pare_expert_room *room) {
    pare_expert_room own = *room;
    *room = *shared;
    room->routing = own.routing;
    room->shared_share = own.shared_share;
}

void pare_expert_room_unshare(pare_expert_room *room) {
    const pare_expert_room none = {0};
    pare_expert_room_share(&none, room);
}

void pare_expert_room_free(pare_expert_room *r) {
    void *all[BUFFERS] = {r->routing.probability,
                          r->routing.share,
                          r->routing.expert,
                          r->routing.order,
                          r->routing.first,
                          r->shared_share,
                          r->matrix[0],
                          r->matrix[1],
                          r->matrix[2],
                          r->router,
                          r->shared_gate,
                          r->correction,
                          r->router_bias,
                          r->bias[0],
                          r->bias[1],
                          r->bias[2],
                          r->x,
                          r->gate,
                          r->up,
                          r->activated,
                          r->y,
                          r->dy,
                          r->dactivated,
                          r->dgate,
                          r->dup,
                          r->felt,
                          r->dlogits,
                          r->dlogits_operand};
    for (int i = 0; i < BUFFERS; i++)
        pare_free(all[i]);
    *r = (pare_expert_room){0};
}
