/* What a model is tuned on: examples of prompts and answers, as token ids and which of them are learnt.
 *
 * A file of JSON rows (one value per line, or one list; documents.h), by the keys of its first row that has any of
 * these (the first line of this list that fits):
 *   instruction (input) output            Alpaca
 *   instruction (context) response        LaMini, Dolly
 *   prompt completion (or response)       taken as they are, no template
 *   messages, conversations, conversation chat (chat_turns.h)
 *   text, or a string                     plain text: every token is learnt
 *   lists of token ids                    ready ids, taken as they are; every token is learnt
 * or plain text, one example per stretch of `cutoff` tokens of the whole file as one stream, BOS in front of it and no
 * EOS. One file holds rows of one kind; others are skipped and counted, as odd_rows.h says.
 *
 * Of a chat the assistant's turns alone are learnt. Where the style has a format, the chat is the text that the model's
 * template gives (chat_render.h), tokenised as one, and an answer is learnt with what stops it. Otherwise it is made of
 * examples: what stands in front of an answer is its prompt, tokenised as that of an example, the first one with BOS,
 * and each answer has an EOS behind it. With the Alpaca wording a prompt is the system's text, or in front of the
 * first turn of a chat that has none the template's sentence for instructions without input, and a blank line; for each
 * user turn "### Instruction:\n", its text and a blank line; and "### Response:\n". So a chat of one question and one
 * answer is the same tokens as the same in Alpaca's keys. With no wording it is those texts, each with a line end.
 * Turns behind the last answer are left out. */
#ifndef PARE_TEXT_EXAMPLES_H
#define PARE_TEXT_EXAMPLES_H

#include "text/chat_style.h"
#include "text/odd_rows.h"

typedef struct pare_example {
    size_t start;           /* of its ids */
    uint32_t count, prompt; /* ids, of which the first `prompt` are not learnt */
} pare_example;

typedef struct pare_examples {
    uint32_t *ids;
    uint8_t *learnt;    /* of chats, as many as ids: 0 for those behind the prompt that are not learnt either, else 1.
                         * NULL:    all ids behind an example's prompt are learnt */
    int32_t *labels;    /* of pictures, [count]: what is learnt, at an example's first id; -1: nothing. NULL: text */
    pare_example *list; /* [count], in the file's order */
    size_t count;
    size_t shortened;        /* examples that were cut at the cutoff, even if only their EOS was lost */
    pare_odd_rows odd;       /* rows that were skipped */
    size_t malformed, first; /* stretches that were not UTF-8, and the offset of the first */
    bool formatted;          /* in the style's chat format */
    size_t dropped; /* rows left out because nothing of their answer was left within the cutoff, or was there */
} pare_examples;

typedef struct pare_examples_request {
    const char *path;
    const char *field; /* the text's key: rows are plain text, whatever their other keys; NULL: "text" where rows are */
    pare_template wording;        /* where there is no style */
    const pare_chat_style *style; /* or NULL */
    uint32_t cutoff;              /* most tokens of an example, BOS and EOS included; 2 or more */
    bool train_on_prompt;         /* nothing is masked (prompt = 0) */
    uint32_t limit;               /* only the first so many rows (of plain text: stretches); 0: all */
} pare_examples_request;

/* Tokens of an example: BOS if the tokenizer adds it, prompt and answer as one text, EOS behind it if there is one, it
 * is not there yet, and there is room for it. Its prompt's length is that of the prompt's own tokens (published
 * practice; where the border falls inside a token that token counts as prompt, if the prompt alone has as many). Longer
 * examples are cut on the right; rows of plain text (with BOS and EOS) and of ids are cut into several instead.
 * tokenizer: NULL will do for ids. Fails, naming file and row, on rows of no known kind or another kind than the first,
 * or if no example is left. Free with pare_examples_free. */
pare_status pare_examples_read(const pare_tokenizer *tokenizer, const pare_examples_request *request,
                               pare_examples *out);
/* A sentence for what was skipped or replaced; freed with free(). NULL: nothing. */
char *pare_examples_note(const pare_examples *examples, const char *path);
void pare_examples_free(pare_examples *examples);
/* Ids of all examples together, and of one on average, rounded up. */
uint64_t pare_examples_ids(const pare_examples *examples);
uint64_t pare_examples_mean_ids(const pare_examples *examples);
/* Puts copies of the examples of `from` behind those of `to`, both of text, and adds up what was skipped (reasons are
 * lost). A failure leaves both as they were. */
pare_status pare_examples_append(pare_examples *to, const pare_examples *from);

/* Whether the id at `at` (below count) of an example is learnt. */
static inline bool pare_example_learns(const pare_examples *examples, const pare_example *example, uint32_t at) {
    return at >= example->prompt && (!examples->learnt || examples->learnt[example->start + at]);
}

/* The prompt of an instruction, freed with free(); NULL without memory. input: may be NULL or empty. */
char *pare_template_prompt(pare_template wording, const char *instruction, const char *input);

#endif
