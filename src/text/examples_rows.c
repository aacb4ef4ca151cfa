/* The kinds of rows, and what text each makes an example of. */
#include "text/corpus_internal.h"
#include "text/examples_internal.h"

typedef struct pare_row_kind {
    const char *first, *second; /* keys that a row of this kind has; second: or NULL */
    const char *input;          /* a key that it may have */
    pare_status (*read)(pare_example_builder *builder, const pare_json_row *row);
} pare_row_kind;

pare_status pare_example_string(const pare_json_row *row, const json_t *object, const char *key, bool may_miss,
                                const char **text, size_t *bytes) {
    const json_t *value = json_object_get(object, key);
    bool empty = json_is_null(value) || (!value && may_miss);
    if (!empty && !json_is_string(value))
        return pare_json_row_refuse(row, "has no text under \"%s\": it is %s", key, value ? "not a string" : "missing");
    *text = empty ? "" : json_string_value(value);
    *bytes = empty ? 0 : json_string_length(value);
    return PARE_OK;
}

/* builder->text is the prompt. */
static pare_status add_answer(pare_example_builder *builder, const pare_json_row *row) {
    const char *answer = NULL;
    size_t bytes = 0, prompt = 0, prompt_bytes = builder->text.bytes;
    PARE_TRY(pare_example_string(row, row->value, builder->kind->second, false, &answer, &bytes));
    if (bytes) {
        PARE_TRY(pare_buffer_append(&builder->text, answer, bytes));
        PARE_TRY(pare_example_encode(builder, prompt_bytes, true, &prompt));
    }
    return pare_example_finish(builder, bytes && !builder->request->train_on_prompt ? prompt : 0);
}

/* An instruction as a chat of one question. */
static pare_status read_as_chat(pare_example_builder *builder, const pare_json_row *row) {
    const char *texts[3];
    size_t bytes[3];
    const char *const keys[3] = {builder->kind->first, builder->kind->input, builder->kind->second};
    for (int i = 0; i < 3; i++)
        PARE_TRY(pare_example_string(row, row->value, keys[i], i == 1, texts + i, bytes + i));
    PARE_TRY(pare_buffer_append(&builder->text, texts[0], bytes[0]));
    if (bytes[1]) PARE_TRY(pare_buffer_append(&builder->text, "\n", 1));
    PARE_TRY(pare_buffer_append(&builder->text, texts[1], bytes[1]));
    builder->chat.count = builder->chat.texts.bytes = 0;
    PARE_TRY(pare_chat_add(&builder->chat, PARE_ROLE_USER, builder->text.data, builder->text.bytes));
    PARE_TRY(pare_chat_add(&builder->chat, PARE_ROLE_ASSISTANT, texts[2], bytes[2]));
    return pare_example_read_formatted(builder, row);
}

static pare_status read_instruction(pare_example_builder *builder, const pare_json_row *row) {
    const char *instruction = NULL, *input = NULL;
    size_t bytes = 0, input_bytes = 0;
    if (pare_example_has_format(builder, false)) return read_as_chat(builder, row);
    PARE_TRY(pare_example_string(row, row->value, builder->kind->first, false, &instruction, &bytes));
    PARE_TRY(pare_example_string(row, row->value, builder->kind->input, true, &input, &input_bytes));
    PARE_TRY(
        pare_template_append(pare_example_wording(builder), instruction, bytes, input, input_bytes, &builder->text));
    return add_answer(builder, row);
}

static pare_status read_completion(pare_example_builder *builder, const pare_json_row *row) {
    const char *prompt = NULL;
    size_t bytes = 0;
    PARE_TRY(pare_example_string(row, row->value, builder->kind->first, false, &prompt, &bytes));
    PARE_TRY(pare_buffer_append(&builder->text, prompt, bytes));
    return add_answer(builder, row);
}

static pare_status read_text(pare_example_builder *builder, const pare_json_row *row) {
    const char *field = builder->request->field ? builder->request->field : builder->kind->first;
    const json_t *text;
    size_t prompt;
    PARE_TRY(pare_json_row_text(row, field, &text));
    PARE_TRY(pare_buffer_append(&builder->text, json_string_value(text), json_string_length(text)));
    if (builder->text.bytes) PARE_TRY(pare_example_encode(builder, 0, true, &prompt));
    return pare_example_divide(builder);
}

