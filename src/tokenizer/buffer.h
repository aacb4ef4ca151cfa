/* Growing runs of bytes and of token ids. */
#ifndef PARE_TOKENIZER_BUFFER_H
#define PARE_TOKENIZER_BUFFER_H

#include "support/status.h"

#include <string.h>

typedef struct pare_buffer {
    char *data; /* freed with pare_free; may be NULL while empty */
    size_t bytes, room;
} pare_buffer;

/* Makes room for `more` bytes behind the present ones. */
pare_status pare_buffer_reserve(pare_buffer *buffer, size_t more);
pare_status pare_buffer_append(pare_buffer *buffer, const void *data, size_t bytes);
void pare_buffer_free(pare_buffer *buffer);

typedef struct pare_id_list {
    uint32_t *ids; /* freed with pare_free; may be NULL while empty */
    size_t count, room;
} pare_id_list;

pare_status pare_id_list_reserve(pare_id_list *list, size_t more);
void pare_id_list_free(pare_id_list *list);

static inline pare_status pare_id_list_append(pare_id_list *list, const uint32_t *ids, size_t count) {
    if (list->room - list->count < count) PARE_TRY(pare_id_list_reserve(list, count));
    for (size_t i = 0; i < count; i++) /* a few: no call for them */
        list->ids[list->count++] = ids[i];
    return PARE_OK;
}

static inline pare_status pare_id_list_add(pare_id_list *list, uint32_t id) {
    return pare_id_list_append(list, &id, 1);
}

#endif
