/* Chats: each answer with what was said since the one before it is encoded like an example, and all that is one example
 * (examples.h has the wording). */
#include "text/examples_internal.h"

typedef enum chat_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT } chat_role;

static const struct {
    const char *name;
    chat_role role;
} ROLES[] = {{"system", ROLE_SYSTEM}, {"user", ROLE_USER},     {"human", ROLE_USER},     {"assistant", ROLE_ASSISTANT},
             {"gpt", ROLE_ASSISTANT}, {"bot", ROLE_ASSISTANT}, {"model", ROLE_ASSISTANT}};

static pare_status read_role(const pare_json_row *row, const json_t *turn, const char *key, chat_role *out) {
    const char *name = json_string_value(json_object_get(turn, key));
    for (size_t i = 0; name && i < sizeof ROLES / sizeof *ROLES; i++)
        if (strcmp(name, ROLES[i].name) == 0) {
            *out = ROLES[i].role;
            return PARE_OK;
        }
    if (name)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s, %s %zu has a turn of \"%.40s\"; pare knows system, user (human) and assistant (gpt)",
                         row->path, row->unit, row->number, name);
    return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu has a turn without a \"%s\"", row->path, row->unit, row->number,
                     key);
}

static pare_status mark(pare_buffer *marks, size_t count, char learnt) {
    PARE_TRY(pare_buffer_reserve(marks, count));
    memset(marks->data + marks->bytes, learnt, count);
    marks->bytes += count;
    return PARE_OK;
}

/* builder->text is the prompt; an empty answer is not learnt, not even its EOS. *first: ids of the first prompt. */
static pare_status add_answer(pare_example_builder *builder, const char *text, size_t bytes, size_t *first) {
    size_t start = builder->row.count, prompt;
    PARE_TRY(pare_template_append_answer(builder->request->wording, &builder->text));
    size_t prompt_bytes = builder->text.bytes;
    PARE_TRY(pare_buffer_append(&builder->text, text, bytes));
    PARE_TRY(pare_example_encode(builder, prompt_bytes, !start, &prompt));
    size_t added = builder->row.count - start;
    if (prompt > added || !bytes) prompt = added;
    if (!start) *first = prompt;
    builder->text.bytes = 0;
    if (builder->request->train_on_prompt) return PARE_OK;
    PARE_TRY(mark(&builder->marks, prompt, 0));
    return mark(&builder->marks, added - prompt, 1);
}

static pare_status add_turn(pare_example_builder *builder, const pare_json_row *row, const pare_chat_keys *keys,
                            const json_t *turn, bool begins, size_t *prompt) {
    pare_template wording = builder->request->wording;
    const char *text;
    size_t bytes;
    chat_role role = ROLE_SYSTEM;
    PARE_TRY(read_role(row, turn, keys->role, &role));
    PARE_TRY(pare_example_string(row, turn, keys->text, false, &text, &bytes));
    if (role == ROLE_SYSTEM) return pare_template_append_system(wording, text, bytes, &builder->text);
    if (begins) PARE_TRY(pare_template_append_system(wording, NULL, 0, &builder->text));
    if (role == ROLE_USER) return pare_template_append_turn(wording, text, bytes, &builder->text);
    return add_answer(builder, text, bytes, prompt);
}

pare_status pare_example_read_chat(pare_example_builder *builder, const pare_json_row *row,
                                   const pare_chat_keys *keys) {
    const json_t *turns = json_object_get(row->value, keys->turns);
    size_t prompt = 0;
    if (!json_is_array(turns))
        return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu: \"%s\" is not a list of turns", row->path, row->unit,
                         row->number, keys->turns);
    for (size_t i = 0; i < json_array_size(turns); i++)
        PARE_TRY(add_turn(builder, row, keys, json_array_get(turns, i), !i, &prompt));
    return pare_example_finish(builder, prompt);
}
