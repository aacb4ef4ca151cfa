#include "report/page_sheet.h"
#include "report/chart_ink.h"
#include "report/markdown.h"
#include "support/file.h"
#include "support/path.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

void pare_page_put(pare_page *page, const char *markup) {
    fputs(markup, page->out);
}

void pare_page_text(pare_page *page, const char *text) {
    if (page->markdown)
        pare_markdown_text(page->out, text);
    else
        pare_ink_text(page->out, text);
}

/* The one or the other, as the page is written. */
static void put_either(pare_page *page, const char *html, const char *markdown) {
    pare_page_put(page, page->markdown ? markdown : html);
}

void pare_page_strong(pare_page *page, const char *text) {
    put_either(page, "<b>", "**");
    pare_page_text(page, text);
    put_either(page, "</b>", "**");
}

/* NULL, noted, without memory. */
static char *formatted(pare_page *page, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

static char *formatted(pare_page *page, const char *format, va_list arguments) {
    char *text = NULL;
    if (vasprintf(&text, format, arguments) >= 0) return text;
    page->lost = true;
    return NULL;
}

void pare_page_say(pare_page *page, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(page, format, arguments);
    va_end(arguments);
    pare_page_text(page, text);
    free(text);
}

void pare_page_heading(pare_page *page, const char *text) {
    pare_page_charts_end(page);
    put_either(page, "<h3>", "## ");
    pare_page_text(page, text);
    put_either(page, "</h3>\n", "\n\n");
}

void pare_page_table(pare_page *page, const char *const *heads) {
    pare_page_charts_end(page);
    put_either(page, "<div class=\"wide\"><table>\n<tr>", "|");
    for (const char *const *head = heads; *head; head++) {
        put_either(page, "<th scope=\"col\">", " ");
        pare_page_text(page, *head);
        put_either(page, "</th>", " |");
    }
    put_either(page, "</tr>\n", "\n|");
    for (const char *const *head = heads; *head; head++)
        put_either(page, "", head == heads ? "---|" : "--:|");
    put_either(page, "", "\n");
}

void pare_page_row(pare_page *page) {
    put_either(page, "<tr>", "|");
}

void pare_page_cell(pare_page *page, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(page, format, arguments);
    va_end(arguments);
    put_either(page, "<td>", " ");
    pare_page_text(page, text);
    put_either(page, "</td>", " |");
    free(text);
}

void pare_page_cell_number(pare_page *page, double value) {
    char text[PARE_INK_NUMBER];
    pare_ink_number(text, value);
    pare_page_cell(page, "%s", isnan(value) ? "" : text);
}

void pare_page_row_end(pare_page *page) {
    put_either(page, "</tr>\n", "\n");
}

void pare_page_table_end(pare_page *page) {
    put_either(page, "</table></div>\n", "\n");
}

/* Names of files differ: a number where there are several documents. */
static void keep_figure(pare_page *page, const pare_chart *chart) {
    pare_page_figures *figures = page->figures;
    pare_page_figure *list = realloc(figures->list, (figures->count + 1) * sizeof *list), *figure;
    page->lost |= !list;
    if (!list) return;
    figures->list = list;
    figure = &list[figures->count++];
    figure->name =
        page->section ? pare_format("%s-%zu.svg", chart->name, page->section + 1) : pare_format("%s.svg", chart->name);
    figure->svg = pare_chart_svg(chart);
    page->lost |= !figure->name || !figure->svg;
}

void pare_page_chart(pare_page *page, const pare_chart *chart) {
    if (!page->in_figures) pare_page_put(page, "<div class=\"figures\">\n");
    page->in_figures = true;
    pare_page_put(page, "<figure><h4>");
    pare_page_text(page, chart->title);
    pare_page_put(page, "</h4>\n");
    pare_chart_write(page->out, chart);
    pare_page_put(page, "<figcaption>");
    pare_page_text(page, chart->caption);
    pare_page_put(page, "</figcaption>\n");
    pare_chart_write_table(page->out, chart);
    pare_page_put(page, "</figure>\n");
    if (page->figures) keep_figure(page, chart);
    pare_page_release(page);
}

void pare_page_charts_end(pare_page *page) {
    if (page->in_figures) pare_page_put(page, "</div>\n");
    page->in_figures = false;
}

static void *keep_block(pare_page *page, void *block) {
    void **blocks = block ? realloc(page->blocks, (page->block_count + 1) * sizeof *blocks) : NULL;
    if (!blocks) {
        page->lost = true;
        free(block);
        return NULL;
    }
    page->blocks = blocks;
    blocks[page->block_count++] = block;
    return block;
}

void *pare_page_take(pare_page *page, size_t count, size_t size) {
    return keep_block(page, calloc(count + 1, size));
}

double *pare_page_numbers(pare_page *page, size_t count) {
    return pare_page_take(page, count, sizeof(double));
}

const char *pare_page_format(pare_page *page, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(page, format, arguments);
    va_end(arguments);
    text = text ? keep_block(page, text) : NULL;
    return text ? text : "";
}

void pare_page_release(pare_page *page) {
    while (page->block_count)
        free(page->blocks[--page->block_count]);
    free(page->blocks);
    page->blocks = NULL;
}

const char *pare_page_base(const char *path) {
    return path ? pare_path_name(path) : "";
}

const char *pare_page_model(const json_t *json) {
    const char *id = pare_page_string(json, "model.id"), *name = pare_page_string(json, "model.name"),
               *path = pare_page_string(json, "model.path");
    return id ? id : name ? pare_page_base(name) : path ? pare_page_base(path) : NULL;
}

const char *pare_page_count(pare_page *page, double count) {
    char digits[64], text[96];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%.0f", fmin(count, 1e18)), at = 0;
    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0 && digits[i - 1] != '-') text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return pare_page_format(page, "%s", text);
}

const char *pare_page_bytes(pare_page *page, double bytes) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    int unit = 0;
    for (; bytes >= 1000.0 && unit < 4; unit++)
        bytes /= 1000.0;
    return pare_page_format(page, unit ? "%.3g %s" : "%.0f %s", bytes, units[unit]);
}
