/* Shared by the parts of reading examples: examples.c (files, and what becomes an example), examples_rows.c (kinds of
 * rows), examples_chat.c and examples_template.c. */
#ifndef PARE_TEXT_EXAMPLES_INTERNAL_H
#define PARE_TEXT_EXAMPLES_INTERNAL_H

#include "text/examples.h"
#include "text/json_rows.h"

struct pare_row_kind;

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

/* Rows with messages or conversations (examples_chat.c). */
typedef struct pare_chat_keys {
    const char *turns, *role, *text;
} pare_chat_keys;
pare_status pare_example_read_chat(pare_example_builder *builder, const pare_json_row *row, const pare_chat_keys *keys);

/* Appends to a prompt (examples_template.c): all of it; what stands in front of the first turn of a chat (system: NULL
 * for none); a user's turn; what stands in front of an answer. */
pare_status pare_template_append(pare_template wording, const char *instruction, size_t bytes, const char *input,
                                 size_t input_bytes, pare_buffer *out);
pare_status pare_template_append_system(pare_template wording, const char *system, size_t bytes, pare_buffer *out);
pare_status pare_template_append_turn(pare_template wording, const char *text, size_t bytes, pare_buffer *out);
pare_status pare_template_append_answer(pare_template wording, pare_buffer *out);

#endif
