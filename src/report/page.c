#include "report/page.h"
#include "report/chart_ink.h"
#include "report/page_parts.h"
#include "support/file.h"

#include <stdlib.h>
#include <string.h>

static const pare_page_kind *const kinds[] = {
    &pare_page_pruning, &pare_page_recovery,   &pare_page_robustness,
    &pare_page_sweep,   &pare_page_evaluation, &pare_page_merge,
};

const pare_page_kind *pare_page_kind_of(const json_t *json) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i]->knows(json)) return kinds[i];
    return NULL;
}

static const char style[] =
    "body{margin:0 auto;padding:1rem;max-width:1120px;color:var(--ink);background:var(--paper);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.6rem;margin:.5rem 0}h2{margin:2.5rem 0 .5rem;padding-top:1rem;border-top:2px solid var(--grid)}"
    "h1+section h2{border:0;padding:0;margin-top:.5rem}\n"
    "h3{margin:2rem 0 .5rem}h4{margin:.5rem 0 0;font-size:1rem}\n"
    "p{max-width:46rem}.note{border-left:4px solid var(--c1);padding:.2rem .8rem;margin:.8rem 0}\n"
    "code,pre{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.9em}\n"
    "pre{background:var(--grid);padding:.7rem;border-radius:6px;white-space:pre-wrap}\n"
    ".wide{overflow-x:auto;overflow-wrap:normal}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--grid);vertical-align:top}\n"
    "th:first-child,td:first-child{text-align:left}td{white-space:nowrap}th{font-weight:600}\n"
    ".figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:1.5rem}\n"
    "h2,h3{break-after:avoid}\n"
    "figure{margin:0;min-width:0;break-inside:avoid}figure svg{width:100%;height:auto;display:block}\n"
    "figcaption{color:var(--faint);font-size:.9rem}details{margin:.4rem 0;font-size:.9rem}"
    "summary{cursor:pointer;color:var(--c0)}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0}dt{color:var(--faint)}\n"
    "footer{margin-top:3rem;color:var(--faint);font-size:.85rem}\n"
    "@media (max-width:600px){body{padding:.6rem}td:first-child{white-space:normal}th,td{padding:.2rem "
    ".35rem}dl{grid-template-columns:1fr}dt{margin-top:.4rem}}\n"
    "@media print{body{max-width:none}}\n";

static void begin(pare_page *page, const char *title) {
    pare_page_put(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    pare_page_text(page, title);
    pare_page_put(page, "</title>\n<style>\n");
    pare_chart_write_style(page->out);
    pare_page_put(page, style);
    pare_page_put(page, "</style>\n</head>\n<body class=\"pare-chart\">\n");
    pare_chart_write_patterns(page->out);
    pare_page_put(page, "<h1>");
    pare_page_text(page, title);
    pare_page_put(page, "</h1>\n");
}

static void write_section(pare_page *page, const pare_page_document *document, bool several) {
    const pare_page_kind *kind = pare_page_kind_of(document->json);
    pare_page_put(page, "<section>\n");
    if (several) {
        pare_page_put(page, "<h2>");
        pare_page_say(page, "%zu. %s%s", page->section + 1, kind->name, document->name ? ": " : "");
        pare_page_text(page, document->name);
        pare_page_put(page, "</h2>\n");
    }
    pare_page_warnings(page, document->json);
    kind->write(page, document->json);
    pare_page_charts_end(page);
    pare_page_put(page, "</section>\n");
    pare_page_release(page);
}

static const char *title_of(pare_page *page, const pare_page_document *documents, size_t count) {
    const json_t *json = documents[0].json;
    const char *output = pare_page_string(json, "output.path"), *model = pare_page_string(json, "model.name");
    const char *what = output ? output : model ? model : pare_page_string(json, "sweep.model.folder");
    if (count != 1) return pare_page_format(page, "%zu reports of pare", count);
    return pare_page_format(page, "%s%s%s", pare_page_kind_of(json)->name, what ? " of " : "",
                            what ? pare_page_base(what) : "");
}

static void write_page(pare_page *page, const pare_page_document *documents, size_t count) {
    begin(page, title_of(page, documents, count));
    pare_page_release(page);
    if (count > 1) pare_page_compare(page, documents, count);
    pare_page_charts_end(page);
    for (page->section = 0; page->section < count; page->section++)
        write_section(page, &documents[page->section], count > 1);
    pare_page_put(page, "<footer>");
    pare_page_say(page,
                  "Made by pare %s from %s. Numbers stand on marks when they are pointed at, and in the tables "
                  "under the pictures.",
                  pare_version(), count == 1 ? "the report of the run" : "the reports of the runs");
    pare_page_put(page, "</footer>\n</body>\n</html>\n");
}

static pare_status check(const pare_page_document *documents, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!pare_page_kind_of(documents[i].json))
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s is JSON, but no report of pare's; give what a command printed with --json, or a "
                             "pruning.json or recovery.json",
                             documents[i].name ? documents[i].name : "the document");
    return PARE_OK;
}

pare_status pare_page_render(const pare_page_document *documents, size_t count, char **html,
                             pare_page_figures *figures) {
    pare_ink_sheet sheet;
    *html = NULL;
    if (figures) *figures = (pare_page_figures){0};
    PARE_TRY(check(documents, count));
    if (!pare_ink_begin(&sheet)) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the page");
    pare_page page = {.out = sheet.out, .figures = figures};
    write_page(&page, documents, count);
    char *text = pare_ink_end(&sheet);
    if (text && !page.lost) {
        *html = text;
        return PARE_OK;
    }
    free(text);
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the page");
}

void pare_page_figures_free(pare_page_figures *figures) {
    for (size_t i = 0; i < figures->count; i++) {
        free(figures->list[i].name);
        free(figures->list[i].svg);
    }
    free(figures->list);
    *figures = (pare_page_figures){0};
}
