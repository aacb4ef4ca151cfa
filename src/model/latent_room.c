#include "model/latent_room.h"
#include "support/memory.h"

#include <stddef.h>

typedef struct buffer {
    size_t offset; /* of the pointer in pare_latent_room */
    uint64_t elements;
    size_t size;
    pare_room_use use;
} buffer;

enum { BUFFERS = 10 };

uint64_t pare_latent_widest(const pare_config *config) {
    const pare_latent *l = &config->latent;
    uint64_t widest = (uint64_t)l->keys + l->rotated;
    for (uint32_t i = 0; i < config->layers; i++) {
        uint64_t stored = (uint64_t)config->widths[i].heads * (l->plain + l->value);
        uint64_t read = (uint64_t)config->widths[i].heads * config->head_size;
        widest = stored > widest ? stored : widest;
        widest = read > widest ? read : widest;
    }
    return widest > l->queries ? widest : l->queries;
}

static void list_buffers(const pare_backend *backend, const pare_config *config, int64_t tokens, buffer list[BUFFERS]) {
    const pare_latent *l = &config->latent;
    uint64_t n = (uint64_t)tokens, widest = pare_latent_widest(config), queries = l->queries ? n : 0;
    size_t operand = pare_operand_size(backend), real = sizeof(float);
#define FIELD(name) offsetof(pare_latent_room, name)
    const buffer buffers[BUFFERS] = {
        {FIELD(queries.down), n * l->queries, real, PARE_ROOM_RESULT},
        {FIELD(queries.inverse), queries, real, PARE_ROOM_RESULT},
        {FIELD(queries.normed), n * l->queries, operand, PARE_ROOM_RESULT},
        {FIELD(keys.down), n * l->keys, real, PARE_ROOM_RESULT},
        {FIELD(keys.inverse), n, real, PARE_ROOM_RESULT},
        {FIELD(keys.normed), n * l->keys, operand, PARE_ROOM_RESULT},
        {FIELD(query_down), (uint64_t)l->queries * config->hidden, operand, PARE_ROOM_TEMPORARY},
        {FIELD(spread), n * widest, real, PARE_ROOM_TEMPORARY},
        {FIELD(turned), n * l->rotated, real, PARE_ROOM_TEMPORARY},
        {FIELD(gathered), n * widest, operand, PARE_ROOM_BACKWARD},
    };
#undef FIELD
    for (int i = 0; i < BUFFERS; i++)
        list[i] = buffers[i];
}

uint64_t pare_latent_room_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                pare_room_use last) {
    buffer list[BUFFERS];
    uint64_t total = 0;
    if (!config->latent.keys) return 0;
    list_buffers(backend, config, tokens, list);
    for (int i = 0; i < BUFFERS; i++)
        if (list[i].use <= last) total += list[i].elements * list[i].size;
    return total;
}

pare_status pare_latent_room_new(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                 pare_room_use last, pare_latent_room *out) {
    buffer list[BUFFERS];
    if (!config->latent.keys) return PARE_OK;
    list_buffers(backend, config, tokens, list);
    for (int i = 0; i < BUFFERS; i++)
        if (list[i].use <= last)
            PARE_TRY(pare_alloc_uninitialized((char *)out + list[i].offset, list[i].elements, list[i].size, "latents"));
    return PARE_OK;
}

void pare_latent_room_share(const pare_latent_room *shared, pare_latent_room *room) {
    pare_latent_room own = *room;
    *room = *shared;
    room->queries = own.queries;
    room->keys = own.keys;
}

void pare_latent_room_unshare(pare_latent_room *room) {
    const pare_latent_room none = {0};
    pare_latent_room_share(&none, room);
}

void pare_latent_room_free(pare_latent_room *r) {
    void *all[BUFFERS] = {r->queries.down, r->queries.inverse, r->queries.normed, r->keys.down, r->keys.inverse,
                          r->keys.normed,  r->query_down,      r->spread,         r->turned,    r->gathered};
    for (int i = 0; i < BUFFERS; i++)
        pare_free(all[i]);
    *r = (pare_latent_room){0};
}
