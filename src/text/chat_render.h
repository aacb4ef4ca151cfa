/* A chat as the text that its model was made with. */
#ifndef PARE_TEXT_CHAT_RENDER_H
#define PARE_TEXT_CHAT_RENDER_H

#include "text/chat_format.h"
#include "text/chat_style.h"

typedef struct pare_chat_span {
    size_t start, end; /* bytes of the text that are learnt: an answer and what stops it */
} pare_chat_span;

/* Appends the chat up to its last answer, as the model's template gives it, and the spans of its answers that are not
 * empty (spans: a run of pare_chat_span). Refuses the row, naming it, for what the format has no place for. */
pare_status pare_chat_render(const pare_chat_style *style, const pare_json_row *row, const pare_chat *chat,
                             pare_buffer *text, pare_buffer *spans);

#endif
