#include "text/chat_turns.h"
#include "support/memory.h"

#include <strings.h>

static const struct {
    const char *name;
    pare_chat_role role;
} ROLES[] = {
    {"system", PARE_ROLE_SYSTEM},
    {"developer", PARE_ROLE_SYSTEM},
    {"user", PARE_ROLE_USER},
    {"human", PARE_ROLE_USER},
    {"prompter", PARE_ROLE_USER},
    {"assistant", PARE_ROLE_ASSISTANT},
    {"gpt", PARE_ROLE_ASSISTANT},
    {"chatgpt", PARE_ROLE_ASSISTANT},
    {"bing", PARE_ROLE_ASSISTANT},
    {"bard", PARE_ROLE_ASSISTANT},
    {"bot", PARE_ROLE_ASSISTANT},
    {"model", PARE_ROLE_ASSISTANT},
    {"claude", PARE_ROLE_ASSISTANT},
    {"chatbot", PARE_ROLE_ASSISTANT},
    {"tool", PARE_ROLE_TOOL},
    {"function", PARE_ROLE_TOOL},
    {"observation", PARE_ROLE_TOOL},
    {"ipython", PARE_ROLE_TOOL},
    {"function_response", PARE_ROLE_TOOL},
    {"tool_response", PARE_ROLE_TOOL},
};

const char *pare_chat_key(const json_t *row) {
    static const char *const keys[] = {"messages", "conversations", "conversation"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(row, keys[i])) return keys[i];
    return NULL;
}

pare_status pare_chat_add(pare_chat *chat, pare_chat_role role, const char *text, size_t bytes) {
    if (chat->count == chat->room) {
        size_t room = chat->room ? chat->room * 2 : 16;
        pare_chat_turn *turns;
        PARE_TRY(pare_alloc_uninitialized(&turns, room, sizeof *turns, "the turns of a chat"));
        if (chat->count) memcpy(turns, chat->turns, chat->count * sizeof *turns);
        pare_free(chat->turns);
        chat->turns = turns;
        chat->room = room;
    }
    chat->turns[chat->count++] = (pare_chat_turn){role, chat->texts.bytes, bytes};
    return pare_buffer_append(&chat->texts, text, bytes);
}

static pare_status read_role(const pare_json_row *row, const json_t *turn, pare_chat_role *out) {
    const char *name = json_string_value(json_object_get(turn, "role"));
    if (!name) name = json_string_value(json_object_get(turn, "from"));
    for (size_t i = 0; name && i < sizeof ROLES / sizeof *ROLES; i++)
        if (strcasecmp(name, ROLES[i].name) == 0) {
            *out = ROLES[i].role;
            return PARE_OK;
        }
    if (!name) return pare_json_row_refuse(row, "has a turn without a \"role\" (or \"from\")");
    return pare_json_row_refuse(row,
                                "has a turn of \"%.40s\"; pare knows system, user (human), assistant (gpt, chatgpt, "
                                "bing, bard) and tool",
                                name);
}

/* The parts' texts, one after the other. */
static pare_status read_parts(const pare_json_row *row, const json_t *parts, pare_buffer *out) {
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i), *type = json_object_get(part, "type");
        const json_t *text = json_is_string(part) ? part : json_object_get(part, "text");
        if (type && json_is_string(type) && strcmp(json_string_value(type), "text") != 0)
            return pare_json_row_refuse(row, "has a part of type \"%.40s\" in a turn; pare takes text alone",
                                        json_string_value(type));
        if (!json_is_string(text)) return pare_json_row_refuse(row, "has a part without a text in a turn");
        PARE_TRY(pare_buffer_append(out, json_string_value(text), json_string_length(text)));
    }
    return PARE_OK;
}

static pare_status add_turn(const pare_json_row *row, const json_t *turn, pare_chat *chat) {
    pare_chat_role role = PARE_ROLE_SYSTEM;
    const json_t *calls = json_object_get(turn, "tool_calls"), *text = json_object_get(turn, "content");
    PARE_TRY(read_role(row, turn, &role));
    if (json_array_size(calls))
        return pare_json_row_refuse(row, "has a turn that calls tools, which pare has no words for");
    if (!text) text = json_object_get(turn, "value");
    if (json_is_string(text)) return pare_chat_add(chat, role, json_string_value(text), json_string_length(text));
    if (!json_is_array(text))
        return pare_json_row_refuse(row, "has a turn whose \"content\" (or \"value\") is %s",
                                    text ? "not a text" : "missing");
    PARE_TRY(pare_chat_add(chat, role, "", 0));
    PARE_TRY(read_parts(row, text, &chat->texts));
    pare_chat_turn *last = &chat->turns[chat->count - 1];
    last->bytes = chat->texts.bytes - last->start;
    return PARE_OK;
}

/* Whether the first turn is the system's. */
static bool begins_with_system(const json_t *turns) {
    const json_t *first = json_array_get(turns, 0);
    const char *name = json_string_value(json_object_get(first, "role"));
    if (!name) name = json_string_value(json_object_get(first, "from"));
    return name && strcasecmp(name, "system") == 0;
}

pare_status pare_chat_read(const pare_json_row *row, pare_chat *chat) {
    const char *key = pare_chat_key(row->value);
    const json_t *turns = key ? json_object_get(row->value, key) : NULL,
                 *system = json_object_get(row->value, "system");
    chat->count = chat->texts.bytes = 0;
    if (!json_is_array(turns))
        return pare_json_row_refuse(row, "is no chat: \"%s\" is not a list of turns", key ? key : "messages");
    if (json_string_length(system) && !begins_with_system(turns))
        PARE_TRY(pare_chat_add(chat, PARE_ROLE_SYSTEM, json_string_value(system), json_string_length(system)));
    for (size_t i = 0; i < json_array_size(turns); i++)
        PARE_TRY(add_turn(row, json_array_get(turns, i), chat));
    return PARE_OK;
}

void pare_chat_free(pare_chat *chat) {
    pare_free(chat->turns);
    pare_buffer_free(&chat->texts);
    *chat = (pare_chat){0};
}
