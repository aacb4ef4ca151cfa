/* The formats that chat models are made with: what stands around each turn. One row of the table in chat_format.c each;
 * a model's template decides between a format's variants (chat_style.h). In what is written {bos} and {eos} stand for
 * the model's tokens. */
#ifndef PARE_TEXT_CHAT_FORMAT_H
#define PARE_TEXT_CHAT_FORMAT_H

#include "text/chat_turns.h"

enum { PARE_CHAT_MARKERS = 4 };

typedef enum pare_chat_trim {
    PARE_TRIM_NONE,
    PARE_TRIM_TEXT,   /* each turn's text is stripped of white space */
    PARE_TRIM_WHOLE,  /* the same, a system's text in front of a user's counting as part of it */
    PARE_TRIM_ANSWERS /* of assistants only */
} pare_chat_trim;

typedef enum pare_chat_system {
    PARE_SYSTEM_OWN,        /* a turn of its own, in front */
    PARE_SYSTEM_FIRST_USER, /* in front of the first user's text */
    PARE_SYSTEM_LAST_USER,  /* in front of the last user's text */
    PARE_SYSTEM_REFUSED     /* the format has none */
} pare_chat_system;

typedef struct pare_chat_format {
    const char *name;
    const char *markers[PARE_CHAT_MARKERS]; /* what a template of this format has, */
    const char *absent;                     /* and what it has not; or NULL */
    const char *begin;
    const char *before[PARE_ROLES], *after[PARE_ROLES]; /* around a turn; NULL: there is none of this role */
    const char *lead, *stop;              /* of an answer: what is learnt with it, in front of it and behind it */
    const char *end;                      /* of the whole */
    const char *system_lead, *system_end; /* around a system's text in front of a user's */
    pare_chat_system system;
    pare_chat_trim trim;
    bool skips_empty;   /* a system that says nothing has no turn */
    bool alternates;    /* users and assistants take turns, users first */
    bool thinks;        /* an answer to the last user begins with what was thought, if only an empty block */
    bool answers_tools; /* tools' results stand in turns of the user */
} pare_chat_format;

/* The format at `index`, in the order in which they are recognised; NULL after the last. */
const pare_chat_format *pare_chat_format_at(size_t index);

#endif
