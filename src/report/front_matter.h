/* The front matter of a model card, README.md of a model's folder, as the Hub has it:
 *
 *   ---\n                lines of YAML: one mapping, of which only the keys in the first column are looked at; what a
 *   KEY: VALUE\n         key has is all up to the next one, kept as the text it is
 *   ---\n
 *   the card's text
 *
 * A text that does not begin so has none, and is all text. */
#ifndef PARE_REPORT_FRONT_MATTER_H
#define PARE_REPORT_FRONT_MATTER_H

#include "support/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct pare_front_key {
    char *name, *text; /* text: its lines, each with its end, the name among them */
} pare_front_key;

typedef struct pare_front_matter {
    pare_front_key *list; /* [count] in the order of the file; comments before the first key have the name "" */
    size_t count;
} pare_front_matter;

/* *body: the text after the front matter, within `text`. Free with pare_front_matter_free, also if it fails. */
pare_status pare_front_matter_read(const char *text, pare_front_matter *out, const char **body);
void pare_front_matter_free(pare_front_matter *matter);

bool pare_front_matter_has(const pare_front_matter *matter, const char *name);
/* Puts the lines `text` in the place of what the key had, or behind all others. */
pare_status pare_front_matter_put(pare_front_matter *matter, const char *name, const char *text);
void pare_front_matter_remove(pare_front_matter *matter, const char *name);
/* The value of a key with one on its own line, without quotes and comment, freed with free(); NULL: it has none. */
char *pare_front_matter_value(const pare_front_matter *matter, const char *name);

/* Adds a word to the list `name` unless it holds it; a list in brackets, or a single value, becomes one of lines. */
pare_status pare_front_matter_add(pare_front_matter *matter, const char *name, const char *word);

/* True for a word that YAML reads as a text without quotes: none of its other values. */
bool pare_front_matter_is_plain(const char *text);

void pare_front_matter_write(const pare_front_matter *matter, FILE *out);

#endif
