/* The turns of a row that is a chat: a list under "messages", "conversations" or "conversation", each turn an object
 * with its role under "role" or "from" and its text under "content" or "value", as a string or a list of parts of text.
 * A "system" text beside the list is the first turn of a chat that has no other. */
#ifndef PARE_TEXT_CHAT_TURNS_H
#define PARE_TEXT_CHAT_TURNS_H

#include "text/json_rows.h"

typedef enum pare_chat_role {
    PARE_ROLE_SYSTEM,
    PARE_ROLE_USER,
    PARE_ROLE_ASSISTANT,
    PARE_ROLE_TOOL,
    PARE_ROLES
} pare_chat_role;

typedef struct pare_chat_turn {
    pare_chat_role role;
    size_t start, bytes; /* of the texts */
} pare_chat_turn;

typedef struct pare_chat {
    pare_chat_turn *turns; /* [count] */
    size_t count, room;
    pare_buffer texts;
} pare_chat;

/* The key of a chat's turns in this row, or NULL. */
const char *pare_chat_key(const json_t *row);
/* Replaces what *chat holds; refuses the row for turns of unknown roles, without text, or with pictures or calls of
 * tools. Free with pare_chat_free. */
pare_status pare_chat_read(const pare_json_row *row, pare_chat *chat);
pare_status pare_chat_add(pare_chat *chat, pare_chat_role role, const char *text, size_t bytes);
void pare_chat_free(pare_chat *chat);

#endif
