#include "tokenizer/buffer.h"
#include "support/memory.h"

enum { SMALLEST_ROOM = 64 };

/* Moves `count` elements of `size` bytes to memory with room for `more` of them, at least doubling it. */
static pare_status grow(void *memory, size_t count, size_t *room, size_t more, size_t size, const char *what) {
    void **held = memory;
    size_t needed, doubled = *room > SIZE_MAX / 2 ? SIZE_MAX : *room * 2;
    if (__builtin_add_overflow(count, more, &needed))
        return pare_fail(PARE_OUT_OF_MEMORY, "%s: %zu more elements do not fit any memory", what, more);
    if (needed < doubled) needed = doubled;
    if (needed < SMALLEST_ROOM) needed = SMALLEST_ROOM;
    void *larger;
    PARE_TRY(pare_alloc_uninitialized(&larger, needed, size, what));
    if (count) memcpy(larger, *held, count * size);
    pare_free(*held);
    *held = larger;
    *room = needed;
    return PARE_OK;
}

pare_status pare_buffer_reserve(pare_buffer *buffer, size_t more) {
    if (buffer->data && buffer->room - buffer->bytes >= more) return PARE_OK;
    return grow(&buffer->data, buffer->bytes, &buffer->room, more, 1, "text");
}

pare_status pare_buffer_append(pare_buffer *buffer, const void *data, size_t bytes) {
    PARE_TRY(pare_buffer_reserve(buffer, bytes));
    if (bytes) memcpy(buffer->data + buffer->bytes, data, bytes);
    buffer->bytes += bytes;
    return PARE_OK;
}

void pare_buffer_free(pare_buffer *buffer) {
    pare_free(buffer->data);
    *buffer = (pare_buffer){0};
}

pare_status pare_id_list_reserve(pare_id_list *list, size_t more) {
    if (list->ids && list->room - list->count >= more) return PARE_OK;
    return grow(&list->ids, list->count, &list->room, more, sizeof *list->ids, "token ids");
}

void pare_id_list_free(pare_id_list *list) {
    pare_free(list->ids);
    *list = (pare_id_list){0};
}
