/* What the parts of a page are written with, and how they read reports: nothing here fails. What cannot be read is NaN,
 * NULL or nothing; want of memory is noted in the page, which is then not delivered. */
#ifndef PARE_REPORT_PAGE_SHEET_H
#define PARE_REPORT_PAGE_SHEET_H

#include "report/chart.h"
#include "report/page.h"

typedef struct pare_page {
    FILE *out;
    pare_page_figures *figures; /* or NULL */
    size_t section;             /* of the documents, from 0 */
    void **blocks;              /* [block_count] of the chart in hand */
    size_t block_count;
    bool in_figures; /* charts are being laid out */
    bool markdown;   /* text, headings and tables are Markdown, not HTML; there are no charts */
    bool lost;       /* there was no memory for something */
} pare_page;

/* Markup as it is; text, escaped; a text that is formatted first. */
void pare_page_put(pare_page *page, const char *markup);
void pare_page_text(pare_page *page, const char *text);
void pare_page_say(pare_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pare_page_strong(pare_page *page, const char *text);

void pare_page_heading(pare_page *page, const char *text);

/* A table: its heads, NULL after the last; then rows of cells; then its end. */
void pare_page_table(pare_page *page, const char *const *heads);
void pare_page_row(pare_page *page);
void pare_page_cell(pare_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pare_page_cell_number(pare_page *page, double value); /* NaN: empty */
void pare_page_row_end(pare_page *page);
void pare_page_table_end(pare_page *page);

/* Draws a chart with caption and table beside those before it, keeps it as a figure, and frees what was taken. */
void pare_page_chart(pare_page *page, const pare_chart *chart);
/* After the last of them. */
void pare_page_charts_end(pare_page *page);

/* Memory, zeroed, until the next chart is drawn; NULL (noted) without. */
void *pare_page_take(pare_page *page, size_t count, size_t size);
double *pare_page_numbers(pare_page *page, size_t count);
const char *pare_page_format(pare_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pare_page_release(pare_page *page);

/* The value at a path of keys such as "bytes.before", or NULL; and as a finite number, a text, or a list's length. */
const json_t *pare_page_at(const json_t *json, const char *path);
double pare_page_number(const json_t *json, const char *path);
const char *pare_page_string(const json_t *json, const char *path);
size_t pare_page_size(const json_t *json, const char *path);
/* Element `index` of a list; NaN. */
double pare_page_element(const json_t *list, size_t index);
/* [size] of a list, NaN for what is no number. */
double *pare_page_list(pare_page *page, const json_t *list);

/* The last part of a path. */
const char *pare_page_base(const char *path);
/* What the model of a report is called: by the Hub, or else its folder; NULL: the report does not say. */
const char *pare_page_model(const json_t *json);
/* 1,234,567; 2.6 MB; 12 %: into memory until the next chart. */
const char *pare_page_count(pare_page *page, double count);
const char *pare_page_bytes(pare_page *page, double bytes);

#endif
