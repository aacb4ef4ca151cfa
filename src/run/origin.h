/* What a model says of whose it is: a GGUF file in its metadata, a folder in the front matter of its card. */
#ifndef PARE_RUN_ORIGIN_H
#define PARE_RUN_ORIGIN_H

#include "support/status.h"

/* Texts freed by pare_origin_free; NULL: it does not say, or not in one plain word. */
typedef struct pare_origin {
    char *licence, *licence_name, *licence_link; /* as the Hub names them */
    char *id;                                    /* ORG/NAME on the Hub; of a GGUF file alone */
} pare_origin;

/* model: as pare_checkpoint_directory names it. What cannot be read says nothing. */
pare_status pare_origin_read(const char *model, pare_origin *out);
void pare_origin_free(pare_origin *origin);

/* The same as the front matter of a card; *card is NULL where there is nothing to say. Freed with pare_free. */
pare_status pare_origin_card(const pare_origin *origin, char **card);

#endif
