/* What a model is tuned on: examples of a prompt and its answer, as token ids with the point where the answer begins.
 *
 * Read by the file's ending and by the keys of its rows:
 *   .json, .jsonl  instruction (input) output        Alpaca
 *                  instruction response              LaMini
 *                  prompt completion (or response)   completion: taken as they are, no template
 *                  messages: [{role, content}]       chat; or conversations: [{from, value}]
 *                  text                              plain text: every token is learnt
 *                  lists of token ids                ready ids, every token is learnt
 *   others         plain text, one example per stretch of `cutoff` tokens of the whole file as one stream
 * One file holds rows of one kind. */
#ifndef PARE_TEXT_EXAMPLES_H
#define PARE_TEXT_EXAMPLES_H

#include <pare.h>

/* The wording around an instruction. */
typedef enum pare_template {
    PARE_TEMPLATE_ALPACA, /* the sentences and headings of Stanford Alpaca, with and without input */
    PARE_TEMPLATE_NONE    /* instruction, then input on a line of its own, then the answer, with nothing around them */
} pare_template;

typedef struct pare_example {
    size_t start;           /* of its ids */
    uint32_t count, prompt; /* ids, of which the first `prompt` are not learnt */
} pare_example;

typedef struct pare_examples {
    uint32_t *ids;
    pare_example *list; /* [count], in the file's order */
    size_t count;
    size_t shortened; /* examples that were cut at the cutoff */
    size_t dropped;   /* examples left out because nothing of their answer was left within the cutoff, or was there */
} pare_examples;

typedef struct pare_examples_request {
    const char *path;
    const char *field; /* the text's key in rows of plain text; NULL: "text" */
    pare_template wording;
    uint32_t cutoff;      /* most tokens of an example, BOS and EOS included; 2 or more */
    bool train_on_prompt; /* nothing is masked (prompt = 0) */
    uint32_t limit;       /* only the first so many rows; 0: all */
} pare_examples_request;

/* Tokens of an example: BOS if the tokenizer adds it, prompt and answer as one text, EOS behind it if there is one and
 * room for it. Its prompt's length is that of the prompt's own tokens (published practice; where the border falls
 * inside a token that token counts as prompt, if the prompt alone has as many). Longer examples are cut on the right.
 * Fails, naming file and row, on rows of no known kind, or if no example is left. Free with pare_examples_free. */
pare_status pare_examples_read(const pare_tokenizer *tokenizer, const pare_examples_request *request,
                               pare_examples *out);
void pare_examples_free(pare_examples *examples);

/* *text: the prompt of an instruction, freed with free(). input: may be NULL or empty. */
char *pare_template_prompt(pare_template wording, const char *instruction, const char *input);

#endif
