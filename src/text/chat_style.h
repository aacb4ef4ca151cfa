/* How instructions and chats are worded: with a published wording, or as the model's own chat template has it. */
#ifndef PARE_TEXT_CHAT_STYLE_H
#define PARE_TEXT_CHAT_STYLE_H

#include "support/status.h"

#include <stddef.h>

/* The wording around an instruction. */
typedef enum pare_template {
    PARE_TEMPLATE_AUTO,   /* chats as the model's template has them, if it has one; all else as in Alpaca */
    PARE_TEMPLATE_ALPACA, /* the sentences and headings of Stanford Alpaca, with and without input */
    PARE_TEMPLATE_NONE,   /* instruction, then input on a line of its own, then the answer, with nothing around them */
    PARE_TEMPLATE_CHAT    /* a chat format, and all from here on: instructions, too, as chats of one question */
} pare_template;

/* The names of wordings, the first four kinds' first, then that of each chat format; NULL after the last. */
const char *pare_template_name(size_t index);

struct pare_chat_format;

typedef struct pare_chat_style {
    pare_template wording;           /* one of the four */
    struct pare_chat_format *format; /* of chats; NULL: the wording's */
    char *template_path;             /* NULL: the model has no chat template */
    bool unknown;                    /* it has one that no format fits; chats are refused */
    char *system;                    /* what the system says where a chat has no turn of it; NULL: nothing */
    char *header;                    /* stands in front of what the system says, always; or NULL */
    char *bos, *eos;                 /* the model's tokens, "" for none */
    char *literals[2];               /* of the format, where the template decides; freed with free() */
} pare_chat_style;

/* wording: an index of pare_template_name. directory: of the model, whose tokenizer_config.json,
 * special_tokens_map.json, chat_template.jinja and chat_template.json are looked at. Free with pare_chat_style_free. */
pare_status pare_chat_style_open(const char *directory, size_t wording, pare_chat_style *out);
void pare_chat_style_free(pare_chat_style *style);

/* *text: the chat template of those files as it stands, freed with free(); NULL: there is none. */
pare_status pare_chat_style_template(const char *directory, char **text);

/* The name of the format of chats, "alpaca" or "none". */
const char *pare_chat_style_name(const pare_chat_style *style);

#endif
