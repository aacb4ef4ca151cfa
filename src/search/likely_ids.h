/* Which ids of a vocabulary answer for nearly all that a model says. */
#ifndef PARE_SEARCH_LIKELY_IDS_H
#define PARE_SEARCH_LIKELY_IDS_H

#include "model/pass.h"

typedef struct pare_likely_ids {
    uint32_t *id; /* [count] ascending; NULL: all of the vocabulary stand for themselves */
    int64_t count;
} pare_likely_ids;

/* Vocabularies no larger than a tile of the head are looked at whole, and so are those that hardly fewer ids stand for.
 */
enum { PARE_LIKELY_WHOLE = PARE_HEAD_VOCABULARY };

/* Bytes that finding them takes, the list among them. */
uint64_t pare_likely_ids_bytes(uint32_t vocabulary);

/* Of the last forward of the pass: the fewest ids that have .95 of the probability of all predictions together. logsum
 * [predictions] <- the log of what all ids have, unless the vocabulary is looked at whole for its size; may be NULL.
 * Free with pare_likely_ids_free. */
pare_status pare_likely_ids_find(pare_pass *pass, const pare_source *source, double *logsum, pare_likely_ids *out);
void pare_likely_ids_free(pare_likely_ids *ids);

#endif
