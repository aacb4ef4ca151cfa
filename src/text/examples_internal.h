/* Shared by the parts of reading examples: examples.c (files), examples_builder.c (what becomes an example),
 * examples_rows.c (kinds of rows), examples_chat.c and examples_template.c; and by chat_text.c. */
#ifndef PARE_TEXT_EXAMPLES_INTERNAL_H
#define PARE_TEXT_EXAMPLES_INTERNAL_H

#include "text/chat_turns.h"
#include "text/examples.h"
#include "text/json_rows.h"

struct pare_row_kind;

enum { PARE_EXAMPLE_SMALLEST_CUTOFF = 2 };

typedef struct pare_example_builder {
    const pare_tokenizer *tokenizer;
    const pare_examples_request *request;
    const struct pare_row_kind *kind; /* of the file's rows; NULL before the first */
    pare_id_list ids;
    pare_buffer learnt; /* empty, or a byte for each of ids */
    pare_example *list; /* [count] */
    size_t count, room, shortened, dropped;
    /* Of the row at hand: */
    pare_buffer text;   /* a prompt and its answer */
    pare_id_list row;   /* what becomes an example */
    pare_buffer marks;  /* empty, or whether each of row is learnt */
    pare_id_list alone; /* a prompt's own ids */
    pare_chat chat;
    pare_buffer spans; /* of what is learnt of a chat in its model's format */
    pare_odd_rows odd;
    bool formatted;
    pare_buffer *as_text; /* rows become texts, appended here, and not examples; NULL: they do not */
} pare_example_builder;

/* Appends to builder->row the ids of builder->text, of which the first prompt_bytes are the prompt, and an EOS unless
 * they end in one. bos: whether a BOS goes in front if the tokenizer adds one. *prompt: ids of the prompt alone. */
pare_status pare_example_encode(pare_example_builder *builder, size_t prompt_bytes, bool bos, size_t *prompt);
/* Makes builder->row an example whose first `prompt` ids are not learnt, or counts it as dropped. */
pare_status pare_example_finish(pare_example_builder *builder, size_t prompt);
/* Makes builder->row as many examples as it takes, or counts it as dropped; all is learnt. */
pare_status pare_example_divide(pare_example_builder *builder);

/* A row of a JSON file, with the builder as its context (pare_json_row_reader; examples_rows.c). */
pare_status pare_example_read_row(void *builder, const pare_json_row *row);
/* The string under `key` of an object of this row; an empty one for null, and, if it may be missing, for none. The
 * row's. */
pare_status pare_example_string(const pare_json_row *row, const json_t *object, const char *key, bool may_miss,
                                const char **text, size_t *bytes);

/* The wording of rows that are in no chat format. */
pare_template pare_example_wording(const pare_example_builder *builder);
/* Whether chats (chat), or instructions, are put into the chat format of the style. */
bool pare_example_has_format(const pare_example_builder *builder, bool chat);

/* Rows with messages or conversations (examples_chat.c), and builder->chat in the style's format. */
pare_status pare_example_read_chat(pare_example_builder *builder, const pare_json_row *row);
pare_status pare_example_read_formatted(pare_example_builder *builder, const pare_json_row *row);
/* Whether the row is a chat or an instruction (examples_rows.c). */
bool pare_example_is_worded(const json_t *value);
void pare_example_builder_free(pare_example_builder *builder);

/* Appends to a prompt (examples_template.c): all of it; what stands in front of the first turn of a chat (system: NULL
 * for none); a user's turn; what stands in front of an answer. */
pare_status pare_template_append(pare_template wording, const char *instruction, size_t bytes, const char *input,
                                 size_t input_bytes, pare_buffer *out);
pare_status pare_template_append_system(pare_template wording, const char *system, size_t bytes, pare_buffer *out);
pare_status pare_template_append_turn(pare_template wording, const char *text, size_t bytes, pare_buffer *out);
pare_status pare_template_append_answer(pare_template wording, pare_buffer *out);

#endif
