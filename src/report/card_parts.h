/* The parts of a model card. */
#ifndef PARE_REPORT_CARD_PARTS_H
#define PARE_REPORT_CARD_PARTS_H

#include "report/card.h"
#include "report/front_matter.h"
#include "report/page_parts.h"

/* The folder's name, by which a card calls the model. */
const char *pare_card_name(const json_t *report);
bool pare_card_is_adapter(const json_t *report);
/* True if the model reads pictures. */
bool pare_card_is_vision(const json_t *report);
/* The n-th file of the output that a licence, a notice or a policy is in; NULL after the last. */
const char *pare_card_licence_file(const json_t *report, size_t index);

/* Puts what a model of this run has into the front matter of the one before. */
pare_status pare_card_metadata(const json_t *report, const pare_card_source *source, pare_front_matter *matter);
/* How to load it, the recipe and the command. page: of Markdown. */
void pare_card_use(pare_page *page, const json_t *report, const char *base);

#endif
