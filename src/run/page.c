#include "run/page.h"
#include "run/inside.h"
#include "support/file.h"
#include "support/runtime.h"

#include <stdlib.h>

static const char inside[] = "report.html", whole_page[] = "the page of the report";

void pare_run_page_name(pare_run *run, const pare_page_job *page) {
    if (page->wanted) pare_paths_write(&run->paths, "--report", page->file, PARE_PATH_FILE);
    if (page->wanted) pare_paths_write(&run->paths, "--figures", page->figures, PARE_PATH_SCRATCH);
}

pare_status pare_run_page_check(const pare_page_job *page) {
    return page->wanted && page->figures ? pare_page_folder_check(page->figures) : PARE_OK;
}

static pare_status write_page(pare_run *run, const pare_page_job *page, json_t *json, pare_page_files *files) {
    char *html = NULL;
    pare_page_figures figures = {0};
    pare_status status =
        pare_page_render(&(pare_page_document){.json = json}, 1, &html, page->figures ? &figures : NULL);
    if (status == PARE_OK) status = pare_page_files_write(page->file, html, page->figures, &figures, files);
    if (status == PARE_OK && !page->file && run->output && !run->gguf.wanted)
        status = pare_run_put_inside(run, inside, html, json);
    free(html);
    pare_page_figures_free(&figures);
    return status;
}

typedef struct making {
    pare_run *run;
    const pare_page_job *page;
    pare_page_files *files;
} making;

static pare_status make(json_t *report, void *context) {
    const making *m = context;
    if (m->page->command) pare_json_put(report, "command", pare_json_name(m->page->command));
    return m->page->wanted ? write_page(m->run, m->page, report, m->files) : PARE_OK;
}

void pare_run_page_make(pare_run *run, const pare_page_job *page, const pare_runtime *runtime, char **report,
                        pare_page_files *files) {
    *files = (pare_page_files){0};
    if (!page->wanted && !page->command) return;
    making m = {run, page, files};
    if (pare_run_change_report(report, make, &m) == PARE_OK) return;
    pare_json_missing_forget();
    pare_page_files_drop(files);
    pare_run_drop_inside(run, inside); /* a page that was begun must not get into the output */
    pare_runtime_left_out(runtime, whole_page);
}

void pare_run_page_place(pare_page_files *files, const pare_runtime *runtime) {
    if (pare_page_files_place(files) != PARE_OK) pare_runtime_left_out(runtime, whole_page);
    pare_page_files_drop(files);
}
