/* The parts of pages; each writes nothing where its document has nothing of it. */
#ifndef PARE_REPORT_PAGE_PARTS_H
#define PARE_REPORT_PAGE_PARTS_H

#include "report/page_sheet.h"

/* What a kind of document is: how it is known, what its section is called, its row in the table of several, and all
 * else. */
typedef struct pare_page_kind {
    const char *name;
    bool (*knows)(const json_t *json);
    void (*write)(pare_page *page, const json_t *json);
    void (*say)(pare_page *page, const json_t *json); /* what was done, as a paragraph; NULL: it leaves no model */
} pare_page_kind;

extern const pare_page_kind pare_page_pruning, pare_page_recovery, pare_page_robustness, pare_page_sweep,
    pare_page_evaluation, pare_page_merge;

/* The kind of a document; NULL: none of pare's. */
const pare_page_kind *pare_page_kind_of(const json_t *json);

/* One table over several documents, and what perplexity their sizes have. */
void pare_page_compare(pare_page *page, const pare_page_document *documents, size_t count);

/* Parts of runs. */
void pare_page_warnings(pare_page *page, const json_t *json);
void pare_page_before_after(pare_page *page, const json_t *json);
/* In words: of pictures, how many got the right label. */
void pare_page_say_images(pare_page *page, const json_t *json);
void pare_page_widths(pare_page *page, const json_t *json);
void pare_page_experts(pare_page *page, const json_t *json);
void pare_page_scores(pare_page *page, const json_t *json);
void pare_page_repair(pare_page *page, const json_t *json);
void pare_page_sparsity(pare_page *page, const json_t *json);
void pare_page_traces(pare_page *page, const json_t *json);
void pare_page_training(pare_page *page, const json_t *json);
void pare_page_time(pare_page *page, const json_t *json);
void pare_page_use(pare_page *page, const json_t *json);
void pare_page_settings(pare_page *page, const json_t *json, const char *member);

#endif
