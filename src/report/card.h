/* The model card: README.md of a folder that pare writes, made of the report of the run and of the card of the model
 * before, which is kept and added to. What pare says stands first, between two marks with the kind of the run in them,
 *
 *   <!-- pare prune: up to the end mark pare writes anew -->
 *   ...
 *   <!-- pare prune: end -->
 *
 * and replaces what stood between such marks. All else stays as it is, but for the front matter (front_matter.h):
 * its keys stay, ours are added, base_model names the model before where its name is known, and model-index has what
 * this run measured. The last line is a mark with a digest of all before it, by which an edited card is known. */
#ifndef PARE_REPORT_CARD_H
#define PARE_REPORT_CARD_H

#include "support/json.h"

#include <stdbool.h>

/* What a card is made of beside the report. Texts are borrowed; any may be NULL. */
typedef struct pare_card_source {
    const char *card;           /* README.md of the model before, or what became of it */
    const char *id;             /* ORG/NAME, under which the Hub knows that model */
    const char *licence;        /* how its licence file begins, where the card does not name the licence */
    const char *method, *paper; /* of the method: in words, and whose it is */
} pare_card_source;

/* *text: the card, freed with free(). report: of a pruning, a recovery or a merge, with its "output". */
pare_status pare_card_make(const json_t *report, const pare_card_source *source, char **text);

/* True if pare wrote the card, and somebody changed it since. */
bool pare_card_is_edited(const char *card);

#endif