static pare_status read_ids(pare_example_builder *builder, const pare_json_row *row) {
    PARE_TRY(pare_json_row_ids(row, &builder->row));
    PARE_TRY(pare_corpus_check_ids(builder->tokenizer, row->path, builder->row.ids, builder->row.count));
    return pare_example_divide(builder);
}

static const pare_row_kind IDS = {.read = read_ids};
static const pare_row_kind TEXT = {.first = "text", .read = read_text};
static const pare_row_kind KEYED[] = {
    {"instruction", "output", "input", read_instruction}, {"instruction", "response", "context", read_instruction},
    {"prompt", "completion", NULL, read_completion},      {"prompt", "response", NULL, read_completion},
    {"messages", NULL, NULL, pare_example_read_chat},     {"conversations", NULL, NULL, pare_example_read_chat},
    {"conversation", NULL, NULL, pare_example_read_chat},
};

static bool has_keys(const json_t *value, const pare_row_kind *kind) {
    return json_object_get(value, kind->first) && (!kind->second || json_object_get(value, kind->second));
}

bool pare_example_is_worded(const json_t *value) {
    for (size_t i = 0; json_is_object(value) && i < sizeof KEYED / sizeof *KEYED; i++)
        if (has_keys(value, KEYED + i)) return true;
    return false;
}

/* NULL: none. */
static const pare_row_kind *kind_of(const pare_examples_request *request, const json_t *value) {
    if (json_is_array(value)) return &IDS;
    if (json_is_string(value) || (json_is_object(value) && request->field)) return &TEXT;
    for (size_t i = 0; i < sizeof KEYED / sizeof *KEYED; i++)
        if (has_keys(value, KEYED + i)) return KEYED + i;
    return has_keys(value, &TEXT) ? &TEXT : NULL;
}

/* `keys`: those that the row has. */
static pare_status refuse_keys(const pare_json_row *row, const pare_row_kind *kind, const pare_buffer *keys) {
    if (kind)
        return pare_json_row_refuse(row,
                                    "has no \"%s\"%s%s%s as the rows before it, but the keys %.*s; give a file with "
                                    "rows of one kind",
                                    kind->first, kind->second ? " and \"" : "", kind->second ? kind->second : "",
                                    kind->second ? "\"" : "", (int)keys->bytes, keys->data);
    return pare_json_row_refuse(row,
                                "is no example: it has the keys %.*s; a row needs instruction and output (or "
                                "response), prompt and completion (or response), messages, conversations, or text (its "
                                "key can be chosen with --field)",
                                (int)keys->bytes, keys->data);
}

static pare_status refuse_row(const pare_json_row *row, const pare_row_kind *kind) {
    pare_buffer keys = {0};
    if (!json_is_object(row->value) && (!kind || (!json_is_array(row->value) && !json_is_string(row->value))))
        return pare_json_row_refuse(row, "is neither an object nor a text nor a list of token ids");
    if (kind == &IDS || !json_is_object(row->value))
        return pare_json_row_refuse(row,
                                    "is of another kind than the rows before it; give a file with rows of one kind");
    pare_status status = pare_json_row_keys(row, false, &keys);
    if (status == PARE_OK && !keys.bytes) status = pare_buffer_append(&keys, "(none)", 6);
    if (status == PARE_OK) status = refuse_keys(row, kind, &keys);
    pare_buffer_free(&keys);
    return status;
}

/* Whether a row is of the kind of those before it: their keys decide, whatever else it has. */
static bool is_of_kind(const pare_example_builder *builder, const pare_json_row *row) {
    const pare_row_kind *kind = builder->kind;
    if (kind == &IDS || kind == &TEXT) return kind == kind_of(builder->request, row->value);
    return json_is_object(row->value) && has_keys(row->value, kind);
}

pare_status pare_example_read_row(void *context, const pare_json_row *row) {
    pare_example_builder *builder = context;
    PARE_TRY(pare_interrupted());
    builder->text.bytes = builder->marks.bytes = builder->row.count = 0;
    if (!builder->kind) {
        builder->kind = kind_of(builder->request, row->value);
        if (!builder->kind) return refuse_row(row, NULL);
    }
    if (!is_of_kind(builder, row)) return refuse_row(row, builder->kind);
    if (builder->kind != &IDS && !builder->tokenizer && !builder->as_text)
        return pare_fail(PARE_FORMAT_ERROR, "%s has text, and there is no tokenizer to read it with", row->path);
    return builder->kind->read(builder, row);
}
